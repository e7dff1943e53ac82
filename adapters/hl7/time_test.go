package hl7

import (
	"errors"
	"testing"
	"time"
)

func TestParseTS(t *testing.T) {
	paris := time.FixedZone("", 3600)
	for text, want := range map[string]struct {
		at        string // RFC 3339
		precision Precision
		offset    bool
		prints    string // "" as it was
	}{
		"2026":                        {"2026-01-01T00:00:00+01:00", Year, false, ""},
		"202611":                      {"2026-11-01T00:00:00+01:00", Month, false, ""},
		"20261122":                    {"2026-11-22T00:00:00+01:00", Day, false, ""},
		"2026112214":                  {"2026-11-22T14:00:00+01:00", Hour, false, ""},
		"202611221415":                {"2026-11-22T14:15:00+01:00", Minute, false, ""},
		"20261122141530":              {"2026-11-22T14:15:30+01:00", Second, false, ""},
		"20261122141530-0500":         {"2026-11-22T14:15:30-05:00", Second, true, ""},
		"20261122141530+0530":         {"2026-11-22T14:15:30+05:30", Second, true, ""},
		"20261122141530+0000":         {"2026-11-22T14:15:30Z", Second, true, ""},
		"20261122141530.1-0500":       {"2026-11-22T14:15:30.1-05:00", Second + 1, true, ""},
		"20261122141530.120-0500":     {"2026-11-22T14:15:30.12-05:00", Milli, true, ""},
		"20261122141530.1234":         {"2026-11-22T14:15:30.1234+01:00", Second + 4, false, ""},
		"20261122141530.123456+0100":  {"2026-11-22T14:15:30.123456+01:00", Second + 4, true, "20261122141530.1234+0100"},
		"202611221415-0500":           {"2026-11-22T14:15:00-05:00", Minute, true, ""},
		"20240229":                    {"2024-02-29T00:00:00+01:00", Day, false, ""},
		"20261122141530.999999999":    {"2026-11-22T14:15:30.999999999+01:00", Second + 4, false, "20261122141530.9999"},
		"20261122141530.000000-0000":  {"2026-11-22T14:15:30Z", Second + 4, true, "20261122141530.0000+0000"},
		"20260308020000.000000-05000": {},
		"yesterday":                   {}, "202": {}, "20266": {}, "20260": {}, "2026110": {}, "20261301": {}, "20260229": {}, "20261122241530": {}, "20261122141560": {},
		"20261122141530.": {}, "202611221415.5": {}, "20261122141530.1234567890": {}, "20261122141530-05": {}, "20261122141530Z": {},
		"2026-11-22": {}, "20261122141530-0560": {}, " 20261122": {}, "20261122 ": {}, "00000000": {}, `""`: {}, "+0500": {},
	} {
		got, err := ParseTS(text, paris)
		if want.at == "" {
			if !errors.Is(err, ErrTime) || got != (TS{}) {
				t.Errorf("%q was read as %v (%v)", text, got, err)
			}
			continue
		}
		if err != nil || got.Time.Format(time.RFC3339Nano) != want.at || got.Precision != want.precision || got.Offset != want.offset {
			t.Errorf("%q: %s, %+v (%v)", text, got.Time.Format(time.RFC3339Nano), got, err)
			continue
		}
		if want.prints == "" {
			want.prints = text
		}
		if got.String() != want.prints {
			t.Errorf("%q prints as %q", text, got)
		}
	}
	if zero, err := ParseTS("", nil); err != nil || !zero.IsZero() || zero.String() != "" {
		t.Errorf("no time: %v (%v)", zero, err)
	}
	if utc, err := ParseTS("20261122", nil); err != nil || utc.Time.Location() != time.UTC {
		t.Errorf("no zone: %v (%v)", utc, err)
	}
}

func TestTSPrints(t *testing.T) {
	moment := time.Date(2026, 11, 22, 1, 2, 3, 456789000, time.FixedZone("", 5*3600+30*60))
	for want, ts := range map[string]TS{
		"20261122010203+0530":      At(moment),
		"20261122":                 OnDay(moment),
		"20261122010203.456+0530":  {Time: moment, Precision: Milli, Offset: true},
		"20261122010203.4567":      {Time: moment, Precision: 40},
		"20261121193203+0000":      At(moment.In(time.UTC)),
		"20261121201203+0000":      At(moment.Add(40 * time.Minute).In(time.FixedZone("", 1172))), // Amsterdam's old +00:19:32
		"18990101000000.0000+0000": {Time: time.Date(1899, 1, 1, 0, 0, 0, 0, time.UTC), Precision: finest, Offset: true},
	} {
		if got := ts.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
