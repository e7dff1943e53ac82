package ehr

import (
	"fmt"
	"net/http"
	"strings"
)

// What people at the EHR do to entries that are there, by the user interface or by hand in its database. None of it passes
// the gate; all of it is in the ledger as client "ehr".

// Edit changes an entry, Type/id, in place.
func (s *Server) Edit(reference string, change func(entry map[string]any)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.edit(reference, change)
}

func (s *Server) edit(reference string, change func(map[string]any)) error {
	typ, id := splitType(reference)
	v := s.get(typ, id)
	if v == nil {
		return fmt.Errorf("edit: no such %s", typ)
	}
	r, err := parse(v.raw)
	if err != nil {
		return fmt.Errorf("edit: %w", err)
	}
	change(r)
	s.commit(staff, &write{typ: typ, id: id, method: http.MethodPut, resource: r, received: encode(r)}, 0)
	return nil
}

// Remove deletes an entry: it is 410 by id and in no search, and its history stays.
func (s *Server) Remove(reference string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remove(reference)
}

func (s *Server) remove(reference string) error {
	typ, id := splitType(reference)
	v := s.get(typ, id)
	if v == nil {
		return fmt.Errorf("remove: no such %s", typ)
	}
	e := s.byKey[v.key()]
	s.commits++
	gone := &version{typ: typ, id: id, num: v.num + 1, at: s.now().UTC(), method: http.MethodDelete, order: s.commits, deleted: true}
	e.versions = append(e.versions, gone)
	s.record(staff, http.MethodDelete, 0, gone, nil)
	return nil
}

// Move puts an entry under another patient, Patient/id.
func (s *Server) Move(reference, patient string) error {
	return s.Edit(reference, func(r map[string]any) { r["subject"] = resource{"reference": patient} })
}

// Double makes a second entry of the same content and identifiers, and returns its Type/id.
func (s *Server) Double(reference string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.double(reference)
}

func (s *Server) double(reference string) (string, error) {
	typ, id := splitType(reference)
	v := s.get(typ, id)
	if v == nil {
		return "", fmt.Errorf("double: no such %s", typ)
	}
	r, err := parse(v.raw)
	if err != nil {
		return "", fmt.Errorf("double: %w", err)
	}
	return s.commit(staff, &write{typ: typ, method: http.MethodPost, resource: r, received: v.raw}, 0).key(), nil
}

// Deactivate makes a Patient inactive, without a successor.
func (s *Server) Deactivate(id string) error {
	return s.Edit("Patient/"+id, func(r map[string]any) { r["active"] = false })
}

// spoiled is a text with one word put in, wherever an entry has its words.
func spoil(r map[string]any) {
	const note = " (amended)"
	onText(r, func(s string) string { return s + note })
	_ = walk(r, "", func(obj resource, _ string) error {
		if data, ok := obj["data"].(string); ok && len(data) >= 4 {
			obj["data"] = strings.TrimRight(data, "=")[:len(data)/4*4-4] + "IQ=="
		}
		return nil
	})
}
