package r4

import (
	"errors"
	"regexp"
	"time"
)

// ErrDateTime is returned by [ParseDateTime] for text that is no FHIR dateTime or instant.
var ErrDateTime = errors.New("not a FHIR dateTime: want YYYY, YYYY-MM, YYYY-MM-DD or a date, time and offset")

// dateTimePattern is the R4 dateTime with a full time and offset (also every instant), years 0001–9999.
var dateTimePattern = regexp.MustCompile(`^([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))$`)

var datePattern = regexp.MustCompile(`^([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?$`)

// DateTime writes t as a FHIR dateTime and keeps t's UTC offset. The fraction is left out when
// it is zero and otherwise has three or six digits; nanoseconds are cut off. An offset FHIR
// cannot write (with seconds, or beyond ±14:00) is written as UTC, the same moment. The zero
// time gives "". R4 datatypes, dateTime.
func DateTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if _, offset := t.Zone(); offset%60 != 0 || offset > 14*3600 || offset < -14*3600 {
		t = t.UTC()
	}
	switch micros := t.Nanosecond() / 1000; {
	case micros == 0:
		return t.Format("2006-01-02T15:04:05Z07:00")
	case micros%1000 == 0:
		return t.Format("2006-01-02T15:04:05.000Z07:00")
	default:
		return t.Format("2006-01-02T15:04:05.000000Z07:00")
	}
}

// Instant writes t as a FHIR instant. It is [DateTime] with a name that says what the element
// needs: an instant always has seconds and an offset.
func Instant(t time.Time) string { return DateTime(t) }

// ParseDateTime reads a FHIR dateTime, date or instant. A value with a time keeps its offset;
// a value without one (YYYY, YYYY-MM, YYYY-MM-DD) is its first moment in UTC and exact is
// false. The error is [ErrDateTime]; the value itself is never part of it.
func ParseDateTime(s string) (t time.Time, exact bool, err error) {
	if dateTimePattern.MatchString(s) {
		t, err = time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return time.Time{}, false, ErrDateTime // e.g. 30 February, or a leap second
		}
		return t, true, nil
	}
	for _, layout := range []string{"2006-01-02", "2006-01", "2006"} {
		if t, err = time.Parse(layout, s); err == nil && datePattern.MatchString(s) {
			return t, false, nil
		}
	}
	return time.Time{}, false, ErrDateTime
}
