package rig

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector/clock"
)

// States are the exchanges by state, as /metrics tells them.
type States map[string]int

// Accepted is the left side of the equation.
func (s States) Accepted() int {
	n := 0
	for _, k := range s {
		n += k
	}
	return n
}

// Moving is what can still move without a person.
func (s States) Moving() int { return s["waiting"] + s["held"] + s["filing"] + s["unknown"] }

// States reads the equation from any replica that answers.
func (w *World) States(ctx context.Context) (States, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	err := errors.New("no replica serves")
	for _, r := range w.Replicas {
		if r.Console() == "" {
			continue
		}
		var page []byte
		if page, err = r.get(ctx, "/metrics"); err == nil {
			return parseStates(page)
		}
	}
	return nil, err
}

func parseStates(page []byte) (States, error) {
	out := States{}
	lines := bufio.NewScanner(bytes.NewReader(page))
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), "chartwire_exchanges{")
		if !ok {
			continue
		}
		_, after, _ := strings.Cut(rest, `state="`)
		state, _, _ := strings.Cut(after, `"`)
		_, value, _ := strings.Cut(rest, "} ")
		n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || state == "" {
			return nil, fmt.Errorf("the metric chartwire_exchanges cannot be read: %q", lines.Text())
		}
		out[state] += int(n)
	}
	return out, lines.Err()
}

// Samples counts how often conservation was looked at, and how often it did not hold.
type Samples struct {
	Taken  int
	Broken []string
}

// Sample looks at conservation once: what was acknowledged before is all accepted, and nothing is accepted that nobody
// sent. A sample that no replica answers is not taken.
func (w *World) Sample(ctx context.Context, into *Samples) {
	acked := w.Acks.Acked()
	s, err := w.States(ctx)
	if err != nil {
		return
	}
	attempted := w.Acks.Attempted()
	into.Taken++
	if n := s.Accepted(); n < acked || n > attempted {
		into.Broken = append(into.Broken, fmt.Sprintf("%d accepted, where %d were acknowledged before and %d sent by then: %v", n, acked, attempted, s))
	}
}

// Watch samples every second until the context ends.
func (w *World) Watch(ctx context.Context) *Samples {
	out := &Samples{}
	for clock.Sleep(ctx, w.clock, time.Second) == nil {
		w.Sample(ctx, out)
	}
	return out
}

// Settle waits until nothing moves any more, every exchange filed, left out or parked. The error tells what is moving.
func (w *World) Settle(ctx context.Context, within time.Duration) (States, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var last States
	for {
		s, err := w.States(ctx)
		if err == nil {
			last = s
			if s.Moving() == 0 && s.Accepted() >= w.Acks.Acked() && w.Platform.Idle(ctx) == nil {
				if again, err := w.States(ctx); err == nil && again.Moving() == 0 && again.Accepted() == s.Accepted() {
					return again, nil
				}
			}
		}
		if clock.Sleep(ctx, w.clock, 100*time.Millisecond) != nil {
			return last, fmt.Errorf("after %v things still move: %v of %d acknowledged (last look: %v)", within, last, w.Acks.Acked(), err)
		}
	}
}
