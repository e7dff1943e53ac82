package hl7

// LinkQuery asks a receiver whether the link to it works, and nothing else: the application management query (ch. 14.3.1,
// NMQ^N01) with an NST segment alone. It names no patient and changes nothing at the receiver.
//
// Of the segments the query may have, NST asks for statistics of the link, and with NST-1 N the answer says no more than that
// the link works (ch. 14.4.3). NCK is left out because a receiver may set its clock by it (ch. 14.4.1), and NSC because it
// asks the receiver to start, stop or move (ch. 14.4.2).
type LinkQuery struct {
	Header MSH // its Type, Event and Structure are those of the query
}

// What a [LinkQuery] is called in MSH-9.
const (
	ManageQuery          = "NMQ"
	ManageEvent          = "N01"
	ManageQueryStructure = "NMQ_N01"
)

// Message is the query as a message. What the standard requires of a header and is not given is an error that names every such
// field, each a *[Problem].
func (q LinkQuery) Message() (Message, error) {
	h := q.Header
	h.Type, h.Event, h.Structure = ManageQuery, ManageEvent, ManageQueryStructure
	if h.Version == "" {
		h.Version = Version251
	}
	if err := h.check().err(); err != nil {
		return Message{}, err
	}
	return Message{Segments: []Segment{h.segment(), noStatistics()}}, nil
}

// LinkAnswer is the application management response (NMR^N01) of a receiver that keeps no statistics: the link works. a is
// [AckTo] the query, with AA. Errors are those of [Ack.Message].
func LinkAnswer(a Ack) (Message, error) {
	a.Header.Type, a.Header.Event, a.Header.Structure = "NMR", ManageEvent, "NMR_N01"
	m, err := a.Message()
	if err != nil {
		return Message{}, err
	}
	m.Segments = append(m.Segments, noStatistics())
	return m, nil
}

// noStatistics is an NST segment that tells of none.
func noStatistics() Segment {
	s := Segment{Name: "NST"}
	s.Set(1, ST("N"))
	return s
}
