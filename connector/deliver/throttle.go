package deliver

import "time"

const (
	leastShare = 1.0 / 256
	rampShare  = 1.0 / 8 // where a recovered EHR begins
	recently   = 32      // answers remembered
	refusedMin = 4       // refusals among them that can mean load …
	refusedPer = 5       // … where they are at least one in this many
	fastGrowth = 0.2     // of the knee a second, up to the knee
	slowGrowth = 0.01    // of the knee a second from there, faster by as much every ten seconds
	leastKnee  = 1.0 / 16
)

// throttle is the share of the configured limits that an EHR bears. Refusals for load halve it, at most once a round trip;
// good answers let it grow, fast to just below where it was refused and slowly beyond. Refusals that come no matter the
// load, one in twenty, say, do not wear it down: without Retry-After they count only where they are a real part of what
// was answered lately.
type throttle struct {
	share float64
	knee  float64   // growth is slow above it
	cut   time.Time // of the last cut: requests begun before it say nothing about the present share
	grown time.Time
	above time.Time // since when the share is above the knee

	ring [recently]bool
	seen int
}

func newThrottle() throttle { return throttle{share: 1, knee: 1} }

// note remembers one answer and gives how many there are and how many of them refuse.
func (t *throttle) note(refused bool) (answers, refusals int) {
	t.ring[t.seen%recently] = refused
	t.seen++
	answers = min(t.seen, recently)
	for _, r := range t.ring[:answers] {
		if r {
			refusals++
		}
	}
	return answers, refusals
}

// refused notes a 429 or 503 to a request begun then. asked says that the EHR named a time to wait.
func (t *throttle) refused(now, began time.Time, asked bool) {
	if began.Before(t.cut) {
		return
	}
	answers, refusals := t.note(true)
	if !asked && (refusals < refusedMin || refusals*refusedPer < answers) {
		return
	}
	t.knee = 0.9 * t.share
	t.share = max(t.share/2, leastShare)
	t.cut, t.grown, t.above, t.seen = now, now, time.Time{}, 0
}

// answered notes a good answer.
func (t *throttle) answered(now, began time.Time) {
	if began.Before(t.cut) {
		return
	}
	t.note(false)
	t.grow(now)
}

// grow adds what the time since the last good answer allows.
func (t *throttle) grow(now time.Time) {
	passed := min(now.Sub(t.grown), time.Second).Seconds()
	t.grown = now
	knee := max(t.knee, leastKnee)
	switch {
	case t.share >= 1 || passed <= 0:
		return
	case t.share < t.knee:
		t.share = min(t.share+fastGrowth*knee*passed, t.knee)
		t.above = now
	default:
		if t.above.IsZero() {
			t.above = now
		}
		t.share += slowGrowth * knee * passed * (1 + now.Sub(t.above).Seconds()/10)
	}
	t.share = min(t.share, 1)
}

// ramp begins anew after an outage: gently, then fast to what was borne before.
func (t *throttle) ramp(now time.Time) {
	t.knee = max(t.knee, t.share)
	t.share = min(t.share, rampShare)
	t.cut, t.grown, t.above, t.seen = now, now, time.Time{}, 0
}
