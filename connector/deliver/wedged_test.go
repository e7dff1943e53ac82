package deliver_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// wedge files threads of four messages, shuffled and some of them repeated, through eight slots, while the requests of the
// first wedged threads hang for ever. It gives how long the others waited and what came out of order or twice.
func wedge(t *testing.T, wedged, threads int) (p99 time.Duration, inversions, lost int) {
	alone(t, func(w *world) {
		dice := rand.New(rand.NewPCG(7, 7))
		s := &turnstile{chart: w.chart, trip: 50 * time.Millisecond}
		bad := map[string]bool{}
		for n := range wedged {
			bad[fmt.Sprint("bad-", n)] = true
		}
		s.hangs = func(value string) bool { thread, _, _ := strings.Cut(value, "/"); return bad[thread] }
		w.chart.onFile = nil
		w.conn.EHR, w.conn.Concurrent, w.conn.PerSecond = s, 8, 200
		w.run()
		for n := range threads {
			if n == 20 { // all at once, in a connector that runs
				for n := range wedged {
					w.acceptIn(fmt.Sprint("bad-", n), said("m1", 1, "x"))
				}
			}
			ext := fmt.Sprint("good-", n)
			for _, k := range dice.Perm(4) {
				ev := said(fmt.Sprint("m", k+1), int64(k+1), "x")
				w.acceptIn(ext, ev)
				if dice.IntN(4) == 0 {
					w.acceptIn(ext, ev) // under another webhook-id
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		w.pass(3 * time.Minute)
		f := w.filings()
		p99, lost = f.p99("good-"), 4*threads-len(f.of("good-"))
		last := map[string]string{}
		for _, v := range w.chart.order() {
			thread, message, _ := strings.Cut(v, "/")
			if message <= last[thread] {
				inversions++
			}
			last[thread] = message
		}
	})
	return p99, inversions, lost
}

// Ten threads whose requests hang leave the others as they are.
func TestWedgedThreadsLeaveTheOthersAlone(t *testing.T) {
	threads := size("WEDGED_THREADS", 600)
	base, inversions, lost := wedge(t, 0, threads)
	with, inversions2, lost2 := wedge(t, 10, threads)
	figure(t, "P4-inversions-virtual", float64(inversions+inversions2), 0, false)
	figure(t, "P4-lost-virtual", float64(lost+lost2), 0, false)
	figure(t, "P4-wedged-virtual", with.Seconds()/base.Seconds(), 1.2, true)
	t.Logf("99 of 100 exchanges were filed within %v, and within %v beside ten wedged threads", base, with)
}

// atOnce files about 40 exchanges a second for 12 seconds from eight senders, some of whose neighbours change places, and
// before them as many wedged threads as it is told. The EHR answers within 20 ms.
func atOnce(t *testing.T, wedged int) (p99 time.Duration) {
	alone(t, func(w *world) {
		s := &turnstile{chart: w.chart, trip: 20 * time.Millisecond}
		s.hangs = func(value string) bool { return strings.HasPrefix(value, "bad-") }
		w.chart.onFile = nil
		w.conn.EHR, w.conn.Concurrent, w.conn.PerSecond, w.conn.Deadline = s, 8, 5000, 2*time.Second
		w.run()
		w.acceptIn("before", said("m1", 1, "x"))
		w.pass(time.Second)
		for n := range wedged {
			w.acceptIn(fmt.Sprint("bad-", n), said("m1", 1, "x"), said("m2", 2, "x"))
		}
		begun := time.Now()
		one := make(chan struct{}, 1) // and no sync.Mutex: time stands still in a bubble while somebody waits for one, and a commit may wait for time
		var senders sync.WaitGroup
		for n := range 8 {
			senders.Go(func() {
				dice := rand.New(rand.NewPCG(0, uint64(n)))
				for thread := 0; time.Since(begun) < 12*time.Second; thread++ {
					order := []int{1, 2, 3, 4}
					for k := range 3 {
						if dice.IntN(10) == 0 {
							order[k], order[k+1] = order[k+1], order[k]
						}
					}
					for _, k := range order {
						one <- struct{}{}
						w.acceptIn(fmt.Sprint("good-", n, "-", thread), said(fmt.Sprint("m", k), int64(k), "x"))
						<-one
						time.Sleep(200*time.Millisecond + time.Duration(dice.IntN(10))*time.Millisecond)
					}
				}
			})
		}
		senders.Wait()
		w.pass(3 * time.Minute)
		p99 = w.filings().p99("good-")
	})
	return p99
}

// Ten threads that hang at once take every slot, and give them back before the others have waited for long.
func TestThreadsThatHangAtOnceGiveTheirSlotsBack(t *testing.T) {
	base, with := atOnce(t, 0), atOnce(t, 10)
	figure(t, "P4-wedged-at-once-virtual", with.Seconds()/base.Seconds(), 1.2, true)
	t.Logf("99 of 100 exchanges were filed within %v, and within %v beside ten threads that hang at once", base, with)
}
