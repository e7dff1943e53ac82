package fhir

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
	"github.com/chartwire/chartwire/fhir/r4"
	"github.com/chartwire/chartwire/fhir/smart"
)

// Getter reads a resource, a search or a page's link below the FHIR base with a user's token, and sends that nowhere else:
// *smart.App. Its errors are *smart.GetError.
type Getter interface {
	Get(ctx context.Context, access, ref string) ([]byte, error)
}

// UserChart is the EHR as a signed-in user sees it. It holds no rights of its own: what the user's token does not open is not
// there.
type UserChart struct {
	get     Getter
	now     func() time.Time
	systems []string
}

var _ inbox.Chart = (*UserChart)(nil)

// NewUserChart makes the chart of one connection's users. systems are the EHR's identifier systems by which its patients are known to
// the channels: where the EHR does not say which of a patient's identifiers is the medical record number, it is one of these.
func NewUserChart(get Getter, now func() time.Time, systems ...string) *UserChart {
	return &UserChart{get, now, systems}
}

// Patient reads a patient. An answer about somebody else counts as none. Errors are those of inbox.Chart.
func (c *UserChart) Patient(ctx context.Context, access, reference string) (connector.Patient, error) {
	if !isOf(reference, "Patient") {
		return connector.Patient{}, connector.ErrNoMatch
	}
	raw, err := c.read(ctx, access, reference)
	if err != nil {
		return connector.Patient{}, err
	}
	view, err := r4.ReadPatient(raw)
	if err != nil || "Patient/"+view.ID != reference {
		return connector.Patient{}, connector.ErrNoMatch
	}
	p := patientOf(view, c.now())
	c.known(&p, raw)
	return p, nil
}

// isOf says whether a reference is Type/id of this type, with nothing around it.
func isOf(reference, kind string) bool {
	return strings.HasPrefix(reference, kind+"/") && r4.LocalID(reference) == reference
}

// read reads what ref names. What the user may not see and what is not there are one answer.
func (c *UserChart) read(ctx context.Context, access, ref string) ([]byte, error) {
	raw, err := c.get.Get(ctx, access, ref)
	if err == nil {
		return raw, nil
	}
	var failed *smart.GetError
	status := 0
	if errors.As(err, &failed) {
		status = failed.Status
	}
	switch status {
	case http.StatusUnauthorized:
		return nil, &connector.Refused{Reason: connector.Unauthorized, Status: status}
	case http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		return nil, connector.ErrNoMatch
	}
	return nil, &connector.Retry{Reason: connector.EHRUnavailable, Status: status, Cause: err}
}

// pagesRead is how many pages of a search are read: what comes after them is not known.
const pagesRead = 5

// search gives the resources of a type that a search finds. One that is refused, for its scope or because the EHR does not know
// it, finds none.
func (c *UserChart) search(ctx context.Context, access, kind string, params url.Values) ([]json.RawMessage, error) {
	var out []json.RawMessage
	next := kind + "?" + params.Encode()
	for range pagesRead {
		raw, err := c.read(ctx, access, next)
		if errors.Is(err, connector.ErrNoMatch) || notAsked(err) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		bundle, err := r4.ReadBundle(raw)
		if err != nil {
			return out, nil
		}
		for _, e := range bundle.Matches() {
			if e.ResourceType == kind {
				out = append(out, json.RawMessage(e.Resource))
			}
		}
		if next = bundle.Next; next == "" {
			break
		}
	}
	return out, nil
}

// notAsked says whether an EHR refused the question itself: a search it does not have.
func notAsked(err error) bool {
	var retry *connector.Retry
	return errors.As(err, &retry) && slices.Contains([]int{http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusUnprocessableEntity,
		http.StatusNotImplemented}, retry.Status)
}

// User reads a Practitioner with their active roles, or one PractitionerRole with its Practitioner: then that role's codes alone
// count, for it is what they signed in as. Errors are those of inbox.Chart.
func (c *UserChart) User(ctx context.Context, access, reference string) (inbox.User, error) {
	u := inbox.User{Reference: reference}
	var err error
	switch {
	case isOf(reference, "Practitioner"):
		err = c.practitioner(ctx, access, reference, &u)
	case isOf(reference, "PractitionerRole"):
		err = c.roleItself(ctx, access, reference, &u)
	default:
		err = connector.ErrNoMatch
	}
	if err == nil {
		u.Teams, err = c.teams(ctx, access, append([]string{reference}, u.Also...))
	}
	if err != nil {
		return inbox.User{}, err
	}
	return u, nil
}

// Name reads what somebody of the staff is called, and no more of them. Errors are those of inbox.Chart.
func (c *UserChart) Name(ctx context.Context, access, reference string) (string, error) {
	switch {
	case isOf(reference, "Practitioner"):
		raw, err := c.read(ctx, access, reference)
		return nameOf(raw, reference, c.now()), err
	case isOf(reference, "PractitionerRole"):
		var u inbox.User
		err := c.roleItself(ctx, access, reference, &u)
		return u.Name, err
	}
	return "", connector.ErrNoMatch
}

// role is what counts of a PractitionerRole.
type role struct {
	ID           string `json:"id"`
	Active       *bool  `json:"active"`
	Period       period `json:"period"`
	Practitioner struct {
		Reference string `json:"reference"`
		Display   string `json:"display"`
	} `json:"practitioner"`
	Code []struct {
		Coding []struct {
			System string `json:"system"`
			Code   string `json:"code"`
		} `json:"coding"`
	} `json:"code"`
}

type period struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

// at says whether a time lies within the period, whose days are whole ones. It lies in none that cannot be read: a right is not
// given by what nobody understands.
func (p period) at(now time.Time) bool {
	if p.Start != "" {
		start, _, err := r4.ParseDateTime(p.Start)
		if err != nil || start.After(now.AddDate(0, 0, 1)) {
			return false
		}
	}
	if p.End == "" {
		return true
	}
	end, exact, err := r4.ParseDateTime(p.End)
	if err == nil && !exact {
		end = end.AddDate(0, 0, 2) // its last day is over everywhere on Earth
	}
	return err == nil && end.After(now)
}

func (r role) current(now time.Time) bool { return (r.Active == nil || *r.Active) && r.Period.at(now) }

// codes gives each code as it is and with its system.
func (r role) codes() (out []string) {
	for _, concept := range r.Code {
		for _, coding := range concept.Coding {
			if coding.Code != "" {
				out = append(out, coding.Code)
			}
			if coding.Code != "" && coding.System != "" {
				out = append(out, coding.System+"|"+coding.Code)
			}
		}
	}
	return out
}

// practitioner reads a Practitioner and their roles.
func (c *UserChart) practitioner(ctx context.Context, access, reference string, u *inbox.User) error {
	raw, err := c.read(ctx, access, reference)
	if err != nil {
		return err
	}
	u.Name = nameOf(raw, reference, c.now())
	found, err := c.search(ctx, access, "PractitionerRole", url.Values{"practitioner": {reference}, "_count": {"50"}})
	if err != nil {
		return err
	}
	for _, raw := range found {
		var r role
		if json.Unmarshal(raw, &r) == nil && r.ID != "" && r.current(c.now()) && r4.LocalID(r.Practitioner.Reference) == reference {
			u.Also = append(u.Also, "PractitionerRole/"+r.ID)
			u.Codes = append(u.Codes, r.codes()...)
		}
	}
	return nil
}

// roleItself reads a PractitionerRole that somebody signed in as, and their name. A role that has ended gives no codes.
func (c *UserChart) roleItself(ctx context.Context, access, reference string, u *inbox.User) error {
	raw, err := c.read(ctx, access, reference)
	if err != nil {
		return err
	}
	var r role
	if json.Unmarshal(raw, &r) != nil || "PractitionerRole/"+r.ID != reference {
		return connector.ErrNoMatch
	}
	if r.current(c.now()) {
		u.Codes = r.codes()
	}
	u.Name = r.Practitioner.Display
	who := r4.LocalID(r.Practitioner.Reference)
	if !isOf(who, "Practitioner") {
		return nil
	}
	u.Also = []string{who}
	raw, err = c.read(ctx, access, who)
	if errors.Is(err, connector.ErrNoMatch) {
		return nil
	}
	if name := nameOf(raw, who, c.now()); name != "" {
		u.Name = name
	}
	return err
}

// teams gives the active CareTeams that one of these references is a member of now.
func (c *UserChart) teams(ctx context.Context, access string, refs []string) ([]string, error) {
	found, err := c.search(ctx, access, "CareTeam", url.Values{"participant": {strings.Join(refs, ",")}, "status": {"active"}, "_count": {"50"}})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, raw := range found {
		var team struct {
			ID          string `json:"id"`
			Status      string `json:"status"`
			Participant []struct {
				Member ref    `json:"member"`
				Period period `json:"period"`
			} `json:"participant"`
		}
		if json.Unmarshal(raw, &team) != nil || team.ID == "" || team.Status != "active" && team.Status != "" {
			continue
		}
		for _, p := range team.Participant {
			if slices.Contains(refs, r4.LocalID(p.Member.Reference)) && p.Period.at(c.now()) {
				out = append(out, "CareTeam/"+team.ID)
				break
			}
		}
	}
	return out, nil
}
