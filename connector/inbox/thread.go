package inbox

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/connector"
)

// Thread shows a thread, with one of the user's drafts in its composer: draft, or where that is none of theirs there the newest. Its
// messages are read, and that is audited, before anything is given. Errors: ErrNotFound for a thread
// that is not there for this session; *Ended; *connector.Retry where the EHR cannot be asked whether its user may see it.
func (d *Desk) Thread(ctx context.Context, s *Session, thread, draft string) (ThreadView, error) {
	t, p, err := d.open(ctx, s, thread)
	if err != nil {
		return ThreadView{}, err
	}
	e := d.o.EHRs[s.EHR]
	view := ThreadView{Frame: d.frame(s, &p)}
	facts := d.facts(ctx, s, p.Reference)
	err = d.o.Store.View(ctx, func(tx connector.Tx) error {
		if t, err = still(tx, t); err != nil {
			return err
		}
		return d.show(tx, e, s, t, facts, draft, &view)
	})
	if err != nil {
		return ThreadView{}, err
	}
	d.nameThread(ctx, s, &view)
	if err := d.read(ctx, s, nil, t.ID); err != nil {
		return ThreadView{}, err
	}
	return view, nil
}

// show makes a thread's page.
func (d *Desk) show(tx connector.Tx, e EHR, s *Session, t connector.Thread, facts Facts, draft string, view *ThreadView) error {
	c, err := d.contentOf(tx, e, t)
	if err != nil {
		return err
	}
	drafts, err := tx.ThreadDrafts(e.ID, t.ID)
	if err != nil {
		return err
	}
	if view.Thread, err = d.line(tx, e, s, t, drafts); err != nil {
		return err
	}
	to, err := addressees(tx, d.o.Channels[t.Channel], t, c.people)
	if err != nil {
		return err
	}
	patient := view.Frame.Banner
	view.Version, view.Held = t.Version, c.held
	view.Composer = d.reply(s, t, c, to, patient, facts)
	view.Entries = slices.Clone(c.entries)
	if err := d.place(tx, e, s, drafts, participants(to), draft, view); err != nil {
		return err
	}
	view.Composer.address(c.usual())
	view.Staff, view.Pools = nil, nil
	for _, ref := range e.staffOf(t.Desk.Pool) {
		view.Staff = append(view.Staff, d.member(e, ref))
	}
	for _, pool := range e.Pools {
		view.Pools = append(view.Pools, PoolChoice{ID: pool.ID, Name: cmp.Or(pool.Name, pool.ID)})
	}
	return nil
}

// place puts drafts where they belong on a thread's page: those that go out in a moment among the messages, for everybody to see;
// the user's own into the composer. What was written while the thread was somebody else's is not shown.
func (d *Desk) place(tx connector.Tx, e EHR, s *Session, drafts []connector.DraftRow, people []connector.Participant, wanted string, view *ThreadView) error {
	var own []DraftView
	for _, row := range drafts {
		mine := row.User == s.User.Reference
		if row.SendAt.IsZero() && !mine || row.Patient != view.Frame.Banner.Reference {
			continue
		}
		b, err := readDraft(row)
		if err != nil {
			return err
		}
		if row.SendAt.IsZero() {
			own = append(own, b.view(row, people, view.Frame.Banner))
			continue
		}
		if row.Sending {
			went, err := d.went(tx, e, row, b)
			if err != nil {
				return err
			}
			if went { // it is among the messages already
				continue
			}
		}
		view.Entries = append(view.Entries, d.namesOf(e).queued(row, b, mine))
	}
	if len(own) > 0 && !slices.ContainsFunc(own, func(v DraftView) bool { return v.ID == wanted }) {
		wanted = own[len(own)-1].ID
	}
	view.Composer.chosen(own, wanted)
	return nil
}

// queued shows a message that was given to be sent and has not left.
func (n names) queued(row connector.DraftRow, b draftBody, mine bool) Entry {
	out := Entry{ID: row.ID, Direction: connector.ToPatient, Sender: n.who(b.Sender), To: n.all(b.Recipients), SentAt: row.SendAt,
		Text: b.Text, Files: b.files(), Urgent: b.Urgent,
		Chart: Line{State: string(connector.Waiting), Text: "Not on the chart: it has not been sent yet", Tone: Busy, At: row.UpdatedAt}}
	out.Delivery = &Line{State: string(connector.Queued), Text: "Is being sent", Tone: Busy, At: row.SendAt}
	if !row.Sending {
		out.Delivery.Text = "Goes out in a moment"
		if mine {
			out.UndoUntil = row.SendAt
			out.Delivery.Text = "Goes out in a moment, unless you undo it"
		}
	}
	return out
}

// staffOf are those of the staff whom a thread of a pool can be assigned to: the pool's members by the configuration, in whose work
// lists it is. Where the configuration names none (a CareTeam's members are known to the EHR alone), every person it knows.
func (e EHR) staffOf(pool string) []string {
	p, _ := e.pool(pool)
	all := slices.Clone(p.Members)
	if len(all) == 0 {
		all = slices.Collect(maps.Keys(e.People))
		for _, p := range e.Pools {
			all = append(all, p.Members...)
		}
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(ref string) bool { return !isPerson(ref) }) // pools are among them
}

// isPerson says whether a reference names one of the staff, themself or in a role of theirs.
func isPerson(ref string) bool {
	kind, _, _ := strings.Cut(ref, "/")
	return kind == "Practitioner" || kind == "PractitionerRole"
}

// New shows the page of a new message to the launched patient. draft is the one to go on with, "" for a message that begins empty;
// channel the one chosen, "" for the draft's, or the first that can carry it, or else the first, which says why not. Errors as
// Patient's; *Forbidden where the role may not write; *Gone where the user has no such draft.
func (d *Desk) New(ctx context.Context, s *Session, channel, draft string) (NewView, error) {
	p, err := d.patient(ctx, s, s.Patient, "")
	if err != nil {
		return NewView{}, err
	}
	if err := d.writer(ctx, s, ""); err != nil {
		return NewView{}, err
	}
	e := d.o.EHRs[s.EHR]
	key, err := d.patientKey(ctx, e, s.Patient)
	if err != nil {
		return NewView{}, err
	}
	view := NewView{Frame: d.frame(s, &p)}
	facts := d.facts(ctx, s, s.Patient)
	var pool Pool // a new message is no pool's: templates name the writer's where they have one alone
	if len(s.Pools) == 1 {
		pool, _ = e.pool(s.Pools[0])
	}
	c := Composer{Bind: d.bind(s, s.Patient, ""), As: d.namesOf(e).who(e.sender(s)), Topics: slices.Clone(topics),
		Templates: e.offered(facts, s.User.Name, pool.Name), Why: "No channel is set up that could carry a message to this patient."}
	err = d.o.Store.View(ctx, func(tx connector.Tx) error {
		c.Channels, c.More = nil, nil
		own, err := newDrafts(tx, e, s, view.Frame.Banner)
		if err != nil {
			return err
		}
		if !c.chosen(own, draft) && draft != "" {
			return &Gone{}
		}
		if channel == "" && d.carries(e, c.Draft.Channel) {
			channel = c.Draft.Channel
		}
		for _, name := range e.Channels {
			if !d.carries(e, name) {
				continue
			}
			choice, to, err := d.choice(tx, e, name, key, view.Frame.Banner)
			if err != nil {
				return err
			}
			c.Channels = append(c.Channels, choice)
			if name == channel || channel == "" && (len(c.Channels) == 1 || choice.Consent == "" && !c.May) {
				c.Channel, c.To, c.May, c.Why = name, choice.To, choice.Consent == "", choice.Consent
				c.Ask = len(to) > 1
				c.ReadBy = readBy(participants(to), usualOf(to), view.Frame.Banner.Name)
			}
		}
		return nil
	})
	if err != nil {
		return NewView{}, err
	}
	if c.Ask {
		c.ReadBy = ""
	}
	usual := ""
	if len(c.To) == 1 {
		usual = c.To[0].Key
	}
	c.address(usual)
	view.Composer = c
	return view, nil
}

// newDrafts are the new messages that the user has begun about the launched patient, oldest first.
func newDrafts(tx connector.Tx, e EHR, s *Session, patient Banner) (out []DraftView, err error) {
	rows, err := tx.PatientDrafts(e.ID, s.Patient)
	if err != nil {
		return nil, err
	}
	for _, row := range ofThread(rows, "") {
		if row.User != s.User.Reference || !row.SendAt.IsZero() {
			continue
		}
		b, err := readDraft(row)
		if err != nil {
			return nil, err
		}
		out = append(out, b.view(row, nil, patient))
	}
	return out, nil
}

// address chooses for the user where nobody has to be asked, so that what a page says of who will read a message is what it
// sends. A choice of theirs stays, but of those who can be chosen here: nobody is sent to whom the page does not show.
func (c *Composer) address(usual string) {
	c.Draft.To = slices.DeleteFunc(slices.Clone(c.Draft.To), func(key string) bool {
		return !slices.ContainsFunc(c.To, func(w Who) bool { return w.Key == key })
	})
	if !c.Ask && usual != "" && len(c.Draft.To) == 0 {
		c.Draft.To = []string{usual}
	}
}

func usualOf(to []addressee) []string {
	if len(to) != 1 {
		return nil
	}
	return []string{to[0].Key()}
}

// choice is a channel for a new message, and whom it reaches.
func (d *Desk) choice(tx connector.Tx, e EHR, name string, key connector.PatientKey, patient Banner) (ChannelChoice, []addressee, error) {
	to, err := d.reachable(tx, e, name, key)
	out := ChannelChoice{Name: name}
	for _, p := range to {
		w := d.namesOf(e).who(p.Participant)
		if p.Role == connector.RolePatient {
			w.Name = cmp.Or(patient.Name, w.Name)
		}
		out.To = append(out.To, w)
	}
	if len(to) > 0 && !slices.ContainsFunc(to, func(a addressee) bool { return a.why == "" }) {
		out.Consent = cannot(to[0].why)
	}
	return out, to, err
}

// reachable is whom a new message about a patient can go to on a channel.
func (d *Desk) reachable(tx connector.Tx, e EHR, channel string, key connector.PatientKey) ([]addressee, error) {
	people, err := d.side(tx, e, channel, key)
	if err != nil {
		return nil, err
	}
	return addressees(tx, d.o.Channels[channel], connector.Thread{EHR: e.ID, Channel: channel, Patient: key}, people)
}

// side is the patient, and whoever of their side has written on a channel before.
func (d *Desk) side(tx connector.Tx, e EHR, channel string, key connector.PatientKey) ([]person, error) {
	c := &content{}
	c.note(key.Participant(), d.now())
	all, err := tx.PatientThreads(e.ID, key.Reference, patientThreads)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b connector.Thread) int { return b.Desk.Last.Compare(a.Desk.Last) }) // the newest names count
	for _, t := range all {
		if t.Channel != channel || subject(t) != key.Reference {
			continue
		}
		was, err := d.contentOf(tx, e, t)
		if err != nil {
			return nil, err
		}
		for _, p := range was.people {
			if !p.wrote.IsZero() {
				c.note(p.Participant, p.wrote)
			}
		}
	}
	return c.people, nil
}
