package ingest

import (
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// toDesk notes a message that came, or its new words, on the thread's desk. What the patient's side says anew after it was
// answered waits for an answer again; what staff correct answers nothing. An answer ends the spell of work.
func (s *step) toDesk(row *connector.MessageRow) error {
	m := said(row)
	switch {
	case m.Direction == connector.FromPatient:
		urgency := urgencyOf(&s.thread, &m)
		s.thread.ChangeDesk(func(d *connector.Desk) {
			d.Received(s.now, m, urgency)
			takePool(d, s.ch, &m)
		})
	case m.Direction == connector.ToPatient && row.Revision == 1:
		answer := false
		s.thread.ChangeDesk(func(d *connector.Desk) {
			answer = d.Said(s.now, m, false)
			takePool(d, s.ch, &m)
		})
		if answer {
			return endSpell(s.tx, &s.thread, s.now)
		}
	}
	return nil
}

// said is a message as it was said: a correction, when it was corrected.
func said(row *connector.MessageRow) connector.Message {
	m := row.Message
	if row.Corrected != nil {
		m.SentAt = row.Corrected.At
	}
	return m
}

// urgencyOf is how urgent a message is in its thread.
func urgencyOf(t *connector.Thread, m *connector.Message) connector.Priority {
	if t.Info.Priority.Rank() > m.Priority.Rank() {
		return t.Info.Priority
	}
	return m.Priority
}

// Heard counts what the patient's side has said in a thread, corrections too, for Draft.Heard.
func Heard(tx connector.Tx, ehr, thread string) (int, error) {
	all, err := fromPatient(tx, ehr, thread)
	return len(all), err
}

func fromPatient(tx connector.Tx, ehr, thread string) ([]connector.MessageRow, error) {
	all, err := tx.ThreadMessages(ehr, thread)
	return slices.DeleteFunc(all, func(m connector.MessageRow) bool { return m.Message.Direction != connector.FromPatient }), err
}

// unheard gives what the patient's side has said since the writer of a reply was shown the thread. It is counted, and not told by
// times, for replicas' clocks differ: however they do, something stays waiting.
func (c *composition) unheard() ([]connector.MessageRow, error) {
	if c.fresh || c.d.Heard == nil {
		return nil, nil
	}
	all, err := fromPatient(c.tx, c.thread.EHR, c.thread.ID)
	if err != nil {
		return nil, err
	}
	return all[min(*c.d.Heard, len(all)):], nil
}

// endSpell ends the thread's open spell of work, if there is one. The caller puts the thread.
func endSpell(tx connector.Tx, t *connector.Thread, now time.Time) error {
	task, open := t.Desk.EndSpell()
	if !open {
		return nil
	}
	return connector.PutTask(tx, *t, task, false, now)
}

// takePool gives a thread without a pool, or of one that is not configured any more, the one its message is to or from, else the
// channel's.
func takePool(d *connector.Desk, ch Channel, m *connector.Message) {
	if d.Pool != "" && (len(ch.Pools) == 0 || slices.Contains(ch.Pools, d.Pool)) {
		return
	}
	d.Pool = ch.DefaultPool
	for _, p := range append(slices.Clone(m.Recipients), m.Sender) {
		if p.Role == connector.RolePool && slices.Contains(ch.Pools, p.ID) {
			d.Pool = p.ID
			return
		}
	}
}
