package deliver_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// figure prints one measured figure as every measuring command does, and fails the test where it is short.
func figure(t testing.TB, id string, value, limit float64, atMost bool) {
	t.Helper()
	word, sign := "ok", "="
	if atMost {
		sign = "<="
	}
	if value > limit {
		word = "short"
		t.Errorf("%s is %g, want %s%g", id, value, sign, limit)
	}
	fmt.Printf("figure %s %s %s%s %s\n", id, number(value), sign, number(limit), word)
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', 4, 64) }

// size reads a size from the environment, as the make targets give it.
func size(name string, short int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return short
}

// An outage as long as the horizon: the EHR refuses connections, then hangs, then asks for patience; meanwhile exchanges
// keep coming. Nothing is lost, nothing leaves before a Retry-After is over, at most one request a second probes; and when
// the EHR is back the backlog drains at its own limit while new threads do not wait behind it.
func TestOutage(t *testing.T) {
	hours, backlog := size("OUTAGE_HOURS", 4), size("OUTAGE_EXCHANGES", 400)
	const limit, arrivals = 20.0, 2.0 // requests and new threads a second
	alone(t, func(w *world) {
		s := &turnstile{chart: w.chart, limit: limit, trip: 50 * time.Millisecond, ask: 10 * time.Minute}
		w.chart.onFile = nil
		w.conn.EHR, w.conn.PerSecond, w.conn.Concurrent = s, limit, 8
		w.run()
		w.acceptIn("before", said("m", 1, "x"))
		w.pass(time.Minute)
		probes := 0
		phase := time.Duration(hours) * time.Hour / 3
		n := 0
		for _, down := range []string{"asking", "hanging", "refused"} {
			w.barrier()
			s.becomes(down)
			for range backlog / 3 / 2 { // two exchanges a thread, the first half an hour apart from the second
				thread := fmt.Sprint("old-", n)
				w.acceptIn(thread, said("a", 1, "x"))
				w.pass(phase / time.Duration(backlog/3/2))
				w.acceptIn(thread, said("b", 2, "x"))
				n++
			}
			if m := s.most(time.Minute); m > probes {
				probes = m
				t.Logf("%s: %d requests within a second", down, m)
			}
		}
		w.barrier()
		s.becomes("")
		for len(s.times()) == 0 { // until it is noticed
			w.pass(100 * time.Millisecond)
		}
		back, fresh := time.Now(), 0
		for ; s.filed("old-") < 2*n && time.Since(back) < 4*time.Hour; fresh++ {
			w.acceptIn(fmt.Sprint("new-", fresh), said("a", 1, "x"))
			time.Sleep(time.Duration(float64(time.Second) / arrivals))
		}
		w.pass(5 * time.Minute)
		f := w.filings()
		figure(t, "P7-lost", float64(2*n+fresh+1-len(f.of(""))), 0, false)
		figure(t, "P7-early", float64(s.early), 0, false)
		figure(t, "P7-probes", float64(probes), 1, true)
		// A thread costs the match of its patient, its header and its messages.
		least := float64(4*n) / (limit - 3*arrivals)
		last := time.Time{}
		for _, i := range f.of("old-") {
			if i.ChangedAt.After(last) {
				last = i.ChangedAt
			}
		}
		figure(t, "P8-drain", last.Sub(back).Seconds()/least, 1.1, true)
		figure(t, "P8-new-p99", f.p99("new-").Seconds(), 5, true)
		t.Logf("%d exchanges waited through %d hours; they drained in %v while %d new threads came; %d requests got 429",
			2*n, hours, last.Sub(back), fresh, s.many)
	})
}

// filings are the filed exchanges by their thread's name on the platform.
type filings map[string][]connector.Item

func (w *world) filings() filings {
	w.t.Helper()
	out := filings{}
	w.view(func(tx connector.Tx) error {
		items, err := tx.OpenItems(ehrID, []connector.ItemState{connector.Filed}, 0)
		if err != nil {
			return err
		}
		for _, i := range items {
			t, err := tx.Thread(ehrID, i.Thread)
			if err != nil {
				return err
			}
			if i.Kind == connector.ItemExchange {
				out[t.Ext] = append(out[t.Ext], i)
			}
		}
		return nil
	})
	return out
}

// of gives those of the threads whose name begins so.
func (f filings) of(prefix string) (out []connector.Item) {
	for ext, items := range f {
		if strings.HasPrefix(ext, prefix) {
			out = append(out, items...)
		}
	}
	return out
}

// p99 is how long all but one in a hundred waited from their commit to their receipt.
func (f filings) p99(prefix string) time.Duration {
	var waits []time.Duration
	for _, i := range f.of(prefix) {
		waits = append(waits, i.ChangedAt.Sub(i.CommittedAt))
	}
	if len(waits) == 0 {
		return 0
	}
	slices.Sort(waits)
	return waits[(len(waits)*99-1)/100]
}
