package hl7

// Ack is an answer to a message (ch. 2, ACK: MSH MSA {ERR}), whether of the commit or of the application.
type Ack struct {
	Header    MSH
	Code      AckCode // MSA-1
	ControlID string  // MSA-2: MSH-10 of the message that is answered
	// Text is MSA-3, the receiver's own words. They may repeat what the message said: PHI, never to be logged.
	Text   string
	Errors []ERR
}

// ERR is one error of an [Ack] (ch. 2.15.5).
type ERR struct {
	Locations []ERL    // ERR-2
	Code      CWE      // ERR-3, table 0357
	Severity  Severity // ERR-4
	App       CWE      // ERR-5, the application's own code
	// Diagnostic and User are ERR-7 and ERR-8, the receiver's own words: PHI, never to be logged.
	Diagnostic string
	User       string
}

// Condition is the error's code of table 0357.
func (e ERR) Condition() Condition { return Condition(e.Code.Code) }

// AckTo is the answer to a message with this header, with a code and a control id of its own; at is when it is given. It
// goes back where the message came from, in its version and character set, and asks for no answer itself.
func AckTo(in MSH, code AckCode, controlID string, at TS, errs ...ERR) Ack {
	version := in.Version
	if version == "" {
		version = Version251
	}
	return Ack{
		Header: MSH{
			SendingApplication: in.ReceivingApplication, SendingFacility: in.ReceivingFacility,
			ReceivingApplication: in.SendingApplication, ReceivingFacility: in.SendingFacility,
			Time: at, Type: "ACK", Event: in.Event, Structure: "ACK", ControlID: controlID, ProcessingID: in.ProcessingID,
			Version: version, Charset: in.Charset,
		},
		Code: code, ControlID: in.ControlID, Errors: errs,
	}
}

// ERR is the error of an answer that says what is wrong with the message it answers.
func (p *Problem) ERR() ERR {
	e := ERR{Severity: SevError, Code: CWE{CE: CE{Code: string(p.Code), System: "HL70357"}}, Diagnostic: p.Text}
	if f, ok := p.Code.Fact(); ok {
		e.Code.Text = f.Name
	}
	if p.At.Segment != "" {
		e.Locations = []ERL{p.At}
	}
	return e
}

// Message is the ACK message. A code that is none of table 0008 or a missing MSA-2 is a *[Problem], as is a header that
// lacks what the standard requires.
func (a Ack) Message() (Message, error) {
	p := a.Header.check()
	if _, ok := a.Code.Fact(); !ok {
		p.add("MSA", 1, TableValue, "the value is none of table 0008 (AA AE AR CA CE CR)")
	}
	p.need("MSA", 2, a.ControlID != "")
	if err := p.err(); err != nil {
		return Message{}, err
	}
	msa := Segment{Name: "MSA"}
	msa.Set(1, ST(string(a.Code)))
	msa.Set(2, ST(a.ControlID))
	msa.Set(3, ST(a.Text))
	m := Message{Segments: []Segment{a.Header.segment(), msa}}
	for _, e := range a.Errors {
		m.Segments = append(m.Segments, e.segment())
	}
	return m, nil
}

func (e ERR) segment() Segment {
	s := Segment{Name: "ERR"}
	s.Set(2, repeated(e.Locations))
	s.Set(3, Repeat(e.Code.Components()))
	s.Set(4, ST(string(e.Severity)))
	s.Set(5, Repeat(e.App.Components()))
	s.Set(7, ST(e.Diagnostic))
	s.Set(8, ST(e.User))
	return s
}

// ReadAck reads an answer. It needs MSA-1 of table 0008 and MSA-2, which say what is answered and how; without them the
// error is a *[Problem] and the answer answers nothing. Errors in the older places, ERR-1 and MSA-6, are read too.
func ReadAck(m Message) (Ack, error) {
	s := m.First("MSA")
	if s == nil {
		return Ack{}, malformed("MSA", 1, "the message is no answer")
	}
	a := Ack{Code: AckCode(s.Text(1)), ControlID: s.Text(2), Text: s.Text(3)}
	if _, ok := a.Code.Fact(); !ok {
		return Ack{}, &Problem{At: ERL{Segment: "MSA", Sequence: 1, Field: 1}, Code: TableValue, Text: "the value is none of table 0008 (AA AE AR CA CE CR)"}
	}
	if a.ControlID == "" {
		return Ack{}, &Problem{At: ERL{Segment: "MSA", Sequence: 1, Field: 2}, Code: RequiredField, Text: "the answer does not say what it answers"}
	}
	// What the header says is not needed to know what is answered, and a receiver with a clock gone wrong is believed.
	a.Header, _ = ReadMSH(m)
	for _, e := range m.All("ERR") {
		a.Errors = append(a.Errors, readERR(&e)...)
	}
	if code := ReadCWE(s.Field(6).at(1)); len(a.Errors) == 0 && code.Code != "" {
		a.Errors = []ERR{{Code: code, Severity: SevError}}
	}
	return a, nil
}

func readERR(s *Segment) []ERR {
	e := ERR{
		Locations: each(s.Field(2), ReadERL), Code: ReadCWE(s.Field(3).at(1)), Severity: Severity(s.Text(4)), App: ReadCWE(s.Field(5).at(1)),
		Diagnostic: s.Text(7), User: s.Text(8),
	}
	if s.Field(3).Valued() || !s.Field(1).Valued() {
		return []ERR{e}
	}
	// Before v2.5: place and code together in ERR-1, the code's parts as subcomponents (ch. 2.A, ELD).
	return each(s.Field(1), func(r Repetition) ERR {
		at := ReadERL(r[:min(3, len(r))])
		code := r.at(4)
		return ERR{Locations: []ERL{at}, Severity: SevError,
			Code: CWE{CE: CE{Code: code.at(1).Text(), Text: code.at(2).Text(), System: code.at(3).Text()}}}
	})
}
