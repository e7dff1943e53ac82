package ingest

import (
	"errors"
	"slices"

	"github.com/oklog/ulid/v2"

	"github.com/chartwire/chartwire/connector"
)

// ownMessage finds the message of ours an event names by our client_message_id. One of another channel is not ours here:
// a platform has no word about another platform's messages.
func (s *step) ownMessage() (connector.MessageRow, bool, error) {
	client := s.ev.MessageID
	if s.ev.Message != nil {
		client = s.ev.Message.ClientID
	}
	if len(client) != ulid.EncodedSize || s.ev.Thread == nil {
		return connector.MessageRow{}, false, nil
	}
	m, err := s.tx.MessageByClient(s.ch.EHR, client)
	if ok, err := found(err); !ok {
		return m, false, err
	}
	t, err := s.tx.Thread(s.ch.EHR, m.Thread)
	if err != nil {
		return m, false, err
	}
	return m, t.Channel == s.ch.Name, nil
}

// aboutOurs takes an event that names a message of ours: whatever it says, the platform has the message. The echo supplies
// its id and sequence; an event that comes before the echo, or before the answer to the send, places the thread.
func (s *step) aboutOurs(own connector.MessageRow) error {
	before := own
	h := connector.Handover{ThreadID: s.ev.Thread.ID, At: s.ev.Timestamp}
	if m := s.ev.Message; m != nil {
		h.MessageID, h.Sequence = m.ID, m.Sequence
	}
	t, own, err := connector.TakeHandover(s.tx, own, h, s.now)
	if errors.Is(err, connector.ErrOtherMessage) {
		return s.contradicted(before)
	}
	if err != nil {
		return err
	}
	changed := before.Thread != own.Thread || before.Message.ID != own.Message.ID ||
		before.Message.Sequence != own.Message.Sequence || before.Delivery.State != own.Delivery.State ||
		s.thread.ID != t.ID // the platform's thread was not known as ours before
	s.thread, s.fresh, s.res.Thread = t, false, t.ID
	if err := s.settleSend(&own); err != nil {
		return err
	}
	known := s.thread
	if err := s.learnThread(); err != nil {
		return err
	}
	switch s.ev.Type {
	case connector.MessageStatus:
		return s.news(&own)
	case connector.MessageCorrected:
		return s.correct(&own)
	case connector.MessageRetracted:
		return s.retract(&own)
	}
	if !sameEcho(&own.Message, s.ev.Message) {
		return s.conflict(&own, digest(1, s.ev.Message))
	}
	if !changed && sameThread(&known, &s.thread) {
		return errRepeat
	}
	return nil
}

// sameEcho compares an echo with what was sent. The platform may have re-stamped time and sender and renamed the files;
// the words are what the chart will hold.
func sameEcho(sent, echo *connector.Message) bool {
	return sent.Text == echo.Text && echo.Direction == sent.Direction && len(sent.Attachments) == len(echo.Attachments)
}

// sameThread says whether an event told nothing new about a thread.
func sameThread(a, b *connector.Thread) bool {
	return a.Info.Subject == b.Info.Subject && a.Info.Topic == b.Info.Topic && a.Info.Priority == b.Info.Priority &&
		a.Info.Encounter == b.Info.Encounter && slices.Equal(a.Info.About, b.Info.About) && a.Changed == b.Changed && len(a.Info.Disputed) == len(b.Info.Disputed) &&
		a.Patient.Name == b.Patient.Name && a.Patient.BirthDate == b.Patient.BirthDate && a.Patient.Phone == b.Patient.Phone &&
		slices.Equal(a.Patient.Identifiers, b.Patient.Identifiers)
}

// contradicted parks an event that gives a message of ours another id or another thread than before.
func (s *step) contradicted(own connector.MessageRow) error {
	t, err := s.tx.Thread(s.ch.EHR, own.Thread)
	if err != nil {
		return err
	}
	s.thread, s.fresh, s.res.Thread = t, false, t.ID
	said := connector.Message{ID: s.ev.MessageID}
	if s.ev.Message != nil {
		said = *s.ev.Message
	}
	said.Text += "\x00" + s.ev.Thread.ID + "\x00" + said.ID
	return s.conflict(&own, digest(1, &said))
}

// settleSend ends a send whose outcome was not known: the platform speaks of the message, so it was taken. What is still
// on its way is left to deliver, which looks at the message's delivery before it sends.
func (s *step) settleSend(own *connector.MessageRow) error {
	items, err := s.tx.ItemsOf(s.ch.EHR, own.Thread, own.ID)
	if err != nil {
		return err
	}
	for n := range items {
		i := &items[n]
		if i.Kind != connector.ItemSend || i.State.Done() {
			continue
		}
		if i.State == connector.Unknown {
			i.State, i.Reason, i.ChangedAt = connector.Filed, "", s.now
			if err := s.tx.PutItem(i); err != nil {
				return err
			}
		}
		return s.tx.TouchLane(s.ch.EHR, i.Thread, connector.LaneSend, s.now, i.Priority)
	}
	return nil
}
