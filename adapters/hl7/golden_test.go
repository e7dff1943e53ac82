package hl7

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	east   = time.FixedZone("", -5*3600)
	hospA  = HD{Namespace: "HOSP_A", Universal: "2.16.840.1.113883.19.5", UniversalType: "ISO"}
	note   = CE{Code: "34748-4", Text: "Telephone encounter Note", System: "LN"}
	rivera = XCN{ID: "1234567893", Family: "Rivera", Given: "Ana", Prefix: "Dr",
		Authority: HD{Namespace: "NPI", Universal: "2.16.840.1.113883.4.6", UniversalType: "ISO"}, NameType: "L", Type: "NPI"}
)

func at(hour, minute, second int) TS {
	return At(time.Date(2026, 11, 22, hour, minute, second, 0, east))
}

func document(version string) EI {
	return EI{ID: "t42-" + version, Authority: HD{Namespace: "MSGCONN", Universal: "1.2.3.4.5", UniversalType: "ISO"}}
}

// mdm is the least document message, of an event and at an hour.
func mdm(event string, at TS, controlID, version string) MDM {
	return MDM{
		Event: event,
		Header: MSH{
			SendingApplication: HD{Namespace: "MSGCONN"}, SendingFacility: HD{Namespace: "CLINIC_A"},
			ReceivingApplication: HD{Namespace: "EHR"}, ReceivingFacility: HD{Namespace: "HOSP_A"},
			Time: at, ControlID: controlID, ProcessingID: "P", Country: "USA", Charset: UTF8,
		},
		Changed: EVN{Recorded: at},
		Patient: PID{Identifiers: []CX{{ID: "MRN123", Authority: hospA, Type: "MR"}},
			Names: []XPN{{Family: "Cho", Given: "Daniel", Middle: "M", Type: "L"}},
			Birth: OnDay(time.Date(2015, 7, 4, 0, 0, 0, 0, time.UTC)), Sex: "M"},
		Visit: PV1{Class: "O", Location: PL{PointOfCare: "CARD", Facility: HD{Namespace: "HOSP_A"}},
			Visit: CX{ID: "V98765", Authority: HD{Namespace: "HOSP_A"}, Type: "VN"}},
		TXA: TXA{Type: "PR", Presentation: PlainText, Document: document(version), Completion: Documented,
			Confidentiality: UsualControl, Availability: Available, Storage: Active},
	}
}

// samples are the document messages of testdata/hl7, as their builder is given them.
func samples() map[string]MDM {
	original := mdm("T02", at(14, 15, 30), "MC20261122141530001", "v1")
	original.Header.Time = TS{Time: time.Date(2026, 11, 22, 14, 15, 30, 120e6, east), Precision: Milli, Offset: true}
	original.Header.Language = CE{Code: "en", Text: "English", System: "ISO639"}
	original.Changed.Occurred = at(14, 10, 0)
	original.TXA.Activity, original.TXA.Originated = at(14, 10, 0), at(13, 3, 11)
	original.TXA.Providers, original.TXA.Originators = []XCN{rivera}, []XCN{rivera}
	line := OBX{Code: note, Status: Final}
	first, second := line, line
	first.Observed, second.Observed = at(13, 3, 11), at(14, 10, 0)
	original.Content = append(original.Content, first.Text("2026-11-22 13:03 -0500 Maria Cho (mother, proxy): BP 98|60 & pulse 88. Photo attached.", BySegment)...)
	original.Content = append(original.Content, second.Text("2026-11-22 14:10 -0500 Dr. Ana Rivera: Thanks, continue current dose.", BySegment)...)
	original.Content = append(original.Content, line.File(PDF([]byte("%PDF-1.7\n%...")))) // the sample's bytes

	addendum := mdm("T06", at(15, 0, 0), "MC20261122150000002", "v2")
	addendum.Header.AcceptAck, addendum.Header.ApplicationAck = Always, Always
	addendum.TXA.Parent = document("v1")
	addendum.Content = line.Text("First line\n\nthird line, after an empty one\n", ByRepetition)

	replacement := mdm("T10", at(16, 0, 0), "MC20261122160000003", "v3")
	replacement.Header.Charset = Latin1
	replacement.TXA.Parent, replacement.TXA.ChangeReason, replacement.TXA.Completion = document("v2"), "Corrected", Authenticated
	replacement.TXA.Authenticators = []PPN{{XCN: rivera, Time: at(15, 59, 0)}}
	line.Status = Corrected
	replacement.Content = line.Text("Retracted: reason", BySegment)

	cancel := mdm("T11", at(17, 0, 0), "MC20261122170000004", "v3")
	cancel.Header.Charset, cancel.Header.Country, cancel.TXA.Availability = ASCII, "", "UN"
	return map[string]MDM{"mdm-t02.hl7": original, "mdm-t06.hl7": addendum, "mdm-t10.hl7": replacement, "mdm-t11.hl7": cancel}
}

// TestSamples: each sample is written byte by byte, and reads as what it was written from.
func TestSamples(t *testing.T) {
	for name, d := range samples() {
		want := golden(t, name)
		m, err := d.Message()
		if diff := cmp.Diff(strings.Split(want, "\r"), strings.Split(encoded(t, m, err), "\r")); diff != "" {
			t.Errorf("%s (-file +written):\n%s", name, diff)
		}
		got, err := ReadMDM(parsed(t, want))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(d.completed(), got, sameTimes); diff != "" {
			t.Errorf("%s (-given +read):\n%s", name, diff)
		}
	}
}

// sameTimes: two offsets of one value are the same offset, whatever their names.
var sameTimes = cmp.Comparer(func(a, b time.Time) bool {
	_, x := a.Zone()
	_, y := b.Zone()
	return a.Equal(b) && x == y
})

// TestPositions holds the samples to field numbers of the standard, counted by hand and not by the code that writes them.
func TestPositions(t *testing.T) {
	raw := golden(t, "mdm-t02.hl7")
	lines := strings.Split(raw, "\r")
	for _, c := range []struct {
		line, piece int // piece: the field's number, one less in MSH, whose first field is the separator itself
		want        string
	}{
		{0, 8, "MDM^T02^MDM_T02"}, {0, 9, "MC20261122141530001"}, {0, 17, "UNICODE UTF-8"}, {1, 6, "20261122141000-0500"},
		{2, 3, "MRN123^^^HOSP_A&2.16.840.1.113883.19.5&ISO^MR"}, {2, 7, "20150704"}, {3, 19, "V98765^^^HOSP_A^VN"},
		{4, 12, "t42-v1^MSGCONN^1.2.3.4.5^ISO"}, {4, 17, "DO"}, {4, 20, "AC"}, {5, 11, "F"}, {5, 14, "20261122130311-0500"},
	} {
		if got := strings.Split(lines[c.line], "|")[c.piece]; got != c.want {
			t.Errorf("segment %d, piece %d: %q, want %q", c.line+1, c.piece, got, c.want)
		}
	}
	signed := strings.Split(strings.Split(golden(t, "mdm-t10.hl7"), "\r")[4], "|")[22]
	if got := strings.Split(signed, "^")[14]; got != "20261122155900-0500" {
		t.Errorf("the time of TXA-22 is not its component 15: %q", got)
	}
	m := parsed(t, raw)
	for path, want := range map[[4]int]string{
		{1, 1, 1, 1}: "|", {2, 1, 1, 1}: `^~\&`, {9, 1, 2, 1}: "T02", {10, 1, 1, 1}: "MC20261122141530001", {12, 1, 1, 1}: "2.5.1", {99, 1, 1, 1}: "",
	} {
		if got := m.First("MSH").Text(path[0], path[1], path[2], path[3]); got != want {
			t.Errorf("MSH-%d.%d: %q, want %q", path[0], path[2], got, want)
		}
	}
}

// TestParseThenEncode: the samples come out as they went in.
func TestParseThenEncode(t *testing.T) {
	files, err := filepath.Glob("../../testdata/hl7/*.hl7")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d samples (%v)", len(files), err)
	}
	for _, file := range files {
		raw := golden(t, filepath.Base(file))
		if got := encoded(t, parsed(t, raw), nil); got != raw {
			t.Errorf("%s: written as %q", file, got)
		}
	}
}

// TestRequiredFields takes each field away that the standard requires; the error names it, and it alone.
func TestRequiredFields(t *testing.T) {
	for want, spoil := range map[string]func(*MDM){
		"MSH-7":                        func(d *MDM) { d.Header.Time = TS{} },
		"MSH-10":                       func(d *MDM) { d.Header.ControlID = "" },
		"MSH-11":                       func(d *MDM) { d.Header.ProcessingID = "" },
		"MSH-15":                       func(d *MDM) { d.Header.AcceptAck = "YES" },
		"EVN-2":                        func(d *MDM) { d.Changed.Recorded = TS{} },
		"PID-3":                        func(d *MDM) { d.Patient.Identifiers = nil },
		"PID-5":                        func(d *MDM) { d.Patient.Names = []XPN{{}} },
		"PV1-2":                        func(d *MDM) { d.Visit.Class = "" },
		"TXA-2":                        func(d *MDM) { d.TXA.Type = "" },
		"TXA-5":                        func(d *MDM) { d.TXA.Activity = at(1, 2, 3) },
		"TXA-12":                       func(d *MDM) { d.TXA.Document = EI{} },
		"TXA-13":                       func(d *MDM) { d.TXA.Parent = EI{} },
		"TXA-17":                       func(d *MDM) { d.TXA.Completion = "" },
		"OBX":                          func(d *MDM) { d.Content = nil },
		"OBX-2":                        func(d *MDM) { d.Content[0].Type = "" },
		"OBX-3":                        func(d *MDM) { d.Content[0].Code = CE{} },
		"OBX-11":                       func(d *MDM) { d.Content[0].Status = "" },
		"MSH-10: the value is over 20": func(d *MDM) { d.Header.ControlID = strings.Repeat("x", 21) },
		"TXA-12: the value is over 30": func(d *MDM) { d.TXA.Document.ID = strings.Repeat("x", 31) },
		"none of T":                    func(d *MDM) { d.Event = "T01"; d.Content = nil },
	} {
		d := samples()["mdm-t06.hl7"]
		spoil(&d)
		m, err := d.Message()
		if err == nil || len(m.Segments) > 0 {
			t.Errorf("%s: taken", want)
			continue
		}
		if !strings.Contains(err.Error(), want) || want != "none of T" && strings.Contains(err.Error(), "\n") {
			t.Errorf("want %s alone, got: %v", want, err)
		}
	}
	cancel := samples()["mdm-t11.hl7"]
	cancel.Content = OBX{Code: note, Status: Final}.Text("x", BySegment)
	if _, err := cancel.Message(); err == nil {
		t.Error("a cancellation with content was taken")
	}
	var d MDM
	if _, err := d.Message(); err == nil || strings.Count(err.Error(), "\n") < 10 {
		t.Errorf("an empty document is not refused for everything at once: %v", err)
	}
}
