// Package seed makes the people an EHR needs before a demonstration: the organization, pools, staff and patients that
// events name, an open encounter for each patient, and for each patient two near-twins that must never receive a message.
// It is pure: the same people always give the same bytes and ids, so that a second run finds the first one's.
package seed

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Identifier is a business identifier: an absolute URI and a value in it.
type Identifier struct {
	System string `json:"system"`
	Value  string `json:"value"`
}

// Patient is someone threads are about.
type Patient struct {
	Identifiers []Identifier // the first one names the patient in Refs
	Family      string
	Given       []string
	BirthDate   string       // YYYY-MM-DD
	Phone       string       // E.164
	Visits      []Identifier // encounters the platform named; one is made where there are none
	About       []string     // Appointment/id references the events carry
	Since       time.Time    // of the first event about them
}

// Person is a clinician or another member of staff.
type Person struct {
	ID         string // the platform's id for them
	Identifier Identifier
	Name       string
	Clinician  bool
}

// Pool is a shared inbox. It becomes a CareTeam when its id says team, else a HealthcareService.
type Pool struct{ ID, Name string }

// People is everyone a set of events names.
type People struct {
	Patients []Patient
	Staff    []Person
	Pools    []Pool
}

type participant struct {
	Role       string
	ID         string
	Identifier *Identifier
	Name       string
}

type event struct {
	Timestamp time.Time
	Data      struct {
		Thread struct {
			ID        string
			Encounter *Identifier
			About     []string
		}
		Patient *struct {
			Identifiers []Identifier
			Name        struct {
				Family string
				Given  []string
			}
			BirthDate string `json:"birth_date"`
			Phone     string
		}
		Message    struct{ Sender, Recipients json.RawMessage }
		Status     struct{ Recipient json.RawMessage }
		Correction struct{ By json.RawMessage }
		Retraction struct{ By json.RawMessage }
	}
}

// FromEvents collects the people a list of channel events names, in order of appearance. An error names the event that
// cannot be read, counted from 1.
func FromEvents(events [][]byte) (People, error) {
	c := collector{byThread: map[string]int{}, byIdentifier: map[Identifier]int{}, staff: map[string]int{}, pools: map[string]int{}}
	for i, raw := range events {
		var e event
		if err := json.Unmarshal(raw, &e); err != nil {
			return People{}, fmt.Errorf("event %d cannot be read: %w", i+1, err)
		}
		c.patient(e)
		c.participants(e.Data.Message.Sender, e.Data.Message.Recipients, e.Data.Status.Recipient, e.Data.Correction.By, e.Data.Retraction.By)
	}
	for _, raw := range events { // visits may be named before the patient is
		var e event
		_ = json.Unmarshal(raw, &e)
		c.visits(e)
	}
	return c.people, nil
}

type collector struct {
	people       People
	byThread     map[string]int // thread → patient
	byIdentifier map[Identifier]int
	staff, pools map[string]int
}

func (c *collector) patient(e event) {
	p := e.Data.Patient
	if p == nil {
		return
	}
	at := -1
	for _, id := range p.Identifiers {
		if i, ok := c.byIdentifier[id]; ok {
			at = i
			break
		}
	}
	if at < 0 {
		at = len(c.people.Patients)
		c.people.Patients = append(c.people.Patients, Patient{Since: e.Timestamp})
	}
	q := &c.people.Patients[at]
	for _, id := range p.Identifiers {
		if _, known := c.byIdentifier[id]; !known {
			c.byIdentifier[id] = at
			q.Identifiers = append(q.Identifiers, id)
		}
	}
	q.Family = cmp.Or(q.Family, p.Name.Family)
	if q.Given == nil {
		q.Given = p.Name.Given
	}
	q.BirthDate, q.Phone = cmp.Or(q.BirthDate, p.BirthDate), cmp.Or(q.Phone, p.Phone)
	if e.Timestamp.Before(q.Since) {
		q.Since = e.Timestamp
	}
	if _, bound := c.byThread[e.Data.Thread.ID]; !bound && e.Data.Thread.ID != "" {
		c.byThread[e.Data.Thread.ID] = at
	}
}

func (c *collector) visits(e event) {
	at, ok := c.byThread[e.Data.Thread.ID]
	if !ok {
		return
	}
	p := &c.people.Patients[at]
	if v := e.Data.Thread.Encounter; v != nil && !slices.Contains(p.Visits, *v) {
		p.Visits = append(p.Visits, *v)
	}
	for _, about := range e.Data.Thread.About {
		if strings.HasPrefix(about, "Appointment/") && !slices.Contains(p.About, about) {
			p.About = append(p.About, about)
		}
	}
}

func (c *collector) participants(raws ...json.RawMessage) {
	for _, raw := range raws {
		if len(raw) == 0 {
			continue
		}
		var list []participant
		if raw[0] != '[' {
			raw = append(append(json.RawMessage("["), raw...), ']')
		}
		if json.Unmarshal(raw, &list) != nil {
			continue
		}
		for _, p := range list {
			c.participant(p)
		}
	}
}

func (c *collector) participant(p participant) {
	key := p.ID
	if key == "" && p.Identifier != nil {
		key = p.Identifier.System + "|" + p.Identifier.Value
	}
	switch p.Role {
	case "clinician", "staff":
		i, known := c.staff[key]
		if !known {
			i = len(c.people.Staff)
			c.staff[key] = i
			c.people.Staff = append(c.people.Staff, Person{ID: p.ID, Clinician: p.Role == "clinician"})
		}
		q := &c.people.Staff[i]
		q.Name = cmp.Or(q.Name, p.Name)
		if p.Identifier != nil && q.Identifier == (Identifier{}) {
			q.Identifier = *p.Identifier
		}
	case "pool":
		i, known := c.pools[key]
		if !known {
			i = len(c.people.Pools)
			c.pools[key] = i
			c.people.Pools = append(c.people.Pools, Pool{ID: key})
		}
		c.people.Pools[i].Name = cmp.Or(c.people.Pools[i].Name, p.Name)
	}
}
