// Package restore puts a day-old backup back under Chartwire and counts what comes twice (P24): the chart holds what was
// filed since, the database does not, and the platform tells the lost day again.
package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/cmd/prove/figure"
	"github.com/chartwire/chartwire/cmd/prove/rig"
)

// Options say how much there is to lose.
type Options struct {
	Exchanges int    // filed since the backup; as many were filed before it
	Store     string // sqlite, postgres or both
	Book      *figure.Book
}

const perThread = 4

// Run takes the stores in turn. The EHR can be searched and takes every POST for a new entry, so that only looking first
// keeps it from doubling.
func Run(ctx context.Context, o Options) (err error) {
	dir, err := os.MkdirTemp("", "prove")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	binary, err := rig.Build(ctx, dir, false)
	if err != nil {
		return err
	}
	for _, store := range []string{rig.SQLite, rig.Postgres} {
		if o.Store != "both" && o.Store != store {
			continue
		}
		if err := one(ctx, o, binary, store); err != nil {
			return fmt.Errorf("%s: %w", store, err)
		}
	}
	return nil
}

func one(ctx context.Context, o Options, binary, store string) (err error) {
	w, err := rig.New(ctx, rig.Options{Binary: binary, Store: store, Traits: ehr.SearchOnly(), Keep: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close(err)) }()
	threads := max(1, o.Exchanges/perThread)
	day := func(prefix string) error {
		if err := w.Up(ctx); err != nil {
			return err
		}
		if err := w.Send(ctx, rig.Load{Messages: perThread, Threads: threads, Prefix: prefix}); err != nil {
			return err
		}
		_, err := w.Settle(ctx, time.Minute+time.Duration(o.Exchanges)*50*time.Millisecond)
		return err
	}
	if err := day("before"); err != nil {
		return err
	}
	if err := w.Replicas[0].Stop(); err != nil {
		return err
	}
	back, err := backup(ctx, w)
	if err != nil {
		return err
	}
	if err := day("lost"); err != nil {
		return err
	}
	if err := w.Replicas[0].Stop(); err != nil {
		return err
	}
	if err := back(ctx); err != nil {
		return err
	}
	if err := day("lost"); err != nil { // the platform tells it again
		return err
	}
	noticed, err := alarmed(ctx, w)
	if err != nil {
		return err
	}
	return judge(o, store, w.Judge(), noticed)
}

func judge(o Options, store string, v rig.Verdict, noticed int) error {
	id := func(what string) string { return "P24-" + store + "-" + what }
	note := fmt.Sprintf("of %d filed, half of them since the backup", v.Acked)
	o.Book.Add(figure.Figure{ID: id("noticed"), Value: float64(noticed), Limit: "=1", Note: "the database was seen to be a restored backup"})
	o.Book.Add(figure.Figure{ID: id("duplicates"), Value: float64(v.Duplicates), Limit: "=0", Note: note})
	o.Book.Add(figure.Figure{ID: id("lost"), Value: float64(v.Lost), Limit: "=0", Note: note})
	if v.Duplicates == 0 && v.Lost == 0 && !v.Clean() {
		return errors.New("the chart is not what was sent: " + v.String())
	}
	return nil
}

// backup keeps the database as it is now, and gives what puts it back.
func backup(ctx context.Context, w *rig.World) (back func(ctx context.Context) error, err error) {
	if w.Cluster != nil {
		err := w.Cluster.Exec(ctx, "postgres", "CREATE DATABASE kept TEMPLATE chartwire")
		return func(ctx context.Context) error {
			return w.Cluster.Exec(ctx, "postgres", "DROP DATABASE chartwire WITH (FORCE)", "CREATE DATABASE chartwire TEMPLATE kept")
		}, err
	}
	file := strings.TrimPrefix(w.StoreURL(), "sqlite:")
	kept := map[string][]byte{}
	parts := []string{file, file + "-wal", file + "-shm"}
	for _, part := range parts[:2] {
		raw, err := os.ReadFile(part)
		if err == nil {
			kept[part] = raw
		} else if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return func(context.Context) error {
		var all error
		for _, part := range parts {
			if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
				all = errors.Join(all, err)
			}
			if raw, ok := kept[part]; ok {
				all = errors.Join(all, os.WriteFile(part, raw, 0o600))
			}
		}
		return all
	}, nil
}

// alarmed is 1 where the process raised the alarm of a restored backup.
func alarmed(ctx context.Context, w *rig.World) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.Replicas[0].Console()+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if strings.Contains(string(page), `reason="restored"`) {
		return 1, err
	}
	return 0, err
}
