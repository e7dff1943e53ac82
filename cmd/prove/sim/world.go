package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/platform"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store"
)

// world is one seed's world while it runs.
type world struct {
	t        testing.TB
	script   *script
	model    map[string]*said // thread/message → what was said
	db       *store.DB
	ehr      *ehr.Server
	platform *platform.Platform
	judge    *judge
	quiet    quiet
	calm     atomic.Bool
	order    atomic.Int64
	ghosts   sync.WaitGroup // the other side's work, which outlives us
	posting  sync.WaitGroup

	mu      sync.Mutex
	running []*process // by slot; nil is down
	births  int
	off     time.Duration // of the machines' wall clocks
	counts  map[string]int
	exts    map[string]string // our thread id → the platform's
}

// Sealer is shared by worlds: making keys is the slow part of opening a store. It must be made outside the bubble.
var Sealer = sync.OnceValues(func() (*seal.Sealer, error) { return seal.Generate(time.Unix(0, 0)) })

// Result is what became of one seed.
type Result struct {
	Seed     uint64
	Failures []string
	Trace    []string
	Stats    map[string]int
	Virtual  time.Duration
}

// Run plays one seed within a synctest bubble and judges it. With threads its EHR files threads, whatever the seed says.
func Run(t testing.TB, seed uint64, threads bool) Result {
	s := newScript(seed)
	s.perThread = s.perThread || threads
	w := newWorld(t, s)
	w.play()
	w.close()
	j := w.judge
	return Result{Seed: seed, Failures: j.failures, Trace: j.trace, Stats: j.stats, Virtual: w.since()}
}

func newWorld(t testing.TB, s *script) *world {
	keys, err := Sealer()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, script: s, model: map[string]*said{}, counts: map[string]int{}, exts: map[string]string{}, running: make([]*process, s.replicas)}
	w.quiet.settled, w.quiet.due = map[string]int64{}, map[string]nextDue{}
	w.judge = newJudge(w)
	for _, th := range s.threads {
		for _, m := range th.messages {
			w.model[th.id+"/"+m.id] = m
		}
	}
	if w.db, err = store.Open(context.Background(), "sqlite::memory:", store.Options{Sealer: keys, Clock: clock.System, Lease: s.lease}); err != nil {
		t.Fatal(err)
	}
	now := clock.System.Now
	if w.ehr, err = ehr.New(ehr.Options{Base: ehrBase, Traits: s.traits, Now: now, Validate: func([]byte) error { return nil }, Seed: s.seed + 1}); err != nil {
		t.Fatal(err)
	}
	if err := w.ehr.Seed(w.people()); err != nil {
		t.Fatal(err)
	}
	if w.platform, err = platform.New(platform.Options{Secrets: []string{secret}, Now: now, Base: platformBase, HTTPClient: &http.Client{Transport: door{w}}}); err != nil {
		t.Fatal(err)
	}
	events := make([][]byte, len(s.posts))
	for i, p := range s.posts {
		events[i] = p.body
	}
	if err := w.platform.Load(events); err != nil {
		t.Fatal(err)
	}
	w.platform.SetTarget("http://chartwire.sim/channels/" + channel + "/events")
	err = w.update(context.Background(), "test", func(tx connector.Tx) error { return tx.PutEHR(connector.EHRRow{ID: ehrID, Name: "mercy"}) })
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// people are the patients the EHR has, and another with nearly the same data for each.
func (w *world) people() []byte {
	entries := []any{object{"resource": object{"resourceType": "Organization", "id": "clinic", "name": "Clinic"}},
		object{"resource": object{"resourceType": "Practitioner", "id": "dr", "name": []any{object{"family": "Who"}}}}}
	for n := range 40 {
		p := patientOf(n)
		resource := func(id, mrn, born string) object {
			return object{"resource": object{"resourceType": "Patient", "id": id, "active": true, "birthDate": born,
				"identifier": []any{object{"system": mrnSystem, "value": mrn}}, "name": []any{p["name"]}}}
		}
		entries = append(entries, resource(patientID(n), fmt.Sprintf("MRN%03d", n), p["birth_date"].(string)),
			resource("twin-"+patientID(n), fmt.Sprintf("TWIN%03d", n), "1971-01-01"))
	}
	raw, err := json.Marshal(object{"resourceType": "Bundle", "type": "transaction", "entry": entries})
	if err != nil {
		panic("a Bundle of plain values always marshals: " + err.Error())
	}
	return raw
}

func (w *world) since() time.Duration { return clock.System.Now().Sub(began) }

// until lets time pass until at.
func (w *world) until(at time.Duration) {
	if d := at - w.since(); d > 0 {
		_ = clock.Sleep(context.Background(), clock.System, d)
	}
}

// play runs the script, then lets the sun shine until all is settled, and judges the end.
func (w *world) play() {
	for slot := range w.running {
		w.start(slot)
	}
	for _, p := range w.script.posts {
		w.posting.Go(func() { w.post(p) })
	}
	for _, r := range w.script.replies {
		w.posting.Go(func() { w.until(r.at); w.write(r) })
	}
	for _, a := range w.script.acts {
		w.posting.Go(func() { w.until(a.at); w.act(a) })
	}
	w.until(w.script.end())
	w.posting.Wait()
	w.settle()
	w.judge.end()
}

func (w *world) close() {
	for _, p := range w.running {
		if p != nil {
			p.unfreeze()
			p.kill()
		}
	}
	w.platform.Close()
	w.ghosts.Wait()
	synctest.Wait()
	w.ehr.Close()
	if err := w.db.Close(); err != nil {
		w.t.Error(err)
	}
}

// post has the platform deliver one event, until it is taken.
func (w *world) post(p post) {
	w.until(p.at)
	if err := w.platform.Post(context.Background(), []platform.Delivery{{ID: p.id, Body: p.body}}); err != nil {
		w.judge.fail("the platform could not post: %v", err)
	}
}

// someone is a process that is up; nil where all are down.
func (w *world) someone(name ...any) *process {
	n := w.nth(fmt.Sprint(name...))
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.script.dice.of("someone", fmt.Sprint(name...), n).IntN(len(w.running))
	for i := range w.running {
		if p := w.running[(at+i)%len(w.running)]; p != nil {
			return p
		}
	}
	return nil
}

// act is what happens to processes, connections and patients.
func (w *world) act(a act) {
	switch a.what {
	case "kill":
		if p := w.at(a.on); p != nil {
			w.kill(p, a.for_)
		}
	case "freeze":
		if p := w.at(a.on); p != nil {
			w.freeze(p, a.for_)
		}
	case "jump":
		by := []time.Duration{time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour, 87660 * time.Hour}[w.script.dice.of("jump", a.at).IntN(5)]
		w.judge.note("the wall clocks jump by %s", by)
		w.jump(by)
		w.until(a.at + a.for_)
		w.jump(0)
	case "pause":
		w.pause(connector.EHRPaused)
		w.until(a.at + a.for_)
		w.pause("")
	case "merge":
		n := w.script.dice.of("merge", a.at).IntN(3)
		if err := w.ehr.MergePatient(patientID(n), "twin-"+patientID(n)); err != nil {
			w.judge.fail("merge: %v", err)
		}
		w.judge.note("patient %s is merged away", patientID(n))
		w.judge.merged(n)
	case "operator":
		w.operate(false)
	}
}

func (w *world) learnThreads(threads []connector.Thread) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range threads {
		w.exts[t.ID] = t.Ext
	}
}

func (w *world) threadExt(id string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.exts[id]
}

// open lists items that are neither filed nor parked nor left out.
func (w *world) open() (out []connector.Item) {
	err := w.db.View(context.Background(), func(tx connector.Tx) error {
		var err error
		out, err = tx.OpenItems("", []connector.ItemState{connector.Waiting, connector.Held, connector.Filing, connector.Unknown}, 0)
		return err
	})
	if err != nil {
		w.judge.fail("the store: %v", err)
	}
	return out
}

func (w *world) parked() (out []connector.Item) {
	err := w.db.View(context.Background(), func(tx connector.Tx) error {
		var err error
		out, err = tx.OpenItems("", []connector.ItemState{connector.Parked}, 0)
		return err
	})
	if err != nil {
		w.judge.fail("the store: %v", err)
	}
	return out
}

// settle is the calm after the storm: no more faults, everybody up, people do their part. What was acknowledged must then
// come to its end within calmFor.
func (w *world) settle() {
	w.calm.Store(true)
	w.judge.note("calm")
	for slot := range w.running {
		w.start(slot)
	}
	for _, p := range w.up() {
		p.unfreeze()
	}
	for range calmRounds {
		w.operate(true)
		_ = clock.Sleep(context.Background(), clock.System, calmRound)
		synctest.Wait()
		if len(w.open()) == 0 && !slices.ContainsFunc(w.parked(), func(i connector.Item) bool { return w.judge.curable(i) }) {
			break
		}
	}
}

const (
	calmRounds = 12
	calmRound  = 30 * time.Minute
)
