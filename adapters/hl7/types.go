package hl7

import (
	"encoding/base64"
	"strconv"
)

// HD names who gave an identifier: a local name, or one that is unique everywhere with its type (ch. 2.A, HD; types in table
// 0301). As a component its parts are subcomponents.
type HD struct {
	Namespace     string
	Universal     string
	UniversalType string // ISO for an OID
}

func (h HD) component() Component {
	c := Component{Text(h.Namespace), Text(h.Universal), Text(h.UniversalType)}
	for len(c) > 0 && c[len(c)-1] == "" {
		c = c[:len(c)-1]
	}
	if len(c) == 0 {
		return nil
	}
	return c
}

func (h HD) field() Field {
	return Repeat(composite(part(h.Namespace), part(h.Universal), part(h.UniversalType)))
}

func readHD(c Component) HD {
	return HD{Namespace: c.at(1).Text(), Universal: c.at(2).Text(), UniversalType: c.at(3).Text()}
}

func readHDField(f Field) HD {
	r := f.at(1)
	return HD{Namespace: r.text(1), Universal: r.text(2), UniversalType: r.text(3)}
}

// EI is the identifier of a thing, such as a document (ch. 2.A, EI).
type EI struct {
	ID        string
	Authority HD
}

// Components is the identifier as a field carries it.
func (e EI) Components() Repetition {
	return composite(part(e.ID), part(e.Authority.Namespace), part(e.Authority.Universal), part(e.Authority.UniversalType))
}

// ReadEI reads what [EI.Components] writes.
func ReadEI(r Repetition) EI {
	return EI{ID: r.text(1), Authority: HD{Namespace: r.text(2), Universal: r.text(3), UniversalType: r.text(4)}}
}

// CX is an identifier of a person or a visit (ch. 2.A, CX).
type CX struct {
	ID        string
	Authority HD     // CX.4
	Type      string // CX.5, table 0203: MR medical record number, VN visit number
}

// Components is the identifier as a field carries it.
func (c CX) Components() Repetition {
	return composite(part(c.ID), nil, nil, c.Authority.component(), part(c.Type))
}

// ReadCX reads what [CX.Components] writes.
func ReadCX(r Repetition) CX {
	return CX{ID: r.text(1), Authority: readHD(r.at(4)), Type: r.text(5)}
}

// XPN is a person's name (ch. 2.A, XPN).
type XPN struct {
	Family string // the surname, prefix included
	Given  string
	Middle string
	Suffix string
	Prefix string
	Type   string // XPN.7, table 0200: L legal
}

// Components is the name as a field carries it.
func (x XPN) Components() Repetition {
	return composite(part(x.Family), part(x.Given), part(x.Middle), part(x.Suffix), part(x.Prefix), nil, part(x.Type))
}

// ReadXPN reads what [XPN.Components] writes.
func ReadXPN(r Repetition) XPN {
	return XPN{Family: r.text(1), Given: r.text(2), Middle: r.text(3), Suffix: r.text(4), Prefix: r.text(5), Type: r.text(7)}
}

// XTN is a telephone number or another address of telecommunication (ch. 2.A, XTN).
type XTN struct {
	Text      string // XTN.1, the whole number as people write it, kept for older receivers
	Equipment string // XTN.3, table 0202: PH telephone, CP cell phone, Internet an e-mail address
	Country   string // XTN.5
	Area      string // XTN.6
	Local     string // XTN.7
	Plain     string // XTN.12, the whole number in any form
}

// Number is the number as it was given, of whichever form; "" where it is an e-mail address or none.
func (x XTN) Number() string {
	switch {
	case x.Equipment == "Internet" || x.Equipment == "X.400":
		return ""
	case x.Local != "":
		return x.Country + x.Area + x.Local
	case x.Plain != "":
		return x.Plain
	}
	return x.Text
}

// Components is the number as a field carries it.
func (x XTN) Components() Repetition {
	return composite(part(x.Text), nil, part(x.Equipment), nil, part(x.Country), part(x.Area), part(x.Local), nil, nil, nil, nil, part(x.Plain))
}

// ReadXTN reads what [XTN.Components] writes.
func ReadXTN(r Repetition) XTN {
	return XTN{Text: r.text(1), Equipment: r.text(3), Country: r.text(5), Area: r.text(6), Local: r.text(7), Plain: r.text(12)}
}

// XCN is a person with an identifier, such as a provider (ch. 2.A, XCN).
type XCN struct {
	ID        string
	Family    string
	Given     string
	Middle    string
	Suffix    string
	Prefix    string
	Degree    string
	Authority HD     // XCN.9
	NameType  string // XCN.10, table 0200: L legal
	Type      string // XCN.13, table 0203: NPI
}

// Components is the person as a field carries them.
func (x XCN) Components() Repetition { return composite(x.parts()...) }

func (x XCN) parts() []Component {
	return []Component{part(x.ID), part(x.Family), part(x.Given), part(x.Middle), part(x.Suffix), part(x.Prefix), part(x.Degree),
		nil, x.Authority.component(), part(x.NameType), nil, nil, part(x.Type)}
}

// ReadXCN reads what [XCN.Components] writes.
func ReadXCN(r Repetition) XCN {
	return XCN{ID: r.text(1), Family: r.text(2), Given: r.text(3), Middle: r.text(4), Suffix: r.text(5), Prefix: r.text(6),
		Degree: r.text(7), Authority: readHD(r.at(9)), NameType: r.text(10), Type: r.text(13)}
}

// PPN is a person and the time at which they did it (ch. 2.A, PPN). The time is component 15.
type PPN struct {
	XCN
	Time TS
}

// Components is the person and time as a field carries them.
func (p PPN) Components() Repetition {
	return composite(append(p.parts(), nil, part(p.Time.String()))...)
}

// ReadPPN reads what [PPN.Components] writes; a time that is none is an [ErrTime].
func ReadPPN(r Repetition) (PPN, error) {
	t, err := ParseTS(r.text(15), nil)
	return PPN{XCN: ReadXCN(r), Time: t}, err
}

// CE is a code with its text and its coding system, and the same in another system (ch. 2.A, CE).
type CE struct {
	Code, Text, System          string
	AltCode, AltText, AltSystem string
}

func (c CE) parts() []Component {
	return []Component{part(c.Code), part(c.Text), part(c.System), part(c.AltCode), part(c.AltText), part(c.AltSystem)}
}

// Components is the code as a field carries it.
func (c CE) Components() Repetition { return composite(c.parts()...) }

// ReadCE reads what [CE.Components] writes.
func ReadCE(r Repetition) CE {
	return CE{Code: r.text(1), Text: r.text(2), System: r.text(3), AltCode: r.text(4), AltText: r.text(5), AltSystem: r.text(6)}
}

// CWE is a code that may be none of its table's, with the words it was made from (ch. 2.A, CWE).
type CWE struct {
	CE
	Original string // CWE.9
}

// Components is the code as a field carries it.
func (c CWE) Components() Repetition {
	return composite(append(c.parts(), nil, nil, part(c.Original))...)
}

// ReadCWE reads what [CWE.Components] writes.
func ReadCWE(r Repetition) CWE { return CWE{CE: ReadCE(r), Original: r.text(9)} }

// PL is where a patient is (ch. 2.A, PL).
type PL struct {
	PointOfCare, Room, Bed string
	Facility               HD // PL.4
}

// Components is the location as a field carries it.
func (p PL) Components() Repetition {
	return composite(part(p.PointOfCare), part(p.Room), part(p.Bed), p.Facility.component())
}

// ReadPL reads what [PL.Components] writes.
func ReadPL(r Repetition) PL {
	return PL{PointOfCare: r.text(1), Room: r.text(2), Bed: r.text(3), Facility: readHD(r.at(4))}
}

// ED is a file within a message (ch. 2.A, ED). Components 2, 4 and 5 are required.
type ED struct {
	Source   HD
	Type     string // table 0191: application; older engines want AP
	Subtype  string // table 0291: pdf; older engines want PDF
	Encoding string // table 0299: A, Hex, Base64
	Data     string // as Encoding says
}

// PDF is a PDF file as ED carries it, in Base64 without line breaks.
func PDF(file []byte) ED {
	return ED{Type: "application", Subtype: "pdf", Encoding: "Base64", Data: base64.StdEncoding.EncodeToString(file)}
}

// Components is the file as a field carries it.
func (e ED) Components() Repetition {
	return composite(e.Source.component(), part(e.Type), part(e.Subtype), part(e.Encoding), part(e.Data))
}

// ReadED reads what [ED.Components] writes.
func ReadED(r Repetition) ED {
	return ED{Source: readHD(r.at(1)), Type: r.text(2), Subtype: r.text(3), Encoding: r.text(4), Data: r.text(5)}
}

// Components is the place as ERR-2 carries it.
func (l ERL) Components() Repetition {
	return composite(part(l.Segment), number(l.Sequence), number(l.Field), number(l.Repetition), number(l.Component), number(l.Subcomponent))
}

// ReadERL reads what [ERL.Components] writes; a part that is no number is 0.
func ReadERL(r Repetition) ERL {
	n := func(i int) int { v, _ := strconv.Atoi(r.text(i)); return max(v, 0) }
	return ERL{Segment: r.text(1), Sequence: n(2), Field: n(3), Repetition: n(4), Component: n(5), Subcomponent: n(6)}
}

func number(n int) Component {
	if n == 0 {
		return nil
	}
	return part(strconv.Itoa(n))
}

// each reads every occurrence of a field.
func each[T any](f Field, read func(Repetition) T) []T {
	var all []T
	for _, r := range f {
		if len(r) > 0 {
			all = append(all, read(r))
		}
	}
	return all
}

// repeated is a field of every value.
func repeated[T interface{ Components() Repetition }](all []T) Field {
	var f Field
	for _, v := range all {
		f = append(f, v.Components())
	}
	return Repeat(f...)
}
