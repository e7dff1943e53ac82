package ingest

import (
	"github.com/chartwire/chartwire/connector"
)

// created takes a message of the platform's own.
func (s *step) created() error {
	m := *s.ev.Message
	var known []connector.MessageRow
	var err error
	if !s.fresh {
		if known, err = s.tx.Revisions(s.ch.EHR, s.thread.ID, m.ID); err != nil {
			return err
		}
	}
	if len(known) > 0 && known[0].Revision == 1 {
		return s.again(&known[0], &m)
	}
	row := connector.MessageRow{
		ID: connector.NewID(s.now), EHR: s.ch.EHR, Thread: s.thread.ID, Revision: 1, Message: m, ReceivedAt: s.now,
	}
	if m.Direction == connector.ToPatient {
		row.Delivery = connector.Delivery{State: connector.HandedOver, At: m.SentAt} // the platform has it: it is its own
	}
	if err := connector.TakeAwaited(s.tx, &s.thread, &row); err != nil {
		return err
	}
	if err := s.complete(known, &m); err != nil {
		return err
	}
	return s.file(row, connector.ItemExchange)
}

// again decides what a message is that is there already.
func (s *step) again(was *connector.MessageRow, m *connector.Message) error {
	if was.Client != "" {
		return s.aboutOurs(*was) // an echo that forgot to name our id
	}
	if sameMessage(&was.Message, m) {
		return errRepeat
	}
	return s.conflict(was, digest(1, m))
}

// file commits a revision of a message and its items: the header before the thread's first message, the exchange or
// correction, and the fetch of what was not given inline.
func (s *step) file(row connector.MessageRow, kind connector.ItemKind) error {
	fetch, err := keepFiles(s.tx, &row)
	if err != nil {
		return err
	}
	if err := s.tx.PutMessage(&row); err != nil {
		return err
	}
	if err := s.toDesk(&row); err != nil {
		return err
	}
	if kind == connector.ItemExchange {
		if err := s.headed(&row); err != nil {
			return err
		}
	}
	if fetch {
		if err := s.enqueue(s.about(s.item(connector.ItemFetch, connector.LaneMedia), &row)); err != nil {
			return err
		}
	}
	i := s.about(s.item(kind, connector.LaneChart), &row)
	if kind == connector.ItemCorrection && row.Message.Direction == "" {
		i.Reason = connector.MessageMissing
	}
	return s.enqueue(i)
}

// complete gives corrections that came before their message what only the message says.
func (s *step) complete(corrections []connector.MessageRow, m *connector.Message) error {
	for n := range corrections {
		r := &corrections[n]
		text, files := r.Message.Text, r.Message.Attachments
		r.Message = *m
		r.Message.Text, r.Message.Attachments = text, files
		if err := s.tx.PutMessage(r); err != nil {
			return err
		}
	}
	return nil
}
