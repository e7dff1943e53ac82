package deliver_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
)

func (c *chart) Find(_ context.Context, w connector.Write) (connector.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finds++
	if c.findErr != nil {
		return connector.Receipt{}, c.findErr
	}
	if w.Update != nil {
		e := c.byRef(w.Update.Target)
		if e == nil || !same(e, w.Update.Set) {
			return connector.Receipt{}, connector.ErrAbsent
		}
		return c.receipt(w, e), nil
	}
	if c.blind {
		return connector.Receipt{}, connector.ErrNotSearchable
	}
	e := c.byIdentity(w.Identity, c.now().Add(-c.lag))
	if c.hiding || c.unindexed != "" && strings.HasPrefix(w.Type, c.unindexed) || e == nil {
		return connector.Receipt{}, connector.ErrAbsent
	}
	return c.receipt(w, e), nil
}

// list finds a write by its patient and content.
func (c *chart) list(w connector.Write) (connector.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.entries {
		if r := c.receipt(w, e); r.Echo.Subject == w.Expect.Subject && r.Echo.Text == w.Expect.Text {
			return r, nil
		}
	}
	return connector.Receipt{}, connector.ErrAbsent
}

// listing is a chart that can be listed.
type listing struct{ *chart }

func (l listing) List(_ context.Context, w connector.Write) (connector.Receipt, error) {
	return l.list(w)
}

func (c *chart) Prepare(_ context.Context, w connector.Write) (connector.Write, *connector.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down == unavailable {
		return w, nil, &connector.Retry{Reason: connector.EHRUnavailable, Cause: errors.New("connection refused")}
	}
	e := c.byRef(w.Update.Target)
	if e == nil {
		return w, nil, &connector.Refused{Reason: connector.EHRRefused, Status: 404}
	}
	body := maps.Clone(e.body)
	maps.Copy(body, w.Update.Set)
	if same(e, w.Update.Set) {
		r := c.receipt(w, e)
		return w, &r, nil
	}
	w.Method, w.URL, w.Header = "PUT", e.ref, map[string]string{"If-Match": strconv.Itoa(e.version)}
	w.Body, _ = json.Marshal(body)
	return w, nil, nil
}

// same says whether an entry has the state, and of a Task the owner, that an update wants.
func same(e *entry, set map[string]any) bool {
	owner, owned := set["owner"]
	return e.str("status") == set["status"] && (!owned || e.str("owner") == owner)
}

func (c *chart) Resolve(_ context.Context, _, _ string, p connector.Participant) (connector.Reference, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ref := c.persons[p.Key()]; ref != "" {
		return connector.Reference{Literal: ref}, nil
	}
	if p.Role == connector.RoleProxy {
		return connector.Reference{}, connector.ErrAbsent
	}
	return connector.Reference{}, nil
}

func (c *chart) Encounters(_ context.Context, q connector.EncounterQuery) ([]connector.Encounter, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, q)
	var out []connector.Encounter
	for _, e := range c.visits[q.Patient] {
		switch {
		case q.Reference != "" && e.Reference != q.Reference, !q.Visit.IsZero() && !slices.Contains(e.Identifiers, q.Visit), q.Open && !e.Open(), e.Start.Before(q.Since):
			continue
		}
		out = append(out, e)
	}
	return out, c.visitErr
}

func (c *chart) Changed(_ context.Context, since time.Time) ([]connector.EHRRequest, time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []connector.EHRRequest
	var highest time.Time
	for _, ref := range slices.Sorted(maps.Keys(c.requests)) {
		r := c.requests[ref]
		if !r.LastUpdated.Before(since) {
			r.Attachments = slices.Clone(r.Attachments)
			for n := range r.Attachments { // the list names them
				r.Attachments[n].Data = nil
			}
			out = append(out, r)
		}
		if r.LastUpdated.After(highest) {
			highest = r.LastUpdated
		}
	}
	return out, highest, nil
}

func (c *chart) Request(_ context.Context, ref string) (connector.EHRRequest, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.requests[ref]
	if !ok {
		return r, connector.ErrNoMatch
	}
	return r, nil
}

func (c *chart) Recipient(_ context.Context, _, ref string) (connector.Recipient, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.people[ref]; ok {
		return r, nil
	}
	for _, p := range c.patients {
		if p.Reference == ref {
			return connector.Recipient{Reference: ref, Patient: ref, IsPatient: true, Active: p.Active}, nil
		}
	}
	return connector.Recipient{}, connector.ErrNoMatch
}
