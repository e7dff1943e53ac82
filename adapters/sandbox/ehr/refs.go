package ehr

import (
	"net/url"
	"strings"
)

// checkReferences is referential integrity on write: every literal reference is relative or under our own base, and its
// target exists; contained ones exist in the resource. exists answers for Type/id. Text never repeats the reference.
func checkReferences(r resource, base string, exists func(key string) bool) *failure {
	contained := map[string]bool{}
	if list, ok := r["contained"].([]any); ok {
		for _, c := range list {
			if c, ok := c.(resource); ok {
				contained["#"+str(c, "id")] = true
			}
		}
	}
	var f *failure
	_ = walk(r, str(r, "resourceType"), func(obj resource, path string) error {
		if reference, ok := obj["reference"].(string); ok && f == nil {
			f = checkReference(reference, base, contained, exists)
			if f != nil {
				f.expression = path + ".reference"
				return f
			}
		}
		return nil
	})
	return f
}

func checkReference(reference, base string, contained map[string]bool, exists func(string) bool) *failure {
	switch {
	case strings.HasPrefix(reference, "#"):
		if !contained[reference] {
			return fail(422, "not-found", "the contained resource this points at is not there")
		}
		return nil
	case strings.HasPrefix(reference, "urn:"):
		return fail(400, "not-found", "a urn reference resolves only to an entry of the same transaction")
	case strings.Contains(reference, "?"):
		return fail(400, "not-supported", "a conditional reference is allowed in a transaction only")
	}
	key, ok := localTarget(reference, base)
	if !ok {
		return fail(422, "not-supported", "a reference must be Type/id on this server")
	}
	if !exists(key) {
		typ, _ := splitType(key)
		return fail(422, "not-found", "the referenced %s does not exist", typ)
	}
	return nil
}

// rewriteReferences replaces references, and attachment urls, by the map. It returns how many it replaced.
func rewriteReferences(r resource, to map[string]string) int {
	n := 0
	_ = walk(r, "", func(obj resource, _ string) error {
		for _, name := range []string{"reference", "url"} {
			if old, ok := obj[name].(string); ok {
				if replacement, ok := to[old]; ok {
					obj[name] = replacement
					n++
				}
			}
		}
		return nil
	})
	return n
}

// conditionalReferences lists every Type?query reference in a resource.
func conditionalReferences(r resource) []string {
	var out []string
	_ = walk(r, "", func(obj resource, _ string) error {
		if reference, ok := obj["reference"].(string); ok {
			typ, _, has := strings.Cut(reference, "?")
			if has && knownType(typ) {
				out = append(out, reference)
			}
		}
		return nil
	})
	return out
}

// resolveConditional finds the one resource a Type?query means, as of now and past the lag. The caller holds mu.
func (s *Server) resolveConditional(reference string) (string, *failure) {
	typ, raw, _ := strings.Cut(reference, "?")
	q, f := s.conditionQuery(typ, raw)
	if f != nil {
		return "", f
	}
	hits := s.search(q, endOfTime)
	if len(hits) != 1 {
		return "", fail(412, "multiple-matches", "a conditional reference to %s matches %d resources, not one", typ, len(hits))
	}
	return hits[0].key(), nil
}

// conditionQuery parses an If-None-Exist or conditional reference query: it must narrow, and it may use identifier even
// where clients cannot search by it.
func (s *Server) conditionQuery(typ, raw string) (*query, *failure) {
	values, err := url.ParseQuery(raw)
	if err != nil || strings.HasPrefix(raw, "?") {
		return nil, fail(400, "invalid", "the condition is not a query string")
	}
	q := &query{typ: typ}
	known := Full().paramsOf(typ)
	for name, list := range values {
		for _, v := range list {
			if f := q.parseCondition(name, v, known, s.opts.Base); f != nil {
				return nil, f
			}
		}
	}
	if len(q.where) == 0 {
		return nil, fail(412, "invalid", "the condition names no search parameter")
	}
	return q, nil
}
