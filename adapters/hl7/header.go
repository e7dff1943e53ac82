package hl7

// MSH is the header of a message (ch. 2.15.9). MSH-1 and MSH-2 are not in it: they are what they are.
type MSH struct {
	SendingApplication   HD     // MSH-3
	SendingFacility      HD     // MSH-4
	ReceivingApplication HD     // MSH-5
	ReceivingFacility    HD     // MSH-6
	Time                 TS     // MSH-7
	Type                 string // MSH-9.1: MDM, ADT, ACK
	Event                string // MSH-9.2: T02
	Structure            string // MSH-9.3: MDM_T02
	ControlID            string // MSH-10, at most 20 characters; the same again when a message is sent again
	ProcessingID         string // MSH-11: P, T or D
	Version              string // MSH-12
	AcceptAck            When   // MSH-15
	ApplicationAck       When   // MSH-16
	Country              string // MSH-17, ISO 3166 in three letters
	Charset              Charset
	Language             CE   // MSH-19, ISO 639
	Profiles             []EI // MSH-21
}

// Version251 is MSH-12 of every message that begins here.
const Version251 = "2.5.1"

// Enhanced says whether the sender asked for the enhanced mode of acknowledgement (ch. 2.9.3): MSH-15 or MSH-16 is valued.
func (h MSH) Enhanced() bool { return h.AcceptAck != "" || h.ApplicationAck != "" }

func (h MSH) segment() Segment {
	s := Segment{Name: "MSH", Fields: []Field{{{{Value(fieldSep)}}}, {{{encodingChars}}}}}
	s.Set(3, h.SendingApplication.field())
	s.Set(4, h.SendingFacility.field())
	s.Set(5, h.ReceivingApplication.field())
	s.Set(6, h.ReceivingFacility.field())
	s.Set(7, h.Time.field())
	s.Set(9, Repeat(composite(part(h.Type), part(h.Event), part(h.Structure))))
	s.Set(10, ST(h.ControlID))
	s.Set(11, ST(h.ProcessingID))
	s.Set(12, ST(h.Version))
	s.Set(15, ST(string(h.AcceptAck)))
	s.Set(16, ST(string(h.ApplicationAck)))
	s.Set(17, ST(h.Country))
	s.Set(18, ST(string(h.Charset)))
	s.Set(19, Repeat(h.Language.Components()))
	s.Set(21, repeated(h.Profiles))
	return s
}

// ReadMSH reads the header of a message. The error is a *[Problem]; where only MSH-7 is wrong the rest is there, and the sender
// can be told.
func ReadMSH(m Message) (MSH, error) {
	s := m.First("MSH")
	if s == nil {
		return MSH{}, malformed("MSH", 1, "the message has no header")
	}
	h := MSH{
		SendingApplication: readHDField(s.Field(3)), SendingFacility: readHDField(s.Field(4)),
		ReceivingApplication: readHDField(s.Field(5)), ReceivingFacility: readHDField(s.Field(6)),
		Type: s.Text(9), Event: s.Text(9, 1, 2), Structure: s.Text(9, 1, 3), ControlID: s.Text(10), ProcessingID: s.Text(11),
		Version: s.Text(12), AcceptAck: When(s.Text(15)), ApplicationAck: When(s.Text(16)), Country: s.Text(17),
		Charset: Charset(s.Text(18)), Language: ReadCE(s.Field(19).at(1)), Profiles: each(s.Field(21), ReadEI),
	}
	err := readTime(&h.Time, s, "MSH", 7)
	return h, err
}

// readTime reads a time into to. The error is a *[Problem].
func readTime(to *TS, s *Segment, name string, field int) error {
	t, err := ParseTS(s.Text(field), nil)
	if err != nil {
		return &Problem{At: ERL{Segment: name, Sequence: 1, Field: field}, Code: DataType, Text: "the value is no time stamp"}
	}
	*to = t
	return nil
}

// maxControlID is the length of MSH-10.
const maxControlID = 20

// check lists what a header lacks.
func (h MSH) check() problems {
	var p problems
	p.need("MSH", 7, !h.Time.IsZero())
	p.need("MSH", 9, h.Type != "")
	p.need("MSH", 10, h.ControlID != "")
	p.short("MSH", 10, h.ControlID, maxControlID)
	p.need("MSH", 11, h.ProcessingID != "")
	p.need("MSH", 12, h.Version != "")
	for field, when := range map[int]When{15: h.AcceptAck, 16: h.ApplicationAck} {
		switch when {
		case "", Always, Never, OnError, OnSuccess:
		default:
			p.add("MSH", field, TableValue, "the value is none of table 0155 (AL NE ER SU)")
		}
	}
	return p
}
