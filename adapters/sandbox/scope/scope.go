// Package scope is the sandbox's own reading of SMART scopes, version 1 and 2 (SMART App Launch 2.2.0, "Scopes and Launch
// Context"). It shares nothing with the client's scope algebra, so that one misreading cannot hide in both.
package scope

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Scope is one resource scope: who, which type, which of c r u d s, and the query it is narrowed by.
type Scope struct {
	Level   string // patient, user or system
	Type    string // a resource type or *
	Actions string // a subset of cruds, in that order
	Query   url.Values
	V1      bool   // written in the version 1 spelling
	Text    string // as it was written
}

var (
	v2 = regexp.MustCompile(`^(patient|user|system)/([A-Z][A-Za-z]+|\*)\.(c?r?u?d?s?)(?:\?(.+))?$`)
	// own is a scope of an API of the vendor's own, such as OpenEMR's system/document.crs, whose types begin with a small letter, or
	// athenahealth's athena/service/Athenanet.MDP.*.
	own = regexp.MustCompile(`(?:^(patient|user|system)/[a-z_]+\.(c?r?u?d?s?|read|write)$)|(?:^athena/service/[A-Za-z]+\.MDP\.(?:\*|[0-9]+)$)`)
	v1  = regexp.MustCompile(`^(patient|user|system)/([A-Z][A-Za-z]+|\*)\.(read|write|\*)$`)
)

var v1Actions = map[string]string{"read": "rs", "write": "cud", "*": "cruds"}

// Parse reads one resource scope. Letters out of order are refused (the standard leaves it to the server, REQ#129).
func Parse(s string) (Scope, error) {
	if m := v1.FindStringSubmatch(s); m != nil {
		return Scope{Level: m[1], Type: m[2], Actions: v1Actions[m[3]], V1: true, Text: s}, nil
	}
	m := v2.FindStringSubmatch(s)
	if m == nil || m[3] == "" {
		return Scope{}, fmt.Errorf("%q is not a resource scope (REQ#135)", s)
	}
	out := Scope{Level: m[1], Type: m[2], Actions: m[3], Text: s}
	if m[4] != "" {
		q, err := url.ParseQuery(m[4])
		if err != nil {
			return Scope{}, fmt.Errorf("the query of %q cannot be read (REQ#132)", s)
		}
		out.Query = q
	}
	return out, nil
}

// Set is what a token holds: resource scopes, and the rest (openid, launch, offline_access …) as words.
type Set struct {
	Scopes []Scope
	Words  []string
}

// ParseSet reads a space-separated list. Words without a slash, launch/… and the scopes of a vendor's own API are kept as
// they are.
func ParseSet(s string) (Set, error) {
	var out Set
	for _, f := range strings.Fields(s) {
		if !strings.Contains(f, "/") || strings.HasPrefix(f, "launch/") || own.MatchString(f) {
			out.Words = append(out.Words, f)
			continue
		}
		sc, err := Parse(f)
		if err != nil {
			return Set{}, err
		}
		out.Scopes = append(out.Scopes, sc)
	}
	return out, nil
}

// Has tells whether the set holds a word such as openid.
func (s Set) Has(word string) bool { return slices.Contains(s.Words, word) }

// String lists the set again, resource scopes in the spelling they came in.
func (s Set) String() string {
	parts := slices.Clone(s.Words)
	for _, sc := range s.Scopes {
		parts = append(parts, sc.Text)
	}
	return strings.Join(parts, " ")
}

// Intersect gives what of requested a registration allows: per requested scope the letters some registered scope of the
// same level covers. A scope that loses every letter is left out; one that loses some comes back trimmed, in version 2
// spelling, as servers do (REQ#79, #259).
func Intersect(requested, registered Set) Set {
	var out Set
	for _, w := range requested.Words {
		if registered.Has(w) {
			out.Words = append(out.Words, w)
		}
	}
	for _, want := range requested.Scopes {
		var left strings.Builder
		for _, action := range want.Actions {
			if slices.ContainsFunc(registered.Scopes, func(have Scope) bool { return have.covers(want, action) }) {
				left.WriteRune(action)
			}
		}
		switch left.String() {
		case "":
		case want.Actions:
			out.Scopes = append(out.Scopes, want)
		default:
			got := Scope{Level: want.Level, Type: want.Type, Actions: left.String(), Query: want.Query}
			got.Text = got.spelled()
			out.Scopes = append(out.Scopes, got)
		}
	}
	return out
}

// Spelled leaves out what is asked for in the spelling of a SMART version in which nothing is registered, "*" among the version 1
// spellings: an authorization server may compare the words and drop what it does not find, without a word about it.
func Spelled(requested, registered Set) Set {
	requested.Scopes = slices.DeleteFunc(slices.Clone(requested.Scopes), func(want Scope) bool {
		return !slices.ContainsFunc(registered.Scopes, func(have Scope) bool {
			return want.V1 == have.V1 && (!want.V1 || want.Type == have.Type && want.Actions == have.Actions)
		})
	})
	return requested
}

func (s Scope) covers(want Scope, action rune) bool {
	return s.Level == want.Level && (s.Type == "*" || s.Type == want.Type) && strings.ContainsRune(s.Actions, action) &&
		(s.Query == nil || s.Query.Encode() == want.Query.Encode())
}

func (s Scope) spelled() string {
	text := s.Level + "/" + s.Type + "." + s.Actions
	if s.Query != nil {
		text += "?" + s.Query.Encode()
	}
	return text
}

// Narrowing is a condition a granted scope puts on the resources it reaches.
type Narrowing struct {
	Query       url.Values // nil for none
	PatientOnly bool       // patient/ scope: only the launch patient's compartment
}

// Allowing lists the narrowings under which the set allows the action (one of c r u d s) on the type: none at all means
// it is refused; any one that the resource meets is enough.
func (s Set) Allowing(typ string, action rune) []Narrowing {
	var out []Narrowing
	for _, sc := range s.Scopes {
		if (sc.Type == "*" || sc.Type == typ) && strings.ContainsRune(sc.Actions, action) {
			out = append(out, Narrowing{Query: sc.Query, PatientOnly: sc.Level == "patient"})
		}
	}
	return out
}
