package validate

import (
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/chartwire/chartwire/fhir/r4"
)

var conditional = regexp.MustCompile(`^([A-Z][A-Za-z]+)\?.+$`)

// typeOfReference is the resource type a literal reference names, "" where it names none (urn,
// contained, logical).
func typeOfReference(reference string) string {
	if m := conditional.FindStringSubmatch(reference); m != nil {
		return m[1]
	}
	resource, _, _ := strings.Cut(r4.LocalID(reference), "/")
	return resource
}

// kindOfReference is the type of a Reference element, by its literal or by Reference.type.
func kindOfReference(ref *node) string {
	if kind := typeOfReference(ref.get("reference").text()); kind != "" {
		return kind
	}
	kind := ref.get("type").text()
	return strings.TrimPrefix(kind, "http://hl7.org/fhir/StructureDefinition/")
}

// references checks every Reference below n: nothing unresolved leaves.
func (r rules) references(path string, n *node) *Problem {
	contained := map[string]bool{}
	for _, c := range n.get("contained").list() {
		contained["#"+c.get("id").text()] = true
	}
	return r.walkReferences(path, n, contained)
}

func (r rules) walkReferences(path string, n *node, contained map[string]bool) *Problem {
	switch n.kind {
	case '{':
		for _, key := range n.keys {
			v := n.vals[key]
			if key == "reference" && v.kind == '"' {
				if problem := r.reference(path, v.text(), contained); problem != nil {
					return problem
				}
				continue
			}
			if problem := r.walkReferences(child(path, key), v, contained); problem != nil {
				return problem
			}
		}
	case '[':
		for i, v := range n.items {
			if problem := r.walkReferences(index(path, i), v, contained); problem != nil {
				return problem
			}
		}
	}
	return nil
}

func (r rules) reference(path, reference string, contained map[string]bool) *Problem {
	switch {
	case strings.HasPrefix(reference, "#"):
		if !contained[reference] {
			return r.problem(path, "refers to a contained resource that is not there")
		}
	case strings.HasPrefix(reference, "urn:uuid:"):
		if !r.fullURLs[reference] {
			return r.problem(path, "a temporary urn:uuid reference must name another entry of the same transaction")
		}
	case conditional.MatchString(reference):
		if r.fullURLs == nil {
			return r.problem(path, "a conditional reference works in transactions only")
		}
	case r4.LocalID(reference) != "" && (r4.LocalID(reference) == reference || isAbsolute(reference) || strings.Contains(reference, "/_history/")):
	case isAbsolute(reference) || strings.HasPrefix(reference, "urn:oid:"):
	default:
		return r.problem(path, "not a resolved reference (Type/id or an absolute URL)")
	}
	return nil
}

func isAbsolute(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http")
}

func dateTime(s string) (time.Time, bool) {
	t, _, err := r4.ParseDateTime(s)
	return t, err == nil
}
