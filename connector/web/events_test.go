package web_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/connector"
)

func readCloser(s string) io.ReadCloser { return io.NopCloser(strings.NewReader(s)) }

func TestEventIsCommittedBeforeItIsAcknowledged(t *testing.T) {
	w := newWorld(t)
	w.post("e-1", said("t-1", "m-1", "u-1", "It itches")).want(t, 202, "")
	th := w.thread("texting", "t-1")
	w.view(func(tx connector.Tx) error {
		m, err := tx.MessageByExt(mercy, th.ID, "m-1", 1)
		if err == nil && m.Message.Text != "It itches" {
			t.Error("the message's words are not in the store")
		}
		return err
	})
	if a := w.store.last(t); a.Kind != "event-accepted" || a.Agent != "channel:texting" {
		t.Errorf("audited as %s by %s", a.Kind, a.Agent)
	}
}

func TestEventRepeated(t *testing.T) {
	w := newWorld(t)
	body := said("t-1", "m-1", "u-1", "It itches")
	w.post("e-1", body).want(t, 202, "")
	rows := len(w.store.audited)
	w.post("e-1", body).want(t, 200, "")
	w.post("e-2", body).want(t, 200, "") // the same message under another key
	if len(w.store.audited) != rows {
		t.Error("a repeat changed something")
	}
	w.post("e-3", said("t-1", "m-1", "u-1", "It burns")).want(t, 202, "")
	if p := w.parked(); len(p) != 1 || p[0].Reason != connector.Conflict {
		t.Errorf("parked %v, want one conflict", p)
	}
}

func TestEventNotSigned(t *testing.T) {
	w := newWorld(t)
	body := said("t-1", "m-1", "u-1", "It itches")
	for name, header := range map[string][]string{
		"no header":       {"Content-Type", "application/json"},
		"another body":    signature(start, "e-1", body+" "),
		"another id":      append(signature(start, "e-1", body), "webhook-id", "e-2"),
		"not even a JSON": append(signature(start, "e-1", body), "webhook-signature", "v1,AAAA"),
	} {
		a := w.do(http.MethodPost, "/channels/texting/events", body, header...).want(t, 401, "signature")
		if a.header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: a platform is asked for a bearer token", name)
		}
	}
	if w.channel.parsed != 0 {
		t.Error("a body was read although its signature was wrong")
	}
	if len(w.parked()) != 0 || len(w.store.audited) != 0 {
		t.Error("an unsigned event left something behind")
	}
	want := slices.Repeat([]string{"texting 192.0.2.1 signature"}, 4)
	if !slices.Equal(w.store.refusals, want) {
		t.Errorf("counted %q, want %q", w.store.refusals, want)
	}
}

func TestEventUndecodable(t *testing.T) {
	w := newWorld(t)
	a := w.post("e-1", `{"type":`).want(t, 400, "undecodable")
	if a.problem.Pointer != "/data" {
		t.Errorf("the pointer is %q", a.problem.Pointer)
	}
	p := w.parked()
	if len(p) != 1 || p[0].Reason != connector.Undecodable {
		t.Fatalf("parked %v", p)
	}
	w.view(func(tx connector.Tx) error {
		e, err := tx.KeptEvent(mercy, p[0].Detail.Event)
		if err == nil && string(e.Body) != `{"type":` {
			t.Error("the body was not kept")
		}
		return err
	})
	w.post("e-1", `{"type":`).want(t, 400, "undecodable")
	if len(w.parked()) != 1 {
		t.Error("the same body again was parked again")
	}
}

func TestEventTooLarge(t *testing.T) {
	w := newWorld(t)
	big := strings.Repeat("x", maxEvent+1)
	w.post("e-1", big).want(t, 413, "size")
	// A body whose length is not declared is read no further than the limit.
	r := httptest.NewRequest(http.MethodPost, "/channels/texting/events", io.MultiReader(strings.NewReader(big), broken{t}))
	r.ContentLength = -1
	w.send(r, "").want(t, 413, "size")
	if w.channel.parsed != 0 || len(w.parked()) != 0 {
		t.Error("a body over the limit was read")
	}
	if len(w.store.refusals) != 2 || w.store.refusals[0] != "texting 192.0.2.1 size" {
		t.Errorf("counted %q", w.store.refusals)
	}
}

type broken struct{ t *testing.T }

func (b broken) Read([]byte) (int, error) {
	b.t.Error("read past the limit")
	return 0, io.EOF
}

func TestEventCutOff(t *testing.T) {
	w := newWorld(t)
	r := httptest.NewRequest(http.MethodPost, "/channels/texting/events", io.MultiReader(strings.NewReader("{"), cutOff{}))
	w.send(r, "").want(t, 400, "body")
}

type cutOff struct{}

func (cutOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestEventOfNoChannel(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/channels/nobody/events", "/channels/TEXTING/events", "/channels/texting%2F..%2Ftexting/events"} {
		w.do(http.MethodPost, path, "{}", signature(start, "e-1", "{}")...).want(t, 404, "channel")
	}
	if want := slices.Repeat([]string{"unknown 192.0.2.1 channel"}, 3); !slices.Equal(w.store.refusals, want) {
		t.Errorf("counted %q", w.store.refusals)
	}
	body := said("t-1", "m-1", "u-1", "It itches")
	w.do(http.MethodPost, "/channels/text%69ng/events", body, signature(start, "e-1", body)...).want(t, 202, "")
}

// TestStoreClosed: whatever would have to be committed is not taken, and the sender is told to come again.
func TestStoreClosed(t *testing.T) {
	w := newWorld(t)
	w.post("e-1", said("t-1", "m-1", "u-1", "It itches")).want(t, 202, "")
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	body := said("t-1", "m-2", "u-1", "Still")
	reply := `{"text":"Use the cream."}`
	for n, a := range []answer{
		w.post("e-2", body),
		w.post("e-3", `{`),
		w.do(http.MethodPost, "/channels/texting/events", body), // the refusal cannot be counted
		w.do(http.MethodPost, "/ehrs/mercy/notify", ""),
		w.api("", http.MethodGet, "/api/v1/threads/texting:t-1", ""),
		w.api("desk", http.MethodGet, "/api/v1/threads/texting:t-1", ""),
		w.api("reader", http.MethodPost, "/api/v1/threads/texting:t-1/messages", reply),
		w.api("desk", http.MethodPost, "/api/v1/threads/texting:t-1/messages", reply),
		w.api("desk", http.MethodPost, "/api/v1/patients/pt-theo/threads", `{"channel":"texting","text":"Hello"}`),
	} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			a.want(t, 503, "store")
			if a.header.Get("Retry-After") == "" {
				t.Error("without Retry-After")
			}
		})
	}
}

func TestNotify(t *testing.T) {
	w := newWorld(t)
	for _, header := range [][]string{
		{"X-Chartwire-Notify", notifySecret},
		// HAPI FHIR's rest-hook without a payload: an empty body that is said to be a form.
		{"X-Chartwire-Notify", notifySecret, "Content-Type", "application/x-www-form-urlencoded"},
	} {
		w.do(http.MethodPost, "/ehrs/mercy/notify", "", header...).want(t, 200, "")
	}
	w.do(http.MethodPost, "/ehrs/mercy/notify", `{"resourceType":"CommunicationRequest"}`, "X-Chartwire-Notify", notifySecret,
		"Content-Type", "application/fhir+json").want(t, 200, "")
	if !slices.Equal(w.told, []string{mercy, mercy, mercy}) {
		t.Errorf("the engine was told %q", w.told)
	}

	w.do(http.MethodPost, "/ehrs/mercy/notify", "").want(t, 401, "notify")
	w.do(http.MethodPost, "/ehrs/mercy/notify", "", "X-Chartwire-Notify", notifySecret+"x").want(t, 401, "notify")
	w.do(http.MethodPost, "/ehrs/county/notify", "", "X-Chartwire-Notify", "").want(t, 401, "notify") // it has no secret
	w.do(http.MethodPost, "/ehrs/nobody/notify", "", "X-Chartwire-Notify", notifySecret).want(t, 404, "ehr")
	if len(w.told) != 3 {
		t.Error("a refused notification was heard")
	}
	want := []string{"ehr:mercy 192.0.2.1 notify", "ehr:mercy 192.0.2.1 notify", "ehr:county 192.0.2.1 notify", "unknown 192.0.2.1 ehr"}
	if !slices.Equal(w.store.refusals, want) {
		t.Errorf("counted %q", w.store.refusals)
	}
}

func TestREQ291_293_299_302_303_KeysArePublished(t *testing.T) {
	w := newWorld(t)
	a := w.do(http.MethodGet, "/.well-known/jwks.json", "").want(t, 200, "")
	if a.header.Get("Content-Type") != "application/json" || !strings.Contains(a.header.Get("Cache-Control"), "max-age") {
		t.Errorf("headers are %v", a.header)
	}
}
