package r4

import (
	"errors"
	"testing"
	"time"
)

func TestDateTimeKeepsTheOffset(t *testing.T) {
	at := func(zone *time.Location, nanos int) time.Time {
		return time.Date(2026, 11, 22, 14, 3, 11, nanos, zone)
	}
	for _, c := range []struct {
		name string
		in   time.Time
		want string
	}{
		{"utc", at(time.UTC, 0), "2026-11-22T14:03:11Z"},
		{"offset", at(time.FixedZone("", -5*3600), 0), "2026-11-22T14:03:11-05:00"},
		{"half hour", at(time.FixedZone("", 5*3600+1800), 0), "2026-11-22T14:03:11+05:30"},
		{"millis", at(time.UTC, 120e6), "2026-11-22T14:03:11.120Z"},
		{"micros", at(time.UTC, 120_450e3), "2026-11-22T14:03:11.120450Z"},
		{"nanos are cut", at(time.UTC, 999), "2026-11-22T14:03:11Z"},
		{"offset with seconds", at(time.FixedZone("LMT", 3600+1), 0), "2026-11-22T13:03:10Z"},
		{"offset out of range", at(time.FixedZone("", 15*3600), 0), "2026-11-21T23:03:11Z"},
		{"zero", time.Time{}, ""},
	} {
		got := DateTime(c.in)
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if got == "" {
			continue
		}
		back, exact, err := ParseDateTime(got)
		if err != nil || !exact || !back.Equal(c.in.Truncate(time.Microsecond)) {
			t.Errorf("%s: read back as %v, %v, %v", c.name, back, exact, err)
		}
	}
}

func TestParseDateTime(t *testing.T) {
	for in, exact := range map[string]bool{
		"2026": false, "2026-11": false, "2026-11-22": false,
		"2026-11-22T14:03:11+14:00": true, "2026-11-22T14:03:11.5Z": true,
	} {
		if _, got, err := ParseDateTime(in); err != nil || got != exact {
			t.Errorf("%q: exact %v, %v", in, got, err)
		}
	}
	for _, in := range []string{
		"", "26", "0000", "2026-13", "2026-02-30", "2026-11-22T14:03", "2026-11-22T14:03:11",
		"2026-11-22T25:03:11Z", "2026-11-22T14:03:11+15:00", "2026-02-30T00:00:00Z", " 2026", "not-a-date",
	} {
		if _, _, err := ParseDateTime(in); !errors.Is(err, ErrDateTime) {
			t.Errorf("%q: %v, want ErrDateTime", in, err)
		}
	}
}
