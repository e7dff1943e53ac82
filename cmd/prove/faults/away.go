package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/chartwire/chartwire/cmd/prove/figure"
	"github.com/chartwire/chartwire/cmd/prove/rig"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/store/pgtest"
)

// staging takes the store away and gives it back.
type staging struct {
	name   string
	limit  int // MiB of the file system the store is on, most of it still free when the load ends; 0 is the machine's own
	store  string
	remove func(w *rig.World, dir string) error
	give   func(w *rig.World, dir string) error
}

var stagings = []staging{
	{name: "sqlite-full", limit: 192, store: rig.SQLite, remove: fill, give: drain},
	{name: "postgres-full", limit: 512, store: rig.Postgres, remove: fill, give: func(w *rig.World, dir string) error {
		return errors.Join(drain(w, dir), w.Cluster.Up()) // a server that could not write its log has ended itself
	}},
	{name: "postgres-down", store: rig.Postgres,
		remove: func(w *rig.World, _ string) error { return w.Cluster.Down("immediate") },
		give:   func(w *rig.World, _ string) error { return w.Cluster.Up() }},
	{name: "postgres-stopped", store: rig.Postgres,
		remove: func(w *rig.World, _ string) error { return w.Cluster.Signal(syscall.SIGSTOP) },
		give:   func(w *rig.World, _ string) error { return w.Cluster.Signal(syscall.SIGCONT) }},
}

const filler = "filler"

// fill takes the rest of a file system.
func fill(_ *rig.World, dir string) error {
	f, err := os.Create(filepath.Join(dir, filler))
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 64<<10)
	for len(block) > 0 {
		if _, err := f.Write(block); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				return err
			}
			block = block[:len(block)/2] // to the last byte
		}
	}
	return nil
}

func drain(_ *rig.World, dir string) error { return os.Remove(filepath.Join(dir, filler)) }

// room is an error where a staging's file system is as good as full without the filler: then the staging was too small for what
// was sent, and says nothing of the store.
func (s staging) room(dir string) error {
	if s.limit == 0 {
		return nil
	}
	var at syscall.Statfs_t
	if err := syscall.Statfs(dir, &at); err != nil {
		return err
	}
	if free := int(at.Bavail * uint64(at.Bsize) >> 20); free < s.limit/8 {
		return fmt.Errorf("the staging itself is at fault: %d MiB of its %d were free after the filler was gone; give it more", free, s.limit)
	}
	return nil
}

// away is P2: what cannot be stored is not acknowledged, and acknowledgements go on by themselves when it can.
func (r *run) away(ctx context.Context) error {
	for _, s := range stagings {
		if err := r.stage(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func (r *run) stage(ctx context.Context, s staging) (err error) {
	dir, err := os.MkdirTemp("", "prove-away")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { // the database's own user has to pass
		return err
	}
	o := rig.Options{Store: s.store, GapWait: 2 * time.Second} // the load ends within conversations
	if s.limit > 0 {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", s.limit)); err != nil {
			return fmt.Errorf("a file system that can be full could not be mounted; run this as root: %w", err)
		}
		defer func() { err = errors.Join(err, syscall.Unmount(dir, syscall.MNT_DETACH)) }()
		o.StoreDir = dir
	}
	if s.store == rig.Postgres && s.limit > 0 {
		o.Cluster, err = pgtest.Start(pgtest.Options{Sync: true, Data: filepath.Join(dir, "data"),
			Config: []string{"max_wal_size = 64MB", "min_wal_size = 32MB"}})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, o.Cluster.Close()) }()
	}
	return r.in(ctx, "P2-"+s.name, o, func(ctx context.Context, w *rig.World) error { return r.takeAway(ctx, w, s, dir) })
}

// Phases of a staging. quiet is how long no acknowledgement may come before the store counts as gone: on a full disk a small
// commit may still find room in pages and logs that are written over, and is kept like any other; recovers is P2's limit.
const (
	before   = 2 * time.Second
	quiet    = 5 * time.Second
	gone     = 5 * time.Second
	recovers = 5 * time.Second
)

func (r *run) takeAway(ctx context.Context, w *rig.World, s staging, dir string) error {
	sending, stop := context.WithCancel(ctx)
	defer stop()
	sent := make(chan error, 1)
	go func() { sent <- w.Send(sending, rig.Load{Senders: 8, Pause: 5 * time.Millisecond, Prefix: "p2-"}) }()
	if err := clock.Sleep(ctx, clock.System, before); err != nil {
		return err
	}
	if w.Acks.Acked() == 0 {
		return errors.New("nothing was acknowledged even before")
	}
	if err := s.remove(w, dir); err != nil {
		return err
	}
	if err := r.falls(ctx, w); err != nil {
		return errors.Join(err, s.give(w, dir))
	}
	during, tried := w.Acks.Acked(), w.Acks.Attempted()
	if err := clock.Sleep(ctx, clock.System, gone); err != nil {
		return err
	}
	during = w.Acks.Acked() - during
	if err := s.give(w, dir); err != nil {
		return err
	}
	took, err := r.returns(ctx, w)
	if err != nil {
		return errors.Join(err, s.room(dir))
	}
	if err := clock.Sleep(ctx, clock.System, before); err != nil {
		return err
	}
	stop()
	if err := <-sent; err != nil {
		return err
	}
	_, v, err := r.settle(ctx, w, 2*time.Minute)
	if err != nil {
		return errors.Join(err, s.room(dir))
	}
	note := fmt.Sprintf("of %d acked before and after, %d messages tried by then", v.Acked, tried)
	r.zero("P2-"+s.name+"-acks", during, note)
	r.Book.Add(figure.Figure{ID: "P2-" + s.name + "-recovery", Value: took.Seconds(), Limit: fmt.Sprintf("<=%g", recovers.Seconds()), Unit: "s",
		Note: "to the first acknowledgement, nothing restarted"})
	r.zero("P2-"+s.name+"-wrong", v.Lost+v.Duplicates+v.Inversions+v.WrongPatient+v.WrongWords+v.Strangers, note)
	return nil
}

// falls waits until no acknowledgement has come for a while: the last room is used up.
func (r *run) falls(ctx context.Context, w *rig.World) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for last := -1; ; {
		n := w.Acks.Acked()
		if n == last {
			return nil
		}
		last = n
		if clock.Sleep(ctx, clock.System, quiet) != nil {
			return errors.New("acknowledgements go on a minute after the store was taken away")
		}
	}
}

// returns waits for the first acknowledgement.
func (r *run) returns(ctx context.Context, w *rig.World) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	start, n := clock.System.Now(), w.Acks.Acked()
	for w.Acks.Acked() == n {
		if clock.Sleep(ctx, clock.System, 10*time.Millisecond) != nil {
			return 0, errors.New("nothing is acknowledged a minute after the store came back")
		}
	}
	return clock.System.Now().Sub(start), nil
}
