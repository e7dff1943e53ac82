package fhir

import (
	"context"
	"net/url"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
	"github.com/chartwire/chartwire/fhir/r4"
)

// What an adapter needs that reads over FHIR and writes by its vendor's own API.

// Beside is a client of another API of the same EHR: the same way there, deadline and token. base is the API's.
func (e *EHR) Beside(base string) (*client.Client, error) {
	config := client.Config{HTTP: e.opts.HTTP, Base: base, Now: e.opts.Now, MaxBody: e.opts.MaxBody, Timeout: e.opts.Deadline, Turn: connector.Turn}
	if e.auth != nil {
		config.Auth = e.auth
	}
	return client.New(config)
}

// Search gives the entries of a patient's type, and whether these are all. Errors: ErrNotSearchable, *connector.Refused,
// *Retry.
func (e *EHR) Search(ctx context.Context, resource, patient string) (entries []r4.BundleEntry, whole bool, err error) {
	if err := e.ready(); err != nil {
		return nil, false, err
	}
	by := e.patientParam(resource)
	if by == "" {
		return nil, false, connector.ErrNotSearchable
	}
	entries, whole, err = e.search(ctx, resource, url.Values{by: {patient}})
	return entries, whole, notSearchableUnless(err)
}

// WriteError turns a call that did not end well into what deliver decides by: *connector.Refused, *Retry, *Ambiguous,
// *Conflicted or ErrFenced (DESIGN §3.3).
func WriteError(err error) error { return Quirks{}.writeError(err) }

// Gone says whether a call found nothing there (any more).
func Gone(err error) bool { return gone(err) }

// ReadError is WriteError for a call that changes nothing: *connector.Refused or *Retry.
func ReadError(err error) error { return readError(err) }
