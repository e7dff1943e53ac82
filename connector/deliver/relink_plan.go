package deliver

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// move says what linking a thread to a patient does to what was planned before.
type move int

const (
	stays         move = iota // the patient is the one it is bound to, or the thread was about nobody: all that is planned holds
	followsRecord             // the EHR has merged the one into the other: what is on the chart moves with the record
	leaves                    // they are two people: nothing of the one may come to the chart of the other
)

// relinkPlan is what a decision changes, planned before anything is.
type relinkPlan struct {
	move    move
	refused string
	idle    bool
	who     connector.PatientKey
	shown   []connector.Identifier
	to      string
	put     []connector.Item     // changed items
	rows    []connector.WriteRow // changed writes
	goes    int
	parks   []string
	replay  int
	onChart []OnChart
	says    []string
}

// planRelink decides what binding the thread to a patient comes to. It is pure.
func planRelink(g ground, said word, patient string, now time.Time) relinkPlan {
	p := relinkPlan{to: patient, move: moveOf(g, said, patient)}
	p.chart(g)
	for _, i := range g.items {
		if i.Lane.TowardEHR() && i.State == connector.Parked && aboutPatient(i.Reason) {
			p.replay++
		}
	}
	if patient == "" {
		return p
	}
	if p.refused, p.idle = refuseRelink(g, said, patient, p.move); p.refused != "" || p.idle {
		return p
	}
	p.who, p.shown = whoIs(g, said), said.to.Identifiers
	for n := range g.items {
		p.item(g, g.items[n], now)
	}
	return p
}

func moveOf(g ground, said word, patient string) move {
	bound := g.thread.Bound.Reference
	switch {
	case bound == patient:
		return stays
	case bound != "" && said.merged:
		return followsRecord
	case bound == "" && (!g.thread.Changed || len(said.named) > 0 && said.named[0] == patient):
		return stays
	}
	return leaves
}

// refuseRelink says why it cannot be done, or that there is nothing to do.
func refuseRelink(g ground, said word, patient string, m move) (why string, idle bool) {
	switch {
	case !strings.HasPrefix(patient, "Patient/"):
		return "the patient is named as Patient/ID, as the EHR calls the record", false
	case said.unknown:
		return "the EHR has no record " + patient, false
	case said.to.ReplacedBy != "":
		return fmt.Sprintf("%s was replaced by %s in the EHR; link the thread to the record that is in use", patient, localReference(said.to.ReplacedBy)), false
	case !said.to.Active:
		return patient + " is inactive in the EHR; have registration say which record is in use", false
	case said.trusted && !slices.Contains(said.named, patient):
		return "this EHR shows no patients, so only one whom the platform has named for this thread can be linked: " + orNobody(said.named), false
	case g.reason() == "" && !said.gone:
		if g.thread.Bound.Reference == patient {
			return "", true
		}
		return "the thread is not held for its patient, so there is nothing to decide. Where it is the wrong one, have the platform name the right one: that holds the thread", false
	case g.thread.Bound.Reference == patient && g.reason() != "" && !g.thread.Changed && !slices.ContainsFunc(g.items, goesOn):
		return "", true
	}
	for _, i := range g.items {
		if why := inDoubtFor(g, i, m); why != "" {
			return why, false
		}
	}
	return "", false
}

// inDoubtFor says what keeps an item from being left with the patient of before or given to the new one, "" for nothing.
func inDoubtFor(g ground, i connector.Item, m move) string {
	name := string(i.Kind) + " " + i.ID
	if i.Lane == connector.LaneSend && m == leaves && !i.State.Done() {
		return name + ": a message written for the patient of before has not been sent or given up yet; wait for it, and where its channel is paused: chartwire resume " + i.Channel
	}
	if !i.Lane.TowardEHR() {
		return ""
	}
	if i.State == connector.Filing || i.State == connector.Unknown {
		return name + ": nobody knows yet whether its last request was taken, and that one is for the patient of before. It settles by itself; ask again then (chartwire trace " + i.ID + ")"
	}
	open := slices.ContainsFunc(g.rows[i.ID], func(w connector.WriteRow) bool { return w.State == connector.WriteAttempted })
	switch {
	case open && i.State == connector.Parked && m != stays:
		return fmt.Sprintf("%s: nobody knows whether it is on the chart of the patient of before. Deal with it first: chartwire parked replay, already-there, retract or release %s", name, i.ID)
	case open && i.State != connector.Parked:
		return name + ": it is about to be searched for, for the patient of before; ask again when that is done (chartwire trace " + i.ID + ")"
	}
	return ""
}

// goesOn says whether an item is held for what a person now decides.
func goesOn(i connector.Item) bool {
	return i.Lane.TowardEHR() && i.State == connector.Held && aboutPatient(i.Reason)
}

// whoIs is the patient as the thread knows them from now on: who it knew where that is the same, else the EHR's record, with
// the platform's own identifiers for it where the platform has named it.
func whoIs(g ground, said word) connector.PatientKey {
	if g.thread.Bound.Reference == said.to.Reference {
		return g.thread.Patient
	}
	k := connector.PatientKey{Reference: said.to.Reference, BirthDate: said.to.BirthDate}
	if len(said.to.Names) > 0 {
		k.Name = &said.to.Names[0]
	}
	add := func(ids []connector.Identifier) {
		for _, id := range ids { // one a system, or no later event could agree
			if !slices.ContainsFunc(k.Identifiers, func(have connector.Identifier) bool { return have.System == id.System }) {
				k.Identifiers = append(k.Identifiers, id)
			}
		}
	}
	for n, named := range g.keys() {
		if n >= len(said.named) || said.named[n] != said.to.Reference {
			continue
		}
		add(named.Identifiers)
		k.Phone, k.BirthDate = cmp.Or(k.Phone, named.Phone), cmp.Or(k.BirthDate, named.BirthDate)
		if k.Name == nil {
			k.Name = named.Name
		}
	}
	add(said.to.Identifiers)
	return k
}

// item plans what becomes of one item.
func (p *relinkPlan) item(g ground, i connector.Item, now time.Time) {
	if !i.Lane.TowardEHR() {
		return
	}
	before := i
	under, open := i.Detail.Under, !i.State.Done()
	bound := g.thread.Bound.Reference
	partly := p.move != stays && i.State != connector.Filed && i.State != connector.NotDue && p.unplan(g, &i)
	switch {
	case partly: // the rest of it stays that patient's, too, until somebody has looked
		under = cmp.Or(under, bound)
	case len(g.entries[i.ID]) > 0 || i.State == connector.Filed:
		if under = cmp.Or(under, bound); p.move == followsRecord && under == bound || under == p.to {
			under = ""
		}
	}
	i.Detail.Under = under
	ours := p.move == leaves && (g.ours[i.Message] || i.Detail.Note) && (i.Kind == connector.ItemExchange || i.Kind == connector.ItemRequest)
	switch {
	case !open || retracting(&i):
	case partly:
		p.park(&i, "part of it is, or may be, on the chart of the patient the thread was bound to before; look there, then release it", now)
	case ours:
		if i.Kind == connector.ItemExchange {
			i.Detail.Request = "" // of the patient of before
		}
		p.park(&i, "it was written on our side for the patient the thread was bound to before; a replay files it under the patient the thread is linked to now", now)
	case goesOn(i), before.Detail.Telling != nil && i.Detail.Telling == nil:
		i.State, i.Reason, i.NextAt, i.FirstTried, i.ChangedAt, i.Detail.Text = connector.Waiting, "", time.Time{}, time.Time{}, now, ""
		i.Detail.Wait = nil
		i.Tries = max(i.Tries, 1) // what it has committed is looked for
		p.goes++
	}
	if changed(before, i) {
		p.put = append(p.put, i)
	}
}

func changed(a, b connector.Item) bool {
	return a.State != b.State || a.Reason != b.Reason || a.Detail.Under != b.Detail.Under || (a.Detail.Telling == nil) != (b.Detail.Telling == nil)
}

func (p *relinkPlan) park(i *connector.Item, text string, now time.Time) {
	i.State, i.Reason, i.NextAt, i.ChangedAt, i.Detail.Text = connector.Parked, connector.PatientChanged, time.Time{}, now, text
	i.Detail.Wait = nil
	p.parks = append(p.parks, i.ID)
}

// unplan puts aside what was planned for the patient of before, whose name is in its bytes, so that the item is planned anew.
// It says whether part of the item is, or may be, on that patient's chart: such an item is left as it is.
func (p *relinkPlan) unplan(g ground, i *connector.Item) (partly bool) {
	if retracting(i) {
		return false // it is about entries, whoever they are of
	}
	rows := slices.Clone(g.rows[i.ID])
	for _, w := range rows {
		if isEntry(w) && w.State == connector.WriteFiled || w.State == connector.WriteAttempted || g.unsure[w.ID] {
			return true
		}
	}
	for n := range rows {
		w := &rows[n]
		w.Ord, w.Key = -1-w.Ord, w.Key+"|before|"+w.ID // what is planned anew has the same key
		if w.State != connector.WriteFiled {
			w.State, w.Provides = connector.WriteDropped, ""
		}
	}
	p.rows = append(p.rows, rows...)
	p.untell(g, i)
	return false
}

// untell takes an item out of a transcript that was planned for the patient of before.
func (p *relinkPlan) untell(g ground, i *connector.Item) {
	with := i.Detail.Telling
	if with == nil {
		return
	}
	if with.With == "" {
		i.Detail.Telling = nil
		return
	}
	for _, carrier := range g.items {
		if carrier.ID == with.With && len(g.entries[carrier.ID]) == 0 && !carriesUnsure(g, carrier) {
			i.Detail.Telling = nil
		}
	}
}

func carriesUnsure(g ground, i connector.Item) bool {
	return slices.ContainsFunc(g.rows[i.ID], func(w connector.WriteRow) bool { return g.unsure[w.ID] })
}

// chart lists what is on the chart, by whose it is.
func (p *relinkPlan) chart(g ground) {
	for _, i := range g.items {
		refs := g.entries[i.ID]
		if len(refs) == 0 || !i.Lane.TowardEHR() {
			continue
		}
		patient := cmp.Or(i.Detail.Under, g.thread.Bound.Reference)
		at := slices.IndexFunc(p.onChart, func(c OnChart) bool { return c.Patient == patient })
		if at < 0 {
			at = len(p.onChart)
			p.onChart = append(p.onChart, OnChart{Patient: patient})
		}
		for _, ref := range refs {
			if !slices.Contains(p.onChart[at].Entries, ref) {
				p.onChart[at].Entries = append(p.onChart[at].Entries, ref)
			}
		}
	}
}

func orNobody(refs []string) string {
	var out []string
	for _, r := range refs {
		if r != "" && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return "nobody"
	}
	return strings.Join(out, ", ")
}
