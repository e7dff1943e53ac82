package sim

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/cmd/prove/figure"
)

var (
	seeds = flag.Int("seeds", 12, "how many seeds to run")
	start = flag.Uint64("from", 1, "the first of them")
	only  = flag.Uint64("seed", 0, "run this seed alone")
	first = flag.Bool("first", false, "stop at the first seed that fails")
	tell  = flag.Bool("threads", false, "let every seed's EHR file threads")
	keep  = flag.String("keep", "", "write the full event log of each seed into this directory")
)

// tally adds up what became of all seeds.
type tally struct {
	sync.Mutex
	ran, failed int
	virtual     time.Duration
	walls       []time.Duration
	stats       map[string]int
}

func (a *tally) add(got Result, wall time.Duration) {
	a.Lock()
	defer a.Unlock()
	a.ran++
	a.failed += min(len(got.Failures), 1)
	a.virtual += got.Virtual
	a.walls = append(a.walls, wall)
	for k, n := range got.Stats {
		a.stats[k] += n
	}
}

func (a *tally) any() bool {
	a.Lock()
	defer a.Unlock()
	return a.failed > 0
}

// Every seed keeps DESIGN §3.
func TestSeeds(t *testing.T) {
	if _, err := Sealer(); err != nil {
		t.Fatal(err)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // worlds are small, and made by the hundred
	from, to := *start, *start+uint64(*seeds)-1
	if *only > 0 {
		from, to = *only, *only
	}
	all := &tally{stats: map[string]int{}}
	t.Run("seed", func(t *testing.T) {
		for seed := from; seed <= to; seed++ {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				if *first && all.any() {
					return
				}
				began := time.Now()
				var got Result
				synctest.Test(t, func(t *testing.T) { got = Run(t, seed, *tell) })
				all.add(got, time.Since(began))
				report(t, got)
			})
		}
	})
	if *only == 0 && !*first {
		figures(t, all)
	}
}

func figures(t *testing.T, all *tally) {
	slices.Sort(all.walls)
	book := &figure.Book{Out: os.Stdout, Command: fmt.Sprintf("make sim SEEDS=%d", *seeds), File: os.Getenv("FIGURES")}
	note := fmt.Sprintf("%d virtual hours, %d requests, %d entries, %d transcripts, %d parked, median %s a seed", int(all.virtual.Hours()), all.stats["request"],
		all.stats["entry"], all.stats["transcript"], all.stats["parked"], all.walls[len(all.walls)/2].Round(time.Millisecond))
	book.Add(figure.Figure{ID: "P22-seeds", Value: float64(all.ran), Limit: fmt.Sprintf(">=%d", *seeds), Unit: "seeds", Note: note})
	book.Add(figure.Figure{ID: "P22-violations", Value: float64(all.failed), Limit: "=0", Unit: "seeds"})
	if err := book.Err(); err != nil {
		t.Error(err)
	}
	if *seeds >= 12 && all.stats["transcript"] == 0 {
		t.Error("no thread was filed as one entry: these seeds prove nothing of it")
	}
}

func report(t *testing.T, got Result) {
	t.Helper()
	if *only > 0 {
		t.Logf("seed %d: %s virtual, %v", got.Seed, got.Virtual.Round(time.Minute), got.Stats)
	}
	if *keep != "" {
		if err := os.WriteFile(filepath.Join(*keep, fmt.Sprintf("seed-%d.log", got.Seed)), []byte(strings.Join(got.Trace, "\n")+"\n"), 0o600); err != nil {
			t.Error(err)
		}
	}
	for n, f := range got.Failures {
		if n == 10 {
			t.Errorf("and %d more", len(got.Failures)-n)
			break
		}
		t.Errorf("seed %d %s; again with: %s", got.Seed, f, again(got.Seed))
	}
}

// again is how a seed is met again. Its world is the same each time and its interleaving is not, so it is run many times.
func again(seed uint64) string {
	threads := ""
	if *tell {
		threads = " -threads"
	}
	return fmt.Sprintf("GOMAXPROCS=1 go test ./cmd/prove/sim -run TestSeeds -count 50 -failfast -args -seed %d%s -keep DIR", seed, threads)
}
