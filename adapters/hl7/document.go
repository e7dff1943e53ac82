package hl7

// TXA is what is said of a document (ch. 9, TXA). Only what the caller gives is written: a document is not authenticated
// (TXA-17 AU or LA, TXA-22) because somebody wrote a message.
type TXA struct {
	SetID                 int    // TXA-1
	Type                  string // TXA-2, table 0270, a site's own
	Presentation          string // TXA-3, table 0191: TX, FT, AP
	Activity              TS     // TXA-4
	Providers             []XCN  // TXA-5, needed where TXA-4 is given
	Originated            TS     // TXA-6
	Originators           []XCN  // TXA-9
	AssignedAuthenticator []XCN  // TXA-10
	Document              EI     // TXA-12; its ID at most 30 characters
	Parent                EI     // TXA-13: the document that is added to or replaced
	FileName              string // TXA-16
	Completion            string // TXA-17, table 0271
	Confidentiality       string // TXA-18, table 0272
	Availability          string // TXA-19, table 0273
	Storage               string // TXA-20, table 0275
	ChangeReason          string // TXA-21
	Authenticators        []PPN  // TXA-22, with the time in component 15
	Copied                []XCN  // TXA-23
}

// maxDocument is the length of TXA-12 and TXA-13, held for the identifier itself: with an OID of its authority no EI would fit.
const maxDocument = 30

func (t TXA) segment() Segment {
	s := Segment{Name: "TXA"}
	s.Set(1, ordinal(t.SetID))
	s.Set(2, ST(t.Type))
	s.Set(3, ST(t.Presentation))
	s.Set(4, t.Activity.field())
	s.Set(5, repeated(t.Providers))
	s.Set(6, t.Originated.field())
	s.Set(9, repeated(t.Originators))
	s.Set(10, repeated(t.AssignedAuthenticator))
	s.Set(12, Repeat(t.Document.Components()))
	s.Set(13, Repeat(t.Parent.Components()))
	s.Set(16, ST(t.FileName))
	s.Set(17, ST(t.Completion))
	s.Set(18, ST(t.Confidentiality))
	s.Set(19, ST(t.Availability))
	s.Set(20, ST(t.Storage))
	s.Set(21, ST(t.ChangeReason))
	s.Set(22, repeated(t.Authenticators))
	s.Set(23, repeated(t.Copied))
	return s
}

// ReadTXA reads a TXA segment; nil gives the zero TXA. The error is a *[Problem].
func ReadTXA(s *Segment) (TXA, error) {
	t := TXA{
		SetID: readOrdinal(s.Field(1)), Type: s.Text(2), Presentation: s.Text(3), Providers: each(s.Field(5), ReadXCN),
		Originators: each(s.Field(9), ReadXCN), AssignedAuthenticator: each(s.Field(10), ReadXCN), Document: ReadEI(s.Field(12).at(1)),
		Parent: ReadEI(s.Field(13).at(1)), FileName: s.Text(16), Completion: s.Text(17), Confidentiality: s.Text(18),
		Availability: s.Text(19), Storage: s.Text(20), ChangeReason: s.Text(21), Copied: each(s.Field(23), ReadXCN),
	}
	for _, r := range s.Field(22) {
		p, err := ReadPPN(r)
		if err != nil {
			return t, &Problem{At: ERL{Segment: "TXA", Sequence: 1, Field: 22, Component: 15}, Code: DataType, Text: "the value is no time stamp"}
		}
		t.Authenticators = append(t.Authenticators, p)
	}
	if err := readTime(&t.Activity, s, "TXA", 4); err != nil {
		return t, err
	}
	return t, readTime(&t.Originated, s, "TXA", 6)
}

func (t TXA) check(event string) problems {
	var p problems
	p.need("TXA", 1, t.SetID > 0)
	p.need("TXA", 2, t.Type != "")
	if !t.Activity.IsZero() && len(t.Providers) == 0 {
		p.add("TXA", 5, RequiredField, "the provider is required where the time of the activity (TXA-4) is given")
	}
	p.need("TXA", 12, t.Document.ID != "")
	p.short("TXA", 12, t.Document.ID, maxDocument)
	p.short("TXA", 13, t.Parent.ID, maxDocument)
	p.need("TXA", 17, t.Completion != "")
	if needsParent[event] && t.Parent.ID == "" {
		p.add("TXA", 13, RequiredField, "an addendum, edit or replacement names the document it belongs to")
	}
	return p
}

// needsParent are the events about another document (ch. 9.6).
var needsParent = map[string]bool{"T05": true, "T06": true, "T07": true, "T08": true, "T09": true, "T10": true}

// OBX is a part of a document's content (ch. 7, OBX).
type OBX struct {
	SetID    int    // OBX-1
	Type     string // OBX-2: TX, FT, ED
	Code     CE     // OBX-3
	SubID    string // OBX-4
	Value    Field  // OBX-5
	Status   string // OBX-11, table 0085
	Observed TS     // OBX-14
}

func (o OBX) segment() Segment {
	s := Segment{Name: "OBX"}
	s.Set(1, ordinal(o.SetID))
	s.Set(2, ST(o.Type))
	s.Set(3, Repeat(o.Code.Components()))
	s.Set(4, ST(o.SubID))
	s.Set(5, o.Value)
	s.Set(11, ST(o.Status))
	s.Set(14, o.Observed.field())
	return s
}

// ReadOBX reads an OBX segment. The error is a *[Problem].
func ReadOBX(s *Segment) (OBX, error) {
	o := OBX{SetID: readOrdinal(s.Field(1)), Type: s.Text(2), Code: ReadCE(s.Field(3).at(1)), SubID: s.Text(4), Value: s.Field(5),
		Status: s.Text(11)}
	return o, readTime(&o.Observed, s, "OBX", 14)
}

// MDM is a document notification (ch. 9.3): the original (T02), an addendum (T06) and a replacement (T10) with the document's
// content, a cancellation (T11) without.
type MDM struct {
	Header  MSH // its Type, Event and Structure are those of Event
	Event   string
	Changed EVN // its Event is that of Event
	Patient PID
	Visit   PV1
	TXA     TXA
	Content []OBX
}

// mdmStructures are the events that are written and read, with their structure (MSH-9.3).
var mdmStructures = map[string]string{"T02": "MDM_T02", "T06": "MDM_T02", "T10": "MDM_T02", "T11": "MDM_T01"}

// Message is the MDM message. What the standard requires and is not given is an error that names every such field, each a
// *[Problem]; nothing is filled in but the names of the event, MSH-12 and set ids.
func (d MDM) Message() (Message, error) {
	d = d.completed()
	if err := d.check().err(); err != nil {
		return Message{}, err
	}
	m := Message{Segments: []Segment{d.Header.segment(), d.Changed.segment(), d.Patient.segment(), d.Visit.segment(), d.TXA.segment()}}
	for _, o := range d.Content {
		m.Segments = append(m.Segments, o.segment())
	}
	return m, nil
}

func (d MDM) completed() MDM {
	d.Header.Type, d.Header.Event, d.Header.Structure = "MDM", d.Event, mdmStructures[d.Event]
	d.Changed.Event = d.Event
	if d.Header.Version == "" {
		d.Header.Version = Version251
	}
	d.Patient.SetID, d.Visit.SetID, d.TXA.SetID = max(1, d.Patient.SetID), max(1, d.Visit.SetID), max(1, d.TXA.SetID)
	d.Content = append([]OBX(nil), d.Content...)
	for i := range d.Content {
		d.Content[i].SetID = i + 1
	}
	return d
}

func (d MDM) check() problems {
	p := d.Header.check()
	if d.Header.Structure == "" {
		p.add("MSH", 9, UnsupportedEvent, "the event is none of T02, T06, T10, T11")
	}
	p.need("EVN", 2, !d.Changed.Recorded.IsZero())
	p.need("PID", 3, repeated(d.Patient.Identifiers).Valued())
	p.need("PID", 5, repeated(d.Patient.Names).Valued())
	p.need("PV1", 2, d.Visit.Class != "")
	p = append(p, d.TXA.check(d.Event)...)
	switch without := d.Header.Structure == "MDM_T01"; {
	case without && len(d.Content) > 0:
		p.add("OBX", 0, SegmentSequence, "a message of this event carries no content")
	case !without && len(d.Content) == 0:
		p.add("OBX", 0, SegmentSequence, "a message of this event carries the document's content")
	}
	for i, o := range d.Content {
		p = append(p, o.check(i+1)...)
	}
	return p
}

func (o OBX) check(n int) problems {
	var p problems
	need := func(field int, given bool) {
		if !given {
			p = append(p, &Problem{At: ERL{Segment: "OBX", Sequence: n, Field: field}, Code: RequiredField, Text: "the field is required and not given"})
		}
	}
	need(2, o.Type != "" || !o.Value.Valued())
	need(3, len(o.Code.Components()) > 0)
	need(11, o.Status != "")
	return p
}

// ReadMDM reads a message of one of the events [MDM] writes. The error is a *[Problem].
func ReadMDM(m Message) (MDM, error) {
	var d MDM
	var err error
	if d.Header, err = ReadMSH(m); err != nil {
		return d, err
	}
	d.Event = d.Header.Event
	switch {
	case d.Header.Type != "MDM":
		return d, &Problem{At: ERL{Segment: "MSH", Sequence: 1, Field: 9}, Code: UnsupportedType, Text: "the message is no MDM"}
	case mdmStructures[d.Event] == "":
		return d, &Problem{At: ERL{Segment: "MSH", Sequence: 1, Field: 9, Component: 2}, Code: UnsupportedEvent, Text: "this trigger event is not read here"}
	}
	for _, name := range []string{"EVN", "PID", "PV1", "TXA"} {
		if m.First(name) == nil {
			return d, malformed(name, 1, "the segment is required and not there")
		}
	}
	if d.Changed, err = ReadEVN(m.First("EVN")); err != nil {
		return d, err
	}
	if d.Patient, err = ReadPID(m.First("PID")); err != nil {
		return d, err
	}
	if d.Visit, err = ReadPV1(m.First("PV1")); err != nil {
		return d, err
	}
	if d.TXA, err = ReadTXA(m.First("TXA")); err != nil {
		return d, err
	}
	for i, s := range m.All("OBX") {
		o, err := ReadOBX(&s)
		if err != nil {
			return d, atSequence(err, i+1)
		}
		d.Content = append(d.Content, o)
	}
	return d, nil
}
