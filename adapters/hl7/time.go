package hl7

import (
	"errors"
	"strings"
	"time"
)

// TS is a point in time as far as it is known (ch. 2.A, TS and DTM): YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ].
type TS struct {
	Time      time.Time // its offset is what the text says; its first moment where less than a second is known
	Precision Precision
	Offset    bool // whether the text says an offset; without one a time is the sender's local time
}

// Precision is how many digits of a [TS] are known, the fraction of a second included.
type Precision int

// The precisions that have a name; Second+1 to Second+4 are digits of the second's fraction.
const (
	Year   Precision = 4
	Month  Precision = 6
	Day    Precision = 8
	Hour   Precision = 10
	Minute Precision = 12
	Second Precision = 14
	Milli  Precision = Second + 3
	finest Precision = Second + 4
)

const tsLayout = "20060102150405"

// ErrTime is returned by [ParseTS]; the text is never part of it.
var ErrTime = errors.New("hl7: not a time stamp: want YYYY[MM[DD[HH[MM[SS[.S…]]]]]][+/-ZZZZ]")

// At is t to the second with its offset, as MSH-7 and the times of a document are given. The rest is cut, not rounded.
func At(t time.Time) TS { return TS{Time: t, Precision: Second, Offset: true} }

// OnDay is the day of t alone, as a birth date is given.
func OnDay(t time.Time) TS { return TS{Time: t, Precision: Day} }

// IsZero says whether there is no time at all.
func (t TS) IsZero() bool { return t.Precision == 0 }

// String is the time as a message carries it, "" for the zero TS. An offset that HL7 cannot write (one with seconds) is
// written as UTC, the same moment.
func (t TS) String() string {
	if t.IsZero() {
		return ""
	}
	at := t.Time
	if _, offset := at.Zone(); t.Offset && offset%60 != 0 {
		at = at.UTC()
	}
	p := min(t.Precision, finest)
	s := at.Format(tsLayout)
	if p > Second {
		s += at.Format(".000000000")[:1+p-Second]
	} else {
		s = s[:p]
	}
	if t.Offset {
		s += at.Format("-0700")
	}
	return s
}

// field is the time as a field.
func (t TS) field() Field { return ST(t.String()) }

// ParseTS reads a time stamp; "" is the zero TS. zone is the sender's time zone, for a text without an offset; nil takes UTC,
// and then only the date can be relied on. A fraction may have up to nine digits, as many engines write them; TS has four.
func ParseTS(s string, zone *time.Location) (TS, error) {
	if s == "" {
		return TS{}, nil
	}
	if zone == nil {
		zone = time.UTC
	}
	var t TS
	layout := ""
	if i := strings.IndexAny(s, "+-"); i >= 0 {
		t.Offset, layout = true, "-0700"
		if len(s)-i != 5 || s[i+3] > '5' {
			return TS{}, ErrTime
		}
	}
	digits, fraction, dotted := strings.Cut(s[:len(s)-len(layout)], ".")
	t.Precision = Precision(len(digits))
	switch {
	case t.Precision < Year || t.Precision > Second || t.Precision%2 != 0:
		return TS{}, ErrTime
	case dotted && (t.Precision != Second || fraction == "" || len(fraction) > 9):
		return TS{}, ErrTime
	case strings.ContainsFunc(digits+fraction, func(r rune) bool { return r < '0' || r > '9' }):
		return TS{}, ErrTime
	}
	text := digits
	full := tsLayout[:t.Precision]
	if dotted {
		text, full = text+"."+fraction, full+"."+strings.Repeat("0", len(fraction))
		t.Precision = min(Second+Precision(len(fraction)), finest)
	}
	var err error
	if t.Time, err = time.ParseInLocation(full+layout, text+s[len(s)-len(layout):], zone); err != nil {
		return TS{}, ErrTime
	}
	return t, nil
}
