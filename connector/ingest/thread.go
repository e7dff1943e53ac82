package ingest

import (
	"slices"

	"github.com/chartwire/chartwire/connector"
)

// findThread finds the event's thread by the channel's id, or prepares a new one.
func (s *step) findThread() error {
	if s.ev.Thread == nil {
		return nil
	}
	t, err := s.tx.ThreadByExt(s.ch.EHR, s.ch.Name, s.ev.Thread.ID)
	ok, err := found(err)
	if err != nil || ok {
		s.thread = t
		return err
	}
	s.fresh = true
	s.thread = connector.Thread{
		ID: connector.NewID(s.now), EHR: s.ch.EHR, Channel: s.ch.Name, Ext: s.ev.Thread.ID,
		Info: connector.ThreadInfo{ID: s.ev.Thread.ID}, CreatedAt: s.now,
	}
	return nil
}

// learnThread takes what the event says of its thread: what was given first stays, what was missing is filled in. Other
// identifiers of the patient never re-link the thread; they stop it until a person has settled it.
func (s *step) learnThread() error {
	if s.ev.Thread == nil {
		return nil
	}
	info := &s.thread.Info
	fill(&info.Subject, s.ev.Thread.Subject)
	fill(&info.Topic, s.ev.Thread.Topic)
	fill(&info.Priority, s.ev.Thread.Priority)
	if info.Encounter == nil {
		info.Encounter = s.ev.Thread.Encounter
	}
	if len(info.About) == 0 {
		info.About = slices.Clone(s.ev.Thread.About)
	}
	return s.learnPatient()
}

func (s *step) learnPatient() error {
	if s.ev.Patient == nil {
		return nil
	}
	given := *s.ev.Patient
	if s.thread.Patient.IsZero() {
		s.thread.Patient = given
		return s.wakeChart()
	}
	if s.thread.Disputes(given) {
		s.thread.Dispute(given)
		s.otherPatient = true
		return s.wakeChart()
	}
	if s.thread.Bound.Reference != "" || !completePatient(&s.thread.Patient, given) {
		return nil
	}
	return s.wakeChart()
}

// completePatient fills in what was missing of a patient that is not bound yet: a name or a birth date that comes later is
// what a match may still have been waiting for.
func completePatient(k *connector.PatientKey, given connector.PatientKey) bool {
	before := *k
	if k.Name == nil {
		k.Name = given.Name
	}
	fill(&k.BirthDate, given.BirthDate)
	fill(&k.Phone, given.Phone)
	systems := map[string]bool{}
	for _, id := range k.Identifiers {
		systems[id.System] = true
	}
	k.Identifiers = slices.Clone(k.Identifiers)
	for _, id := range given.Identifiers {
		if !systems[id.System] {
			k.Identifiers = append(k.Identifiers, id)
		}
	}
	return before.Name != k.Name || before.BirthDate != k.BirthDate || before.Phone != k.Phone ||
		len(before.Identifiers) != len(k.Identifiers)
}

// wakeChart lets the lanes that wait for a patient look again. A fresh thread has nothing that waits.
func (s *step) wakeChart() error {
	if s.fresh {
		return nil
	}
	for _, lane := range connector.FilingLanes() {
		if err := s.tx.TouchLane(s.ch.EHR, s.thread.ID, lane, s.now, s.thread.Info.Priority); err != nil {
			return err
		}
	}
	return nil
}

func fill[T comparable](to *T, from T) {
	var zero T
	if *to == zero {
		*to = from
	}
}

// turned closes or reopens the thread. News older than what was taken last changes nothing, whichever came first. A thread
// without a header gets its close item with the header, in headed.
func (s *step) turned(closed bool) error {
	at := s.ev.Timestamp
	if at.Before(s.thread.Info.TurnedAt) {
		return nil
	}
	s.thread.Info.TurnedAt = at
	if s.thread.Closed == closed {
		return nil
	}
	s.thread.Closed = closed
	if s.thread.Header == "" {
		return nil
	}
	kind := connector.ItemReopen
	if closed {
		kind = connector.ItemClose
	}
	i := s.item(kind, connector.LaneChart)
	i.SentAt = at
	return s.enqueue(i)
}

// headed makes the thread's header item before its first message, and closes it after that message where the thread was
// closed before anything of it came.
func (s *step) headed(m *connector.MessageRow) error {
	if s.thread.Header != "" {
		return nil
	}
	h := s.item(connector.ItemHeader, connector.LaneChart)
	h.SentAt = m.Message.SentAt
	s.thread.Header = h.ID
	if err := s.tx.PutItem(&h); err != nil || !s.thread.Closed {
		return err
	}
	c := s.item(connector.ItemClose, connector.LaneChart)
	c.SentAt = s.thread.Info.TurnedAt
	c.CommittedAt = s.now.Add(1000) // a microsecond later: closing waits for messages committed before it
	return s.tx.PutItem(&c)
}
