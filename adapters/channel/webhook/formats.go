package webhook

import (
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// instant checks a date-time (RFC 3339 §5.6) and keeps its offset; absent gives the zero time.
func (k *checker) instant(name string, s *string) time.Time {
	if s == nil {
		return time.Time{}
	}
	at, ok := parseInstant(*s)
	if !ok {
		k.fail(name, "want a date and time with offset, as RFC 3339 writes it")
	}
	return at
}

// parseInstant reads an RFC 3339 date-time. time.Parse takes a comma for the fraction and refuses leap seconds, so the
// parts are read here. A leap second, 23:59:60 UTC, is the first instant of the next minute, as POSIX time has it.
// Digits of the fraction beyond the ninth are dropped.
func parseInstant(s string) (time.Time, bool) {
	const date, clock = len("2006-01-02"), len("15:04:05")
	if len(s) < date+1+clock+1 || s[date] != 'T' && s[date] != 't' {
		return time.Time{}, false
	}
	day, err := time.Parse(time.DateOnly, s[:date])
	if err != nil {
		return time.Time{}, false
	}
	rest := s[date+1:]
	hour, okH := two(rest, 23)
	minute, okM := two(rest[3:], 59)
	second, okS := two(rest[6:], 60)
	if !okH || !okM || !okS || rest[2] != ':' || rest[5] != ':' {
		return time.Time{}, false
	}
	nanos, rest, ok := fraction(rest[clock:])
	if !ok {
		return time.Time{}, false
	}
	zone, ok := offset(rest)
	if !ok {
		return time.Time{}, false
	}
	y, m, d := day.Date()
	at := time.Date(y, m, d, hour, minute, min(second, 59), nanos, zone)
	if second == 60 {
		if u := at.UTC(); u.Hour() != 23 || u.Minute() != 59 {
			return time.Time{}, false
		}
		at = time.Date(y, m, d, hour, minute, 60, nanos, zone)
	}
	return at, true
}

// two reads two digits at the front of s, at most limit.
func two(s string, limit int) (int, bool) {
	if len(s) < 2 || s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9' {
		return 0, false
	}
	n := int(s[0]-'0')*10 + int(s[1]-'0')
	return n, n <= limit
}

// fraction reads ".digits" where it is there and gives nanoseconds and what follows.
func fraction(s string) (nanos int, rest string, ok bool) {
	if !strings.HasPrefix(s, ".") {
		return 0, s, true
	}
	digits := 0
	for s = s[1:]; digits < len(s) && s[digits] >= '0' && s[digits] <= '9'; digits++ {
		if digits < 9 {
			nanos = nanos*10 + int(s[digits]-'0')
		}
	}
	for i := digits; i < 9; i++ {
		nanos *= 10
	}
	return nanos, s[digits:], digits > 0
}

// offset reads "Z" or ±hh:mm. The zone has no name, so that equal offsets give equal values.
func offset(s string) (*time.Location, bool) {
	if s == "Z" || s == "z" {
		return time.UTC, true
	}
	if len(s) != len("+00:00") || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return nil, false
	}
	hours, okH := two(s[1:], 23)
	minutes, okM := two(s[4:], 59)
	if !okH || !okM {
		return nil, false
	}
	secs := (hours*60 + minutes) * 60
	if s[0] == '-' {
		secs = -secs
	}
	if secs == 0 {
		return time.UTC, true
	}
	return time.FixedZone("", secs), true
}

// date checks a full-date (RFC 3339 §5.6); absent gives "".
func (k *checker) date(name string, s *string) string {
	if s == nil {
		return ""
	}
	if _, err := time.Parse(time.DateOnly, *s); err != nil {
		k.fail(name, "want a date as YYYY-MM-DD")
	}
	return *s
}

// uri checks an absolute URI (RFC 3986 §4.3); absent gives "".
func (k *checker) uri(name string, s *string) string {
	if s == nil {
		return ""
	}
	u, err := url.Parse(*s)
	if err != nil || !u.IsAbs() || !goodHost(u) {
		k.fail(name, "want an absolute URI")
	}
	return *s
}

// goodHost holds a literal IPv6 host to its brackets and form, which url.Parse does not.
func goodHost(u *url.URL) bool {
	host := u.Hostname()
	if !strings.Contains(host, ":") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Is6() && addr.Zone() == "" && strings.Contains(u.Host, "[") && strings.Contains(u.Host, "]")
}
