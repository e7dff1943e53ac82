package inbox

import (
	"errors"
	"slices"

	"github.com/chartwire/chartwire/connector"
)

// Why a draft cannot be sent from where it was written. None says whose the thread is now.
const (
	strayOther = "The thread this was written in names another patient now, so it cannot be sent from here: whoever reads there may not be whom you meant. Copy what still holds into a new message, or discard it."
	strayRole  = "Your role may read messages and not write any more, so it cannot be sent. Give it to a colleague who may, or discard it."
	strayGone  = "The thread this was written in is not there any more, so it cannot be sent from here. Copy what still holds into a new message, or discard it."
)

// stray says whether a draft was written in a thread that is not about its patient any more, or not for certain. Nothing of it is
// shown or sent there. A thread that is gone is the zero one.
func stray(tx connector.Tx, row connector.DraftRow) (t connector.Thread, is bool, err error) {
	if row.Thread == "" {
		return t, false, nil
	}
	t, err = tx.Thread(row.EHR, row.Thread)
	if errors.Is(err, connector.ErrNotFound) {
		return connector.Thread{}, false, nil
	}
	return t, err == nil && (t.Changed || subject(t) != row.Patient), err
}

// whyStray is DraftView.Stray of a draft.
func whyStray(tx connector.Tx, row connector.DraftRow) (connector.Thread, string, error) {
	t, is, err := stray(tx, row)
	switch {
	case err != nil:
		return t, "", err
	case is:
		return t, strayOther, nil
	case row.Thread != "" && t.ID == "":
		return t, strayGone, nil
	}
	return t, "", nil
}

// unsent lists the user's own drafts among those about a patient, newest first. Replies that go out in a moment are in their
// thread; what begins a thread has no other place until it has left.
func (d *Desk) unsent(tx connector.Tx, e EHR, s *Session, rows []connector.DraftRow, patient Banner) ([]DraftView, error) {
	var out []DraftView
	for _, row := range rows {
		if row.User != s.User.Reference || row.Thread != "" && !row.SendAt.IsZero() {
			continue
		}
		b, err := readDraft(row)
		if err != nil {
			return nil, err
		}
		if row.Sending {
			if went, err := d.went(tx, e, row, b); err != nil || went {
				if err != nil {
					return nil, err
				}
				continue
			}
		}
		v, err := d.listed(tx, e, s, row, b, patient)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	slices.SortStableFunc(out, func(a, b DraftView) int { return b.Saved.Compare(a.Saved) })
	return out, nil
}

// listed shows a draft in a list: whom it is for, what it is about, and why it cannot be sent where it was written.
func (d *Desk) listed(tx connector.Tx, e EHR, s *Session, row connector.DraftRow, b draftBody, patient Banner) (DraftView, error) {
	t, why, err := whyStray(tx, row)
	if err != nil {
		return DraftView{}, err
	}
	if why == "" && !s.Write() {
		why = strayRole
	}
	var side []person
	switch {
	case why != "":
	case row.Thread == "":
		side, err = d.side(tx, e, b.Channel, connector.PatientKey{Reference: row.Patient})
	default:
		var c *content
		if c, err = d.contentOf(tx, e, t); err == nil {
			side = c.people
		}
	}
	if err != nil {
		return DraftView{}, err
	}
	var people []connector.Participant
	for _, p := range side {
		people = append(people, p.Participant)
	}
	v := b.view(row, people, patient)
	if v.Stray = why; why == "" { // a stray one's thread is nothing to tell of
		v.Subject = t.Info.Subject
	} else {
		v.ReadBy = ""
	}
	return v, nil
}

// chosen takes the draft that a composer holds out of the user's own in one place, oldest first: the wanted one, "" none; the rest,
// newest first, is offered beside it.
func (c *Composer) chosen(own []DraftView, wanted string) (found bool) {
	for _, v := range slices.Backward(own) {
		if v.ID == wanted {
			c.Draft, found = v, true
			continue
		}
		c.More = append(c.More, v)
	}
	return found
}
