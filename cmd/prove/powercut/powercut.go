// Package powercut cuts the power under Chartwire's store, again and again: everything is killed, the disk forgets what
// was not synced, and what was acknowledged must be there when the power is back. Its control runs a store that is set up
// to lose, and must see it lose: else the cuts prove nothing.
package powercut

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/chartwire/chartwire/cmd/prove/figure"
	"github.com/chartwire/chartwire/cmd/prove/powercut/lazyfs"
	"github.com/chartwire/chartwire/cmd/prove/rig"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/store/pgtest"
)

// Run is one proof. Binary is built with points, for only such a build takes the control's settings.
type Run struct {
	Binary string
	Seed   uint64
	Keep   bool
	Book   *figure.Book
	Out    io.Writer

	random *rand.Rand
	disk   *lazyfs.Disk
	mount  *lazyfs.Mount
	dir    string
	pg     *pgtest.Cluster
}

const settleWithin = 3 * time.Minute

func (r *Run) say(format string, args ...any) { fmt.Fprintf(r.Out, format+"\n", args...) }

// Store runs n cuts on one store as it is meant to be.
func (r *Run) Store(ctx context.Context, store string, n int) error {
	out, err := r.run(ctx, store, n, false)
	if err != nil {
		return err
	}
	add := func(row string, value int, note string) {
		r.Book.Add(figure.Figure{ID: row + "-powercut-" + store, Value: float64(value), Limit: "=0", Note: note})
	}
	add("P1", out.v.Lost, fmt.Sprintf("acked and not on the chart, of %d acked, %d cuts, %d unsynced pages lost, back in %v at the longest, %d parked, %v in all",
		out.v.Acked, out.cuts, out.pages, out.longest.Round(time.Millisecond), out.states["parked"], out.took.Round(time.Second)))
	add("P3", out.v.Duplicates, "doubled")
	add("P4", out.v.Inversions, "inverted and not marked late")
	add("P25", out.v.WrongPatient+out.v.WrongWords+out.v.Strangers, "under a wrong patient, with other words, or of nobody")
	add("P5", len(out.samples.Broken), fmt.Sprintf("broken of %d samples of conservation", out.samples.Taken))
	if !out.v.Clean() {
		r.say("powercut-%s: %v", store, out.v)
	}
	for _, b := range out.samples.Broken[:min(len(out.samples.Broken), 5)] {
		r.say("powercut-%s: %s", store, b)
	}
	return nil
}

// Control runs at most n cuts on a store that does not wait for the disk. It must lose; the run ends when it has.
func (r *Run) Control(ctx context.Context, store string, n int) error {
	out, err := r.run(ctx, store, n, true)
	if err != nil {
		return err
	}
	r.Book.Add(figure.Figure{ID: "P1-powercut-control-" + store, Value: float64(out.gone), Limit: ">=1",
		Note: fmt.Sprintf("acked and forgotten where commits do not wait for the disk, as it must be: %d of %d acked, by cut %d", out.gone, out.v.Acked, out.cuts)})
	return nil
}

// outcome is what a run has seen.
type outcome struct {
	v       rig.Verdict
	states  rig.States
	samples rig.Samples
	cuts    int
	pages   int
	gone    int // acked and not accepted any more after a cut; only the control looks
	longest time.Duration
	took    time.Duration
}

func (r *Run) run(ctx context.Context, store string, n int, control bool) (out outcome, err error) {
	r.random = rand.New(rand.NewPCG(r.Seed, 0xDA2C))
	if r.dir, err = os.MkdirTemp("", "powercut"); err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, r.end()) }()
	if err := os.Chmod(r.dir, 0o755); err != nil { // the database's user has to get there
		return out, err
	}
	r.disk = lazyfs.New(clock.System.Now)
	if r.mount, err = r.disk.Mount(r.dir); err != nil {
		return out, err
	}
	o := rig.Options{Binary: r.Binary, Store: store, Keep: r.Keep}
	if err := r.store(&o, control); err != nil {
		return out, err
	}
	w, err := rig.New(ctx, o)
	if err != nil {
		return out, err
	}
	if err := w.Up(ctx); err != nil {
		return out, w.Close(err)
	}
	r.disk.Sync() // the installation is older than the first cut
	began := clock.System.Now()
	err = r.cuts(ctx, w, n, control, &out)
	if err == nil && !control {
		out.states, err = w.Settle(ctx, settleWithin)
	}
	if err == nil {
		out.v = w.Judge()
		if out.v.Acked == 0 || out.pages == 0 || out.samples.Taken == 0 && !control {
			err = errors.New("nothing was acknowledged, lost or sampled: this run proves nothing")
		}
	}
	out.took = clock.System.Now().Sub(began)
	failed := err
	if failed == nil && r.Keep && !control && !out.v.Clean() {
		failed = errors.New("figures are short")
	}
	return out, w.Close(failed)
}

// store puts the store on the disk: as it is meant to be, or as the control has it.
func (r *Run) store(o *rig.Options, control bool) (err error) {
	switch o.Store {
	case rig.SQLite:
		o.StoreDir = r.dir
		if control {
			o.Env = []string{"CRASH_SQLITE_SYNCHRONOUS=NORMAL"}
		}
		return nil
	case rig.Postgres:
		po := pgtest.Options{Sync: !control, Data: filepath.Join(r.dir, "data")}
		r.pg, err = pgtest.Start(po)
		o.Cluster = r.pg
		return err
	}
	return fmt.Errorf("no store %q", o.Store)
}

// end takes the run apart, whatever it got to.
func (r *Run) end() error {
	var err error
	if r.pg != nil {
		err = r.pg.Close()
	}
	if r.mount != nil {
		err = errors.Join(err, r.mount.Unmount())
	}
	r.pg, r.mount = nil, nil
	return errors.Join(err, os.RemoveAll(r.dir))
}
