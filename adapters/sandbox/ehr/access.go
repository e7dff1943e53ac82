package ehr

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/chartwire/chartwire/adapters/sandbox/scope"
)

// Grant is what a valid access token allows.
type Grant struct {
	ClientID string
	Scopes   scope.Set
	Patient  string // launch patient, Type/id; "" where there is none
	User     string // fhirUser, Type/id, of a token somebody signed in for; "" of a program's
}

// Access checks tokens and describes the authorization server; auth.Server implements it.
type Access interface {
	// Authenticate reads the Authorization header. A refusal is a *Denied.
	Authenticate(r *http.Request) (Grant, error)
	// SMARTConfiguration is the document served at {base}/.well-known/smart-configuration.
	SMARTConfiguration() []byte
	// Endpoints are the authorize and token URLs the CapabilityStatement names.
	Endpoints() (authorize, token string)
}

// Denied is a request without a usable token: 401, with the requirement it misses in Text.
type Denied struct {
	Text      string
	Challenge string // WWW-Authenticate, RFC 6750 §3
}

func (d *Denied) Error() string { return d.Text }

// caller is who makes a request and what they may do. open means no authorization is enforced.
type caller struct {
	grant Grant
	open  bool
}

func (s *Server) authenticate(r *http.Request) (caller, *failure) {
	if !s.traits.Auth {
		return caller{open: true}, nil
	}
	grant, err := s.opts.Access.Authenticate(r)
	if err == nil {
		return caller{grant: grant}, nil
	}
	f := fail(401, "login", "%s", err.Error())
	f.challenge = "Bearer"
	if d, ok := err.(*Denied); ok && d.Challenge != "" {
		f.challenge = d.Challenge
	}
	return caller{}, f
}

// interactions names each scope letter for people.
var interactions = map[rune]string{'c': "create", 'r': "read", 'u': "update", 's': "search"}

// may refuses an interaction no granted scope covers (REQ#95, #266). Where scopes are narrowed, it returns the test a
// resource must pass; a nil test means every resource of the type.
func (s *Server) may(c caller, typ string, action rune) (func(*version) bool, *failure) {
	if c.open {
		return nil, nil
	}
	test, f := s.scoped(c, typ, action)
	if f != nil || s.opts.Closed == nil || c.grant.User == "" {
		return test, f
	}
	return func(v *version) bool {
		return (test == nil || test(v)) && !s.opts.Closed(c.grant.User, ownerOf(v))
	}, nil
}

// ownerOf is the patient whose chart a resource is on, Type/id; "" of what is on nobody's.
func ownerOf(v *version) string {
	if v.typ == "Patient" {
		return v.key()
	}
	return v.subject()
}

// scoped is may by the token's scopes alone.
func (s *Server) scoped(c caller, typ string, action rune) (func(*version) bool, *failure) {
	narrowings := c.grant.Scopes.Allowing(typ, action)
	if len(narrowings) == 0 {
		return nil, fail(403, "forbidden", "REQ#266: the token's scope does not cover %s of %s; it needs %s.%c",
			interactions[action], typ, typ, action)
	}
	var tests []func(*version) bool
	for _, n := range narrowings {
		if n.Query == nil && !n.PatientOnly {
			return nil, nil
		}
		test, f := s.narrowed(typ, n, c.grant.Patient)
		if f != nil {
			return nil, f
		}
		tests = append(tests, test)
	}
	return func(v *version) bool {
		for _, t := range tests {
			if t(v) {
				return true
			}
		}
		return false
	}, nil
}

func (s *Server) narrowed(typ string, n scope.Narrowing, patient string) (func(*version) bool, *failure) {
	q := &query{typ: typ}
	known := Full().paramsOf(typ)
	for name, values := range n.Query {
		for _, raw := range values {
			if f := q.parseCondition(name, raw, known, s.opts.Base); f != nil {
				return nil, fail(403, "forbidden", "REQ#132: the scope's query on %s cannot be applied: %s", typ, f.text)
			}
		}
	}
	return func(v *version) bool {
		return q.holds(v) && (!n.PatientOnly || inCompartment(v, patient))
	}, nil
}

// inCompartment: the patient's own record, what is about them, and what belongs to nobody's compartment.
func inCompartment(v *version, patient string) bool {
	if v.typ == "Patient" {
		return v.key() == patient
	}
	about := v.subject()
	return about == patient || about == "" && !writeTypes[v.typ]
}

// queryOf parses a URL query, refusing what cannot be decoded.
func queryOf(raw string) (url.Values, *failure) {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, fail(400, "invalid", "the query string cannot be decoded")
	}
	return q, nil
}

func splitType(reference string) (typ, id string) {
	typ, id, _ = strings.Cut(reference, "/")
	return typ, id
}
