package hl7

import "slices"

// ADTEvents are the trigger events [ReadADT] reads (ch. 3.3): admitted, discharged, registered, updated, person updated, merged.
func ADTEvents() []string { return []string{"A01", "A03", "A04", "A08", "A31", "A40"} }

// ADT is what a patient administration message says (ch. 3).
type ADT struct {
	Header   MSH
	Event    EVN
	Patients []ADTPatient // one; an A40 may hold several
}

// ADTPatient is one patient of an [ADT].
type ADTPatient struct {
	Patient PID
	Visit   *PV1 // nil where the message has none
	// Prior are the identifiers that are merged into Patient's (MRG-1), of an A40 alone.
	Prior []CX
}

// ReadADT reads a message of one of [ADTEvents]. The error is a *[Problem] whose code and place tell the sender what is wrong:
// another type (200) or event (201), a patient missing (100), an identifier missing (101), a time that is none (102).
func ReadADT(m Message) (ADT, error) {
	h, err := ReadMSH(m)
	if err != nil {
		return ADT{}, err
	}
	switch {
	case h.Type != "ADT":
		return ADT{}, &Problem{At: ERL{Segment: "MSH", Sequence: 1, Field: 9}, Code: UnsupportedType, Text: "the message is no ADT"}
	case !slices.Contains(ADTEvents(), h.Event):
		return ADT{}, &Problem{At: ERL{Segment: "MSH", Sequence: 1, Field: 9, Component: 2}, Code: UnsupportedEvent, Text: "this trigger event is not read here"}
	}
	a := ADT{Header: h}
	if a.Event, err = ReadEVN(m.First("EVN")); err != nil {
		return ADT{}, err
	}
	if err := a.read(m); err != nil {
		return ADT{}, err
	}
	return a, nil
}

// read goes through the segments: each PID begins a patient, to whom the MRG and PV1 behind it belong.
func (a *ADT) read(m Message) error {
	seen := map[string]int{}
	for i := range m.Segments {
		s := &m.Segments[i]
		seen[s.Name]++
		at := func(err error) error { return atSequence(err, seen[s.Name]) }
		switch s.Name {
		case "PID":
			p, err := ReadPID(s)
			if err != nil {
				return at(err)
			}
			if !slices.ContainsFunc(p.Identifiers, func(c CX) bool { return c.ID != "" }) {
				return &Problem{At: ERL{Segment: "PID", Sequence: seen["PID"], Field: 3}, Code: RequiredField, Text: "the patient has no identifier"}
			}
			a.Patients = append(a.Patients, ADTPatient{Patient: p})
		case "PV1", "MRG":
			if len(a.Patients) == 0 {
				return malformed(s.Name, seen[s.Name], "the segment stands before the patient it belongs to")
			}
			if err := a.Patients[len(a.Patients)-1].add(s); err != nil {
				return at(err)
			}
		}
	}
	if len(a.Patients) == 0 {
		return malformed("PID", 1, "the message has no patient")
	}
	if a.Header.Event != "A40" {
		if len(a.Patients) > 1 {
			return malformed("PID", 2, "a message of this event is about one patient")
		}
		a.Patients[0].Prior = nil
		return nil
	}
	for i, p := range a.Patients {
		if len(p.Prior) == 0 {
			return &Problem{At: ERL{Segment: "MRG", Sequence: i + 1, Field: 1}, Code: RequiredField, Text: "a merge names no identifier that is merged"}
		}
	}
	return nil
}

func (p *ADTPatient) add(s *Segment) error {
	if s.Name == "MRG" {
		p.Prior = append(p.Prior, each(given(s, 1), ReadCX)...)
		return nil
	}
	v, err := ReadPV1(s)
	p.Visit = &v
	return err
}

// atSequence says in a problem which of the segments it is.
func atSequence(err error, n int) error {
	if p, ok := err.(*Problem); ok {
		p.At.Sequence = n
	}
	return err
}

// Message is the ADT message; what is missing is not checked: it is written for tests and for the sandbox.
func (a ADT) Message() Message {
	m := Message{Segments: []Segment{a.Header.segment(), a.Event.segment()}}
	for _, p := range a.Patients {
		m.Segments = append(m.Segments, p.Patient.segment())
		if len(p.Prior) > 0 {
			s := Segment{Name: "MRG"}
			s.Set(1, repeated(p.Prior))
			m.Segments = append(m.Segments, s)
		}
		if p.Visit != nil {
			m.Segments = append(m.Segments, p.Visit.segment())
		}
	}
	return m
}
