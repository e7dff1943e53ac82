// Package validate is the gate every FHIR R4 resource passes before it leaves: google's
// jsonformat, the structural checks it leaves out, and the rules of the profiles we write to.
//
// It is the only package that imports google/fhir, which is large and slow to build. It is for
// outbound resources and for tests; it is never the reader of what an EHR sends, because one
// unknown field would make it refuse a whole chart.
package validate

import (
	"bytes"
	"encoding/json"
	"sync"
	"unicode/utf8"

	"github.com/google/fhir/go/fhirversion"
	"github.com/google/fhir/go/jsonformat"
)

// Problem is why a resource may not be sent: which resource, which element, and one plain
// sentence. It never holds a value of the resource, so it can be logged, stored and shown.
type Problem struct {
	Resource string // resource type, "" where the body has none we know
	Path     string // element, e.g. "Communication.payload[0]"
	Text     string // what is wrong, e.g. `missing required field "status"`
}

// Error implements error: "Communication.payload[0]: …".
func (p *Problem) Error() string {
	if p.Path == "" {
		return "FHIR gate: " + p.Text
	}
	return "FHIR gate: " + p.Path + ": " + p.Text
}

// Gate checks resources. The zero value is not ready; use [New]. It is safe for concurrent use.
type Gate struct {
	unmarshaller func() (*jsonformat.Unmarshaller, error)
}

// New makes a Gate. The google tables (about 30 MB, some 10 ms) are built on the first check.
func New() *Gate {
	return &Gate{unmarshaller: sync.OnceValues(func() (*jsonformat.Unmarshaller, error) {
		return jsonformat.NewUnmarshaller("UTC", fhirversion.R4)
	})}
}

// Resource checks a resource of ours before it is sent: everything [Gate.Base] checks, and our
// rules for its type (see rules.go). A transaction Bundle has each of its entries checked.
// The error is a [*Problem]; the caller parks the item with it and sends nothing.
func (g *Gate) Resource(b []byte) error { return g.ours(b, false) }

// Bare is [Gate.Resource] for an EHR whose entries hold no identifier of ours, and whose notes hold no category either: what
// would ask for these is not checked. Errors as there.
func (g *Gate) Bare(b []byte) error { return g.ours(b, true) }

func (g *Gate) ours(b []byte, bare bool) error {
	root, problem := g.base(b)
	if problem == nil {
		problem = checkOurs(root, bare)
	}
	if problem != nil {
		return problem
	}
	return nil
}

// Base checks that b is one valid R4 resource: JSON without duplicate keys, only elements R4
// knows, no empty elements, and google's checks (required elements, required bindings, value
// formats, reference types). It knows nothing of profiles or of what is ours. One valid form is
// refused, because google cannot read it: null as a placeholder in a list of primitives. The
// error is a [*Problem].
func (g *Gate) Base(b []byte) error {
	if _, problem := g.base(b); problem != nil {
		return problem
	}
	return nil
}

func (g *Gate) base(b []byte) (*node, *Problem) {
	if !utf8.Valid(b) {
		return nil, &Problem{Text: "the body is not UTF-8"}
	}
	if !json.Valid(b) {
		return nil, &Problem{Text: "the body is not one JSON value"}
	}
	root, problem := parse(bytes.TrimSpace(b))
	if problem != nil {
		return nil, problem
	}
	if problem := checkStructure(root); problem != nil {
		return nil, problem
	}
	u, err := g.unmarshaller()
	if err != nil {
		return nil, &Problem{Text: "the R4 validator could not be started"}
	}
	if _, err := u.Unmarshal(b); err != nil {
		return nil, fromGoogle(root.resourceType(), err)
	}
	return root, nil
}
