package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/web"
)

const reply = "/api/v1/threads/texting:t-1/messages"

type sent struct {
	Thread string `json:"thread_id"`
	Client string `json:"client_message_id"`
	State  string `json:"state"`
}

// asked is a world in which a patient has written.
func asked(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.post("e-1", said("t-1", "m-1", "u-1", "It itches")).want(t, 202, "")
	return w
}

// message gives the message a call has made.
func (w *world) message(client string) (m connector.MessageRow) {
	w.t.Helper()
	w.view(func(tx connector.Tx) (err error) {
		m, err = tx.MessageByClient(mercy, client)
		return err
	})
	return m
}

func (w *world) sends(thread string) (n int) {
	w.t.Helper()
	w.view(func(tx connector.Tx) error {
		items, err := tx.ThreadItems(mercy, thread)
		for _, i := range items {
			if i.Kind == connector.ItemSend {
				n++
			}
		}
		return err
	})
	return n
}

func TestReply(t *testing.T) {
	w := asked(t)
	var s sent
	w.api("desk", http.MethodPost, reply, `{"text":"Use the cream twice a day.","in_reply_to":"m-1","language":"en-US","priority":"urgent",
		"attachments":[{"id":"a-1","filename":"cream.txt","content_type":"text/plain","data":"aGVsbG8="}]}`).want(t, 201, "").into(t, &s)
	th := w.thread("texting", "t-1")
	if s.Thread != th.ID || s.State != "queued" {
		t.Errorf("answered %+v", s)
	}
	m := w.message(s.Client)
	if m.Message.Text != "Use the cream twice a day." || m.Message.Direction != connector.ToPatient || m.Message.Priority != connector.Urgent ||
		m.Message.InReplyTo != "m-1" || m.Message.Language != "en-US" || len(m.Message.Attachments) != 1 || !m.Requested {
		t.Error("what was committed is not what was asked for")
	}
	// The platform is told its own id of the sender, the audit log the EHR's.
	if p := m.Message.Sender; p.ID != "prac-ana" || p.Role != connector.RoleStaff {
		t.Errorf("sent by %s %q", p.Role, p.ID)
	}
	if r := m.Message.Recipients; len(r) != 1 || r[0].ID != "u-1" || r[0].Role != connector.RolePatient {
		t.Error("the one who wrote is not who is answered")
	}
	if a := w.store.last(t); a.Agent != "api:desk" || a.OnBehalf != ana || a.Thread != th.ID {
		t.Errorf("audited by %s for %s", a.Agent, a.OnBehalf)
	}
	if n := w.sends(th.ID); n != 1 {
		t.Errorf("%d sends are queued", n)
	}
	w.api("desk", http.MethodPost, "/api/v1/threads/"+th.ID+"/messages", `{"text":"By our own id.","encounter":"Encounter/e-1"}`).want(t, 201, "").into(t, &s)
	if got := w.message(s.Client).Message.Encounter; got != "Encounter/e-1" {
		t.Errorf("it was written in encounter %q", got)
	}
}

func TestReplyInWhoseName(t *testing.T) {
	w := asked(t)
	var s sent
	w.api("many", http.MethodPost, reply, `{"text":"x","act_as":"Practitioner/prac-ben"}`).want(t, 201, "").into(t, &s)
	if p := w.message(s.Client).Message.Sender; p.ID != ben || p.Role != connector.RoleClinician {
		t.Errorf("sent by %s %q", p.Role, p.ID)
	}
	for token, body := range map[string]string{
		"many": `{"text":"x"}`, // two names, and none was chosen
		"desk": `{"text":"x","act_as":"Practitioner/prac-ben"}`,
	} {
		w.api(token, http.MethodPost, reply, body).want(t, 403, "act-as")
		if a := w.store.last(t); a.Kind != "deny" || a.Agent != "api:"+token || a.Detail["why"] != "act-as" {
			t.Errorf("audited as %s by %s: %v", a.Kind, a.Agent, a.Detail)
		}
	}
	w.api("reader", http.MethodPost, reply, `{"text":"x"}`).want(t, 403, "role")
	w.api("reader", http.MethodPost, "/api/v1/patients/pt-theo/threads", `{"channel":"texting","text":"x"}`).want(t, 403, "role")
	if a := w.store.last(t); a.Kind != "deny" || a.Agent != "api:reader" || a.Detail["why"] != "role" {
		t.Errorf("audited as %s by %s: %v", a.Kind, a.Agent, a.Detail)
	}
	w.api("desk", http.MethodPost, "/api/v1/patients/pt-theo/threads", `{"channel":"texting","text":"x","act_as":"Practitioner/prac-ben"}`).want(t, 403, "act-as")
}

func TestReplyToWhom(t *testing.T) {
	w := asked(t)
	var s sent
	w.api("desk", http.MethodPost, reply, `{"text":"x","recipients":[{"role":"proxy","id":"u-mum","name":"Hannah","relationship":"mother"}]}`).want(t, 201, "").into(t, &s)
	if r := w.message(s.Client).Message.Recipients; len(r) != 1 || r[0].ID != "u-mum" || r[0].Relationship != "mother" {
		t.Error("the named recipient was not taken")
	}
	proxy := strings.Replace(said("t-1", "m-2", "u-mum", "He is better"), `"role":"patient"`, `"role":"proxy"`, 1)
	w.post("e-2", strings.Replace(proxy, `"sequence":1`, `"sequence":2`, 1)).want(t, 202, "")
	if a := w.api("desk", http.MethodPost, reply, `{"text":"x"}`).want(t, 422, "body"); a.problem.Pointer != "/recipients" {
		t.Errorf("two have written; the pointer is %q", a.problem.Pointer)
	}
}

// TestThreadOfAnotherEHR: for a token, a thread of another EHR is not there, and asking for it is on the log.
func TestThreadOfAnotherEHR(t *testing.T) {
	w := asked(t)
	id := w.thread("texting", "t-1").ID
	for _, path := range []string{"/api/v1/threads/" + id, "/api/v1/threads/texting:t-1", "/api/v1/threads/nothing", "/api/v1/threads/nobody:t-1"} {
		w.api("county", http.MethodGet, path, "").want(t, 404, "thread")
		if a := w.store.last(t); a.Kind != "deny" || a.EHR != county || a.Agent != "api:county" {
			t.Errorf("%s was audited as %s by %s", path, a.Kind, a.Agent)
		}
		w.api("county", http.MethodPost, path+"/messages", `{"text":"x"}`).want(t, 404, "thread")
	}
	if w.sends(id) != 0 {
		t.Error("something was sent")
	}
}

func TestReplyOnAChannelThatWasMoved(t *testing.T) {
	w := asked(t)
	w.serve(func(o *web.Options) { o.Channels = map[string]web.Channel{} })
	w.api("desk", http.MethodPost, reply, `{"text":"x"}`).want(t, 409, "channel")
	w.serve(func(o *web.Options) {
		moved := o.Channels["texting"]
		moved.Ingest.EHR = county
		o.Channels["texting"] = moved
	})
	w.api("desk", http.MethodPost, reply, `{"text":"x"}`).want(t, 409, "channel")
}

// TestConsentRevoked: nothing is sent, and the pool has an item that says so.
func TestConsentRevoked(t *testing.T) {
	w := asked(t)
	w.post("e-2", revoked("t-1")).want(t, 202, "")
	w.api("desk", http.MethodPost, reply, `{"text":"x"}`).want(t, 409, "consent-revoked")
	p := w.parked()
	if len(p) != 1 || p[0].Kind != connector.ItemNotice || p[0].Reason != connector.ConsentRevoked || p[0].Owner != "nurse-triage" {
		t.Fatalf("parked %v", p)
	}
	if w.sends(w.thread("texting", "t-1").ID) != 0 {
		t.Error("it was sent")
	}
	w.post("e-3", strings.Replace(said("t-1", "m-2", "u-1", "Hello?"), `"sequence":1`, `"sequence":2`, 1)).want(t, 202, "") // inbound still files
}

func TestConsentRequired(t *testing.T) {
	w := newWorld(t)
	w.serve(func(o *web.Options) {
		ch := o.Channels["texting"]
		ch.Ingest.Consent = "required"
		o.Channels["texting"] = ch
	})
	body := `{"channel":"texting","text":"Hello"}`
	w.api("desk", http.MethodPost, "/api/v1/patients/pt-theo/threads", body, "Idempotency-Key", "k").want(t, 409, "consent-missing")
	w.api("desk", http.MethodPost, "/api/v1/patients/pt-theo/threads", body, "Idempotency-Key", "k").want(t, 409, "consent-missing")
	if p := w.parked(); len(p) != 1 {
		t.Errorf("the same call again made %d notices", len(p))
	}
}

func TestNewThread(t *testing.T) {
	w := newWorld(t)
	var s sent
	w.api("desk", http.MethodPost, "/api/v1/patients/pt-theo/threads", `{"channel":"texting","text":"Your results are in.","subject":"Results","topic":"results"}`).
		want(t, 201, "").into(t, &s)
	var th connector.Thread
	w.view(func(tx connector.Tx) (err error) {
		th, err = tx.Thread(mercy, s.Thread)
		return err
	})
	if th.Patient.Reference != "Patient/pt-theo" || th.Info.Subject != "Results" || th.Info.Topic != "results" || th.Channel != "texting" {
		t.Error("the thread is not the one asked for")
	}
	r := w.message(s.Client).Message.Recipients
	if len(r) != 1 || r[0].Role != connector.RolePatient || r[0].Identifier == nil || r[0].Identifier.Value != "MRN1" || r[0].Name != "Theo Whitlock" {
		t.Error("the message is not for the patient")
	}

	for path, code := range map[string]string{
		"/api/v1/patients/nobody/threads": "patient", "/api/v1/patients/pt%2Ftheo/threads": "patient", "/api/v1/patients/pt_theo/threads": "patient",
		"/api/v1/patients/" + strings.Repeat("x", 65) + "/threads": "patient",
	} {
		w.api("desk", http.MethodPost, path, `{"channel":"texting","text":"x"}`).want(t, 404, code)
		if a := w.store.last(t); a.Kind != "deny" || a.Detail["why"] != "patient" {
			t.Errorf("%s was audited as %s", path, a.Kind)
		}
	}
	a := w.api("desk", http.MethodPost, "/api/v1/patients/"+patientZero+"/threads", `{"channel":"texting","text":"x"}`).want(t, 503, "ehr")
	if a.header.Get("Retry-After") == "" {
		t.Error("without Retry-After")
	}
	for _, channel := range []string{"paging", "nobody"} { // another EHR's, and none
		a := w.api("desk", http.MethodPost, "/api/v1/patients/pt-theo/threads", `{"channel":"`+channel+`","text":"x"}`).want(t, 422, "body")
		if a.problem.Pointer != "/channel" {
			t.Errorf("the pointer is %q", a.problem.Pointer)
		}
	}
}

// TestPatientWithoutIdentifier: the platform could not tell who is meant, so the call has to say.
func TestPatientWithoutIdentifier(t *testing.T) {
	w := newWorld(t)
	w.serve(func(o *web.Options) {
		o.Patient = func(_ context.Context, _, reference string) (connector.PatientKey, error) {
			return connector.PatientKey{Reference: reference}, nil
		}
	})
	a := w.api("desk", http.MethodPost, "/api/v1/patients/pt-theo/threads", `{"channel":"texting","text":"x"}`).want(t, 422, "body")
	if a.problem.Pointer != "/recipients/0" {
		t.Errorf("the pointer is %q", a.problem.Pointer)
	}
}

func TestGetThread(t *testing.T) {
	w := asked(t)
	w.api("desk", http.MethodPost, reply, `{"text":"Use the cream."}`).want(t, 201, "")
	th := w.thread("texting", "t-1")
	w.update(func(tx connector.Tx) error {
		th.Bound = connector.Binding{Reference: "Patient/pt-theo", At: start, How: "identifier"}
		if err := tx.PutThread(&th); err != nil {
			return err
		}
		items, err := tx.ThreadItems(mercy, th.ID)
		if err != nil {
			return err
		}
		for _, i := range items {
			if i.Kind != connector.ItemExchange || i.Direction != connector.FromPatient {
				continue
			}
			i.State, i.Late = connector.Filed, true
			row := connector.WriteRow{ID: connector.NewID(start), EHR: mercy, Thread: th.ID, Item: i.ID, Key: "k", State: connector.WriteFiled,
				Write: connector.Write{Type: "Communication"}, Receipt: connector.Receipt{Reference: "Communication/c-1"}, FiledAt: start}
			return errors.Join(tx.PutItem(&i), tx.PutWrite(&row))
		}
		return nil
	})
	before := len(w.store.audited)
	var got struct {
		ID, Channel, Subject, Patient string
		Platform                      string `json:"platform_thread_id"`
		Closed                        bool
		Messages                      []struct {
			ID, Direction, Text, Delivery, Chart, Reason, Sentence, Entry string
			SentAt                                                        string `json:"sent_at"`
			Role                                                          string `json:"sender_role"`
			Late                                                          bool
		}
	}
	w.api("reader", http.MethodGet, "/api/v1/threads/texting:t-1", "").want(t, 200, "").into(t, &got)
	if got.ID != th.ID || got.Channel != "texting" || got.Platform != "t-1" || got.Subject != "Rash" || got.Patient != "Patient/pt-theo" || got.Closed || len(got.Messages) != 2 {
		t.Fatalf("the thread is %+v", got)
	}
	in, out := got.Messages[0], got.Messages[1]
	if in.ID != "m-1" || in.Direction != "from_patient" || in.Text != "It itches" || in.Role != "patient" || in.Chart != "filed" || in.Entry != "Communication/c-1" ||
		!in.Late || in.SentAt != "2026-11-22T11:59:00-06:00" {
		t.Errorf("the patient's message is %+v", in)
	}
	if out.Direction != "to_patient" || out.Delivery != "queued" || out.Chart != "waiting" || out.Reason != string(connector.NeedsHandover) ||
		out.Sentence != connector.NeedsHandover.Sentence() || out.Entry != "" || out.ID == "" {
		t.Errorf("the reply is %+v", out)
	}
	if a := w.store.last(t); len(w.store.audited) != before+1 || a.Kind != "message-read" || a.Agent != "api:reader" || a.Thread != th.ID {
		t.Errorf("audited as %s by %s", a.Kind, a.Agent)
	}
}

// TestAuditedOrRefused: what cannot be audited is not shown, although it could be read.
func TestAuditedOrRefused(t *testing.T) {
	w := asked(t)
	w.store.fail = connector.ErrStore
	w.api("desk", http.MethodGet, "/api/v1/threads/texting:t-1", "").want(t, 503, "store")
	w.api("county", http.MethodGet, "/api/v1/threads/texting:t-1", "").want(t, 503, "store") // a denial
	w.api("reader", http.MethodPost, reply, `{"text":"x"}`).want(t, 503, "store")
	w.api("", http.MethodGet, "/api/v1/threads/texting:t-1", "").want(t, 503, "store")
}

// TestOnlyFHIRIDsReachTheEHR: what is no id of a resource is never put into a request to the EHR.
func TestOnlyFHIRIDsReachTheEHR(t *testing.T) {
	w := newWorld(t)
	w.serve(func(o *web.Options) {
		o.Patient = func(_ context.Context, _, reference string) (connector.PatientKey, error) {
			t.Errorf("the EHR was asked for %q", reference)
			return connector.PatientKey{}, connector.ErrNoMatch
		}
	})
	for _, id := range []string{"..%2FPractitioner", "a%2Fb", "a%3F_id=b", "a%20b", "%C3%A9", strings.Repeat("x", 65)} {
		w.api("desk", http.MethodPost, "/api/v1/patients/"+id+"/threads", `{"channel":"texting","text":"x"}`).want(t, 404, "patient")
	}
}

// TestAnswersHoldNoOtherThread: one thread's answer is that thread's.
func TestAnswersHoldNoOtherThread(t *testing.T) {
	w := asked(t)
	w.post("e-9", said("t-9", "m-9", "u-9", "Another patient")).want(t, 202, "")
	a := w.api("desk", http.MethodGet, "/api/v1/threads/texting:t-1", "").want(t, 200, "")
	if strings.Contains(string(a.body), "Another patient") {
		t.Error("the answer holds another thread's message")
	}
	var got struct{ Messages []json.RawMessage }
	a.into(t, &got)
	if len(got.Messages) != 1 {
		t.Errorf("the answer holds %d messages", len(got.Messages))
	}
}
