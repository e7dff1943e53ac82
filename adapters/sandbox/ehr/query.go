package ehr

import (
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"
)

// condition is one search parameter of a request: any of its alternatives must hold (R4 §2.1.21.1.4.5).
type condition struct {
	name  string
	param param
	any   []match
}

// match is one alternative: a predicate over a value, and the index key it needs where one exact key serves.
type match struct {
	key     string // index key; "" where the index does not help
	missing bool   // :missing=true
	test    func(value) bool
}

type sortKey struct {
	name       string
	descending bool
}

// query is a parsed search.
type query struct {
	typ     string
	where   []condition
	sort    []sortKey
	count   int
	summary string
}

const (
	defaultCount = 20
	maxCount     = 500
)

// parseQuery reads search parameters strictly: an unknown one, an unknown modifier or a bad value is 400, never ignored
// (R4 §2.1.21.1.2, Prefer: handling=strict).
func (s *Server) parseQuery(typ string, q url.Values) (*query, *failure) {
	known := s.traits.paramsOf(typ)
	if known == nil {
		return nil, fail(405, "not-supported", "%s cannot be searched here", typ)
	}
	out := &query{typ: typ, count: defaultCount}
	for _, name := range sortedKeys(q) {
		for _, raw := range q[name] {
			var f *failure
			switch name {
			case "_sort":
				f = out.parseSort(raw, known)
			case "_count":
				n, err := strconv.Atoi(raw)
				if err != nil || n < 0 {
					f = fail(400, "value", "_count is not a number")
				}
				out.count = min(n, maxCount)
			case "_summary":
				if raw != "count" && raw != "false" {
					f = fail(400, "not-supported", "_summary=count and false are supported")
				}
				out.summary = raw
			case "_format", "_total", "_pretty":
			default:
				f = out.parseCondition(name, raw, known, s.opts.Base)
			}
			if f != nil {
				return nil, f
			}
		}
	}
	return out, nil
}

func sortedKeys(q url.Values) []string {
	names := make([]string, 0, len(q))
	for n := range q {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

func (q *query) parseSort(raw string, known map[string]param) *failure {
	for _, name := range strings.Split(raw, ",") {
		k := sortKey{name: strings.TrimPrefix(name, "-"), descending: strings.HasPrefix(name, "-")}
		p, ok := known[k.name]
		if !ok || p.kind == kindReference {
			return fail(400, "not-supported", "_sort by %q is not supported for %s", k.name, q.typ)
		}
		q.sort = append(q.sort, k)
	}
	return nil
}

func (q *query) parseCondition(name, raw string, known map[string]param, base string) *failure {
	bare, modifier, _ := strings.Cut(name, ":")
	p, ok := known[bare]
	if !ok {
		return fail(400, "not-supported", "unknown search parameter %q for %s", bare, q.typ)
	}
	c := condition{name: bare, param: p}
	if modifier == "missing" {
		if raw != "true" && raw != "false" {
			return fail(400, "value", ":missing of %s takes true or false", bare)
		}
		if raw == "true" {
			c.any = []match{{missing: true}}
		} else {
			c.any = []match{{test: func(value) bool { return true }}}
		}
		q.where = append(q.where, c)
		return nil
	}
	for _, one := range splitEscaped(raw, ',') {
		if one == "" {
			return fail(400, "value", "search parameter %s has an empty value", bare)
		}
		m, f := p.matcher(bare, modifier, one, base)
		if f != nil {
			return f
		}
		c.any = append(c.any, m)
	}
	q.where = append(q.where, c)
	return nil
}

func (p param) matcher(name, modifier, raw, base string) (match, *failure) {
	switch {
	case p.kind == kindReference:
		return referenceMatcher(name, modifier, raw, base)
	case modifier != "" && !(p.kind == kindString && (modifier == "exact" || modifier == "contains")):
		return match{}, fail(400, "not-supported", "modifier :%s of %s is not supported", modifier, name)
	case p.kind == kindToken:
		return tokenMatcher(raw), nil
	case p.kind == kindDate:
		return dateMatcher(name, raw)
	case p.kind == kindURI:
		return match{test: func(v value) bool { return v.text == raw }}, nil
	}
	want := fold(unescape(raw))
	switch modifier {
	case "exact":
		return match{test: func(v value) bool { return v.text == want }}, nil
	case "contains":
		return match{test: func(v value) bool { return strings.Contains(v.text, want) }}, nil
	}
	return match{test: func(v value) bool { return strings.HasPrefix(v.text, want) }}, nil
}

// tokenMatcher follows R4 §2.1.21.1.4.10: [code], [system]|[code], |[code] (no system), [system]|.
func tokenMatcher(raw string) match {
	parts := splitEscaped(raw, '|')
	if len(parts) == 1 {
		code := unescape(parts[0])
		return match{key: code, test: func(v value) bool { return v.code == code }}
	}
	system, code := unescape(parts[0]), unescape(strings.Join(parts[1:], "|"))
	if code == "" {
		return match{test: func(v value) bool { return v.system == system }}
	}
	return match{key: code, test: func(v value) bool { return v.system == system && v.code == code }}
}

func referenceMatcher(name, modifier, raw, base string) (match, *failure) {
	if modifier == "identifier" {
		m := tokenMatcher(raw)
		inner := m.test
		return match{test: func(v value) bool { return v.logical && inner(v) }}, nil
	}
	want := unescape(raw)
	if modifier != "" {
		if !knownType(modifier) {
			return match{}, fail(400, "not-supported", "modifier :%s of %s is not supported", modifier, name)
		}
		want = modifier + "/" + want
	}
	if target, ok := localTarget(want, base); ok {
		return match{key: target, test: func(v value) bool { return v.target == target }}, nil
	}
	if !validID(want) {
		return match{}, fail(400, "value", "%s is not a reference to this server", name)
	}
	return match{test: func(v value) bool { return strings.HasSuffix(v.target, "/"+want) }}, nil
}

// dateMatcher compares ranges (R4 §2.1.21.1.4.7): eq means the searched range holds the value's, ge and le are true on
// any overlap.
func dateMatcher(name, raw string) (match, *failure) {
	prefix := "eq"
	if len(raw) > 2 && raw[0] >= 'a' && raw[0] <= 'z' {
		prefix, raw = raw[:2], raw[2:]
	}
	lo, hi, ok := dateRange(raw)
	if !ok {
		return match{}, fail(400, "value", "%s is not a date (in a query string + must be written %%2B)", name)
	}
	end := func(v value) time.Time {
		if v.hi.IsZero() {
			return time.Unix(1<<40, 0)
		}
		return v.hi
	}
	within := func(v value) bool { return !v.lo.Before(lo) && !end(v).After(hi) }
	tests := map[string]func(value) bool{
		"eq": within,
		"ne": func(v value) bool { return !within(v) },
		"gt": func(v value) bool { return end(v).After(hi) },
		"lt": func(v value) bool { return v.lo.Before(lo) },
		"ge": func(v value) bool { return end(v).After(hi) || within(v) || v.lo.Equal(lo) },
		"le": func(v value) bool { return v.lo.Before(lo) || within(v) },
		"sa": func(v value) bool { return !v.lo.Before(hi) },
		"eb": func(v value) bool { return !end(v).After(lo) },
	}
	test := tests[prefix]
	if test == nil {
		return match{}, fail(400, "not-supported", "prefix %q of %s is not supported", prefix, name)
	}
	return match{test: test}, nil
}

// splitEscaped splits at sep where it is not escaped by a backslash (R4 §2.1.21.1.4.5.1).
func splitEscaped(s string, sep byte) []string {
	var out []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == sep:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
