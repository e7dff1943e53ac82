package engine

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/chartwire/chartwire/adapters/hl7"
)

func wrong(segment string, field int, code hl7.Condition, text string) *hl7.Problem {
	return &hl7.Problem{At: hl7.ERL{Segment: segment, Sequence: 1, Field: field}, Code: code, Text: text}
}

// rescued reads the header of a message that cannot be read, as far as that can be had: its character set is left out, which
// is what makes a header unreadable that is whole.
func rescued(raw []byte) hl7.MSH {
	line, _, _ := bytes.Cut(raw, []byte{'\r'})
	if len(line) < 8 {
		return hl7.MSH{}
	}
	fields := bytes.Split(line, line[3:4])
	if len(fields) > 17 {
		fields[17] = nil
	}
	h, err := hl7.ParseHeader(bytes.Join(fields, line[3:4]), hl7.Options{Unlabelled: hl7.Latin1})
	if err != nil && h.ControlID == "" {
		return hl7.MSH{}
	}
	return h
}

// checkHeader looks at MSH alone.
func (e *Engine) checkHeader(s *hl7.Segment, h hl7.MSH) *hl7.Problem {
	for _, field := range []int{7, 9, 10, 11, 12} {
		if !s.Field(field).Valued() {
			return wrong("MSH", field, hl7.RequiredField, "the field is required")
		}
	}
	acks := []hl7.When{"", hl7.Always, hl7.Never, hl7.OnError, hl7.OnSuccess}
	if utf8.RuneCountInString(h.ControlID) > 20 {
		return wrong("MSH", 10, hl7.TooLong, "the value is over 20 characters")
	}
	if p := e.checkKind(h); p != nil {
		return p
	}
	switch {
	case h.Version != hl7.Version251:
		return wrong("MSH", 12, hl7.UnsupportedVer, "this receiver takes 2.5.1")
	case h.ProcessingID != e.o.ProcessingID:
		return wrong("MSH", 11, hl7.UnsupportedID, "this receiver has another processing id")
	case !slices.Contains(acks, h.AcceptAck):
		return wrong("MSH", 15, hl7.TableValue, "the value is none of table 0155")
	case !slices.Contains(acks, h.ApplicationAck):
		return wrong("MSH", 16, hl7.TableValue, "the value is none of table 0155")
	case !slices.Contains(e.o.Charsets, h.Charset):
		return wrong("MSH", 18, hl7.TableValue, "this receiver has no such character set")
	}
	return nil
}

// checkKind looks at MSH-9.
func (e *Engine) checkKind(h hl7.MSH) *hl7.Problem {
	structures := map[string]string{"T02": "MDM_T02", "T06": "MDM_T02", "T10": "MDM_T02"}
	if e.o.Cancels {
		structures["T11"] = "MDM_T01"
	}
	switch h.Type {
	case "MDM":
	case hl7.ManageQuery:
		structures = map[string]string{hl7.ManageEvent: hl7.ManageQueryStructure}
	default:
		return wrong("MSH", 9, hl7.UnsupportedType, "this receiver takes MDM, and NMQ that asks for its link")
	}
	switch structure, taken := structures[h.Event]; {
	case !taken:
		return wrong("MSH", 9, hl7.UnsupportedEvent, "this receiver takes T02, T06, T10 of MDM and N01 of NMQ")
	case h.Structure != structure:
		return wrong("MSH", 9, hl7.TableValue, "the structure of this event is "+structure)
	}
	return nil
}

// checkQuery looks at an application management query (ch. 14.3.1: MSH [{SFT}] [QRD [QRF]] {[NCK] [NST] [NSC]}). What would have
// the engine set its clock (NCK), start or stop (NSC) is not done, and refused so that nobody thinks it was.
func checkQuery(m hl7.Message) *hl7.Problem {
	asked := 0
	for n, s := range m.Segments[1:] {
		switch {
		case s.Name == "SFT" && m.Segments[n].Name != "MSH" && m.Segments[n].Name != "SFT", s.Name == "NST" && asked > 0:
			return wrong(s.Name, 0, hl7.SegmentSequence, "the segment has no place here")
		case s.Name == "SFT":
		case s.Name != "NST":
			return wrong(s.Name, 0, hl7.SegmentSequence, "this receiver answers NST alone")
		case s.Text(1) == "":
			return wrong("NST", 1, hl7.RequiredField, "the field is required")
		case s.Text(1) != "N" && s.Text(1) != "Y":
			return wrong("NST", 1, hl7.TableValue, "the value is none of table 0136")
		default:
			asked++
		}
	}
	if asked == 0 {
		return wrong("NST", 0, hl7.SegmentSequence, "the segment is required")
	}
	return nil
}

// ranks are the segments of MDM_T02 in their order; those of one rank may repeat.
var ranks = map[string]int{"MSH": 0, "SFT": 1, "EVN": 2, "PID": 3, "PV1": 4, "ORC": 5, "TQ1": 5, "TQ2": 5, "OBR": 5, "TXA": 6, "OBX": 7}

func checkOrder(m hl7.Message) *hl7.Problem {
	needs := []string{"EVN", "PID", "PV1", "TXA", "OBX"}
	if m.First("MSH").Text(9, 1, 2) == "T11" {
		needs = needs[:4]
	}
	seen := map[string]int{}
	before := -1
	for _, s := range m.Segments {
		seen[s.Name]++
		rank, known := ranks[s.Name]
		if s.Name == "NTE" {
			rank, known = before, before == 5 || before == 7
		}
		single := rank == 2 || rank == 3 || rank == 4 || rank == 6
		if !known || rank < before || single && rank == before {
			return &hl7.Problem{At: hl7.ERL{Segment: s.Name, Sequence: seen[s.Name]}, Code: hl7.SegmentSequence, Text: "the segment has no place here"}
		}
		before = rank
	}
	for _, name := range needs {
		if seen[name] == 0 {
			return &hl7.Problem{At: hl7.ERL{Segment: name, Sequence: 1}, Code: hl7.SegmentSequence, Text: "the segment is required"}
		}
	}
	return nil
}

// required are the fields that have to be given, MSH apart.
var required = map[string][]int{"EVN": {2}, "PID": {3, 5}, "PV1": {2}, "TXA": {1, 2, 12, 17}, "OBX": {3, 11}}

// lengths are how many characters the first component of a field may have.
var lengths = map[string]map[int]int{"TXA": {12: 30, 13: 30}}

// tables are what fields may hold where they are given.
var tables = map[string]map[int][]string{
	"PV1": {2: {"B", "C", "E", "I", "N", "O", "P", "R", "U"}},
	"TXA": {
		3:  {"AP", "AU", "FT", "IM", "multipart", "NS", "SD", "SI", "TEXT", "TX"},
		17: {"AU", "DI", "DO", "IN", "IP", "LA", "PA"}, 18: {"R", "U", "V"}, 19: {"AV", "CA", "OB", "UN"}, 20: {"AA", "AC", "AR", "PU"},
	},
	// OBX-2: this store keeps text and files.
	"OBX": {2: {hl7.PlainText, hl7.Encapsulated}, 11: {"C", "D", "F", "P", "R", "S", "W"}},
}

// checkFields looks at every field by itself.
func (e *Engine) checkFields(m hl7.Message) *hl7.Problem {
	seen := map[string]int{}
	for _, s := range m.Segments {
		seen[s.Name]++
		problem := func(field int, code hl7.Condition, text string) *hl7.Problem {
			return &hl7.Problem{At: hl7.ERL{Segment: s.Name, Sequence: seen[s.Name], Field: field}, Code: code, Text: text}
		}
		for _, field := range required[s.Name] {
			if s.Text(field) == "" && !s.Field(field).Valued() || s.Deleted(field) {
				return problem(field, hl7.RequiredField, "the field is required")
			}
		}
		for field, most := range lengths[s.Name] {
			if utf8.RuneCountInString(s.Text(field)) > most {
				return problem(field, hl7.TooLong, "the value is too long")
			}
		}
		for field, values := range tables[s.Name] {
			if v := s.Text(field); v != "" && !slices.Contains(values, v) {
				return problem(field, hl7.TableValue, "the value is not in this receiver's table")
			}
		}
	}
	return nil
}

// checkDocument looks at what the fields of a document say together.
func (e *Engine) checkDocument(d hl7.MDM) *hl7.Problem {
	signed := slices.Contains([]string{"AU", "LA"}, d.TXA.Completion)
	switch {
	case d.Changed.Event != "" && d.Changed.Event != d.Event:
		return wrong("EVN", 1, hl7.TableValue, "the event is another than MSH-9 says")
	case !slices.Contains(e.o.Types, d.TXA.Type):
		return wrong("TXA", 2, hl7.TableValue, "this site has no such document type")
	case d.TXA.Document.ID == "":
		return wrong("TXA", 12, hl7.RequiredField, "the document number is required")
	case !d.TXA.Activity.IsZero() && len(d.TXA.Providers) == 0:
		return wrong("TXA", 5, hl7.RequiredField, "the provider is required where TXA-4 is given")
	case d.Event != "T02" && d.Event != "T11" && d.TXA.Parent.ID == "":
		return wrong("TXA", 13, hl7.RequiredField, "an addendum or replacement names its document")
	case signed && !slices.ContainsFunc(d.TXA.Authenticators, func(p hl7.PPN) bool { return p.ID != "" && !p.Time.IsZero() }):
		return wrong("TXA", 22, hl7.RequiredField, "an authenticated document says by whom and when")
	}
	return nil
}
