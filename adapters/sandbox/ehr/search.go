package ehr

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

func (c condition) holds(v *version) bool {
	values := v.values[c.name]
	for _, m := range c.any {
		if m.missing {
			if len(values) == 0 {
				return true
			}
			continue
		}
		if slices.ContainsFunc(values, m.test) {
			return true
		}
	}
	return false
}

func (q *query) holds(v *version) bool {
	for _, c := range q.where {
		if !c.holds(v) {
			return false
		}
	}
	return true
}

// candidates narrows a search by the condition with the fewest index entries; without one it is the whole type.
func (s *store) candidates(q *query) []*entity {
	best, found := s.byType[q.typ], false
	for _, c := range q.where {
		var hits []*entity
		usable := true
		for _, m := range c.any {
			if m.key == "" {
				usable = false
				break
			}
			hits = append(hits, s.index[q.typ+"?"+c.name+"="+m.key]...)
		}
		if usable && (!found || len(hits) < len(best)) {
			best, found = hits, true
		}
	}
	return best
}

// search returns the versions visible at t that meet the query, in its order. The caller holds mu.
func (s *store) search(q *query, t time.Time) []*version {
	var out []*version
	seen := map[*entity]bool{}
	for _, e := range s.candidates(q) {
		v := e.visible(t)
		if v == nil || v.deleted || seen[e] {
			continue
		}
		seen[e] = true
		if q.holds(v) {
			out = append(out, v)
		}
	}
	slices.SortStableFunc(out, func(a, b *version) int {
		for _, k := range q.sort {
			if c := compareBy(k, a, b); c != 0 {
				return c
			}
		}
		return cmp.Compare(a.order, b.order)
	})
	return out
}

// compareBy orders by a parameter's lowest value, highest when descending; resources without one come last either way.
func compareBy(k sortKey, a, b *version) int {
	x, y := edge(a.values[k.name], k.descending), edge(b.values[k.name], k.descending)
	switch {
	case x == nil && y == nil:
		return 0
	case x == nil:
		return 1
	case y == nil:
		return -1
	}
	c := x.compare(*y)
	if k.descending {
		return -c
	}
	return c
}

func edge(values []value, highest bool) *value {
	var best *value
	for i := range values {
		if best == nil || (values[i].compare(*best) < 0) != highest {
			best = &values[i]
		}
	}
	return best
}

func (v value) compare(w value) int {
	return cmp.Or(v.lo.Compare(w.lo), strings.Compare(v.text, w.text), strings.Compare(v.code, w.code))
}
