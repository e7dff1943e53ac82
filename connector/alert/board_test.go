package alert_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/alert"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store"
)

var sealer = sync.OnceValues(func() (*seal.Sealer, error) { return seal.Generate(time.Unix(0, 0)) })

// pager takes notices, or does not.
type pager struct {
	mu    sync.Mutex
	deaf  bool
	tries int
	got   []string
	ids   []string
}

func (p *pager) Tell(_ context.Context, n alert.Notice) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tries++
	if p.deaf {
		return errors.New("nobody there")
	}
	p.got, p.ids = append(p.got, n.Type+" "+n.Alert.Key), append(p.ids, n.ID)
	return nil
}

func (p *pager) heard(t *testing.T, want ...string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.got, want) {
		t.Errorf("told %q, want %q", p.got, want)
	}
}

func (p *pager) hears(deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = deaf
}

// bubble runs a test in virtual time on a store of its own.
func bubble(t *testing.T, test func(t *testing.T, db *store.DB, p *pager)) {
	t.Helper()
	keys, err := sealer()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		db, err := store.Open(context.Background(), "sqlite::memory:", store.Options{Sealer: keys, Clock: clock.System})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		test(t, db, &pager{})
	})
}

func start(t *testing.T, db *store.DB, p *pager) (*alert.Board, func()) {
	t.Helper()
	return startTelling(t, db, p)
}

func startTelling(t *testing.T, db *store.DB, to alert.Teller) (*alert.Board, func()) {
	t.Helper()
	b := alert.New(alert.Options{Store: db, Clock: clock.System, Tell: to})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	synctest.Wait()
	return b, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func stalled(key string) alert.Alert {
	return alert.Alert{Key: key, Kind: alert.Stalled, EHR: "mercy", Reason: connector.EHRUnavailable}
}

func TestOneAlertWhenItStallsAndOneWhenItClears(t *testing.T) {
	bubble(t, func(t *testing.T, db *store.DB, p *pager) {
		b, stop := start(t, db, p)
		defer stop()
		b.Clear("ehr/mercy") // nothing is open
		for range 1000 {     // an attempt each
			b.Raise(stalled("ehr/mercy"))
			synctest.Wait()
		}
		p.heard(t, "alert.raised ehr/mercy")
		if open := b.Open(); len(open) != 1 || open[0].Owner != "ehr" || open[0].Text != connector.EHRUnavailable.Sentence() || open[0].Since.IsZero() {
			t.Errorf("open: %+v", open)
		}
		for range 3 {
			b.Clear("ehr/mercy")
			synctest.Wait()
		}
		p.heard(t, "alert.raised ehr/mercy", "alert.cleared ehr/mercy")
		b.Raise(stalled("ehr/mercy"))
		synctest.Wait()
		p.heard(t, "alert.raised ehr/mercy", "alert.cleared ehr/mercy", "alert.raised ehr/mercy")
		if p.ids[0] == p.ids[2] {
			t.Error("two alerts have one id: the far side takes the second for a repeat")
		}
	})
}

func TestARestartRepeatsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, db *store.DB, p *pager) {
		b, stop := start(t, db, p)
		b.Raise(stalled("a"))
		synctest.Wait()
		p.hears(true)
		b.Raise(stalled("b"))
		synctest.Wait()
		stop()
		p.hears(false)
		b, stop = start(t, db, p)
		defer stop()
		b.Raise(stalled("a"))
		b.Raise(stalled("b"))
		synctest.Wait()
		p.heard(t, "alert.raised a", "alert.raised b") // b was not told before, and is now
		b.Clear("a")
		synctest.Wait()
		p.heard(t, "alert.raised a", "alert.raised b", "alert.cleared a")
	})
}

func TestWhatNobodyTakesIsTriedAgainAndGivenUpAfterADay(t *testing.T) {
	bubble(t, func(t *testing.T, db *store.DB, p *pager) {
		b, stop := start(t, db, p)
		defer stop()
		p.hears(true)
		b.Raise(stalled("a"))
		time.Sleep(23 * time.Hour)
		b.Raise(stalled("b"))
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if p.tries < 250 || p.tries > 400 {
			t.Errorf("%d tries in 25 hours, want about one in five minutes", p.tries)
		}
		p.hears(false)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		p.heard(t, "alert.raised b")
		if open := b.Open(); len(open) != 2 {
			t.Errorf("%d are open; what nobody was told of is still so", len(open))
		}
	})
}

// Raise must not wait for anything, whatever the far side does and however much there is.
func TestRaiseNeverBlocksAndTheBoardIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, db *store.DB, p *pager) {
		b := alert.New(alert.Options{Store: db, Clock: clock.System, Tell: p})
		for n := range 20_000 { // nobody runs it
			b.Raise(stalled(fmt.Sprintf("lane/%05d", n)))
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(b.Open()); n != 500 {
			t.Errorf("%d are open, want 500", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// broken is a store that does not commit.
type broken struct {
	connector.Store
	mu   sync.Mutex
	fail bool
}

func (b *broken) Update(ctx context.Context, shard string, fn func(connector.Tx) error) error {
	b.mu.Lock()
	fail := b.fail
	b.mu.Unlock()
	if fail {
		return connector.ErrStore
	}
	return b.Store.Update(ctx, shard, fn)
}

func TestAStoreThatDoesNotCommitLosesNoAlert(t *testing.T) {
	bubble(t, func(t *testing.T, db *store.DB, p *pager) {
		s := &broken{Store: db, fail: true}
		b := alert.New(alert.Options{Store: s, Clock: clock.System, Tell: p})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		b.Raise(stalled("a"))
		b.Raise(stalled("b"))
		time.Sleep(time.Minute)
		b.Clear("b") // before anybody knew
		synctest.Wait()
		p.heard(t)
		s.mu.Lock()
		s.fail = false
		s.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		p.heard(t, "alert.raised a")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// slow takes its time over each notice, so that two boards would tell at once, or for ever where its process has died.
type slow struct {
	*pager
	dead bool
}

func (s slow) Tell(ctx context.Context, n alert.Notice) error {
	if s.dead {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(time.Second)
	return s.pager.Tell(ctx, n)
}

// Two replicas see the same things stand still and share one store: each is told once.
func TestTwoReplicasTellOnce(t *testing.T) {
	bubble(t, func(t *testing.T, db *store.DB, p *pager) {
		a, stopA := startTelling(t, db, slow{pager: p})
		defer stopA()
		b, stopB := startTelling(t, db, slow{pager: p})
		defer stopB()
		for _, board := range []*alert.Board{a, b, a, b} {
			board.Raise(stalled("x"))
			board.Raise(stalled("y"))
			time.Sleep(100 * time.Millisecond)
		}
		b.Raise(stalled("z")) // while the other one tells
		time.Sleep(10 * time.Second)
		synctest.Wait()
		p.heard(t, "alert.raised x", "alert.raised y", "alert.raised z")
		b.Clear("x")
		a.Clear("x")
		a.Clear("y")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		slices.Sort(p.got[3:])
		p.heard(t, "alert.raised x", "alert.raised y", "alert.raised z", "alert.cleared x", "alert.cleared y")
	})
}

// What a replica was about to tell when it died, another one tells.
func TestAReplicaTellsWhatADeadOneDidNot(t *testing.T) {
	bubble(t, func(t *testing.T, db *store.DB, p *pager) {
		a, stopA := startTelling(t, db, slow{pager: p, dead: true})
		defer stopA()
		a.Raise(stalled("x"))
		synctest.Wait()
		b, stopB := startTelling(t, db, slow{pager: p})
		defer stopB()
		b.Raise(stalled("x"))
		time.Sleep(50 * time.Second)
		p.heard(t)
		time.Sleep(15 * time.Second)
		synctest.Wait()
		p.heard(t, "alert.raised x")
	})
}
