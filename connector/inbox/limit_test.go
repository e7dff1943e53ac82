package inbox

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// One address begins so many launches in a minute. Those beyond keep nothing, are counted, and say what to do.
func TestLaunchesOfOneSourceAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range launchesAMinute - 1 {
			w.desk.begun.takes("10.0.0.1", time.Now())
		}
		begin := func(source string) error {
			_, err := w.desk.Begin(t.Context(), BeginIn{EHR: "mercy", Iss: base, Launch: "abc", Source: source})
			return err
		}
		if err := begin("10.0.0.1"); err != nil {
			t.Errorf("the last that is taken: %v", err)
		}
		asked := w.app.count("authorize")
		for range 3 {
			wantRefusal(t, begin("10.0.0.1"), TooManyLaunches)
		}
		if w.app.count("authorize") != asked {
			t.Error("the EHR was asked for a launch that is refused")
		}
		const counted = "launch:mercy 10.0.0.1 too-many-launches"
		if !slices.Equal(w.store.counted, []string{counted, counted, counted}) {
			t.Errorf("counted %q", w.store.counted)
		}
		if err := begin("10.0.0.2"); err != nil {
			t.Errorf("another address: %v", err)
		}
		time.Sleep(time.Minute)
		if err := begin("10.0.0.1"); err != nil {
			t.Errorf("a minute later: %v", err)
		}
		kept := 0
		err := w.store.Store.Update(t.Context(), "test", func(tx connector.Tx) (err error) {
			if kept, err = tx.ForgetLaunches(time.Now().Add(time.Hour), 99); err == nil {
				err = errors.New("undo")
			}
			return err
		})
		if kept != 3 {
			t.Errorf("%d launches are kept, %v", kept, err)
		}
	})
}

// An IPv6 caller has a whole /64, and a crowd of addresses is no way around the limit.
func TestSourcesOfLaunches(t *testing.T) {
	now := time.Now()
	for name, same := range map[string][2]string{"one network of IPv6": {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9"}, "IPv4 in IPv6": {"192.0.2.1", "::ffff:192.0.2.1"}, "with a zone": {"fe80::1%eth0", "fe80::1"}} {
		if a, b := network(same[0]), network(same[1]); a != b {
			t.Errorf("%s: %s and %s", name, a, b)
		}
	}
	if network("2001:db8:1:2::1") == network("2001:db8:1:3::1") || network("192.0.2.1") == network("192.0.2.2") || network("unix") != "unix" {
		t.Error("two networks are one")
	}
	var l limiter
	for n := range sourcesApart {
		l.takes(fmt.Sprint("source ", n), now)
	}
	taken := 0
	for n := range 2 * launchesAMinute {
		if l.takes(fmt.Sprint("more ", n), now) {
			taken++
		}
	}
	if taken != launchesAMinute || len(l.began) > sourcesApart+1 {
		t.Errorf("%d of a crowd were taken, and %d addresses are kept", taken, len(l.began))
	}
	if !l.takes("source 1", now) {
		t.Error("who came before the crowd is refused")
	}
}
