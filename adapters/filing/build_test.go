package filing_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

var (
	sentAt     = time.Date(2026, 11, 22, 13, 3, 11, 0, time.FixedZone("", -5*3600))
	receivedAt = time.Date(2026, 11, 22, 18, 3, 12, 123456000, time.UTC)
	patient    = connector.Participant{Role: connector.RolePatient}
	mother     = connector.Participant{Role: connector.RoleProxy, ID: "u-901", Name: "Maria Cho", Relationship: "mother"}
	ana        = connector.Participant{Role: connector.RoleClinician, ID: "prac-ana", Name: "Ana Rivera"}
	triage     = connector.Participant{Role: connector.RolePool, ID: "nurse-triage", Name: "Nurse triage"}
	system     = connector.Participant{Role: connector.RoleSystem}
)

// exchange is a message from a patient; the changes make it another.
func exchange(kind connector.ItemKind, s connector.Strategy, changes ...func(*connector.Exchange)) connector.Exchange {
	x := connector.Exchange{
		Kind: kind, Base: base, Channel: "texting", Strategy: s, Revision: 1, Received: receivedAt, Receipts: true,
		Thread: connector.ThreadInfo{ID: "t-1", Subject: "Home readings"},
		Message: connector.Message{ID: "m-1", Direction: connector.FromPatient, SentAt: sentAt, Sender: patient,
			Recipients: []connector.Participant{triage}, Text: "hello"},
		Refs: map[string]connector.Reference{}, Missing: map[string]bool{},
	}
	if kind == connector.ItemStatus {
		x.Revisions = []int{1}
	}
	for _, c := range changes {
		c(&x)
	}
	return x
}

func toPatient(state connector.SendState) func(*connector.Exchange) {
	return func(x *connector.Exchange) {
		x.Message.Direction, x.Message.Sender = connector.ToPatient, ana
		x.Message.Recipients = []connector.Participant{patient}
		x.Delivery = connector.Delivery{State: state, At: receivedAt}
	}
}

func from(p connector.Participant) func(*connector.Exchange) {
	return func(x *connector.Exchange) { x.Message.Sender = p }
}

func correction(revision int, onChart ...int) func(*connector.Exchange) {
	return func(x *connector.Exchange) {
		x.Revision, x.Revisions = revision, onChart
		x.Message.Text = "corrected words"
		x.Corrected = &connector.Correction{Version: revision, At: sentAt.Add(time.Hour), Text: "corrected words"}
	}
}

func retraction(onChart ...int) func(*connector.Exchange) {
	return func(x *connector.Exchange) {
		x.Revisions = onChart
		x.Retraction = &connector.Retraction{At: sentAt.Add(2 * time.Hour), Reason: "wrong patient"}
	}
}

// resource is the body of a write, or of the entry of a transaction, as a map.
func resource(t testing.TB, w connector.Write, kind string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(raw(t, w, kind), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func raw(t testing.TB, w connector.Write, kind string) []byte {
	t.Helper()
	if r4.TypeOf(w.Body) == kind {
		return w.Body
	}
	var b struct {
		Entry []struct {
			Resource json.RawMessage `json:"resource"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(w.Body, &b); err != nil {
		t.Fatalf("the body of %s is not JSON: %v", w.Key, err)
	}
	for _, e := range b.Entry {
		if r4.TypeOf(e.Resource) == kind {
			return e.Resource
		}
	}
	t.Fatalf("%s holds no %s", w.Key, kind)
	return nil
}

// at walks maps and lists by name and index; nil where there is nothing.
func at(v any, path ...any) any {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[s]
		case int:
			l, _ := v.([]any)
			if s >= len(l) {
				return nil
			}
			v = l[s]
		}
	}
	return v
}
