package inbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	"github.com/chartwire/chartwire/fhir/smart"
)

const (
	base   = "https://fhir.mercy.example/r4"
	daniel = "Patient/daniel"
	maria  = "Patient/maria"
	doctor = "Practitioner/okafor"
	nobody = "Patient/nobody"
)

// phi is what no error and no audit row may show in the open.
var phi = []string{"daniel", "maria", "okafor", "Cho", "Okafor", "access-", "refresh-"}

// world is a desk, or several on one store, with an EHR that plays by the rules. It belongs in a synctest bubble.
type world struct {
	t     *testing.T
	store *spy
	ehr   EHR
	app   *app
	chart *chart
	desk  *Desk

	more   map[string]ingest.Channel // beside texting
	events int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	keys, err := seal.Generate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(context.Background(), "sqlite::memory:", store.Options{Sealer: keys, Clock: clock.System})
	if err != nil {
		t.Fatal(err)
	}
	w := worldOn(t, db)
	t.Cleanup(func() {
		w.desk.under.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// worldOn is a world on a store.
func worldOn(t *testing.T, db connector.Store) *world {
	t.Helper()
	a := &app{tokens: map[string]bool{}, spent: map[string]bool{}, expires: 5 * time.Minute,
		grant: smart.Grant{User: doctor, Patient: "daniel", Encounter: "e1", Banner: true, Scopes: smart.ParseScopes("openid fhirUser user/Patient.rs")}}
	c := &chart{app: a, may: map[string]bool{daniel: true, maria: true}, user: User{Reference: doctor, Name: "Dr. Okafor", Codes: []string{"doctor"}}}
	w := &world{t: t, store: &spy{Store: db}, app: a, chart: c}
	w.ehr = EHR{ID: connector.NewID(time.Now()), Name: "mercy", Base: base, App: a, Chart: c, Zone: time.UTC, Channels: []string{"texting"},
		Roles: Roles{Clinician: []string{"doctor"}, Staff: []string{"administrator"}},
		Pools: []Pool{{ID: "nurses", Reference: "CareTeam/nurses"}, {ID: "front", Reference: "Group/front", Members: []string{"Practitioner/lee", "PractitionerRole/r7"}}}}
	w.desk = w.replica()
	w.update(func(tx connector.Tx) error { return tx.PutEHR(connector.EHRRow{ID: w.ehr.ID, Name: "mercy"}) })
	return w
}

// replica is a further process on the same store.
func (w *world) replica() *Desk {
	w.t.Helper()
	d, err := New(Options{Store: w.store, Clock: clock.System, Key: []byte(strings.Repeat("k", 32)), EHRs: map[string]EHR{"mercy": w.ehr},
		Ingest: ingest.New(w.store, clock.System.Now), Channels: w.channels(), Patient: w.key})
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) update(fn func(tx connector.Tx) error) {
	w.t.Helper()
	if err := w.store.Store.Update(context.Background(), "test", fn); err != nil {
		w.t.Fatal(err)
	}
}

// begin begins an EHR launch in the browser with this cookie.
func (w *world) begin(browser string) (Begun, FinishIn) {
	w.t.Helper()
	b, err := w.desk.Begin(w.t.Context(), BeginIn{EHR: "mercy", Iss: base, Launch: "abc", Browser: browser, Source: "10.0.0.1"})
	if err != nil {
		w.t.Fatal(err)
	}
	return b, FinishIn{EHR: "mercy", State: w.app.last().State, Code: "code", Browser: browser, Source: "10.0.0.1"}
}

// launch signs the doctor in for a patient.
func (w *world) launch(patient string, change ...func(*FinishIn)) (*Session, string) {
	w.t.Helper()
	w.app.grant.Patient = strings.TrimPrefix(patient, "Patient/")
	_, in := w.begin("cookie")
	for _, c := range change {
		c(&in)
	}
	s, handle, err := w.desk.Finish(w.t.Context(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	return s, handle
}

// row is what the store keeps of a session.
func (w *world) row(id string) kept {
	w.t.Helper()
	var k kept
	w.update(func(tx connector.Tx) (err error) {
		k, err = readKept(tx, w.ehr, id)
		return err
	})
	return k
}

// asItIs is a session as its row has it now, which counts as nothing that its user did.
func (w *world) asItIs(s *Session) (*Session, error) {
	k, err := w.desk.going(w.t.Context(), s.ID)
	if err != nil {
		return nil, err
	}
	return w.desk.as(&k, w.desk.seen(&k)), nil
}

// over gives what a page of a session is told when the session ends or is covered.
func (w *world) over(s *Session) <-chan Change {
	w.t.Helper()
	changes, err := w.desk.Watch(w.t.Context(), s, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { time.Sleep(2 * watchEvery) }) // until the loop that looks has ended
	out := make(chan Change, 1)
	go func() {
		for c := range changes {
			if c.Ended != "" || c.Cover != "" {
				out <- c
				return
			}
		}
	}()
	return out
}

// wantEnded wants a session to be over for this reason.
func wantEnded(t *testing.T, err error, why Why) {
	t.Helper()
	var ended *Ended
	if !errors.As(err, &ended) || ended.Why != why || ended.Sentence() == "" {
		t.Errorf("error %v, want the end %s", err, why)
	}
	wantNoPHI(t, err)
}

func wantNoPHI(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := fmt.Sprintf("%v %+v", err, err)
	var bad *Refusal
	if errors.As(err, &bad) {
		text += bad.Sentence()
	}
	for _, word := range phi {
		if strings.Contains(text, word) {
			t.Errorf("%q holds %q", text, word)
		}
	}
}

// spy sees what is audited and counted by transactions that were committed.
type spy struct {
	connector.Store
	mu      sync.Mutex
	audits  []connector.AuditEntry
	counted []string
	puts    int // sessions written
	fail    error
	stale   int // so many times another replica is faster
	kept    int // so many times a draft is said to be removed, and stays
	stuck   error
	dropped int // times a draft was to be removed
	views   int
	between func(view int) // what goes on before each View, which it counts from when it was set
}

// with lets a test change what the spy does, while the desk works in the background.
func (s *spy) with(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

// n reads a count that the desk may be adding to.
func (s *spy) n(of *int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *of
}

// meets says what an update comes upon: that the store fails, or that another replica was faster.
func (s *spy) meets(shard string) (fail error, stale bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail == nil && s.stale > 0 && strings.HasPrefix(shard, "inbox|") {
		s.stale--
		stale = true
	}
	return s.fail, stale
}

func (s *spy) View(ctx context.Context, fn func(tx connector.Tx) error) error {
	s.mu.Lock()
	s.views++
	n, between := s.views, s.between
	s.mu.Unlock()
	if between != nil {
		between(n)
	}
	return s.Store.View(ctx, fn)
}

func (s *spy) Update(ctx context.Context, shard string, fn func(tx connector.Tx) error) error {
	fail, stale := s.meets(shard)
	if fail != nil {
		return fail
	}
	if stale {
		return s.Store.Update(ctx, shard, func(tx connector.Tx) error {
			if err := fn(&seenTx{Tx: tx, of: s}); err != nil {
				return err
			}
			return connector.ErrStale
		})
	}
	var seen *seenTx
	err := s.Store.Update(ctx, shard, func(tx connector.Tx) error {
		seen = &seenTx{Tx: tx, of: s}
		return fn(seen)
	})
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.audits, s.counted, s.puts = append(s.audits, seen.audits...), append(s.counted, seen.counted...), s.puts+seen.puts
	}
	return err
}

type seenTx struct {
	connector.Tx
	of      *spy
	audits  []connector.AuditEntry
	counted []string
	puts    int
}

func (t *seenTx) Audit(a connector.AuditEntry) error {
	t.audits = append(t.audits, a)
	return t.Tx.Audit(a)
}

func (t *seenTx) CountRefusal(ehr, channel, source, why string, at time.Time) error {
	t.counted = append(t.counted, channel+" "+source+" "+why)
	return t.Tx.CountRefusal(ehr, channel, source, why, at)
}

// DropDraft removes a draft, or says so, or fails.
func (t *seenTx) DropDraft(ehr, id string) error {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	t.of.dropped++
	if t.of.kept > 0 {
		t.of.kept--
		return t.of.stuck
	}
	return t.Tx.DropDraft(ehr, id)
}

func (t *seenTx) PutSession(r *connector.SessionRow) error {
	t.puts++
	return t.Tx.PutSession(r)
}

// said gives the audit rows since the last call as "kind outcome agent key=value…", and checks what stands in the open.
func (w *world) said() []string {
	w.t.Helper()
	w.desk.under.Wait()
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	var out []string
	for _, a := range w.store.audits {
		for _, word := range phi {
			if strings.Contains(a.Agent+a.Thread+a.Item, word) {
				w.t.Errorf("the audit row of %s shows %q in the open", a.Kind, word)
			}
		}
		agent, _, _ := strings.Cut(a.Agent, ":")
		line := fmt.Sprintf("%s %d %s", a.Kind, a.Outcome, agent)
		if a.OnBehalf != "" {
			line += " for " + a.OnBehalf
		}
		for _, k := range slices.Sorted(maps.Keys(a.Detail)) {
			if k != "key" {
				line += " " + k + "=" + a.Detail[k]
			}
		}
		out = append(out, line)
	}
	w.store.audits = nil
	return out
}

func (w *world) wantSaid(want ...string) {
	w.t.Helper()
	if got := w.said(); !slices.Equal(got, want) {
		w.t.Errorf("audited:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
