package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/platform"
	"github.com/chartwire/chartwire/adapters/sandbox/seed"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/store/pgtest"
)

// Stores.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Options of New. Binary and Store are required; the rest has the defaults named.
type Options struct {
	Binary   string // of Build
	Store    string // SQLite or Postgres
	Replicas int    // 1; more need Postgres

	Traits ehr.Traits  // what the EHR can do; zero is ehr.Full()
	Script *ehr.Script // the faults it stages
	// Before and After see each request of the EHR, as in ehr.Options.
	EHR func(*ehr.Options)

	As       string        // filing.as: communication, or note where Per is thread
	Per      string        // filing.per: exchange; thread, and a Load's threads must be closed, for filing.idle is a minute
	Lease    time.Duration // 2 s
	Deadline time.Duration // of one request to the EHR: 2 s
	Lag      time.Duration // search_lag: 0
	GapWait  time.Duration // 60 s
	Workers  int           // limits.concurrent: 8
	Rate     float64       // limits.requests_per_second: 5,000

	// Cluster is the Postgres to use; nil starts one that waits for the disk.
	Cluster *pgtest.Cluster
	// StoreDir is the folder of the SQLite file; "" is the World's own.
	StoreDir string
	// Env goes to every replica, such as CRASHPOINT=name.
	Env []string
	// Keep leaves the World's folder in place where Close is told of a failure.
	Keep bool
}

func (o Options) withDefaults() Options {
	or := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	or(&o.Lease, 2*time.Second)
	or(&o.Deadline, 2*time.Second)
	or(&o.GapWait, time.Minute)
	o.Replicas = max(o.Replicas, 1)
	if o.Per == "" {
		o.Per = "exchange"
	}
	if o.As == "" {
		o.As = map[bool]string{false: "communication", true: "note"}[o.Per == "thread"]
	}
	if o.Workers == 0 {
		o.Workers = 8
	}
	if o.Rate == 0 {
		o.Rate = 5000
	}
	return o
}

// Settle is how long after an attempt nothing may be concluded from not finding it: the engine's own arithmetic.
func (o Options) Settle() time.Duration {
	o = o.withDefaults()
	return o.Lease + o.Deadline + o.Lag
}

// World is Chartwire's processes with both sides of them.
type World struct {
	EHR      *sandbox.EHR
	Platform *sandbox.Platform
	Cluster  *pgtest.Cluster // nil on SQLite
	Replicas []*Replica
	Acks     *Acks

	o        Options
	clock    clock.Clock
	dir      string
	storeURL string
	refs     seed.Refs
	ownPG    bool
}

// New makes both sides, the store and the configuration; the replicas are not started. Close it.
func New(ctx context.Context, o Options) (_ *World, err error) {
	w := &World{o: o.withDefaults(), clock: clock.System}
	if w.dir, err = os.MkdirTemp("", "prove"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close(nil))
		}
	}()
	if err := w.openSides(ctx); err != nil {
		return nil, err
	}
	if err := w.openStore(ctx); err != nil {
		return nil, err
	}
	if w.Acks, err = newAcks(filepath.Join(w.dir, "acks"), w.clock); err != nil {
		return nil, err
	}
	for n := range w.o.Replicas {
		w.Replicas = append(w.Replicas, newReplica(w, n))
	}
	return w, w.writeConfig()
}

func (w *World) openSides(ctx context.Context) (err error) {
	eo := ehr.Options{Traits: w.o.Traits, Now: w.clock.Now, Script: w.o.Script}
	if w.o.EHR != nil {
		w.o.EHR(&eo)
	}
	if w.EHR, err = sandbox.StartEHR(ctx, sandbox.EHROptions{EHR: eo}); err != nil {
		return err
	}
	if w.Platform, err = sandbox.StartPlatform(ctx, "", platform.Options{Now: w.clock.Now, Receipts: []string{}}); err != nil {
		return err
	}
	people, err := cast()
	if err != nil {
		return err
	}
	bundle, refs := seed.Bundle(people)
	w.refs = refs
	return w.EHR.Seed(bundle)
}

func (w *World) openStore(ctx context.Context) (err error) {
	switch w.o.Store {
	case SQLite:
		if w.o.Replicas > 1 {
			return errors.New("one SQLite file serves one process: several replicas need Postgres")
		}
		dir := w.o.StoreDir
		if dir == "" {
			dir = w.dir
		}
		w.storeURL = "sqlite:" + filepath.Join(dir, "chartwire.db")
		return nil
	case Postgres:
		if w.Cluster = w.o.Cluster; w.Cluster == nil {
			w.ownPG = true
			// After a crash the server syncs every file of its own; the whole file system at once is faster.
			if w.Cluster, err = pgtest.Start(pgtest.Options{Sync: true, Config: []string{"recovery_init_sync_method = syncfs"}}); err != nil {
				return err
			}
		}
		w.storeURL = w.Cluster.URL("chartwire")
		return w.Cluster.Exec(ctx, "postgres", "DROP DATABASE IF EXISTS chartwire WITH (FORCE)", "CREATE DATABASE chartwire TEMPLATE template0")
	}
	return fmt.Errorf("the store is %s or %s, not %q", SQLite, Postgres, w.o.Store)
}

// StoreURL is the store's address as the configuration has it.
func (w *World) StoreURL() string { return w.storeURL }

// Up starts every replica that is down and waits until each would take an event.
func (w *World) Up(ctx context.Context) error {
	for _, r := range w.Replicas {
		if err := r.Start(ctx); err != nil {
			return err
		}
	}
	for _, r := range w.Replicas {
		if err := r.Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Kill ends every replica with SIGKILL.
func (w *World) Kill() {
	for _, r := range w.Replicas {
		r.Kill()
	}
}

// Close ends everything by its pid and removes the folder. Where failed is set, Keep leaves the logs in place and the
// error names them.
func (w *World) Close(failed error) error {
	w.Kill()
	if w.EHR != nil {
		w.EHR.Close()
	}
	if w.Platform != nil {
		w.Platform.Close()
	}
	var err error
	if w.Acks != nil {
		err = w.Acks.close()
	}
	if w.Cluster != nil && w.ownPG {
		err = errors.Join(err, w.Cluster.Close())
	}
	if failed != nil && w.o.Keep {
		return errors.Join(failed, err, fmt.Errorf("logs, acknowledgements and configuration are kept in %s", w.dir))
	}
	return errors.Join(failed, err, os.RemoveAll(w.dir))
}
