package ehr

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// Rot changes a stored resource behind everyone's back, as a failing disk, a bad migration or a repair by hand does: no
// new version, no new lastUpdated, nothing in the ledger, no gate. change gets the resource as JSON and gives what is to
// be stored; nil makes it disappear with its history. It fails where there is no such resource.
func (s *Server) Rot(typ, id string, change func(r map[string]any) map[string]any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byKey[typ+"/"+id]
	if e == nil {
		return fmt.Errorf("rot: there is no %s with this id", typ)
	}
	old := e.current()
	r, err := parse(old.raw)
	if err != nil {
		return fmt.Errorf("rot: %w", err)
	}
	changed := change(r)
	if changed == nil {
		s.drop(typ, id, e)
		return nil
	}
	v := *old
	v.raw, v.values = encode(changed), valuesOf(typ, changed, s.opts.Base)
	e.versions[len(e.versions)-1] = &v
	for name, values := range v.values {
		for _, val := range values {
			for _, k := range val.keys() {
				s.addKey(e, typ+"?"+name+"="+k)
			}
		}
	}
	return nil
}

func (s *Server) drop(typ, id string, e *entity) {
	is := func(x *entity) bool { return x == e }
	delete(s.byKey, typ+"/"+id)
	s.byType[typ] = slices.DeleteFunc(s.byType[typ], is)
	for k := range e.keys {
		s.index[k] = slices.DeleteFunc(s.index[k], is)
	}
}

// Double stores a second resource with the same content, identifiers included, under an id of its own, past the gate and
// the ledger; change may alter the copy before it is stored.
func (s *Server) Double(typ, id string, change func(r map[string]any)) (Stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.get(typ, id)
	if old == nil {
		return Stored{}, fmt.Errorf("double: there is no %s with this id", typ)
	}
	var r map[string]any
	if err := json.Unmarshal(old.raw, &r); err != nil {
		return Stored{}, fmt.Errorf("double: %w", err)
	}
	if change != nil {
		change(r)
	}
	return s.put(typ, s.newID(typ), r, s.now(), http.MethodPost, s.opts.Base).stored(), nil
}
