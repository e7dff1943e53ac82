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
	b := alert.New(alert.Options{Store: db, Clock: clock.System, Tell: p})
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
