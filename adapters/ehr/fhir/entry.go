package fhir

import (
	"context"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
)

// ReadEntry reads the entry a person says is the write, and tells what it shows of it. Errors: ErrAbsent where it is not
// there or was deleted, else as Find.
func (e *EHR) ReadEntry(ctx context.Context, w connector.Write, reference string) (connector.Receipt, error) {
	if err := e.ready(); err != nil {
		return connector.Receipt{}, err
	}
	resp, err := e.client.Read(ctx, reference, w.Type)
	if gone(err) {
		return connector.Receipt{}, connector.ErrAbsent
	}
	if err != nil {
		return connector.Receipt{}, readError(err)
	}
	r := connector.Receipt{Reference: reference, Version: versionOf(resp, headOf(resp.Body)), Status: resp.Status, Found: true, Response: resp.Body}
	e.show(ctx, w, &r, resp.Body)
	return r, nil
}

// Retract plans how an entry of ours is marked as entered in error.
func (e *EHR) Retract(w connector.Write, reference string) (connector.Write, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return filing.MarkInError(e.can(w.Type, "update") && e.can(w.Type, "read"), w, reference)
}
