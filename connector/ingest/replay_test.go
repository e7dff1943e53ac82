package ingest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/ingest"
)

// story is a small thread with something of everything.
func story() []connector.Event {
	return []connector.Event{
		with(said("k1", "m-1", 1, "120 mg?"), func(ev *connector.Event) { ev.Patient = mrn("MRN1") }),
		told("k2", "m-2", 2, "12 mg."),
		news("k3", "m-2", connector.Delivered, time.Hour),
		corrected("k4", "m-1", 2, "12 mg?"),
		retracted("k5", "m-2"),
		turned("k6", connector.ThreadClosed, 3*time.Hour),
	}
}

// settled takes out of a picture what depends on the order things came in and not on what is known in the end: whether a
// follow-up had to wait for its message. deliver finds the message by its key either way.
func settled(picture string) string {
	picture = strings.ReplaceAll(picture, " waiting message ", " waiting  ")
	return strings.ReplaceAll(picture, " r0 delivered", " r1 delivered")
}

func normal(picture string) string {
	var out []string
	newest := strings.Contains(picture, "delivery=read")
	for _, l := range strings.Split(settled(picture), "\n") {
		switch {
		case strings.Contains(l, "chart/retraction"), strings.Contains(l, "chart/status"):
			l = strings.Replace(l, " r0 ", " r1 ", 1)
		}
		if newest && strings.HasSuffix(l, " delivered") {
			continue // news that newer news overtook makes no item of its own
		}
		out = append(out, l)
	}
	return strings.Join(out, "\n")
}

// stories are the two halves of the story, each small enough to be told in every order.
func stories() map[string][]connector.Event {
	all := story()
	return map[string][]connector.Event{
		"from the patient": {all[0], all[3], retracted("k7", "m-1"), all[5]},
		"to the patient":   {all[1], all[2], news("k8", "m-2", connector.Read, 2*time.Hour), all[4]},
	}
}

func TestEveryOrderEndsInOneState(t *testing.T) {
	for name, evs := range stories() {
		t.Run(name, func(t *testing.T) {
			want, audited := "", 0
			w := newWorld(t)
			permutations(len(evs), func(order []int) {
				w.ch.Name = fmt.Sprint("texting", order) // a channel of its own, so that nothing is shared
				for _, n := range order {
					w.accept(evs[n])
					if res := w.accept(evs[n]); outcome(res) != repeat {
						t.Errorf("order %v: event %d again: %s", order, n, outcome(res))
					}
				}
				got := normal(w.picture("t-1"))
				if want == "" {
					want = got
				}
				if got != want {
					t.Errorf("order %v ends in\n%swant\n%s", order, got, want)
				}
				audited += len(evs)
				if n := len(w.store.kinds()); n != audited {
					t.Errorf("order %v: %d audit rows, want %d", order, n, audited)
				}
			})
			if !strings.Contains(want, "retracted=true") || !strings.Contains(want, "chart/close") && !strings.Contains(want, "delivery=read") {
				t.Errorf("the state does not show the whole story:\n%s", want)
			}
		})
	}
}

// permutations calls f with every order of n things (Heap's algorithm).
func permutations(n int, f func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var heap func(int)
	heap = func(k int) {
		if k == 1 {
			f(order)
			return
		}
		for i := range k {
			heap(k - 1)
			if k%2 == 0 {
				order[i], order[k-1] = order[k-1], order[i]
			} else {
				order[0], order[k-1] = order[k-1], order[0]
			}
		}
	}
	heap(n)
}

// TestAllAtOnce gives every event of many threads several times, from many goroutines, in many orders.
func TestAllAtOnce(t *testing.T) {
	w := newWorld(t)
	const threads, copies = 8, 3
	var all []connector.Event
	for n := range threads {
		for _, ev := range story() {
			ev.Key = fmt.Sprintf("%d-%s", n, ev.Key)
			ev.Thread = &connector.ThreadInfo{ID: fmt.Sprintf("t-%d", n)}
			for range copies {
				all = append(all, ev)
			}
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	results := make(chan ingest.Result, len(all))
	var wg sync.WaitGroup
	for _, ev := range all {
		wg.Go(func() {
			res, err := w.in.Accept(context.Background(), w.ch, ev)
			if err != nil {
				t.Errorf("Accept: %v", err)
			}
			results <- res
		})
	}
	wg.Wait()
	close(results)
	fresh := 0
	for r := range results {
		if !r.Repeat {
			fresh++
		}
		if r.Conflict {
			t.Error("a conflict")
		}
	}
	if want := threads * len(story()); fresh != want || len(w.store.kinds()) != want {
		t.Errorf("%d events were new and %d audited, want %d", fresh, len(w.store.kinds()), want)
	}
	first := ""
	for n := range threads {
		ext := fmt.Sprintf("t-%d", n)
		got := strings.ReplaceAll(normal(w.picture(ext)), ext, "t")
		if first == "" {
			first = got
		}
		if got != first {
			t.Errorf("thread %s ends in\n%sthe first in\n%s", ext, got, first)
		}
	}
	w.view(func(tx connector.Tx) error {
		tallies, err := tx.Tallies()
		var sum int64
		for _, y := range tallies {
			if y.EHR == ehrID {
				sum += y.N
			}
		}
		if sum != threads*2 {
			t.Errorf("%d exchanges are counted, want %d", sum, threads*2)
		}
		return err
	})
}

func TestEchoRacesTheNews(t *testing.T) {
	for range 5 {
		w := newWorld(t)
		c := w.compose(w.draft(""))
		var wg sync.WaitGroup
		for _, ev := range []connector.Event{
			echo("k1", "t-1", c.Client, "m-1", 1), echo("k2", "t-1", c.Client, "m-1", 1),
			news("k3", c.Client, connector.Sent, time.Hour), news("k4", "m-1", connector.Delivered, 2*time.Hour),
			said("k5", "m-2", 2, "Thank you"),
		} {
			wg.Go(func() {
				if _, err := w.in.Accept(context.Background(), w.ch, ev); err != nil {
					t.Errorf("Accept %s: %v", ev.Key, err)
				}
			})
		}
		wg.Wait()
		m := w.row(c.Message)
		if m.Message.ID != "m-1" || m.Delivery.State != connector.Delivered || w.thread("t-1").ID != m.Thread {
			t.Errorf("row %s %s", m.Message.ID, m.Delivery.State)
		}
		if n := len(w.itemsOf("t-1", connector.ItemExchange)); n != 2 {
			t.Errorf("%d exchanges, want 2", n)
		}
	}
}
