// Package figure is how a measurement is said: one line a figure, held against its limit, and a file of them that the
// table in docs/figures.md is made of.
package figure

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector/clock"
)

// Verdicts of a figure.
const (
	OK    = "ok"
	Short = "short" // the limit is not met
	Noisy = "noisy" // the reference swung too much to tell; only a ratio of wall-clock times may be
)

// Figure is one measured value. Limit is "<=N", ">=N", "=N", or "" for a value that is only told (calibration).
type Figure struct {
	ID    string  `json:"id"` // such as P1-kill-sqlite: the row of the issue, what, where
	Value float64 `json:"value"`
	Limit string  `json:"limit,omitempty"`
	Unit  string  `json:"unit,omitempty"`
	Noisy bool    `json:"noisy,omitempty"`
	Note  string  `json:"note,omitempty"` // sizes, spread: what makes the value readable
}

// Verdict holds the value against its limit. A limit nobody can read is Short: a check that cannot fail is none.
func (f Figure) Verdict() string {
	if f.Limit == "" || f.met() {
		return OK
	}
	if f.Noisy {
		return Noisy
	}
	return Short
}

func (f Figure) met() bool {
	for _, op := range []string{"<=", ">=", "="} {
		text, ok := strings.CutPrefix(f.Limit, op)
		if !ok {
			continue
		}
		limit, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return false
		}
		switch op {
		case "<=":
			return f.Value <= limit
		case ">=":
			return f.Value >= limit
		}
		return f.Value == limit
	}
	return false
}

// Line is the contract's `figure ID VALUE LIMIT ok|short|noisy`, then unit and note for people.
func (f Figure) Line() string {
	limit := f.Limit
	if limit == "" {
		limit = "-"
	}
	line := fmt.Sprintf("figure %s %s %s %s", f.ID, strconv.FormatFloat(f.Value, 'g', 5, 64), limit, f.Verdict())
	if tail := strings.TrimSpace(f.Unit + " " + f.Note); tail != "" {
		line += " # " + tail
	}
	return line
}

// Entry is a figure as the file keeps it.
type Entry struct {
	Figure
	Command string    `json:"command"`
	At      time.Time `json:"at"`
}

// Book collects the figures of one command: each is printed at once and, where File is set, appended to it as a line of
// JSON. It may be used from several goroutines.
type Book struct {
	Out     io.Writer
	Command string // as a person would type it
	File    string // "" keeps none

	mu    sync.Mutex
	short bool
	last  error
}

// Add prints and keeps a figure.
func (b *Book) Add(f Figure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintln(b.Out, f.Line())
	b.short = b.short || f.Verdict() == Short
	if b.File == "" {
		return
	}
	if err := appendLine(b.File, Entry{Figure: f, Command: b.Command, At: clock.System.Now().UTC().Truncate(time.Second)}); err != nil {
		b.last = err
	}
}

// Err is set where a figure is short or could not be kept.
func (b *Book) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.last != nil:
		return fmt.Errorf("figures could not be kept: %w", b.last)
	case b.short:
		return ErrShort
	}
	return nil
}

// ErrShort says that a figure missed its limit; its line says which.
var ErrShort = fmt.Errorf("a figure is short of its limit")

func appendLine(file string, e Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
