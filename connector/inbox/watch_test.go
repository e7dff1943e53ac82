package inbox

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// soon waits for the next change, which has to come within a second.
func soon(t *testing.T, changes <-chan Change) Change {
	t.Helper()
	select {
	case c, ok := <-changes:
		if !ok {
			t.Fatal("the stream is over")
		}
		return c
	case <-time.After(time.Second):
		t.Fatal("nothing within a second")
		return Change{}
	}
}

func TestWatchTellsWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		ctx, stop := context.WithCancel(t.Context())
		page, err := w.desk.Watch(ctx, s, []string{thread})
		if err != nil {
			t.Fatal(err)
		}
		list, err := w.replica().Watch(ctx, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		v := w.opened(s, thread)
		for _, changes := range []<-chan Change{page, list} {
			if c := soon(t, changes); c.Thread != thread || c.Version != v.Version {
				t.Errorf("at first %+v, want version %d", c, v.Version)
			}
		}
		time.Sleep(3 * time.Second)
		w.comes(daniel, "t-1", 2, motherSide, "It is swollen")
		for _, changes := range []<-chan Change{page, list} {
			if c := soon(t, changes); c.Thread != thread || c.Version <= v.Version {
				t.Errorf("then %+v", c)
			}
		}
		fresh := w.comes(daniel, "t-9", 1, patientSide, "Another thing")
		if c := soon(t, list); c.Thread != fresh {
			t.Errorf("a new thread is told as %+v", c)
		}
		s2, _ := w.launch(maria)
		if c := soon(t, page); c.Cover != s2.ID {
			t.Errorf("another patient is told as %+v", c)
		}
		if _, err := w.desk.EndUser(t.Context(), "mercy", doctor, "cli"); err != nil {
			t.Fatal(err)
		}
		if c := soon(t, page); c.Ended == "" {
			t.Errorf("the end is told as %+v", c)
		}
		if _, open := <-page; open {
			t.Error("the stream goes on after the end")
		}
		stop()
		time.Sleep(time.Second)
		synctest.Wait()
		if len(w.desk.watch.all) != 0 {
			t.Error("somebody is thought to watch still")
		}
	})
}

// A page that takes nothing holds up nobody, and is told the newest of each thread.
func TestWatchPutsTogetherWhatIsNotTaken(t *testing.T) {
	w := &watching{out: make(chan Change, 1)}
	for n := range 5 {
		w.say(Change{Thread: "a", Version: int64(n)}, Change{Thread: "b", Version: int64(n)})
	}
	if len(w.waits) != 2 {
		t.Errorf("%d wait: %v", len(w.waits), w.waits)
	}
	<-w.out
	w.say()
	if c := <-w.out; c.Version != 4 {
		t.Errorf("told %+v", c)
	}
}

// counting counts what of a store is asked.
type counting struct {
	connector.Store
	views, opened atomic.Int64 // transactions, and rows that were opened
	takes         atomic.Int64 // time that a View takes
	hangs         atomic.Bool  // the next View does not come back before its time is up
}

// counts has a world's store count.
func (w *world) counts() *counting {
	c := &counting{Store: w.store.Store}
	w.store.Store = c
	return c
}

func (c *counting) View(ctx context.Context, fn func(tx connector.Tx) error) error {
	c.views.Add(1)
	time.Sleep(time.Duration(c.takes.Load())) // of the bubble
	if c.hangs.Swap(false) {
		<-ctx.Done()
		return ctx.Err()
	}
	return c.Store.View(ctx, func(tx connector.Tx) error { return fn(countingTx{tx, c}) })
}

type countingTx struct {
	connector.Tx
	c *counting
}

func (t countingTx) Session(ehr, id string) (connector.SessionRow, error) {
	t.c.opened.Add(1)
	return t.Tx.Session(ehr, id)
}

func (t countingTx) PatientThreads(ehr, patient string, limit int) ([]connector.Thread, error) {
	t.c.opened.Add(1)
	return t.Tx.PatientThreads(ehr, patient, limit)
}

func (t countingTx) PoolThreads(ehr, pool string, after connector.DeskPlace, limit int) ([]connector.Thread, error) {
	t.c.opened.Add(1)
	return t.Tx.PoolThreads(ehr, pool, after, limit)
}

// in counts what is asked in a time.
func (c *counting) in(d time.Duration) (views, opened int64) {
	was, open := c.views.Load(), c.opened.Load()
	time.Sleep(d) // of the bubble
	return c.views.Load() - was, c.opened.Load() - open
}

// Pages that idle cost one transaction a look, however many they are, and nothing is opened for them; once they have gone, nothing
// is asked.
func TestWatchOfIdlePages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var threads []string
		for n := range 9 {
			threads = append(threads, w.comes(daniel, fmt.Sprint("t-", n), 1, patientSide, "My knee hurts"))
		}
		c := w.counts()
		ctx, stop := context.WithCancel(t.Context())
		for n := range 30 {
			s := w.signed(doctor, []string{daniel, ""}[n%2], "doctor")
			changes, err := w.desk.Watch(ctx, s, threads[:n%3])
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for range changes {
				}
			}()
		}
		time.Sleep(2 * watchEvery)
		synctest.Wait()
		if views, opened := c.in(10 * watchEvery); views > 10 || opened != 0 {
			t.Errorf("ten looks for 30 idle pages: %d transactions, %d rows opened", views, opened)
		}
		stop()
		time.Sleep(2 * watchEvery)
		views, _ := c.in(time.Minute)
		synctest.Wait()
		if views != 0 || w.desk.watch.running {
			t.Errorf("nobody watches: %d transactions; the loop runs: %v", views, w.desk.watch.running)
		}
	})
}

// Whoever comes while the loop has not noticed yet that the last page has gone is looked for by that loop, not by a second one.
func TestWatchIsOneLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		c := w.counts()
		ctx, stop := context.WithCancel(t.Context())
		one, two := w.signed(doctor, daniel, "doctor"), w.signed("Practitioner/lee", daniel, "doctor")
		for range 5 {
			page, err := w.desk.Watch(ctx, one, []string{thread})
			if err != nil {
				t.Fatal(err)
			}
			if views, _ := c.in(10 * watchEvery); views > 11 {
				t.Errorf("%d looks in the time of 10", views)
			}
			if err := w.desk.SignOut(t.Context(), one); err != nil {
				t.Fatal(err)
			}
			for range page { // until it is told, and its stream ends
			}
			one, two = two, w.signed(doctor, daniel, "doctor")
		}
		stop()
		time.Sleep(2 * watchEvery)
	})
}

// A page that goes while a look at it is under way is let go once.
func TestWatchPageGoesDuringALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		c := w.counts()
		one, two := w.signed(doctor, daniel, "doctor"), w.signed("Practitioner/lee", daniel, "doctor")
		gone, err := w.desk.Watch(t.Context(), one, []string{thread})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := w.desk.SignOut(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		for range gone {
		}
		time.Sleep(50 * time.Millisecond)
		ctx, stop := context.WithCancel(t.Context())
		page, err := w.desk.Watch(ctx, two, []string{thread})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		c.takes.Store(int64(100 * time.Millisecond))
		for n := range 20 {
			w.comes(daniel, "t-1", int64(n+2), patientSide, "More")
			time.Sleep(70 * time.Millisecond)
		}
		stop()
		time.Sleep(5 * time.Second)
		told := 0
		for range page {
			told++
		}
		if told == 0 {
			t.Error("it was told nothing")
		}
	})
}

// A read that hangs costs the pages that read, and not their streams.
func TestWatchOutlivesAReadThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.signed(doctor, daniel, "doctor")
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		c := w.counts()
		ctx, stop := context.WithCancel(t.Context())
		page, err := w.desk.Watch(ctx, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		first := soon(t, page)
		c.hangs.Store(true)
		time.Sleep(time.Second)
		w.comes(daniel, "t-1", 2, patientSide, "It is swollen")
		time.Sleep(lookFor)
		if news := soon(t, page); news.Thread != thread || news.Version <= first.Version {
			t.Errorf("told %+v", news)
		}
		stop()
		time.Sleep(time.Second)
	})
}

// A session that comes into another pool shows that pool's threads; one whose row is gone ends.
func TestWatchGoesByTheSessionAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.app.grant.Patient = ""
		s := w.signed(doctor, "", "doctor")
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		k := w.row(s.ID)
		pools := k.body.Pools
		alter := func(change func(k *kept)) {
			t.Helper()
			if err := w.desk.alter(t.Context(), &k, func(_ connector.Tx, k *kept) error { change(k); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		alter(func(k *kept) { k.body.Pools = nil })
		page, err := w.desk.Watch(t.Context(), s, nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if len(page) != 0 {
			t.Errorf("in no pool, and told %+v", <-page)
		}
		alter(func(k *kept) { k.body.Pools = pools })
		if c := soon(t, page); c.Thread != thread {
			t.Errorf("told %+v", c)
		}
		w.update(func(tx connector.Tx) error {
			_, err := tx.ForgetSessions(time.Now().Add(time.Hour), 9)
			return err
		})
		if c := soon(t, page); c.Ended == "" {
			t.Errorf("told %+v", c)
		}
		if _, open := <-page; open {
			t.Error("the stream goes on")
		}
		time.Sleep(2 * watchEvery)
	})
}
