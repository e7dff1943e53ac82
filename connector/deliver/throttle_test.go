package deliver

import (
	"math/rand/v2"
	"testing"
	"time"
)

// press sends requests at a share of a limit of 100 a second for a time; refuse says whether the EHR refuses one. It gives
// the average share of the last half.
func press(t *throttle, from time.Time, d time.Duration, refuse func(now time.Time, share float64) bool) (end time.Time, average float64) {
	const trip = 50 * time.Millisecond
	now, sum, n := from, 0.0, 0
	for now.Before(from.Add(d)) {
		began := now.Add(-trip)
		if refuse(now, t.share) {
			t.refused(now, began, false)
		} else {
			t.answered(now, began)
		}
		if now.Sub(from) > d/2 {
			sum, n = sum+t.share, n+1
		}
		now = now.Add(time.Duration(float64(10*time.Millisecond) / t.share))
	}
	return now, sum / float64(n)
}

func TestRefusalsThatComeNoMatterTheLoadDoNotWearTheRateDown(t *testing.T) {
	for _, part := range []float64{0.01, 0.03, 0.05} {
		dice := rand.New(rand.NewPCG(1, 2))
		th := newThrottle()
		if _, average := press(&th, noon, 20*time.Minute, func(time.Time, float64) bool { return dice.Float64() < part }); average < 0.9 {
			t.Errorf("with %.0f %% refused at random, the share is %.2f on average", 100*part, average)
		}
	}
}

func TestTheShareSettlesWhereTheEHRBearsIt(t *testing.T) {
	for _, bears := range []float64{0.9, 0.5, 0.2, 0.05} {
		// The EHR has a bucket of its own, of one second.
		tokens, last := 100*bears, noon
		th := newThrottle()
		served, total := 0, 0
		end := noon.Add(10 * time.Minute)
		press(&th, noon, 10*time.Minute, func(now time.Time, _ float64) bool {
			tokens = min(tokens+now.Sub(last).Seconds()*100*bears, 100*bears)
			last = now
			late := now.After(end.Add(-5 * time.Minute))
			if late {
				total++
			}
			if tokens < 1 {
				return true
			}
			tokens--
			if late {
				served++
			}
			return false
		})
		if best := 300 * 100 * bears; float64(served) < best/1.1 {
			t.Errorf("of the %.0f requests it bears the EHR got %d", best, served)
		}
		if float64(total-served) > 0.15*float64(total) {
			t.Errorf("at %.0f %% of the limit, %d of %d requests were refused", 100*bears, total-served, total)
		}
	}
}

func TestTheShareIsHalvedOnceARoundTrip(t *testing.T) {
	th := newThrottle()
	for range 50 { // all of them were under way together
		th.refused(noon, noon.Add(-time.Second), true)
	}
	if th.share != 0.5 {
		t.Fatalf("the share is %v after one round trip", th.share)
	}
	th.refused(noon.Add(time.Second), noon.Add(time.Millisecond), true)
	if th.share != 0.25 {
		t.Errorf("the share is %v after the next", th.share)
	}
	for n := range 100 {
		at := noon.Add(time.Duration(n+2) * time.Second)
		th.refused(at, at, true)
	}
	if th.share != leastShare {
		t.Errorf("it ends at %v", th.share)
	}
}

func TestRefusalsWithoutATimeCountOnlyAsAPartOfTheAnswers(t *testing.T) {
	th := newThrottle()
	for range refusedMin - 1 {
		th.refused(noon, noon, false)
	}
	if th.share != 1 {
		t.Fatal("three refusals of three were taken for load")
	}
	if th.refused(noon, noon, false); th.share != 0.5 {
		t.Error("four refusals of four were not")
	}
}

func TestTheShareGrowsBackToTheLimit(t *testing.T) {
	th := newThrottle()
	for range 3 {
		at := noon.Add(time.Duration(th.seen) * time.Second)
		th.refused(at, at, true)
	}
	th.ramp(noon)
	low := th.share
	var halfway time.Duration
	for d := time.Duration(0); d < 3*time.Minute; d += 100 * time.Millisecond {
		th.answered(noon.Add(d), noon.Add(d))
		if halfway == 0 && th.share > 0.5 {
			halfway = d
		}
		if th.share == 1 {
			if d < 5*time.Second {
				t.Errorf("from %.2f to the limit in %v: a recovered EHR is stormed", low, d)
			}
			return
		}
	}
	t.Errorf("three minutes without a refusal, and the share is %.2f", th.share)
}
