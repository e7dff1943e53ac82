package ehr

import (
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// value is what one element offers to one search parameter.
type value struct {
	system, code string    // token
	text         string    // string: folded; uri: as it is
	target       string    // reference: Type/id, without version; "" for a logical one
	logical      bool      // the reference's own identifier, in system and code
	lo, hi       time.Time // date: from lo up to, not including, hi; the zero hi has no end
}

// valuesOf extracts every search value of a resource. base makes absolute references into this server's own relative.
func valuesOf(typ string, r resource, base string) map[string][]value {
	out := map[string][]value{}
	for _, params := range []map[string]param{everyType, searchParams[typ]} {
		for name, p := range params {
			for _, path := range p.paths {
				for _, el := range elements(r, strings.Split(path, ".")) {
					out[name] = append(out[name], p.extract(el, base)...)
				}
			}
		}
	}
	return out
}

// elements follows a path through objects and lists.
func elements(v any, steps []string) []any {
	if list, ok := v.([]any); ok {
		var out []any
		for _, x := range list {
			out = append(out, elements(x, steps)...)
		}
		return out
	}
	if len(steps) == 0 {
		if v == nil {
			return nil
		}
		return []any{v}
	}
	obj, ok := v.(resource)
	if !ok {
		return nil
	}
	return elements(obj[steps[0]], steps[1:])
}

func (p param) extract(el any, base string) []value {
	switch p.kind {
	case kindToken:
		return p.tokens(el)
	case kindReference:
		return p.reference(el, base)
	case kindDate:
		return dates(el)
	case kindString:
		if s, ok := el.(string); ok {
			return []value{{text: fold(s)}}
		}
	case kindURI:
		if s, ok := el.(string); ok {
			return []value{{text: s}}
		}
	}
	return nil
}

func (p param) tokens(el any) []value {
	switch el := el.(type) {
	case string:
		return []value{{code: el}}
	case bool:
		if el {
			return []value{{code: "true"}}
		}
		return []value{{code: "false"}}
	case resource:
		if p.only != "" {
			if str(el, "system") != p.only {
				return nil
			}
			return []value{{code: str(el, "value")}}
		}
		if codings, ok := el["coding"].([]any); ok { // CodeableConcept
			var out []value
			for _, c := range codings {
				if c, ok := c.(resource); ok {
					out = append(out, value{system: str(c, "system"), code: str(c, "code")})
				}
			}
			return out
		}
		if _, ok := el["code"]; ok { // Coding
			return []value{{system: str(el, "system"), code: str(el, "code")}}
		}
		if _, ok := el["value"]; ok { // Identifier, ContactPoint
			return []value{{system: str(el, "system"), code: str(el, "value")}}
		}
	}
	return nil
}

func (p param) reference(el any, base string) []value {
	obj, ok := el.(resource)
	if !ok {
		return nil
	}
	var out []value
	if target, ok := localTarget(str(obj, "reference"), base); ok {
		if p.target == "" || strings.HasPrefix(target, p.target+"/") {
			out = append(out, value{target: target})
		}
	}
	if id, ok := obj["identifier"].(resource); ok {
		out = append(out, value{logical: true, system: str(id, "system"), code: str(id, "value")})
	}
	return out
}

// localTarget turns a literal reference to this server into Type/id, dropping a version.
func localTarget(reference, base string) (string, bool) {
	reference = strings.TrimPrefix(reference, base+"/")
	parts := strings.Split(reference, "/")
	if len(parts) != 2 && !(len(parts) == 4 && parts[2] == "_history") {
		return "", false
	}
	if !knownType(parts[0]) || !validID(parts[1]) {
		return "", false
	}
	return parts[0] + "/" + parts[1], true
}

func dates(el any) []value {
	switch el := el.(type) {
	case string:
		if lo, hi, ok := dateRange(el); ok {
			return []value{{lo: lo, hi: hi}}
		}
	case resource: // Period
		var v value
		if lo, _, ok := dateRange(str(el, "start")); ok {
			v.lo = lo
		}
		if _, hi, ok := dateRange(str(el, "end")); ok {
			v.hi = hi
		}
		return []value{v}
	}
	return nil
}

// datePrecisions are the forms coarser than a second. Go's seconds field also accepts a fraction, so whole seconds and
// finer are told apart by dateRange itself.
var datePrecisions = []struct {
	layout string
	end    func(time.Time) time.Time
}{
	{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
	{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
	{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
	{"2006-01-02T15:04Z07:00", func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04", func(t time.Time) time.Time { return t.Add(time.Minute) }},
}

// dateRange gives the span a FHIR date, dateTime or instant covers at its own precision; dates without an offset are
// read as UTC (R4 §3.1.1.4.7 leaves the choice to the server).
func dateRange(s string) (lo, hi time.Time, ok bool) {
	for _, f := range datePrecisions {
		if t, err := time.Parse(f.layout, s); err == nil {
			return t, f.end(t), true
		}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return lo, hi, false
	}
	if strings.Contains(s, ".") {
		return t, t.Add(time.Millisecond), true
	}
	return t, t.Add(time.Second), true
}

// fold makes strings comparable the way R4 string search asks: case, marks and compatibility forms do not count.
func fold(s string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(s) {
		if !unicode.Is(unicode.Mn, r) {
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return strings.TrimSpace(b.String())
}

// validID is R4's id datatype.
func validID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, c := range id {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}
