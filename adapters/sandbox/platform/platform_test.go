package platform_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/contracts"
	"github.com/chartwire/chartwire/adapters/sandbox/platform"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

var (
	now    = time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	secret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	older  = "whsec_" + base64.StdEncoding.EncodeToString([]byte("fedcba9876543210fedcba9876543210"))
)

// world is a platform and, as its target, a receiver of events that answers as told.
type world struct {
	*platform.Platform
	t      *testing.T
	url    string
	mu     sync.Mutex
	events []received
	answer func(id string, times int) (status int, retryAfter string) // nil: 202
	waits  []time.Duration
}

type received struct {
	id   string
	body []byte
}

func start(t *testing.T, opts platform.Options) *world {
	t.Helper()
	w := &world{t: t}
	hook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	target := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := hook.VerifyIgnoringTimestamp(body, r.Header); err != nil || r.Header.Get("webhook-timestamp") != strconv.FormatInt(now.Unix(), 10) {
			t.Errorf("a delivery is not signed rightly: %v", err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		id := r.Header.Get("webhook-id")
		w.events = append(w.events, received{id, body})
		status, retryAfter := 202, ""
		if w.answer != nil {
			status, retryAfter = w.answer(id, w.times(id))
		}
		if retryAfter != "" {
			rw.Header().Set("Retry-After", retryAfter)
		}
		rw.WriteHeader(status)
	}))
	t.Cleanup(target.Close)
	web := httptest.NewUnstartedServer(nil)
	opts.Base = "http://" + web.Listener.Addr().String()
	opts.Now = func() time.Time { return now }
	if opts.Secrets == nil {
		opts.Secrets = []string{secret, older}
	}
	opts.Wait = func(ctx context.Context, d time.Duration) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.waits = append(w.waits, d)
		return ctx.Err()
	}
	if w.Platform, err = platform.New(opts); err != nil {
		t.Fatal(err)
	}
	web.Config.Handler = w.Platform
	web.Start()
	t.Cleanup(func() {
		w.Close()
		web.Close()
	})
	w.url = web.URL
	w.SetTarget(target.URL)
	return w
}

func (w *world) times(id string) int {
	n := 0
	for _, e := range w.events {
		if e.id == id {
			n++
		}
	}
	return n
}

func (w *world) got() []received {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events)
}

// send posts a message signed with the key; change alters the request just before.
func (w *world) send(key, body string, change func(*http.Request)) (int, map[string]any) {
	w.t.Helper()
	var m struct {
		ID string `json:"client_message_id"`
	}
	_ = json.Unmarshal([]byte(body), &m)
	hook, err := standardwebhooks.NewWebhook(key)
	if err != nil {
		w.t.Fatal(err)
	}
	signature, _ := hook.Sign(m.ID, now, []byte(body))
	req, _ := http.NewRequestWithContext(w.t.Context(), "POST", w.url+"/messages", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("webhook-id", m.ID)
	req.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("webhook-signature", signature)
	if change != nil {
		change(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, _ := io.ReadAll(resp.Body)
	if resp.StatusCode == 200 {
		if err := contracts.Taken(raw); err != nil {
			w.t.Errorf("the answer: %v", err)
		}
	}
	var out map[string]any
	_ = json.Unmarshal(raw, &out)
	return resp.StatusCode, out
}

const (
	patient = `"patient":{"identifiers":[{"system":"urn:x","value":"MRN1"}],"name":{"family":"Cho"},"birth_date":"2015-07-04"},`
	reply   = `{"client_message_id":"01JREPLY","thread_id":"t-1","sender":{"role":"clinician","id":"ana"},"recipients":[{"role":"patient","id":"u"}],
		"sent_at":"2026-11-22T18:00:00Z","text":"hello ☕","in_reply_to":"m-2"}`
)

func created(thread, id string, sequence int) []byte {
	return fmt.Appendf(nil, `{"type":"message.created","timestamp":"2026-11-22T17:00:00Z","data":{"thread":{"id":%q},"message":{"id":%q,"sequence":%d,
"direction":"from_patient","sent_at":"2026-11-22T17:00:00Z","sender":{"role":"patient","id":"u"},"text":"hi"}}}`, thread, id, sequence)
}

func TestATakenMessageIsEchoedWithTheNextSequence(t *testing.T) {
	w := start(t, platform.Options{})
	if err := w.Load([][]byte{created("t-1", "m-2", 2), created("t-1", "m-1", 1)}); err != nil {
		t.Fatal(err)
	}
	status, taken := w.send(secret, reply, nil)
	if status != 200 || taken["thread_id"] != "t-1" || taken["sequence"] != 3.0 || taken["at"] != "2026-11-22T18:00:00Z" {
		t.Fatalf("%d %v", status, taken)
	}
	again, same := w.send(older, reply, nil) // the older secret still verifies
	if again != 200 || same["message_id"] != taken["message_id"] || same["sequence"] != 3.0 {
		t.Errorf("posted again: %d %v", again, same)
	}
	if err := w.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.Received(); len(got) != 1 || got[0].Times != 2 || got[0].Message.Text != "hello ☕" || got[0].Taken.Sequence != 3 {
		t.Errorf("%+v", got)
	}
	var kinds []string
	for _, e := range w.got() {
		if err := contracts.Event(e.body); err != nil {
			t.Errorf("%s: %v", e.body, err)
		}
		var v struct {
			Type string
			Data struct {
				Thread  struct{ ID string }
				Message struct {
					ID, Text, Direction string
					Sequence            int
					ClientMessageID     string `json:"client_message_id"`
				}
				Status struct {
					MessageID string `json:"message_id"`
					State     string
				}
			}
		}
		_ = json.Unmarshal(e.body, &v)
		kinds = append(kinds, v.Type+v.Data.Status.State)
		if v.Type == "message.created" && (v.Data.Message.ID != taken["message_id"] || v.Data.Message.Sequence != 3 ||
			v.Data.Message.ClientMessageID != "01JREPLY" || v.Data.Message.Text != "hello ☕" || v.Data.Message.Direction != "to_patient") {
			t.Errorf("echo %s", e.body)
		}
	}
	if want := []string{"message.created", "message.statussent", "message.statusdelivered", "message.statusread"}; !slices.Equal(kinds, want) {
		t.Errorf("%v, want %v", kinds, want)
	}
}

func TestAMessageWithoutThreadStartsOne(t *testing.T) {
	w := start(t, platform.Options{Receipts: []string{}})
	body := strings.Replace(reply, `"thread_id":"t-1",`, patient+`"subject":"Results","priority":"urgent",`, 1)
	body = strings.Replace(body, `,"in_reply_to":"m-2"`, ``, 1)
	status, taken := w.send(secret, body, nil)
	if status != 200 || taken["sequence"] != 1.0 || taken["thread_id"] == "" {
		t.Fatalf("%d %v", status, taken)
	}
	if err := w.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	events := w.got()
	if len(events) != 1 || !strings.Contains(string(events[0].body), "MRN1") || !strings.Contains(string(events[0].body), "Results") {
		t.Errorf("%s", events)
	}
	next := strings.NewReplacer("01JREPLY", "01JNEXT", `"t-1"`, fmt.Sprintf("%q", taken["thread_id"]), `"m-2"`, fmt.Sprintf("%q", taken["message_id"])).Replace(reply)
	if status, taken := w.send(secret, next, nil); status != 200 || taken["sequence"] != 2.0 {
		t.Errorf("%d %v", status, taken)
	}
}

func TestMessagesRefused(t *testing.T) {
	data := base64.StdEncoding.EncodeToString([]byte("png"))
	for _, c := range []struct {
		name, body string
		change     func(*http.Request)
		status     int
		words      string
	}{
		{"unsigned", reply, func(r *http.Request) { r.Header.Del("webhook-signature") }, 401, "signature"},
		{"stale", reply, func(r *http.Request) { r.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix()-301, 10)) }, 401, "signature"},
		{"id changed", reply, func(r *http.Request) { r.Header.Set("webhook-id", "other") }, 401, "signature"},
		{"body changed", reply, func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.Replace(reply, "hello", "hullo", 1)))
			r.ContentLength = -1
		}, 401, "signature"},
		{"content type", reply, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415, "application/json"},
		{"breaks the schema", strings.Replace(reply, `"text"`, `"colour"`, 1), nil, 400, "breaks the schema"},
		{"nothing to say", strings.Replace(reply, `"text":"hello ☕",`, ``, 1), nil, 400, "text or attachments"},
		{"unknown thread", strings.Replace(reply, "t-1", "t-9", 1), nil, 404, "no such thread"},
		{"reply to nothing", strings.Replace(reply, "m-2", "m-9", 1), nil, 422, "in_reply_to"},
		{"wrong hash", strings.Replace(reply, `"text"`, `"attachments":[{"id":"a","content_type":"image/png","sha256":"00","data":"`+data+`"}],"text"`, 1), nil, 400, "sha256"},
		{"GET", reply, func(r *http.Request) { r.Method = "GET" }, 405, "posted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := start(t, platform.Options{})
			if err := w.Load([][]byte{created("t-1", "m-2", 2)}); err != nil {
				t.Fatal(err)
			}
			status, body := w.send(secret, c.body, c.change)
			text, _ := body["error"].(string)
			if status != c.status || !strings.Contains(text, c.words) {
				t.Errorf("%d %v", status, body)
			}
			if len(w.Received()) != 0 {
				t.Error("it was taken")
			}
		})
	}
	t.Run("another body under a known id", func(t *testing.T) {
		w := start(t, platform.Options{})
		_ = w.Load([][]byte{created("t-1", "m-2", 2)})
		w.send(secret, reply, nil)
		if status, _ := w.send(secret, strings.Replace(reply, "hello", "hullo", 1), nil); status != 409 {
			t.Errorf("%d", status)
		}
	})
}

func TestFailedDeliveryAndHooks(t *testing.T) {
	refuse := true
	w := start(t, platform.Options{
		Fail: func(m platform.Message) string { return "number not in service" },
		Before: func(rw http.ResponseWriter, _ *http.Request) bool {
			if refuse {
				rw.WriteHeader(503)
			}
			return refuse
		},
		After: func(rw http.ResponseWriter, _ *http.Request) bool { rw.WriteHeader(502); return true },
	})
	_ = w.Load([][]byte{created("t-1", "m-2", 2)})
	if status, _ := w.send(secret, reply, nil); status != 503 || len(w.Received()) != 0 {
		t.Errorf("%d, %d taken", status, len(w.Received()))
	}
	refuse = false
	if status, _ := w.send(secret, reply, nil); status != 502 || len(w.Received()) != 1 {
		t.Errorf("%d, %d taken", status, len(w.Received()))
	}
	if err := w.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	events := w.got()
	last := string(events[len(events)-1].body)
	if len(events) != 3 || !strings.Contains(last, `"failed"`) || !strings.Contains(last, "number not in service") {
		t.Errorf("%d events, last %s", len(events), last)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, opts := range map[string]platform.Options{
		"no secret":  {Now: func() time.Time { return now }},
		"no clock":   {Secrets: []string{secret}},
		"bad secret": {Secrets: []string{"whsec_%%%"}, Now: func() time.Time { return now }},
	} {
		if _, err := platform.New(opts); err == nil || strings.Contains(err.Error(), "%%%") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
