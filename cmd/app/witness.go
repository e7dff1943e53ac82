package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
)

// witnessEvery is how often the witness is brought up to date. A backup that is younger when it is restored is not told
// from the database it was made of.
const witnessEvery = 10 * time.Second

// witness notices that the database is a restored backup. It counts in the database and, after each commit, in a file
// beside it: a database that is behind the file has lost what came between. Each process has a file and a count of its own.
type witness struct {
	file   string // "" for a store in memory
	store  connector.Store
	ehrs   []string
	clock  clock.Clock
	log    *slog.Logger
	engine *deliver.Engine
	alarm  func(r connector.Reason)

	mark witnessMark // as the file has it
}

// witnessMark is the file's content. Mark is random: it tells two histories of one count apart.
type witnessMark struct {
	ID   string `json:"id"`
	N    int64  `json:"n"`
	Mark string `json:"mark"`
}

// open looks whether the database has been restored since the file was written, before anything else is done.
func (w *witness) open(ctx context.Context) error {
	if w.file != "" {
		raw, err := os.ReadFile(w.file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			w.mark = witnessMark{ID: connector.NewID(w.clock.Now())}
		case err != nil:
			return fmt.Errorf("the witness of the store: %w", err)
		default:
			if json.Unmarshal(raw, &w.mark) != nil || w.mark.ID == "" {
				return fmt.Errorf("the witness of the store, %s, cannot be read: if the database is a restored backup, say so with chartwire restored; then remove the file", filepath.Base(w.file))
			}
		}
	}
	return w.tick(ctx)
}

// run keeps the witness up to date until ctx ends.
func (w *witness) run(ctx context.Context) error {
	for {
		if err := clock.Sleep(ctx, w.clock, witnessEvery); err != nil {
			break
		}
		if err := w.tick(ctx); err != nil && ctx.Err() == nil {
			w.log.Warn("the store's witness could not be brought up to date; trying again", "error", err)
		}
	}
	return w.last(ctx)
}

// last makes the end of an orderly run part of what is witnessed.
func (w *witness) last(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := w.tick(ctx); err != nil {
		w.log.Warn("the store's witness could not be brought up to date", "error", err)
	}
	return nil
}

// tick compares, counts on, and tells the engine which epoch the database is in: another process or a command may have
// begun one.
func (w *witness) tick(ctx context.Context) error {
	var epoch connector.Epoch
	next := witnessMark{ID: w.mark.ID, N: w.mark.N + 1, Mark: connector.NewID(w.clock.Now())}
	began := false
	err := w.store.Update(ctx, "witness", func(tx connector.Tx) (err error) {
		began = false
		if epoch, err = connector.ReadEpoch(tx); err != nil || w.file == "" {
			return err
		}
		have, err := w.inStore(tx)
		if err != nil {
			return err
		}
		began = w.mark.ahead(have)
		next.N = max(have.N, w.mark.N) + 1 // processes of one folder share a file and a count
		if began {
			if epoch, err = connector.BeginEpoch(tx, "witness", "worker", w.ehrs, w.clock.Now()); err != nil {
				return err
			}
		}
		text, err := json.Marshal(next)
		if err != nil {
			return err
		}
		return tx.PutMeta("witness/"+w.mark.ID, string(text))
	})
	if err != nil {
		return err
	}
	w.engine.Restored(epoch.At)
	if began {
		w.log.Error("the database is behind its witness: "+connector.Restored.Sentence(), "next", connector.Restored.Next())
		w.alarm(connector.Restored)
	}
	if w.file == "" {
		return nil
	}
	if err := next.write(w.file); err != nil {
		w.log.Warn("the store's witness could not be written, so a restored backup would not be noticed", "error", err)
		return nil
	}
	w.mark = next
	return nil
}

// inStore is the mark as the database has it, zero where it has none.
func (w *witness) inStore(tx connector.Tx) (have witnessMark, err error) {
	text, err := tx.Meta("witness/" + w.mark.ID)
	if errors.Is(err, connector.ErrNotFound) {
		return have, nil
	}
	if err != nil {
		return have, err
	}
	if err := json.Unmarshal([]byte(text), &have); err != nil {
		return have, fmt.Errorf("the store's own mark of its witness: %w", err)
	}
	return have, nil
}

// ahead says whether the file knows of what the database does not: then the database has lost it. The database may be
// ahead, because the file is written after the commit.
func (m witnessMark) ahead(have witnessMark) bool {
	return have.N < m.N || (m.N > 0 && have.N == m.N && have.Mark != m.Mark)
}

// write replaces the file whole: a torn one would say nothing.
func (m witnessMark) write(file string) error {
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	next := file + ".next"
	f, err := os.OpenFile(next, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(raw, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(next, file)
}
