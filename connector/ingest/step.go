package ingest

import (
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// step is one event within its transaction.
type step struct {
	tx  connector.Tx
	ch  Channel
	ev  *connector.Event
	now time.Time

	thread connector.Thread // zero for a consent that names none
	fresh  bool             // the thread came into being with this event
	row    connector.EventRow
	res    Result

	otherPatient bool // the event names another patient than its thread
}

// run does all an event does. errRepeat means it said nothing new.
func (s *step) run() error {
	if err := s.expect(); err != nil {
		return err
	}
	own, isOwn, err := s.ownMessage()
	if err != nil {
		return err
	}
	if err := s.findThread(); err != nil {
		return err
	}
	s.row = connector.EventRow{
		ID: connector.NewID(s.now), EHR: s.ch.EHR, Channel: s.ch.Name, Key: s.ev.Key, Type: s.ev.Type,
		Thread: s.thread.ID, ReceivedAt: s.now, Body: s.ev.Raw,
	}
	if isOwn && s.fresh {
		s.row.Thread = own.Thread
	}
	s.res.Thread = s.row.Thread
	inserted, err := s.tx.InsertEvent(s.row)
	if err != nil {
		return err
	}
	if !inserted {
		return errRepeat
	}
	if err := s.content(own, isOwn); err != nil {
		return err
	}
	if err := s.finish(); err != nil {
		return err
	}
	return s.audit("event-accepted", 0, map[string]string{"event": s.row.ID, "type": string(s.ev.Type)})
}

// expect tells the store what run is about to ask.
func (s *step) expect() error {
	if s.ev.Thread == nil {
		return nil
	}
	a := connector.Arrival{EHR: s.ch.EHR, Channel: s.ch.Name, Key: s.ev.Key, Thread: s.ev.Thread.ID}
	if s.ev.Type == connector.MessageCreated {
		a.Message = s.ev.Message.ID
	}
	return s.tx.Expect(a)
}

// content does what the event's type asks for.
func (s *step) content(own connector.MessageRow, isOwn bool) error {
	if isOwn {
		return s.aboutOurs(own)
	}
	if err := s.learnThread(); err != nil {
		return err
	}
	switch s.ev.Type {
	case connector.MessageCreated:
		return s.created()
	case connector.MessageStatus:
		return s.status()
	case connector.MessageCorrected:
		return s.corrected()
	case connector.MessageRetracted:
		return s.retracted()
	case connector.ThreadClosed:
		return s.turned(true)
	case connector.ThreadReopened:
		return s.turned(false)
	case connector.ConsentUpdated:
		return s.consent()
	}
	return errors.New("ingest: an event of an unknown type was given")
}

// finish puts the thread, whose Version tells live pages that something is new.
func (s *step) finish() error {
	if s.thread.ID == "" {
		return nil
	}
	s.res.Thread = s.thread.ID
	if err := s.tx.PutThread(&s.thread); err != nil || !s.otherPatient {
		return err
	}
	return s.audit("patient-changed", 4, map[string]string{"event": s.row.ID})
}

// audit writes an audit row of the channel's doing.
func (s *step) audit(kind string, outcome int, detail map[string]string) error {
	return s.tx.Audit(connector.AuditEntry{
		ID: connector.NewID(s.now), EHR: s.ch.EHR, At: s.now, Kind: kind, Action: "C", Outcome: outcome,
		Agent: "channel:" + s.ch.Name, Thread: s.res.Thread, Item: s.res.Item, Detail: detail,
	})
}

// item makes an item of this thread as it goes on its lane.
func (s *step) item(kind connector.ItemKind, lane connector.LaneKind) connector.Item {
	return connector.Item{
		ID: connector.NewID(s.now), EHR: s.ch.EHR, Thread: s.thread.ID, Lane: lane, Kind: kind, State: connector.Waiting,
		Channel: s.ch.Name, Priority: s.thread.Info.Priority, CommittedAt: s.now, ChangedAt: s.now,
	}
}

// about gives an item of a message: what orders it in its lane, and by which key it is found.
func (s *step) about(i connector.Item, m *connector.MessageRow) connector.Item {
	i.Message, i.MsgKey, i.Revision = m.ID, m.Message.ID, m.Revision
	i.Direction, i.Sequence, i.SentAt = m.Message.Direction, m.Message.Sequence, m.Message.SentAt
	if m.Message.Priority != "" {
		i.Priority = m.Message.Priority
	}
	return i
}

// enqueue commits an item and makes its lane due.
func (s *step) enqueue(i connector.Item) error {
	if err := s.tx.PutItem(&i); err != nil {
		return err
	}
	s.res.Item = i.ID
	return s.tx.TouchLane(i.EHR, i.Thread, i.Lane, s.now, i.Priority)
}

// conflict parks what contradicts a message, once for each other content. It is errRepeat where this content was parked
// before.
func (s *step) conflict(m *connector.MessageRow, digest string) error {
	items, err := s.tx.ItemsOf(s.ch.EHR, m.Thread, m.ID)
	if err != nil {
		return err
	}
	for _, i := range items {
		if i.Kind == connector.ItemConflict && i.Detail.Digest == digest {
			return errRepeat
		}
	}
	if err := s.tx.KeepEvent(s.row); err != nil {
		return err
	}
	i := s.about(s.item(connector.ItemConflict, connector.LaneChart), m)
	i.State, i.Reason = connector.Parked, connector.Conflict
	i.Detail = connector.ItemDetail{Event: s.row.ID, Digest: digest}
	if err := s.tx.PutItem(&i); err != nil {
		return err
	}
	s.res.Conflict, s.res.Item = true, i.ID
	return s.audit("conflict", 4, map[string]string{"event": s.row.ID})
}

// found turns ErrNotFound into false.
func found(err error) (bool, error) {
	if errors.Is(err, connector.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
