package ehr

import "fmt"

// Rot changes an entry, Type/id, behind everyone's back, as a failing disk or a bad migration does: unlike Edit it makes no
// version, no new lastUpdated and nothing in the ledger. It fails where there is no such entry.
func (s *Server) Rot(reference string, change func(entry map[string]any)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	typ, id := splitType(reference)
	old := s.get(typ, id)
	if old == nil {
		return fmt.Errorf("rot: no such %s", typ)
	}
	r, err := parse(old.raw)
	if err != nil {
		return fmt.Errorf("rot: %w", err)
	}
	change(r)
	e := s.byKey[old.key()]
	v := *old
	v.raw, v.values = encode(r), valuesOf(typ, r, s.opts.Base)
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
