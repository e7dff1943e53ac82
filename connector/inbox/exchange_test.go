package inbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/ingest"
)

// What channels bring into a world, and what it has of it.

func (w *world) channels() map[string]ingest.Channel {
	out := map[string]ingest.Channel{"texting": {Name: "texting", EHR: w.ehr.ID, DefaultPool: "nurses", Pools: []string{"nurses", "front"}, Receipts: "delivered"}}
	for name, ch := range w.more {
		ch.Name, ch.EHR = name, w.ehr.ID
		out[name] = ch
	}
	return out
}

// channel gives the connection a further channel, and a desk that has it.
func (w *world) channel(name string, ch ingest.Channel) {
	w.more = map[string]ingest.Channel{name: ch}
	w.ehr.Channels = append(w.ehr.Channels, name)
	w.desk = w.replica()
}

func (w *world) key(_ context.Context, _, ref string) (connector.PatientKey, error) {
	return connector.PatientKey{Reference: ref, Identifiers: []connector.Identifier{{System: "urn:mrn", Value: ref}}}, nil
}

var (
	patientSide = connector.Participant{Role: connector.RolePatient, ID: "u-daniel", Name: "D. Cho"}
	motherSide  = connector.Participant{Role: connector.RoleProxy, ID: "u-mother", Name: "Maria Cho", Relationship: "mother"}
)

// comes brings in a message from the patient's side, bound to a patient, and gives its thread.
func (w *world) comes(patient, thread string, seq int64, from connector.Participant, text string) string {
	w.t.Helper()
	return w.event(patient, thread, connector.MessageCreated, func(e *connector.Event) {
		e.Message = &connector.Message{ID: fmt.Sprint("m-", seq), Sequence: seq, Direction: connector.FromPatient, SentAt: e.Timestamp, Sender: from, Text: text,
			Recipients: []connector.Participant{{Role: connector.RolePool, ID: "nurses"}}}
	})
}

// event brings in an event of a thread, and gives that.
func (w *world) event(patient, thread string, kind connector.EventType, fill func(*connector.Event)) string {
	w.t.Helper()
	w.events++
	now := time.Now().UTC()
	e := connector.Event{Key: fmt.Sprint(thread, "-", w.events), Type: kind, Timestamp: now, Thread: &connector.ThreadInfo{ID: thread, Subject: "Knee"},
		Patient: &connector.PatientKey{Reference: patient, Identifiers: []connector.Identifier{{System: "urn:mrn", Value: patient}}}}
	fill(&e)
	res, err := w.desk.o.Ingest.Accept(w.t.Context(), w.channels()["texting"], e)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Thread
}

// consent brings in the patient's word about the channel.
func (w *world) consent(patient, thread, state string) {
	w.t.Helper()
	w.event(patient, thread, connector.ConsentUpdated, func(e *connector.Event) { e.Consent = &connector.Consent{State: state, At: e.Timestamp} })
}

// signed signs somebody in for a patient, "" for none: of the nurses' team, with the codes of their roles.
func (w *world) signed(user, patient string, codes ...string) *Session {
	w.t.Helper()
	w.app.grant.User = user
	w.chart.user = User{Reference: user, Codes: codes, Teams: []string{"CareTeam/nurses"}}
	s, _ := w.launch(patient)
	return s
}

// items gives the items of a thread by kind, the newest of each.
func (w *world) items(thread string) map[connector.ItemKind]connector.Item {
	w.t.Helper()
	out := map[connector.ItemKind]connector.Item{}
	w.update(func(tx connector.Tx) error {
		all, err := tx.ThreadItems(w.ehr.ID, thread)
		for _, i := range all {
			out[i.Kind] = i
		}
		return err
	})
	return out
}

// sent gives the texts of the messages of ours in a thread.
func (w *world) sent(thread string) []string {
	w.t.Helper()
	var out []string
	w.update(func(tx connector.Tx) error {
		out = nil
		all, err := tx.ThreadMessages(w.ehr.ID, thread)
		for _, m := range all {
			if m.Client != "" && m.Message.Direction == connector.ToPatient {
				out = append(out, m.Message.Text)
			}
		}
		return err
	})
	return out
}

// opened is a thread's page.
func (w *world) opened(s *Session, thread string) ThreadView {
	w.t.Helper()
	v, err := w.desk.Thread(w.t.Context(), s, thread, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// answer is a reply as the page of a thread sends it.
func answer(v ThreadView, to, text string) SendIn {
	return SendIn{DraftIn: DraftIn{Thread: v.Thread.ID, To: []string{to}, Text: text, Bind: v.Composer.Bind}, Seen: v.Composer.Seen}
}

// denied says whether a refusal for this reason was audited since the last look.
func (w *world) denied(why string) bool {
	return slices.ContainsFunc(w.said(), func(line string) bool { return strings.HasPrefix(line, "deny ") && strings.Contains(line, "why="+why) })
}
