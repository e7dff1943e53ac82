package config

import (
	"testing"
	"time"
)

func TestParseSize(t *testing.T) {
	for in, want := range map[string]Size{
		"0": 0, "1": 1, "10B": 10, "5MB": 5_000_000, "25MB": 25_000_000, "1MiB": 1 << 20, "512KiB": 512 << 10, "2GB": 2e9, "1GiB": 1 << 30, "9KB": 9000,
	} {
		got, err := ParseSize(in)
		if err != nil || got != want {
			t.Errorf("%s is %d (%v), want %d", in, got, err, want)
		}
		if back, err := ParseSize(got.String()); err != nil || back != got {
			t.Errorf("%s prints as %s, which is %d (%v)", in, got, back, err)
		}
	}
	for _, in := range []string{"", "MB", "-1", "1.5MB", "5 MB", "5mb", "5M", "1TB", "9223372036854775808", "9223372036854775807KB", "0x10", "+5"} {
		if got, err := ParseSize(in); err == nil {
			t.Errorf("%q is taken as %d", in, got)
		}
	}
}

func TestDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "24h": 24 * time.Hour, "1h30m": 90 * time.Minute, "0s": 0, "500ms": 500 * time.Millisecond, "1.5h": 90 * time.Minute,
	} {
		got, err := parseDuration(in)
		if err != nil || got != want {
			t.Errorf("%s is %v (%v), want %v", in, got, err, want)
		}
		if back, err := parseDuration(formatDuration(got)); err != nil || back != got {
			t.Errorf("%s prints as %s", in, formatDuration(got))
		}
	}
	for d, want := range map[time.Duration]string{time.Hour: "1h", 10 * time.Second: "10s", 10 * time.Minute: "10m", 20 * time.Hour: "20h", time.Hour + time.Second: "1h0m1s", 0: "0s"} {
		if got := formatDuration(d); got != want {
			t.Errorf("%v prints as %s, want %s", d, got, want)
		}
	}
	for _, in := range []string{"", "30", "-5s", "+5s", "1d", "30 s", ".5s", "99999999999h", "s"} {
		if got, err := parseDuration(in); err == nil {
			t.Errorf("%q is taken as %v", in, got)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"base_url", "backend", "timezone", "id", "ehr", "secret", "secret_file"}
	for in, want := range map[string]string{
		"base_ulr": "base_url", "baseurl": "base_url", "Backend": "backend", "time_zone": "timezone", "secretfile": "secret_file",
		"secert": "secret", "ehrs": "ehr", "xy": "", "colour": "", "": "", "di": "",
	} {
		if got := nearest(in, words); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"a", "", 1}} {
		if got := edits(tc.a, tc.b); got != tc.want {
			t.Errorf("%s to %s is %d edits, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}
