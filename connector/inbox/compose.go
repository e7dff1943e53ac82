package inbox

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/ingest"
)

// topics are what a new message can be about: those of the channel event contract.
var topics = []string{"clinical", "refill", "scheduling", "billing", "results", "reminder", "check-in", "other"}

// sender is whom a session's messages and notes are from: always its user themself, as the platforms name them where they do. A pool
// answers nobody.
func (e EHR) sender(s *Session) connector.Participant {
	role := connector.RoleClinician
	if s.Role == connector.RoleStaff {
		role = connector.RoleStaff
	}
	id := s.User.Reference
	for _, ref := range append([]string{s.User.Reference}, s.User.Also...) {
		if known := e.People[ref]; known != "" {
			id = known
			break
		}
	}
	return connector.Participant{Role: role, ID: id, Name: s.User.Name}
}

// addressee is somebody a message can go to, and why it may not: "" where it may.
type addressee struct {
	connector.Participant
	why connector.Reason
}

// addressees asks each person's consent beforehand.
func addressees(tx connector.Tx, ch ingest.Channel, t connector.Thread, people []person) ([]addressee, error) {
	var out []addressee
	for _, p := range people {
		why, err := ingest.ConsentState(tx, ch, t, p.Participant, "")
		if err != nil {
			return nil, err
		}
		out = append(out, addressee{p.Participant, why})
	}
	return out, nil
}

// called names a person of the patient's side in a sentence: "Maria Cho (mother)". The patient is called as in the EHR.
func called(p connector.Participant, patient string) string {
	name := p.Name
	if p.Role == connector.RolePatient {
		return cmp.Or(patient, name, "the patient")
	}
	switch {
	case name == "" && p.Relationship == "":
		return "a proxy"
	case name == "":
		return "the " + p.Relationship
	case p.Relationship == "":
		return name + " (proxy)"
	}
	return name + " (" + p.Relationship + ")"
}

// readBy says in words who will read a message, and who of the patient's side will not.
func readBy(people []connector.Participant, to []string, patient string) string {
	var will, not []string
	heard := false
	for _, p := range people {
		if slices.Contains(to, p.Key()) {
			will = append(will, called(p, patient))
			heard = heard || p.Role == connector.RolePatient
			continue
		}
		if p.Role != connector.RolePatient {
			not = append(not, called(p, patient))
		}
	}
	if len(will) == 0 {
		return ""
	}
	if !heard {
		not = append([]string{cmp.Or(patient, "the patient")}, not...)
	}
	text := "to " + listed(will, "and")
	if len(not) > 0 {
		text += ", not to " + listed(not, "or")
	}
	return text
}

func listed(names []string, last string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " " + last + " " + names[len(names)-1]
}

// reply is the composer of a thread.
func (d *Desk) reply(s *Session, t connector.Thread, c *content, all []addressee, patient Banner, facts Facts) Composer {
	e := d.o.EHRs[s.EHR]
	pool, _ := e.pool(t.Desk.Pool)
	n := d.namesOf(e)
	out := Composer{May: true, Bind: d.bind(s, subject(t), t.ID), Seen: c.seen, Channel: t.Channel, As: n.who(e.sender(s)),
		Templates: e.offered(facts, s.User.Name, cmp.Or(pool.Name, pool.ID))}
	var may []string
	wrote := 0
	for _, p := range all {
		w := n.who(p.Participant)
		if p.Role == connector.RolePatient {
			w.Name = cmp.Or(patient.Name, w.Name)
		}
		out.To = append(out.To, w)
		if c.wrote(p.Key()) {
			wrote++
		}
		if p.why == "" {
			may = append(may, p.Key())
		}
	}
	out.Ask = wrote > 1 || wrote == 0 && len(all) > 1
	switch {
	case !s.Write():
		out.May, out.Why = false, "Your role may read messages and not write."
	case t.Changed:
		out.May, out.Why = false, "A later event of this thread names another patient. Nobody can write in it until that is settled: "+connector.PatientChanged.Next()+"."
	case len(all) == 0:
		out.May, out.Why = false, "Nobody of the patient's side is in this thread yet."
	case !d.carries(e, t.Channel):
		out.May, out.Why = false, "The channel of this thread is not in use any more. Reach the patient another way."
	case len(may) == 0:
		out.May, out.Why = false, cannot(all[0].why)
	}
	if to := c.usual(); !out.Ask && to != "" {
		out.ReadBy = readBy(participants(all), []string{to}, patient.Name)
	}
	return out
}

func cannot(r connector.Reason) string {
	return "Nothing can be sent: " + r.Sentence() + ". Next: " + r.Next() + "."
}

// carries says whether a channel carries messages about patients of this EHR.
func (d *Desk) carries(e EHR, channel string) bool {
	return slices.Contains(e.Channels, channel) && d.o.Channels[channel].EHR == e.ID
}

func participants(all []addressee) []connector.Participant {
	out := make([]connector.Participant, 0, len(all))
	for _, a := range all {
		out = append(out, a.Participant)
	}
	return out
}

// wrote says whether somebody of the patient's side has written in the thread.
func (c *content) wrote(key string) bool {
	return slices.ContainsFunc(c.people, func(p person) bool { return p.Key() == key && !p.wrote.IsZero() })
}

// usual is whom a reply goes to where nobody has to be asked: the one who wrote, else the only one there is.
func (c *content) usual() string {
	if len(c.people) == 0 {
		return ""
	}
	return c.people[0].Key() // who wrote last is first
}

// The EHR's facts about a patient are asked for so long, and count for so long.
const (
	factsWithin = 2 * time.Second
	factsKept   = 5 * time.Minute
)

// factsKeep is what the EHR told sessions about patients, for templates.
type factsKeep struct {
	mu  sync.Mutex
	all map[string]keptFacts // by session and patient
}

type keptFacts struct {
	Facts
	until time.Time
}

// facts reads what templates fill in. Where the EHR does not answer in time, templates have open variables and the page is there.
func (d *Desk) facts(ctx context.Context, s *Session, patient string) Facts {
	e := d.o.EHRs[s.EHR]
	if !s.Write() || len(e.Templates) == 0 || e.Chart == nil {
		return Facts{}
	}
	key, now := s.ID+"/"+patient, d.now()
	d.told.mu.Lock()
	known, ok := d.told.all[key]
	d.told.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.Facts
	}
	ctx, done := context.WithTimeout(ctx, factsWithin)
	defer done()
	var f Facts
	err := d.asUser(ctx, s, func(ctx context.Context, access string) (err error) {
		f, err = e.Chart.Facts(ctx, access, patient)
		return err
	})
	if err != nil {
		d.o.Log.Warn("inbox: the EHR did not tell what templates need", "ehr", e.Name, "error", err)
		return Facts{}
	}
	d.told.mu.Lock()
	defer d.told.mu.Unlock()
	if d.told.all == nil {
		d.told.all = map[string]keptFacts{}
	}
	for k, old := range d.told.all {
		if !now.Before(old.until) {
			delete(d.told.all, k)
		}
	}
	d.told.all[key] = keptFacts{f, now.Add(factsKept)}
	return f
}
