package ingest

import (
	"github.com/chartwire/chartwire/connector"
)

// original finds the first revision of the message an event is about.
func (s *step) original() (connector.MessageRow, bool, error) {
	if s.fresh {
		return connector.MessageRow{}, false, nil
	}
	m, err := s.tx.MessageByExt(s.ch.EHR, s.thread.ID, s.ev.MessageID, 1)
	ok, err := found(err)
	return m, ok, err
}

// orphan makes an item of a message that has not come; it goes on when the message comes.
func (s *step) orphan(kind connector.ItemKind) connector.Item {
	i := s.item(kind, connector.LaneChart)
	i.MsgKey, i.Reason = s.ev.MessageID, connector.MessageMissing
	s.thread.Await(s.ev.MessageID)
	return i
}

// spoken gives the earlier items of one kind about a message that has not come.
func (s *step) spoken(kind connector.ItemKind) ([]connector.Item, error) {
	if s.fresh {
		return nil, nil
	}
	items, err := s.tx.ThreadItems(s.ch.EHR, s.thread.ID)
	if err != nil {
		return nil, err
	}
	var out []connector.Item
	for _, i := range items {
		if i.Kind == kind && i.MsgKey == s.ev.MessageID {
			out = append(out, i)
		}
	}
	return out, nil
}

// status takes delivery news.
func (s *step) status() error {
	m, ok, err := s.original()
	if err != nil {
		return err
	}
	if ok {
		return s.news(&m)
	}
	earlier, err := s.spoken(connector.ItemStatus)
	if err != nil {
		return err
	}
	for _, i := range earlier {
		if d := i.Detail.Delivery; d != nil && d.State.Advance(s.ev.Delivery.State) == d.State {
			return nil // older than what is waiting already
		}
	}
	i := s.orphan(connector.ItemStatus)
	i.Direction, i.Detail.Delivery = connector.ToPatient, s.ev.Delivery // only those have delivery news
	return s.enqueue(i)
}

// news advances a message's delivery. News that is not newer is kept as an event and changes nothing.
func (s *step) news(m *connector.MessageRow) error {
	d := s.ev.Delivery
	if m.Message.Direction != connector.ToPatient || m.Delivery.State.Advance(d.State) == m.Delivery.State {
		return nil
	}
	m.Delivery = *d
	if err := s.tx.PutMessage(m); err != nil {
		return err
	}
	i := s.about(s.item(connector.ItemStatus, connector.LaneChart), m)
	i.Detail.Delivery = d
	return s.enqueue(i)
}

// corrected takes new words for a message.
func (s *step) corrected() error {
	m, ok, err := s.original()
	if err != nil {
		return err
	}
	if !ok {
		m = connector.MessageRow{Message: connector.Message{ID: s.ev.MessageID}}
		s.thread.Await(s.ev.MessageID)
	}
	return s.correct(&m)
}

// correct commits a revision of a message; first is its first revision, or only its id.
func (s *step) correct(first *connector.MessageRow) error {
	c := *s.ev.Correction
	row := connector.MessageRow{
		ID: connector.NewID(s.now), EHR: s.ch.EHR, Thread: s.thread.ID, Revision: c.Version, Message: first.Message,
		ReceivedAt: s.now,
	}
	row.Message.Text, row.Message.Attachments = c.Text, c.Attachments
	if !s.fresh {
		was, err := s.tx.MessageByExt(s.ch.EHR, s.thread.ID, first.Message.ID, c.Version)
		known, err := found(err)
		switch {
		case err != nil:
			return err
		case known && sameWords(&was.Message, &row.Message):
			return errRepeat
		case known:
			return s.conflict(&was, digest(c.Version, &row.Message))
		}
	}
	c.Text, c.Attachments = "", nil
	row.Corrected = &c
	return s.file(row, connector.ItemCorrection)
}

// retracted takes a message back.
func (s *step) retracted() error {
	m, ok, err := s.original()
	if err != nil {
		return err
	}
	if ok {
		return s.retract(&m)
	}
	earlier, err := s.spoken(connector.ItemRetraction)
	if err != nil {
		return err
	}
	if len(earlier) > 0 {
		return errRepeat
	}
	i := s.orphan(connector.ItemRetraction)
	i.Detail.Retraction = s.ev.Retraction
	return s.enqueue(i)
}

func (s *step) retract(m *connector.MessageRow) error {
	if m.Retracted != nil {
		return errRepeat
	}
	m.Retracted = s.ev.Retraction
	if err := s.tx.PutMessage(m); err != nil {
		return err
	}
	i := s.about(s.item(connector.ItemRetraction, connector.LaneChart), m)
	i.Detail.Retraction = s.ev.Retraction
	return s.enqueue(i)
}
