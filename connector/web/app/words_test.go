package app

import (
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
)

// TestWhen: the day is left out today and the year in this year, as the clinic's calendar has them.
func TestWhen(t *testing.T) {
	chicago := time.FixedZone("CST", -6*3600)
	b := base{Frame: &inbox.Frame{Now: time.Date(2026, 3, 4, 3, 0, 0, 0, time.UTC), Zone: chicago}} // 21:00 on the 3rd there
	for at, want := range map[time.Time]string{
		time.Date(2026, 3, 3, 23, 30, 0, 0, time.UTC): "17:30",
		time.Date(2026, 3, 4, 2, 59, 0, 0, time.UTC):  "20:59",
		time.Date(2026, 3, 3, 5, 59, 0, 0, time.UTC):  "Mon 2 Mar, 23:59",
		time.Date(2026, 3, 4, 7, 0, 0, 0, time.UTC):   "Wed 4 Mar, 01:00",
		time.Date(2025, 3, 3, 23, 30, 0, 0, time.UTC): "3 Mar 2025, 17:30",
		time.Date(2026, 1, 1, 5, 0, 0, 0, time.UTC):   "31 Dec 2025, 23:00",
		{}: "",
	} {
		if got := b.When(at); got != want {
			t.Errorf("%v is shown as %q, want %q", at, got, want)
		}
	}
	if got := (base{}).When(b.Frame.Now); got != "" {
		t.Errorf("a page outside a session shows %q", got)
	}
	if l := b.Left(b.Frame.Now.Add(-time.Hour)); l != 0 {
		t.Errorf("%d seconds are left of an hour ago", l)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "under a minute", 59 * time.Second: "under a minute", time.Minute: "1 min", 59 * time.Minute: "59 min",
		time.Hour: "1 h", 61 * time.Minute: "1 h 1 min", 70 * time.Minute: "1 h 10 min", 10 * time.Hour: "10 h", 24 * time.Hour: "1 day", 47 * time.Hour: "1 day", 48 * time.Hour: "2 days", 400 * time.Hour: "16 days"} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1 kB", 184_000: "184 kB", 999_499: "999 kB", 1_240_000: "1.2 MB"} {
		if got := byteSize(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
}

// TestRolesHaveWords: nobody is shown without saying what they are.
func TestRolesHaveWords(t *testing.T) {
	for _, r := range []connector.Role{connector.RolePatient, connector.RoleProxy, connector.RoleClinician, connector.RoleStaff, connector.RolePool, connector.RoleSystem, inbox.ReadOnly} {
		if role(inbox.Who{Role: r}) == "" || who(inbox.Who{Role: r}) == "" {
			t.Errorf("%s has no word", r)
		}
	}
	if got := role(inbox.Who{Role: connector.RoleProxy, Relationship: "élève"}); got != "Élève (proxy)" {
		t.Errorf("a proxy is %q", got)
	}
	if len(tones) != 4 || tones[inbox.Quiet] == "" {
		t.Error("a tone has no class")
	}
}
