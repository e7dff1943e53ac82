package fhir

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// Match finds the patient: by the reference the EHR issued, else by exact identifiers, all in one search. Several
// identifiers must agree on one patient. Errors: ErrNoMatch, ErrAmbiguous, *connector.Refused, *Retry.
func (e *EHR) Match(ctx context.Context, k connector.PatientKey) (connector.Patient, error) {
	if err := e.ready(); err != nil {
		return connector.Patient{}, err
	}
	if k.Reference != "" {
		return e.readPatient(ctx, k.Reference)
	}
	wanted := e.identifiers(k)
	if len(wanted) == 0 {
		return connector.Patient{}, connector.ErrNoMatch
	}
	var tokens []string
	for _, id := range wanted {
		tokens = append(tokens, r4.Token(id.System, id.Value))
	}
	entries, whole, err := e.search(ctx, "Patient", url.Values{"identifier": {strings.Join(tokens, ",")}})
	if err != nil {
		return connector.Patient{}, readError(err)
	}
	var hits []connector.Patient
	for _, entry := range entries {
		view, err := r4.ReadPatient(entry.Resource)
		if err == nil && carriesAny(view, wanted) {
			hits = append(hits, e.patient(view))
		}
	}
	switch {
	case len(hits) == 1 && whole:
		return hits[0], nil
	case len(hits) == 0:
		return connector.Patient{}, connector.ErrNoMatch
	default:
		return connector.Patient{}, connector.ErrAmbiguous
	}
}

// identifiers are the key's identifiers in the EHR's systems.
func (e *EHR) identifiers(k connector.PatientKey) []connector.Identifier {
	var out []connector.Identifier
	for _, id := range k.Identifiers {
		if system := e.opts.Policy.Systems[id.System]; system != "" {
			id.System = system
		}
		if id.System != "" && id.Value != "" {
			out = append(out, id)
		}
	}
	return out
}

func carriesAny(p r4.PatientView, ids []connector.Identifier) bool {
	for _, id := range ids {
		if p.HasIdentifier(id.System, id.Value) {
			return true
		}
	}
	return false
}

func (e *EHR) readPatient(ctx context.Context, reference string) (connector.Patient, error) {
	if !strings.HasPrefix(reference, "Patient/") || r4.LocalID(reference) != reference {
		return connector.Patient{}, connector.ErrNoMatch
	}
	resp, err := e.client.Read(ctx, reference, "Patient")
	if gone(err) {
		return connector.Patient{}, connector.ErrNoMatch
	}
	if err != nil {
		return connector.Patient{}, readError(err)
	}
	view, err := r4.ReadPatient(resp.Body)
	if err != nil || "Patient/"+view.ID != reference {
		return connector.Patient{}, &connector.Refused{Reason: connector.WrongSubject, Status: resp.Status}
	}
	p := e.patient(view)
	if p.Version == "" {
		p.Version = versionOf(resp, head{})
	}
	return p, nil
}

// patient keeps what deliver needs. Inactive, replaced and deceased are different things: only the first two say that this
// is not the record to file in.
func (e *EHR) patient(v r4.PatientView) connector.Patient { return patientOf(v, e.opts.Now()) }

// inUse orders names: the first is the one that messages carry, and an old one is still one that a platform may know.
func inUse(names []r4.PatientName) []r4.PatientName {
	return slices.SortedStableFunc(slices.Values(names), func(a, b r4.PatientName) int { return cmp.Compare(nameRank(a.Use), nameRank(b.Use)) })
}

func patientOf(v r4.PatientView, now time.Time) connector.Patient {
	p := connector.Patient{Reference: "Patient/" + v.ID, Version: v.VersionID, Active: v.Active, ReplacedBy: v.ReplacedBy(),
		BirthDate: v.BirthDate, Phones: v.Phones, ReadAt: now}
	for _, n := range inUse(v.Names) {
		if n.Family != "" || len(n.Given) > 0 {
			p.Names = append(p.Names, connector.HumanName{Family: n.Family, Given: n.Given})
		}
	}
	for _, id := range v.Identifiers {
		p.Identifiers = append(p.Identifiers, connector.Identifier{System: id.System, Value: id.Value})
	}
	return p
}
