package app_test

import (
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chartwire/chartwire/cmd/app"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector/clock"
)

// wall is a machine's clock that a test sets; what passes passes as it does.
type wall struct{ by atomic.Int64 }

func (w *wall) steady() *clock.Steady {
	began := clock.System.Now()
	return clock.SteadyOn(func() time.Time { return clock.System.Now().Round(0).Add(time.Duration(w.by.Load())) },
		func() time.Duration { return clock.System.Now().Sub(began) })
}

// openAt opens the house once with a wall clock that is off.
func (h *house) openAt(by time.Duration, accept bool) error {
	h.t.Helper()
	c, problems := config.Load(h.dir + "/chartwire.yaml")
	if c == nil {
		h.t.Fatalf("the configuration is wrong: %v", problems)
	}
	w := &wall{}
	w.by.Store(int64(by))
	a, err := app.New(h.t.Context(), app.Options{Config: c, Clock: w.steady(), AcceptClock: accept, Public: listener(h.t), Console: listener(h.t)})
	if err != nil {
		return err
	}
	return a.Close()
}

func TestAClockThatCannotBeRightIsRefused(t *testing.T) {
	const year = 8766 * time.Hour
	for _, c := range []struct {
		name    string
		first   time.Duration // off by, when the store was last written
		then    time.Duration // off by, at the next start
		refused string        // a pattern: some of the time may have passed
	}{
		{"as before", 0, 0, ""},
		{"off for months", -200 * 24 * time.Hour, 0, ""},
		{"a little behind", 20 * time.Second, 0, ""},
		{"back by an hour", time.Hour, 0, "(1h0m0s|59m5\\ds) later"},
		{"back by a day", 24 * time.Hour, 0, "(24h0m0s|23h59m5\\ds) later"},
		{"back by ten years", 10 * year, 0, "3652 days later"},
		{"forward by an hour", 0, time.Hour, ""},
		{"forward by ten years", 0, 10 * year, "3652 days earlier"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			if err := h.openAt(c.first, false); err != nil {
				t.Fatal(err)
			}
			err := h.openAt(c.then, false)
			if c.refused == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if err == nil || !regexp.MustCompile(", "+c.refused).MatchString(err.Error()) || !strings.Contains(err.Error(), "--accept-clock") {
				t.Fatalf("the start said %v, want it refused with %q", err, c.refused)
			}
			if err := h.openAt(c.first, false); err != nil { // the clock was repaired
				t.Errorf("with the clock as it was: %v", err)
			}
			if err := h.openAt(c.then, true); err != nil {
				t.Errorf("--accept-clock: %v", err)
			}
			if err := h.openAt(c.then, false); err != nil {
				t.Errorf("after --accept-clock: %v", err)
			}
		})
	}
}

// TestAJumpIsTold: in the log, in readiness and as a metric, and the house goes on by its own time.
func TestAJumpIsTold(t *testing.T) {
	h := newHouse(t)
	w := &wall{}
	h.clock = w.steady()
	h.run()
	w.by.Store(int64(time.Hour))
	for !strings.Contains(h.log.String(), "has jumped") {
		if t.Context().Err() != nil {
			t.Fatal("the jump was not told in the log")
		}
		if err := clock.Sleep(t.Context(), clock.System, 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if status, body := h.ask("GET", h.app.Console()+"/readyz", ""); status != 200 || !strings.Contains(body, "note: the machine's clock has jumped by 1h0m0s") {
		t.Errorf("readyz answered %d %q", status, body)
	}
	if _, body := h.ask("GET", h.app.Console()+"/metrics", ""); !strings.Contains(body, "chartwire_clock_offset_seconds 3") {
		t.Errorf("the metric is not there: %s", body)
	}
	if status, body := h.post("e-1", itches, channelKey, clock.System.Now()); status != 202 { // signed at the right time
		t.Errorf("an event was answered %d: %s", status, body)
	}
}
