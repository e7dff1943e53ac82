package deliver

import (
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

func TestBackoffIsFullJitterBetweenItsBounds(t *testing.T) {
	for n, top := range map[int]time.Duration{-1: time.Second, 0: time.Second, 1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 6: 32 * time.Second,
		7: time.Minute, 8: time.Minute, 1000: time.Minute} {
		low, high := top, time.Duration(0)
		for range 2000 {
			d := backoff(n)
			low, high = min(low, d), max(high, d)
		}
		if low < 200*time.Millisecond || high > top+1 {
			t.Errorf("try %d waits between %v and %v, want 200ms to %v", n, low, high, top)
		}
		if low > max(top/5, 200*time.Millisecond) || high < top*4/5 {
			t.Errorf("try %d waits between %v and %v only: that is no full jitter over %v", n, low, high, top)
		}
	}
}

func TestPatientIsLookedForEverMoreRarely(t *testing.T) {
	last := time.Duration(0)
	for n := range 20 {
		d := recheckPatient(n)
		if d < last || d < 5*time.Second || d > 15*time.Minute {
			t.Fatalf("after %d tries it waits %v", n, d)
		}
		last = d
	}
	if last != 15*time.Minute {
		t.Errorf("it ends at %v", last)
	}
}

func TestThirdAlteredContentInTenMinutesStops(t *testing.T) {
	c := newConn(Connection{}, &Engine{clock: clock.NewFake(noon)})
	for _, s := range []struct {
		after time.Duration
		stop  bool
	}{{0, false}, {9 * time.Minute, false}, {11 * time.Minute, false}, {12 * time.Minute, true}, {13 * time.Minute, true}, {time.Hour, false}} {
		if got := c.contentAltered(noon.Add(s.after)); got != s.stop {
			t.Errorf("after %v: stop is %v, want %v", s.after, got, s.stop)
		}
	}
}

func TestRequestStatusFollowsItsMessage(t *testing.T) {
	for state, want := range map[connector.SendState]map[string]string{
		"":                   {"none": "", "sent": "", "delivered": "", "read": ""},
		connector.Queued:     {"none": "", "sent": "", "delivered": "", "read": ""},
		connector.SendUnsure: {"none": "", "sent": "", "delivered": "", "read": ""},
		connector.HandedOver: {"none": "completed", "sent": "", "delivered": "", "read": ""},
		connector.Sent:       {"none": "completed", "sent": "completed", "delivered": "", "read": ""},
		connector.Delivered:  {"none": "completed", "sent": "completed", "delivered": "completed", "read": "completed"},
		connector.Read:       {"none": "completed", "sent": "completed", "delivered": "completed", "read": "completed"},
		connector.Failed:     {"none": "on-hold", "sent": "on-hold", "delivered": "on-hold", "read": "on-hold"},
	} {
		for receipts, status := range want {
			if got := requestStatus(connector.Delivery{State: state}, receipts); got != status {
				t.Errorf("%q on a channel with receipts %q: got %q, want %q", state, receipts, got, status)
			}
		}
	}
}
