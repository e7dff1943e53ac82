package smart

import (
	"net/url"
	"slices"
	"strings"
)

// Permission is a set of the SMART v2 permissions.
type Permission uint8

// The permissions, in the order they are spelled.
const (
	Create Permission = 1 << iota
	Read
	Update
	Delete
	Search
)

const letters = "cruds"

// String spells the set in order, e.g. "crs".
func (p Permission) String() string {
	var b strings.Builder
	for i, l := range letters {
		if p&(1<<i) != 0 {
			b.WriteRune(l)
		}
	}
	return b.String()
}

// Scope is one scope. One that is no FHIR resource scope ("launch", "openid", or a spelling
// SMART does not define) has only Other.
type Scope struct {
	Level string // patient, user or system
	Type  string // resource type, or "*"
	Can   Permission
	Query string // "category=clinical-note", "" for none
	Other string
}

// Scopes is a list of scopes, asked for or granted.
type Scopes []Scope

// ParseScopes reads a space-separated list. Nothing is an error: what is not understood is kept
// as Other and covers only itself.
func ParseScopes(s string) Scopes {
	var out Scopes
	for _, f := range strings.Fields(s) {
		out = append(out, ParseScope(f))
	}
	return out
}

// ParseScope reads one scope in v2 ("system/Communication.crs?category=x") or v1 spelling
// ("system/Communication.write"; read→rs, write→cud, *→cruds) (REQ 135).
func ParseScope(s string) Scope {
	other := Scope{Other: s}
	level, rest, ok := strings.Cut(s, "/")
	if !ok || !slices.Contains([]string{"patient", "user", "system"}, level) {
		return other
	}
	rest, query, hasQuery := strings.Cut(rest, "?")
	resource, verbs, ok := strings.Cut(rest, ".")
	if !ok || !resourceName(resource) || (hasQuery && query == "") {
		return other
	}
	can, v1, ok := permissions(verbs)
	if !ok || (v1 && hasQuery) {
		return other
	}
	return Scope{Level: level, Type: resource, Can: can, Query: query}
}

func resourceName(s string) bool {
	if s == "*" {
		return true
	}
	for i, r := range s {
		if (r < 'A' || r > 'Z') && (i == 0 || r < 'a' || r > 'z') {
			return false
		}
	}
	return s != ""
}

// permissions reads the part after the dot. Letters out of order (".dus") are undefined.
func permissions(s string) (can Permission, v1, ok bool) {
	switch s {
	case "read":
		return Read | Search, true, true
	case "write":
		return Create | Update | Delete, true, true
	case "*":
		return Create | Read | Update | Delete | Search, true, true
	case "":
		return 0, false, false
	}
	last := -1
	for _, r := range s {
		at := strings.IndexRune(letters, r)
		if at <= last {
			return 0, false, false
		}
		last = at
		can |= 1 << at
	}
	return can, false, true
}

// String spells the scope in v2.
func (s Scope) String() string {
	if s.Other != "" {
		return s.Other
	}
	out := s.Level + "/" + s.Type + "." + s.Can.String()
	if s.Query != "" {
		out += "?" + s.Query
	}
	return out
}

// V1 spells the scope in v1, widened to what v1 can say: rs or a part of it becomes read, cud or a part of it write. Both are two
// scopes and never "*": an app is registered for read and for write, and some servers give nothing for a spelling that is not
// registered. A query cannot be said and is dropped.
func (s Scope) V1() []string {
	if s.Other != "" {
		return []string{s.Other}
	}
	var out []string
	if s.Can&(Read|Search) != 0 {
		out = append(out, s.Level+"/"+s.Type+".read")
	}
	if s.Can&(Create|Update|Delete) != 0 {
		out = append(out, s.Level+"/"+s.Type+".write")
	}
	return out
}

// String spells the list in v2.
func (s Scopes) String() string { return strings.Join(s.Spell(false), " ") }

// Spell gives the scopes to ask for, in v1 or v2 spelling, without repeats.
func (s Scopes) Spell(v1 bool) []string {
	var out []string
	for _, scope := range s {
		texts := []string{scope.String()}
		if v1 {
			texts = scope.V1()
		}
		for _, text := range texts {
			if !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	return out
}

// Covers reports whether granted allows all that needed asks for. Several granted scopes may
// cover it together. Levels do not stand in for each other; "*" stands for every type; a granted
// query must be part of the needed one: a grant narrower than the need does not cover it.
func Covers(granted Scopes, needed Scope) bool {
	if needed.Other != "" {
		return slices.ContainsFunc(granted, func(g Scope) bool { return g.Other == needed.Other })
	}
	return lacking(granted, needed) == 0
}

func lacking(granted Scopes, needed Scope) Permission {
	left := needed.Can
	for _, g := range granted {
		if g.Other == "" && g.Level == needed.Level && (g.Type == "*" || g.Type == needed.Type) && narrows(needed.Query, g.Query) {
			left &^= g.Can
		}
	}
	return left
}

// narrows reports whether every condition of granted is also one of needed, so that what needed
// touches lies within what granted allows.
func narrows(needed, granted string) bool {
	if granted == "" || granted == needed {
		return true
	}
	n, errN := url.ParseQuery(needed)
	g, errG := url.ParseQuery(granted)
	if errN != nil || errG != nil {
		return false
	}
	for name, values := range g {
		for _, v := range values {
			if !slices.Contains(n[name], v) {
				return false
			}
		}
	}
	return true
}

// Missing lists what needed asks for and granted does not allow, each scope cut down to its
// lacking permissions. Empty means all is granted.
func Missing(granted, needed Scopes) Scopes {
	var out Scopes
	for _, n := range needed {
		if n.Other != "" {
			if !Covers(granted, n) {
				out = append(out, n)
			}
			continue
		}
		if left := lacking(granted, n); left != 0 {
			n.Can = left
			out = append(out, n)
		}
	}
	return out
}
