package ehrtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// Harness makes an adapter and the EHR it talks to.
type Harness struct {
	// Start begins a new EHR with one patient on it and an adapter that has not been opened. It stops both when t ends.
	Start func(t *testing.T) *Rig
	// Strategy is what the threads of the suite are filed as.
	Strategy connector.Strategy
	// Threads says that threads are filed as one entry too (filing.per).
	Threads bool
}

// Rig is a running pair. The suite uses it from one goroutine.
type Rig struct {
	EHR     connector.EHR
	Base    string // identity.base
	Channel string

	Patient connector.PatientKey // finds exactly one patient by identifier
	Nobody  connector.PatientKey // finds none
	Twins   connector.PatientKey // finds two
	Other   string               // reference of another patient

	// Stored gives every entry of a type as the EHR has it now.
	Stored func(kind string) [][]byte
	// Answer makes the EHR answer every write so, and do nothing, until it is called with status 0. nil where it speaks no HTTP.
	Answer func(status int, header map[string]string, body string)
	// Reply makes an engine that speaks MLLP answer every message with these bytes, made for its MSH-10, do nothing and hang up,
	// until it is called with nil. nil where the EHR speaks HTTP.
	Reply func(raw func(control string) []byte)
	// Enhanced says that an engine's commit and application acknowledgements are both asked for.
	Enhanced bool
	// HangUp makes the EHR carry out the next write and then reset the connection without an answer.
	HangUp func()
	// WrongSubject makes the EHR carry out the next write and show another patient in its answer. nil where it shows none.
	WrongSubject func()
	// Rewrite makes the EHR change the words of the next write before it stores them.
	Rewrite func()
	// Message makes of each message one that is filed in the form the suite is to see; nil leaves a patient's.
	Message func(*connector.Exchange)
	// Fixed says that entries of that form cannot be changed, whatever else can.
	Fixed bool
	// Encounter puts an encounter of a patient on the EHR and gives its reference. nil where the adapter finds none, or is
	// held to how it does elsewhere.
	Encounter func(patient string, e connector.Encounter) string
	// Words reads a message's words out of an entry of Stored, for an EHR that shows nothing back; nil elsewhere.
	Words func(stored []byte) string
	// Carried cuts a message's words out of a write that would leave, "" where they are not in it. nil where the body is JSON, or
	// what Words reads.
	Carried func(w connector.Write) string
	// Spoil gives ways to spoil the body of a good write that the gate must refuse, for an API that is neither FHIR nor HL7 v2;
	// nil elsewhere.
	Spoil func(good connector.Write) map[string]func(string) string
	// Secrets are what no error may hold: keys, and what names the patient. Presented gives the tokens and assertions that have left,
	// which none may hold either; nil where nobody has to prove who they are.
	Secrets   []string
	Presented func() []string

	patient string            // once matched
	visit   string            // an encounter of the patient's, where the EHR takes no entry without
	known   map[string]string // symbol → reference
}

// open opens the connection and binds the patient.
func (r *Rig) open(t *testing.T) connector.Traits {
	t.Helper()
	traits, err := r.EHR.Open(t.Context())
	if err != nil {
		t.Fatalf("Open: %v (%s)", err, detail(err))
	}
	if r.Presented != nil && len(r.Presented()) == 0 {
		t.Error("the rig has seen no token, so that an error may hold one")
	}
	p, err := r.EHR.Match(t.Context(), r.Patient)
	if err != nil {
		t.Fatalf("Match: %v (%s)", err, detail(err))
	}
	r.patient = p.Reference
	r.known = map[string]string{connector.SymPatient: p.Reference}
	if traits.NeedsEncounter {
		if r.Encounter == nil {
			t.Fatal("the EHR takes no entry without an encounter, and the rig makes none")
		}
		r.visit = r.Encounter(r.patient, connector.Encounter{Status: "finished", Start: sentAt.AddDate(-1, 0, 0)})
	}
	return traits
}

// resolve puts what is known in the place of symbols, as deliver does.
func (r *Rig) resolve(t *testing.T, w connector.Write) connector.Write {
	t.Helper()
	body := string(w.Body)
	for symbol, reference := range r.known {
		if w.Symbolic() {
			body = strings.ReplaceAll(body, `"reference":"`+symbol+`"`, `"reference":"`+reference+`"`)
		}
		w.Key = strings.ReplaceAll(w.Key, symbol, reference)
		w.URL = strings.ReplaceAll(w.URL, symbol, reference)
		w.After = strings.ReplaceAll(w.After, symbol, reference)
		w.Expect.Subject = strings.ReplaceAll(w.Expect.Subject, symbol, reference)
		if w.Update != nil {
			u := *w.Update
			u.Target = strings.ReplaceAll(u.Target, symbol, reference)
			w.Update = &u
		}
	}
	if w.Symbolic() && strings.Contains(body, `"reference":"{`) {
		t.Fatalf("%s names an entry that is not on the chart", w.Type)
	}
	if w.Body != nil {
		w.Body = []byte(body)
	}
	return w
}

// prepared resolves, prepares and gates a write: what would leave. done is the receipt of an update that changes nothing.
func (r *Rig) prepared(t *testing.T, w connector.Write) (final connector.Write, done *connector.Receipt) {
	t.Helper()
	w = r.resolve(t, w)
	if w.Update != nil {
		p, ok := r.EHR.(connector.Preparer)
		if !ok {
			t.Fatal("the adapter plans updates and cannot prepare them")
		}
		var err error
		if w, done, err = p.Prepare(t.Context(), w); err != nil {
			t.Fatalf("Prepare: %v (%s)", err, detail(err))
		}
		if done != nil {
			return w, done
		}
	}
	if err := r.EHR.Gate(w); err != nil {
		t.Fatalf("the gate refuses %s: %s", w.Type, detail(err))
	}
	return w, nil
}

// file brings an exchange onto the chart and gives the receipt of each of its writes.
func (r *Rig) file(t *testing.T, x connector.Exchange) []connector.Receipt {
	t.Helper()
	var out []connector.Receipt
	for _, w := range r.plan(t, x) {
		w, done := r.prepared(t, w)
		receipt := connector.Receipt{}
		if done != nil {
			receipt = *done
		} else {
			var err error
			if receipt, err = r.EHR.File(t.Context(), w); err != nil {
				t.Fatalf("File %s %s: %v (%s)", w.Method, w.Type, err, detail(err))
			}
		}
		if w.Provides != "" {
			r.known[w.Provides] = receipt.Reference
		}
		check(t, w, receipt)
		out = append(out, receipt)
	}
	return out
}

// only prepares the one write of an exchange that makes an entry; what it needs is filed before.
func (r *Rig) only(t *testing.T, x connector.Exchange) connector.Write {
	t.Helper()
	writes := r.plan(t, x)
	for _, w := range writes {
		if w.Identity == messageID(r, x) {
			final, _ := r.prepared(t, w)
			return final
		}
		final, _ := r.prepared(t, w)
		receipt, err := r.EHR.File(t.Context(), final)
		if err != nil {
			t.Fatalf("File %s: %v (%s)", w.Type, err, detail(err))
		}
		r.known[w.Provides] = receipt.Reference
	}
	t.Fatalf("the plan of %d writes has no entry for the message", len(writes))
	return connector.Write{}
}

func (r *Rig) plan(t *testing.T, x connector.Exchange) []connector.Write {
	t.Helper()
	writes, err := r.EHR.Plan(x)
	if err != nil {
		t.Fatalf("Plan %s: %v (%s)", x.Kind, err, detail(err))
	}
	return writes
}

// check compares a receipt with what was sent, where the EHR shows it.
func check(t *testing.T, w connector.Write, r connector.Receipt) {
	t.Helper()
	if r.Reference == "" || !strings.HasPrefix(r.Reference, w.Type+"/") {
		t.Errorf("the receipt of a %s says it is at %q", w.Type, r.Reference)
	}
	if !r.Echo.Shown {
		return
	}
	if r.Echo.Subject != w.Expect.Subject {
		t.Errorf("%s is shown with another subject", w.Type)
	}
	if w.Update == nil && r.Echo.Text != w.Expect.Text {
		t.Errorf("%s is shown with other words", w.Type)
	}
	if w.Update == nil && len(r.Echo.Attachments) != len(w.Expect.Attachments) {
		t.Errorf("%s is shown with %d attachments, %d were sent", w.Type, len(r.Echo.Attachments), len(w.Expect.Attachments))
	}
	if w.Expect.Status != "" && r.Echo.Status != w.Expect.Status {
		t.Errorf("%s is shown as %q, not %q", w.Type, r.Echo.Status, w.Expect.Status)
	}
}

// detail is what an error says to a person at the EHR.
func detail(err error) string {
	var refused *connector.Refused
	if errors.As(err, &refused) {
		return refused.Detail.Reveal()
	}
	return ""
}

// quiet holds an error to hold no secret and no words of a patient, however it is printed.
func (r *Rig) quiet(t *testing.T, err error, words ...string) {
	t.Helper()
	secrets := append(words, r.Secrets...)
	if r.Presented != nil {
		secrets = append(secrets, r.Presented()...)
	}
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), fmt.Sprint(errors.Unwrap(err))} {
		for _, secret := range secrets {
			if secret != "" && strings.Contains(text, secret) {
				t.Errorf("an error holds what it must not: %s", strings.ReplaceAll(text, secret, "‹here›"))
			}
		}
	}
}

// within gives a context for one call.
func within(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), 30*time.Second)
}
