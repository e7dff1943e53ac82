package webhook_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/chartwire/chartwire/adapters/channel/channeltest"
	"github.com/chartwire/chartwire/adapters/channel/webhook"
	"github.com/chartwire/chartwire/connector"
)

var (
	secretA = "whsec_" + base64.StdEncoding.EncodeToString([]byte("the first secret, 32 bytes long!"))
	secretB = "whsec_" + base64.StdEncoding.EncodeToString([]byte("the second secret, 32 bytes too!"))
	now     = channeltest.Now
)

// options give a channel that decodes.
func options() webhook.Options {
	return webhook.Options{Name: "texting", Secrets: []string{secretA}, Now: func() time.Time { return now }}
}

func channel(t testing.TB, o webhook.Options) *webhook.Channel {
	t.Helper()
	c, err := webhook.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// signed makes a delivery with the library a platform would use.
func signed(t testing.TB, secret, key string, body []byte, at time.Time) connector.Inbound {
	t.Helper()
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := wh.Sign(key, at, body)
	if err != nil {
		t.Fatal(err)
	}
	return connector.Inbound{At: at, Body: body, Header: map[string][]string{
		"Webhook-Id": {key}, "Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)}, "Webhook-Signature": {sig},
	}}
}

// bundled gives the events of the contract's example file.
func bundled(t testing.TB) [][]byte {
	t.Helper()
	b, err := os.ReadFile("testdata/proxy-with-photo.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for line := range strings.Lines(string(b)) {
		out = append(out, []byte(strings.TrimSpace(line)))
	}
	return out
}

func TestConformance(t *testing.T) {
	channeltest.Run(t, channeltest.Subject{
		New: func(t *testing.T, e channeltest.Env) connector.Channel {
			o := options()
			o.Now, o.HTTP, o.SendURL, o.MediaMaxBytes = e.Now, e.HTTP, e.SendURL, e.MediaMax
			if e.MediaOrigin != "" {
				o.MediaOrigins = []string{e.MediaOrigin}
			}
			return channel(t, o)
		},
		Deliver: func(t *testing.T, key string, body []byte, at time.Time) connector.Inbound {
			return signed(t, secretA, key, body, at)
		},
		Events: bundled(t),
		Taken: func(h connector.Handover) (string, []byte) {
			body := map[string]any{"message_id": h.MessageID, "thread_id": h.ThreadID, "more": "kept"}
			if h.Sequence > 0 {
				body["sequence"] = h.Sequence
			}
			if !h.At.IsZero() {
				body["at"] = h.At.Format(time.RFC3339)
			}
			b, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			return "application/json", b
		},
		Sent: sentByContract,
	})
}

// sentByContract checks a request by the send contract's schema, and its signature with the library a platform would use.
func sentByContract(t *testing.T, m connector.Outgoing, r *http.Request, body []byte) {
	t.Helper()
	wh, err := standardwebhooks.NewWebhook(secretA)
	if err != nil {
		t.Fatal(err)
	}
	if err := wh.VerifyIgnoringTimestamp(body, r.Header); err != nil {
		t.Errorf("signature: %v", err)
	}
	if got := r.Header.Get("webhook-id"); got != m.ClientID {
		t.Errorf("webhook-id %q, want the client id", got)
	}
	if got := r.Header.Get("webhook-timestamp"); got != strconv.FormatInt(now.Unix(), 10) {
		t.Errorf("webhook-timestamp %q, want our clock's", got)
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s of %s", r.Method, r.Header.Get("Content-Type"))
	}
	validate(t, sendSchema(t), body)
	var got struct {
		Text        string `json:"text"`
		ThreadID    string `json:"thread_id"`
		Attachments []struct{ Data []byte }
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if got.Text != m.Text || got.ThreadID != m.ThreadID || string(got.Attachments[0].Data) != "abc" {
		t.Error("the platform got other words or files than were sent")
	}
	if strings.Contains(string(body), `\u003c`) {
		t.Error("the text was escaped for HTML")
	}
}

func TestTwoSecretsWhileRotating(t *testing.T) {
	body := bundled(t)[0]
	both := options()
	both.Secrets = []string{secretA, secretB}
	only := options()
	for name, tc := range map[string]struct {
		o      webhook.Options
		header string
		ok     bool
	}{
		"the first":                 {both, sig(t, secretA, body), true},
		"the second":                {both, sig(t, secretB, body), true},
		"an old and a new one":      {only, sig(t, secretB, body) + " " + sig(t, secretA, body), true},
		"one of another version":    {only, "v1a,AAAA " + sig(t, secretA, body), true},
		"a dropped one":             {only, sig(t, secretB, body), false},
		"the right bytes as v2":     {only, "v2" + strings.TrimPrefix(sig(t, secretA, body), "v1"), false},
		"the right one with a tail": {only, sig(t, secretA, body) + ",x", false},
		"no version":                {only, strings.TrimPrefix(sig(t, secretA, body), "v1,"), false},
	} {
		in := signed(t, secretA, "k", body, now)
		in.Header["Webhook-Signature"] = []string{tc.header}
		if _, err := channel(t, tc.o).Decode(in); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func sig(t *testing.T, secret string, body []byte) string {
	return signed(t, secret, "k", body, now).Header["Webhook-Signature"][0]
}

func TestOddHeaders(t *testing.T) {
	body := bundled(t)[0]
	for name, change := range map[string]func(map[string][]string){
		"two ids":                       func(h map[string][]string) { h["Webhook-Id"] = []string{"k", "k"} },
		"two timestamps":                func(h map[string][]string) { h["Webhook-Timestamp"] = append(h["Webhook-Timestamp"], "0") },
		"a timestamp with a plus":       func(h map[string][]string) { h["Webhook-Timestamp"][0] = "+" + h["Webhook-Timestamp"][0] },
		"a timestamp with zeros before": func(h map[string][]string) { h["Webhook-Timestamp"][0] = "0" + h["Webhook-Timestamp"][0] },
		"a timestamp in words":          func(h map[string][]string) { h["Webhook-Timestamp"][0] = "now" },
		"a timestamp beyond 64 bits":    func(h map[string][]string) { h["Webhook-Timestamp"][0] = "99999999999999999999" },
		"a timestamp at the edge":       func(h map[string][]string) { h["Webhook-Timestamp"][0] = "9223372036854775807" },
		"a timestamp far back":          func(h map[string][]string) { h["Webhook-Timestamp"][0] = "-9223372036854775808" },
	} {
		in := signed(t, secretA, "k", body, now)
		change(in.Header)
		if _, err := channel(t, options()).Decode(in); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for _, id := range []string{"", " ", "a b", "a\n", "é", strings.Repeat("k", 257)} {
		if _, err := channel(t, options()).Decode(signed(t, secretA, id, body, now)); err == nil {
			t.Errorf("webhook-id %q: taken", id)
		}
	}
	split := signed(t, secretA, "k", body, now)
	split.Header["Webhook-Signature"] = []string{"v1,AAAA", split.Header["Webhook-Signature"][0]}
	if _, err := channel(t, options()).Decode(split); err != nil {
		t.Errorf("signatures on two lines: %v", err)
	}
}

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := webhook.New(webhook.Options{
		Name: "texting", Secrets: []string{"hunter2", "whsec_c2hvcnQ=", "whsec_" + strings.Repeat("!", 40)}, Now: nil, UnknownFields: "drop",
		MediaOrigins: []string{"media.example", "https://m.example/path", "https://user@m.example"}, SendURL: "api.example/messages",
	})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"clock", "not 3", "secret 1", "secret 2", "secret 3", "unknown_fields", "media origin 1", "media origin 2", "media origin 3", "send_url", "HTTP client"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %q: %v", want, err)
		}
	}
	for _, secret := range []string{"hunter2", "c2hvcnQ", "!!!!"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
}

func TestSendNeedsWhatTheContractNeeds(t *testing.T) {
	o := options()
	o.HTTP, o.SendURL = http.DefaultClient, "http://127.0.0.1:1/never"
	for name, change := range map[string]func(*connector.Outgoing){
		"no client id":               func(m *connector.Outgoing) { m.ClientID = "" },
		"no recipient":               func(m *connector.Outgoing) { m.Recipients = nil },
		"nothing to say":             func(m *connector.Outgoing) { m.Text, m.Attachments = "", nil },
		"neither thread nor patient": func(m *connector.Outgoing) { m.ThreadID = "" },
		"a patient without a name the platform knows": func(m *connector.Outgoing) {
			m.ThreadID, m.Patient = "", &connector.PatientKey{Reference: "Patient/1"}
		},
		"a file without data": func(m *connector.Outgoing) { m.Attachments[0].Data = nil },
	} {
		m := channeltest.Message()
		change(&m)
		_, err := channel(t, o).Send(t.Context(), m)
		if refused, ok := err.(*connector.Refused); !ok || refused.Reason != connector.SendRefused {
			t.Errorf("%s: %v, want refused before anything is sent", name, err)
		}
	}
	o.SendURL = ""
	if _, err := channel(t, o).Send(t.Context(), channeltest.Message()); err == nil {
		t.Error("sent without a send_url")
	}
	o.SendIdempotent = true
	if !channel(t, o).Idempotent() || channel(t, options()).Idempotent() {
		t.Error("Idempotent is not what the options say")
	}
}

func TestTheFirstMessageOfAThread(t *testing.T) {
	var body []byte
	o := options()
	o.SendURL, o.HTTP = "http://platform.example/messages", &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		b, err := readAll(r)
		body = b
		return answer(200, `{"message_id":"m-1","thread_id":"t-1"}`), err
	})}
	m := channeltest.Message()
	m.ThreadID = ""
	m.Patient = &connector.PatientKey{Reference: "Patient/secret-1", BirthDate: "2015-07-04", Phone: "+15005550006",
		Name:        &connector.HumanName{Family: "Cho", Given: []string{"Daniel"}},
		Identifiers: []connector.Identifier{{System: "urn:oid:1.2", Value: "MRN1"}}}
	h, err := channel(t, o).Send(t.Context(), m)
	if err != nil || h.ThreadID != "t-1" || h.Sequence != 0 || !h.At.IsZero() {
		t.Fatalf("%+v %v", h, err)
	}
	validate(t, sendSchema(t), body)
	if strings.Contains(string(body), "secret-1") || !strings.Contains(string(body), "MRN1") {
		t.Error("the platform gets its own identifiers, not the EHR's reference")
	}
}

func TestTakenIsHeldToItsForm(t *testing.T) {
	for _, body := range []string{
		`{"message_id":"m-1"}`, `{"thread_id":"t-1"}`, `{"message_id":"","thread_id":"t-1"}`, `{"message_id":1,"thread_id":"t-1"}`,
		`{"message_id":"a/b","thread_id":"t-1"}`, `{"message_id":"m","thread_id":"t","sequence":0}`, `{"message_id":"m","thread_id":"t","sequence":1.5}`,
		`{"message_id":"m","thread_id":"t","at":"yesterday"}`, `{"message_id":"m","message_id":"n","thread_id":"t"}`,
		`{"message_id":"m","thread_id":"t"} {}`, `{"message_id":"m","thread_id":"t","x":"` + strings.Repeat("x", 70000) + `"}`,
	} {
		o := options()
		o.SendURL, o.HTTP = "http://platform.example/messages", &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return answer(200, body), nil
		})}
		_, err := channel(t, o).Send(t.Context(), channeltest.Message())
		if unsure, ok := err.(*connector.Ambiguous); !ok || unsure.Status != 200 {
			t.Errorf("%.60s: %v, want ambiguous", body, err)
		}
	}
}
