package ehr

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Stored is a resource on the chart, as someone working at the EHR itself sees it.
type Stored struct {
	Type, ID string
	Version  int
	Raw      []byte
}

// Reference is Type/id.
func (s Stored) Reference() string { return s.Type + "/" + s.ID }

func (v *version) stored() Stored { return Stored{Type: v.typ, ID: v.id, Version: v.num, Raw: v.raw} }

// staff is the client id of writes made at the EHR itself.
const staff = "ehr"

// Seed loads resources that were there before any client came: a Bundle whose entries carry resources with ids. They pass
// referential integrity among each other, not the gate, and are not in the ledger. Loading one again updates it.
func (s *Server) Seed(bundle []byte) error {
	var b struct {
		Entry []struct {
			Resource json.RawMessage `json:"resource"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(bundle, &b); err != nil {
		return fmt.Errorf("seed: the bundle cannot be read: %w", err)
	}
	var all []resource
	coming := map[string]bool{}
	for i, e := range b.Entry {
		r, err := parse(e.Resource)
		if err != nil {
			return fmt.Errorf("seed: entry %d: %w", i, err)
		}
		typ, id := str(r, "resourceType"), str(r, "id")
		if !knownType(typ) || !validID(id) {
			return fmt.Errorf("seed: entry %d: type or id is missing or not known", i)
		}
		coming[typ+"/"+id] = true
		all = append(all, r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range all {
		f := checkReferences(r, s.opts.Base, func(key string) bool { return coming[key] || s.exists(key) })
		if f != nil {
			return fmt.Errorf("seed: entry %d: %w", i, f)
		}
	}
	for _, r := range all {
		s.announce(s.put(str(r, "resourceType"), str(r, "id"), r, s.now(), http.MethodPut, s.opts.Base))
	}
	return nil
}

// Put writes a resource as the EHR's own staff would: with an id it updates or creates that one, without it creates. It
// passes the gate and referential integrity, is in the ledger as client "ehr", and fires subscriptions.
func (s *Server) Put(raw []byte) (Stored, error) {
	r, err := parse(raw)
	if err != nil {
		return Stored{}, fmt.Errorf("put: %w", err)
	}
	w := &write{typ: str(r, "resourceType"), id: str(r, "id"), method: http.MethodPut, resource: r, received: raw}
	if w.id == "" {
		w.method = http.MethodPost
	}
	if !knownType(w.typ) {
		return Stored{}, fmt.Errorf("put: resource type %q is not known here", w.typ)
	}
	if f := s.checkForm(w); f != nil {
		return Stored{}, fmt.Errorf("put: %w", f)
	}
	if f := s.gate(w.typ, r); f != nil {
		return Stored{}, fmt.Errorf("put: %w", f)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.admit(w, s.exists); f != nil {
		return Stored{}, fmt.Errorf("put: %w", f)
	}
	return s.commit(staff, w, 0).stored(), nil
}

// MergePatient does what a records department does: the first Patient becomes inactive and replaced by the second.
func (s *Server) MergePatient(from, into string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.get("Patient", from)
	if old == nil || s.get("Patient", into) == nil {
		return fmt.Errorf("merge: no such patient")
	}
	r, err := parse(old.raw)
	if err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	links, _ := r["link"].([]any)
	r["active"] = false
	r["link"] = append(links, resource{"other": resource{"reference": "Patient/" + into}, "type": "replaced-by"})
	s.commit(staff, &write{typ: "Patient", id: from, method: http.MethodPut, resource: r, received: old.raw}, 0)
	return nil
}

// Get returns the current version of a resource, and whether there is one.
func (s *Server) Get(typ, id string) (Stored, bool) {
	s.catchUp()
	s.mu.RLock()
	defer s.mu.RUnlock()
	v := s.get(typ, id)
	if v == nil {
		return Stored{}, false
	}
	return v.stored(), true
}

// Versions returns every version of a resource, oldest first.
func (s *Server) Versions(typ, id string) []Stored {
	s.catchUp()
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Stored
	if e := s.byKey[typ+"/"+id]; e != nil {
		for _, v := range e.versions {
			out = append(out, v.stored())
		}
	}
	return out
}

// Find returns the resources of a type whose current version carries the identifier, in creation order: two are a
// duplicate. The system "" matches any.
func (s *Server) Find(typ string, id Identifier) []Stored {
	s.catchUp()
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Stored
	for _, e := range s.index[typ+"?identifier="+id.Value] {
		for _, val := range e.current().values["identifier"] {
			if val.code == id.Value && (id.System == "" || val.system == id.System) {
				out = append(out, e.current().stored())
				break
			}
		}
	}
	return out
}

// All returns the current version of every resource of a type, in creation order.
func (s *Server) All(typ string) []Stored {
	s.catchUp()
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]Stored, 0, len(s.byType[typ]))
	for _, e := range s.byType[typ] {
		if v := e.current(); !v.deleted {
			out = append(out, v.stored())
		}
	}
	return out
}
