package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/chartwire/chartwire/cmd/prove/figure"
)

const (
	limitR6           = "<=64"
	limitR6Goroutines = "<=50" // beside those of an empty connector: connections differ a little from run to run
)

// idle is R6: the resident memory of serve with 100,000 open, idle threads, over that with none, after the same traffic in
// each; and how many more goroutines it runs.
func (b *bench) idle(ctx context.Context) error {
	var memory, goroutines [2]float64
	for i, threads := range []int{0, b.o.Threads} {
		var err error
		if memory[i], goroutines[i], err = b.resident(ctx, threads); err != nil {
			return err
		}
	}
	note := fmt.Sprintf("%d open threads: %.1f MiB, %.0f goroutines; none: %.1f MiB, %.0f", b.o.Threads, memory[1], goroutines[1], memory[0], goroutines[0])
	b.o.Book.Add(figure.Figure{ID: "R6", Value: memory[1] - memory[0], Limit: limitR6, Unit: "MiB", Note: note})
	b.o.Book.Add(figure.Figure{ID: "R6-goroutines", Value: goroutines[1] - goroutines[0], Limit: limitR6Goroutines, Note: note})
	return nil
}

func (b *bench) resident(ctx context.Context, threads int) (memory, goroutines float64, err error) {
	url, err := b.pg.database(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer b.pg.drop(ctx, url)
	c, err := b.prepare(fmt.Sprintf("r6-%d", threads), setting{store: url})
	if err != nil {
		return 0, 0, err
	}
	if err := c.start(ctx); err != nil {
		return 0, 0, err
	}
	if threads > 0 {
		seed, err := b.seeder(ctx, c, url)
		if err != nil {
			return 0, 0, err
		}
		err = seed.fill(ctx, threads, seed.open)
		if e := seed.db.Close(); err == nil {
			err = e
		}
		if err != nil {
			return 0, 0, err
		}
	}
	all, err := events(20, 10, "open-") // in the first of the open threads, where there are some
	if err == nil {
		err = sign(all, b.secret)
	}
	if err == nil {
		p := newPoster(c.public + "/channels/texting/events")
		_, err = p.pour(ctx, all)
		p.close()
	}
	if err == nil {
		err = c.filed(ctx, len(all))
	}
	if err != nil {
		c.stop()
		return 0, 0, err
	}
	time.Sleep(5 * time.Second) // idle: what the traffic left is given back or stays
	rss, err := rssOf(c.pid())
	n := c.goroutines()
	return float64(rss) / (1 << 20), float64(n), err
}

var goroutineLine = regexp.MustCompile(`(?m)^goroutine \d+ .*\[`)

// goroutines has serve print its stacks, which ends it, and counts them.
func (c *served) goroutines() int {
	_ = c.cmd.Process.Signal(syscall.SIGQUIT)
	<-c.done
	_ = c.log.Close()
	said, err := os.ReadFile(filepath.Join(c.dir, "log"))
	if err != nil || !bytes.Contains(said, []byte("SIGQUIT")) {
		return -1
	}
	return len(goroutineLine.FindAll(said, -1))
}
