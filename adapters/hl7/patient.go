package hl7

import "strconv"

// EVN is what happened and when (ch. 3, EVN).
type EVN struct {
	Event    string // EVN-1, kept for older receivers
	Recorded TS     // EVN-2
	Occurred TS     // EVN-6
}

func (e EVN) segment() Segment {
	s := Segment{Name: "EVN"}
	s.Set(1, ST(e.Event))
	s.Set(2, e.Recorded.field())
	s.Set(6, e.Occurred.field())
	return s
}

// ReadEVN reads an EVN segment; nil gives the zero EVN. The error is a *[Problem].
func ReadEVN(s *Segment) (EVN, error) {
	e := EVN{Event: s.Text(1)}
	if err := readTime(&e.Recorded, s, "EVN", 2); err != nil {
		return e, err
	}
	return e, readTime(&e.Occurred, s, "EVN", 6)
}

// PID is who the patient is (ch. 3, PID).
type PID struct {
	SetID       int   // PID-1
	Identifiers []CX  // PID-3
	Names       []XPN // PID-5
	Birth       TS    // PID-7
	Sex         string
	Phones      []XTN // PID-13 and PID-14, at home and at work
	// Deleted are the fields a message says "" for: what is held there is to be removed. An empty field says nothing.
	Deleted []int
}

// pidFields are the fields of PID that are read.
var pidFields = []int{3, 5, 7, 8, 13, 14}

func (p PID) segment() Segment {
	s := Segment{Name: "PID"}
	s.Set(1, ordinal(p.SetID))
	s.Set(3, repeated(p.Identifiers))
	s.Set(5, repeated(p.Names))
	s.Set(7, p.Birth.field())
	s.Set(8, ST(p.Sex))
	s.Set(13, repeated(p.Phones))
	putDeleted(&s, p.Deleted)
	return s
}

// ReadPID reads a PID segment; nil gives the zero PID. The error is a *[Problem].
func ReadPID(s *Segment) (PID, error) {
	p := PID{
		SetID: readOrdinal(s.Field(1)), Identifiers: each(given(s, 3), ReadCX), Names: each(given(s, 5), ReadXPN), Sex: s.Text(8),
		Phones: append(each(given(s, 13), ReadXTN), each(given(s, 14), ReadXTN)...), Deleted: readDeleted(s, pidFields),
	}
	return p, readTime(&p.Birth, s, "PID", 7)
}

// PV1 is the visit (ch. 3, PV1).
type PV1 struct {
	SetID      int    // PV1-1
	Class      string // PV1-2, table 0004: I inpatient, O outpatient, E emergency, N not applicable
	Location   PL     // PV1-3
	Visit      CX     // PV1-19
	Admitted   TS     // PV1-44
	Discharged TS     // PV1-45
	Deleted    []int  // as PID.Deleted
}

var pv1Fields = []int{2, 3, 19, 44, 45}

func (v PV1) segment() Segment {
	s := Segment{Name: "PV1"}
	s.Set(1, ordinal(v.SetID))
	s.Set(2, ST(v.Class))
	s.Set(3, Repeat(v.Location.Components()))
	s.Set(19, Repeat(v.Visit.Components()))
	s.Set(44, v.Admitted.field())
	s.Set(45, v.Discharged.field())
	putDeleted(&s, v.Deleted)
	return s
}

// ReadPV1 reads a PV1 segment; nil gives the zero PV1. The error is a *[Problem].
func ReadPV1(s *Segment) (PV1, error) {
	v := PV1{
		SetID: readOrdinal(s.Field(1)), Class: s.Text(2), Location: ReadPL(s.Field(3).at(1)), Visit: ReadCX(s.Field(19).at(1)),
		Deleted: readDeleted(s, pv1Fields),
	}
	if err := readTime(&v.Admitted, s, "PV1", 44); err != nil {
		return v, err
	}
	return v, readTime(&v.Discharged, s, "PV1", 45)
}

// given is a field unless it says delete.
func given(s *Segment, field int) Field {
	if s.Deleted(field) {
		return nil
	}
	return s.Field(field)
}

func readDeleted(s *Segment, fields []int) []int {
	var all []int
	for _, f := range fields {
		if s.Deleted(f) {
			all = append(all, f)
		}
	}
	return all
}

func putDeleted(s *Segment, fields []int) {
	for _, f := range fields {
		s.Set(f, Field{{{Null}}})
	}
}

// ordinal is a set id; 0 is none.
func ordinal(n int) Field { return Repeat(composite(number(n))) }

// readOrdinal is a set id, 0 where it is none.
func readOrdinal(f Field) int {
	n, err := strconv.Atoi(f.at(1).text(1))
	if err != nil {
		return 0
	}
	return n
}
