package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/ingest"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store"
)

var (
	start = time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	zone  = time.FixedZone("", -5*3600)
)

// ehrID is the EHR connection of the present test's world. Tests of this package run one after the other on one store,
// each as a tenant of its own.
var ehrID string

var shared = sync.OnceValues(func() (*store.DB, error) {
	sealer, err := seal.Generate(start)
	if err != nil {
		return nil, err
	}
	return store.Open(context.Background(), "sqlite::memory:", store.Options{Sealer: sealer, Clock: clock.NewFake(start)})
})

// world is an Ingest on a real store, with a clock that moves a second for each event.
type world struct {
	t     *testing.T
	store *spy
	clock *clock.Fake
	in    *ingest.Ingest
	ch    ingest.Channel
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	c := clock.NewFake(start)
	ehrID = connector.NewID(start)
	w := &world{
		t: t, store: &spy{Store: db}, clock: c,
		ch: ingest.Channel{Name: "texting", EHR: ehrID, DefaultPool: "nurse-triage", Consent: "assumed", Receipts: "delivered"},
	}
	w.in = ingest.New(w.store, c.Now)
	w.update(func(tx connector.Tx) error { return tx.PutEHR(connector.EHRRow{ID: ehrID, Name: ehrID}) })
	return w
}

// accept commits an event and wants no error.
func (w *world) accept(ev connector.Event) ingest.Result {
	w.t.Helper()
	w.clock.Advance(time.Second)
	res, err := w.in.Accept(context.Background(), w.ch, ev)
	if err != nil {
		w.t.Fatalf("Accept: %v", err)
	}
	return res
}

func (w *world) update(fn func(tx connector.Tx) error) {
	w.t.Helper()
	if err := w.store.Store.Update(context.Background(), "test", fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) view(fn func(tx connector.Tx) error) {
	w.t.Helper()
	if err := w.store.View(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) thread(ext string) (t connector.Thread) {
	w.t.Helper()
	w.view(func(tx connector.Tx) (err error) {
		t, err = tx.ThreadByExt(ehrID, w.ch.Name, ext)
		return err
	})
	return t
}

func (w *world) message(ext, id string) (m connector.MessageRow) {
	w.t.Helper()
	t := w.thread(ext)
	w.view(func(tx connector.Tx) (err error) {
		m, err = tx.MessageByExt(ehrID, t.ID, id, 1)
		return err
	})
	return m
}

func (w *world) items(thread string) (out []connector.Item) {
	w.t.Helper()
	w.view(func(tx connector.Tx) (err error) {
		out, err = tx.ThreadItems(ehrID, thread)
		return err
	})
	return out
}

// itemsOf gives the thread's items of one kind.
func (w *world) itemsOf(ext string, kind connector.ItemKind) []connector.Item {
	w.t.Helper()
	return slices.DeleteFunc(w.items(w.thread(ext).ID), func(i connector.Item) bool { return i.Kind != kind })
}

// spy records the audit rows of committed transactions and can make commits fail.
type spy struct {
	connector.Store
	mu      sync.Mutex
	audited []connector.AuditEntry
	fail    error
}

type spyTx struct {
	connector.Tx
	audited []connector.AuditEntry
}

func (t *spyTx) Audit(a connector.AuditEntry) error {
	t.audited = append(t.audited, a)
	return t.Tx.Audit(a)
}

func (s *spy) Update(ctx context.Context, shard string, fn func(connector.Tx) error) error {
	if s.fail != nil {
		return s.fail
	}
	var last *spyTx
	err := s.Store.Update(ctx, shard, func(tx connector.Tx) error {
		last = &spyTx{Tx: tx}
		return fn(last)
	})
	if err == nil {
		s.mu.Lock()
		s.audited = append(s.audited, last.audited...)
		s.mu.Unlock()
	}
	return err
}

// kinds gives the audit rows' kinds so far.
func (s *spy) kinds() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, a := range s.audited {
		out = append(out, a.Kind)
	}
	return out
}

// picture writes a thread's whole state down without ids and commit times of ours, so that equal states are equal texts.
// Items are found by what they are about, as deliver does it.
func (w *world) picture(ext string) string {
	w.t.Helper()
	var b strings.Builder
	w.view(func(tx connector.Tx) error {
		b.Reset()
		t, err := tx.ThreadByExt(ehrID, w.ch.Name, ext)
		if errors.Is(err, connector.ErrNotFound) {
			b.WriteString("no thread\n")
			return nil
		}
		if err != nil {
			return err
		}
		slices.Sort(t.Info.Awaits)
		fmt.Fprintf(&b, "thread %s subject=%q topic=%q closed=%v changed=%v header=%v awaits=%v patient=%s\n", t.Info.ID, t.Info.Subject,
			t.Info.Topic, t.Closed, t.Changed, t.Header != "", t.Info.Awaits, patientText(t.Patient))
		items, err := tx.ThreadItems(ehrID, t.ID)
		if err != nil {
			return err
		}
		lines := map[string]bool{}
		seen := map[string]bool{}
		for _, i := range items {
			if i.MsgKey != "" && !seen[i.MsgKey] {
				seen[i.MsgKey] = true
				if err := messageLines(tx, t, i.MsgKey, lines); err != nil {
					return err
				}
			}
			lines[itemLine(i)] = true
		}
		for _, l := range slices.Sorted(keys(lines)) {
			b.WriteString(l + "\n")
		}
		return nil
	})
	return b.String()
}

func keys(m map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func patientText(k connector.PatientKey) string {
	out := k.Reference
	for _, id := range k.Identifiers {
		out += "," + id.Token()
	}
	if k.Name != nil {
		out += "," + k.Name.Family
	}
	return out + "," + k.BirthDate + "," + k.Phone
}

func messageLines(tx connector.Tx, t connector.Thread, ext string, lines map[string]bool) error {
	rows, err := tx.Revisions(t.EHR, t.ID, ext)
	for _, r := range rows {
		m := r.Message
		blobs, err := tx.Blobs(t.EHR, t.ID, r.ID)
		if err != nil {
			return err
		}
		lines[fmt.Sprintf("message %s r%d seq=%d %s by=%s at=%s text=%q files=%d blobs=%d delivery=%s retracted=%v corrected=%v",
			m.ID, r.Revision, m.Sequence, m.Direction, m.Sender.Key(), m.SentAt.Format(time.RFC3339), m.Text, len(m.Attachments),
			len(blobs), r.Delivery.State, r.Retracted != nil, r.Corrected != nil)] = true
	}
	return err
}

func itemLine(i connector.Item) string {
	delivery := ""
	if i.Detail.Delivery != nil {
		delivery = string(i.Detail.Delivery.State)
	}
	return fmt.Sprintf("item %s/%s %s %s key=%s r%d %s", i.Lane, i.Kind, i.State, i.Reason, i.MsgKey, i.Revision, delivery)
}

// The events below are a small thread's. Each has its own key.

func thread(ev connector.Event, ext string) connector.Event {
	ev.Thread = &connector.ThreadInfo{ID: ext}
	ev.Raw = []byte(`{"the":"body"}`)
	if ev.Timestamp.IsZero() {
		ev.Timestamp = start
	}
	return ev
}

func mrn(value string) *connector.PatientKey {
	return &connector.PatientKey{Identifiers: []connector.Identifier{{System: "urn:oid:1.2", Value: value}}}
}

func said(key, id string, seq int64, text string) connector.Event {
	return thread(connector.Event{Key: key, Type: connector.MessageCreated, Message: &connector.Message{
		ID: id, Sequence: seq, Direction: connector.FromPatient, SentAt: start.Add(time.Duration(seq) * time.Minute).In(zone),
		Sender: connector.Participant{Role: connector.RolePatient, ID: "u-1"}, Text: text,
		Recipients: []connector.Participant{{Role: connector.RolePool, ID: "nurse-triage"}},
	}}, "t-1")
}

func told(key, id string, seq int64, text string) connector.Event {
	ev := said(key, id, seq, text)
	ev.Message.Direction = connector.ToPatient
	ev.Message.Sender = connector.Participant{Role: connector.RoleClinician, ID: "prac-ana"}
	ev.Message.Recipients = []connector.Participant{{Role: connector.RolePatient, ID: "u-1"}}
	return ev
}

func news(key, id string, state connector.SendState, at time.Duration) connector.Event {
	return thread(connector.Event{Key: key, Type: connector.MessageStatus, MessageID: id,
		Delivery: &connector.Delivery{State: state, At: start.Add(at)}}, "t-1")
}

func corrected(key, id string, version int, text string) connector.Event {
	return thread(connector.Event{Key: key, Type: connector.MessageCorrected, MessageID: id,
		Correction: &connector.Correction{Version: version, Text: text, At: start.Add(time.Hour)}}, "t-1")
}

func retracted(key, id string) connector.Event {
	return thread(connector.Event{Key: key, Type: connector.MessageRetracted, MessageID: id,
		Retraction: &connector.Retraction{At: start.Add(2 * time.Hour), Reason: "wrong person"}}, "t-1")
}

func turned(key string, typ connector.EventType, at time.Duration) connector.Event {
	return thread(connector.Event{Key: key, Type: typ, Timestamp: start.Add(at)}, "t-1")
}
