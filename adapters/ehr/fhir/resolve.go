package fhir

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// Resolve finds a participant of an exchange in the EHR. A proxy is looked up under their patient by our own participant
// identifier, never by name or phone; ErrAbsent says that the EHR has none. Staff are looked up by the identifier the
// channel gave, and count where exactly one active Practitioner carries it. Whoever cannot be looked up is the zero
// Reference: they are then named logically. Other errors are *connector.Retry and Unauthorized.
func (e *EHR) Resolve(ctx context.Context, channel, patient string, p connector.Participant) (connector.Reference, error) {
	if err := e.ready(); err != nil {
		return connector.Reference{}, err
	}
	switch p.Role {
	case connector.RoleProxy:
		return e.resolveProxy(ctx, channel, patient, p)
	case connector.RoleClinician, connector.RoleStaff:
		return e.resolveStaff(ctx, p)
	default:
		return connector.Reference{}, nil
	}
}

func (e *EHR) resolveProxy(ctx context.Context, channel, patient string, p connector.Participant) (connector.Reference, error) {
	if !e.searchable("RelatedPerson", "patient") {
		return connector.Reference{}, nil
	}
	params := url.Values{"patient": {patient}}
	id := e.ids(channel).Participant(p.Key())
	if e.searchable("RelatedPerson", "identifier") {
		params.Set("identifier", r4.Token(id.System, id.Value))
	}
	entries, whole, err := e.search(ctx, "RelatedPerson", params)
	if err != nil {
		return fallBack(err)
	}
	var hits []string
	for _, entry := range entries {
		r, ok := readRelated(entry.Resource)
		if ok && r4.LocalID(r.Patient.Reference) == patient && (r.Active == nil || *r.Active) && hasIdentifier(entry.Resource, id) {
			hits = append(hits, "RelatedPerson/"+entry.ID)
		}
	}
	switch {
	case len(hits) == 1:
		return connector.Reference{Literal: hits[0]}, nil
	case len(hits) == 0 && whole:
		return connector.Reference{}, connector.ErrAbsent
	default:
		return connector.Reference{}, nil
	}
}

func (e *EHR) resolveStaff(ctx context.Context, p connector.Participant) (connector.Reference, error) {
	if p.Identifier == nil || p.Identifier.System == "" || p.Identifier.Value == "" || e.opts.Policy.People[p.ID] != "" ||
		!e.searchable("Practitioner", "identifier") {
		return connector.Reference{}, nil
	}
	id := *p.Identifier
	if system := e.opts.Policy.Systems[id.System]; system != "" {
		id.System = system
	}
	entries, whole, err := e.search(ctx, "Practitioner", url.Values{"identifier": {r4.Token(id.System, id.Value)}})
	if err != nil {
		return fallBack(err)
	}
	var hits []string
	for _, entry := range entries {
		var j struct {
			Active *bool `json:"active"`
		}
		if entry.ResourceType == "Practitioner" && hasIdentifier(entry.Resource, id) &&
			json.Unmarshal(entry.Resource, &j) == nil && (j.Active == nil || *j.Active) {
			hits = append(hits, "Practitioner/"+entry.ID)
		}
	}
	if len(hits) == 1 && whole {
		return connector.Reference{Literal: hits[0]}, nil
	}
	return connector.Reference{}, nil
}

// fallBack lets an EHR that refuses the search keep its participants logical. Only what can pass, and refused
// credentials, stop the exchange.
func fallBack(err error) (connector.Reference, error) {
	err = readError(err)
	var refused *connector.Refused
	if errors.As(err, &refused) && refused.Reason != connector.Unauthorized {
		return connector.Reference{}, nil
	}
	return connector.Reference{}, err
}

// Recipient reads whom a request is for. ErrNoMatch: neither a Patient nor a RelatedPerson, or not there.
func (e *EHR) Recipient(ctx context.Context, channel, reference string) (connector.Recipient, error) {
	if err := e.ready(); err != nil {
		return connector.Recipient{}, err
	}
	kind, _, _ := strings.Cut(reference, "/")
	switch kind {
	case "Patient":
		p, err := e.readPatient(ctx, reference)
		if err != nil {
			return connector.Recipient{}, err
		}
		return connector.Recipient{Reference: reference, Patient: reference, IsPatient: true, Active: p.Active && p.ReplacedBy == "",
			Name: displayName(p.Names), Phone: e164(p.Phones)}, nil
	case "RelatedPerson":
		return e.relatedRecipient(ctx, channel, reference)
	default:
		return connector.Recipient{}, connector.ErrNoMatch
	}
}

func (e *EHR) relatedRecipient(ctx context.Context, channel, reference string) (connector.Recipient, error) {
	if r4.LocalID(reference) != reference {
		return connector.Recipient{}, connector.ErrNoMatch
	}
	resp, err := e.client.Read(ctx, reference, "RelatedPerson")
	if gone(err) {
		return connector.Recipient{}, connector.ErrNoMatch
	}
	if err != nil {
		return connector.Recipient{}, readError(err)
	}
	rp, ok := readRelated(resp.Body)
	if !ok {
		return connector.Recipient{}, connector.ErrNoMatch
	}
	out := connector.Recipient{Reference: reference, Patient: r4.LocalID(rp.Patient.Reference), Active: rp.Active == nil || *rp.Active}
	if len(rp.Name) > 0 {
		n := rp.Name[0]
		out.Name = n.Text
		if out.Name == "" {
			out.Name = displayName([]connector.HumanName{{Family: n.Family, Given: n.Given}})
		}
	}
	for _, rel := range rp.Relationship {
		if out.Relation == "" {
			out.Relation = rel.Text
		}
	}
	system := e.ids(channel).Participant("").System
	for _, id := range rp.Identifier {
		if id.System == system && out.Participant == "" {
			out.Participant = id.Value
		}
	}
	var phones []string
	for _, t := range rp.Telecom {
		if t.System == "phone" || t.System == "sms" {
			phones = append(phones, t.Value)
		}
	}
	out.Phone = e164(phones)
	return out, nil
}

func displayName(names []connector.HumanName) string {
	if len(names) == 0 {
		return ""
	}
	return strings.TrimSpace(strings.Join(names[0].Given, " ") + " " + names[0].Family)
}

// e164 is the first number already in E.164 form. Others are not guessed at.
func e164(phones []string) string {
	for _, p := range phones {
		if len(p) < 8 || len(p) > 16 || p[0] != '+' || strings.Trim(p[1:], "0123456789") != "" {
			continue
		}
		return p
	}
	return ""
}
