package hl7

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestReadADT: what each event of the sample says.
func TestReadADT(t *testing.T) {
	daniel := PID{
		SetID:       1,
		Identifiers: []CX{{ID: "MRN123", Authority: hospA, Type: "MR"}, {ID: "P-77", Authority: HD{Namespace: "STATE"}, Type: "SS"}},
		Names:       []XPN{{Family: "Cho", Given: "Daniel", Middle: "M", Type: "L"}, {Family: "Cho", Given: "Danny", Type: "N"}},
		Birth:       OnDay(time.Date(2015, 7, 4, 0, 0, 0, 0, time.UTC)), Sex: "M",
	}
	changed := daniel
	changed.Birth, changed.Sex, changed.Deleted = TS{}, "F", []int{7}
	hosp := HD{Namespace: "HOSP_A"}
	ward := PV1{SetID: 1, Class: "I", Location: PL{PointOfCare: "CARD", Room: "12", Bed: "A", Facility: hosp},
		Visit: CX{ID: "V98765", Authority: hosp, Type: "VN"}, Admitted: at(7, 55, 0)}
	clinic := PV1{SetID: 1, Class: "O", Location: PL{PointOfCare: "CARD", Facility: hosp}, Visit: CX{ID: "V98766", Authority: hosp, Type: "VN"},
		Admitted: TS{Time: at(7, 55, 0).Time, Precision: Minute, Offset: true}}
	for event, want := range map[string][]ADTPatient{
		"A01": {{Patient: daniel, Visit: &ward}},
		"A04": {{Patient: daniel, Visit: &clinic}},
		"A08": {{Patient: changed, Visit: &ward}},
		"A31": {{Patient: daniel, Visit: &PV1{SetID: 1, Class: "N"}}},
		"A40": {
			{Patient: daniel, Prior: []CX{{ID: "MRN999", Authority: hospA, Type: "MR"}}},
			{Patient: PID{SetID: 2, Identifiers: []CX{{ID: "MRN555", Authority: hosp, Type: "MR"}}, Names: []XPN{{Family: "Roe", Given: "Ann"}}},
				Prior: []CX{{ID: "MRN556", Authority: hosp, Type: "MR"}, {ID: "MRN557", Authority: hosp, Type: "MR"}}},
		},
	} {
		raw := golden(t, "adt-"+strings.ToLower(event)+".hl7")
		a, err := ReadADT(parsed(t, raw))
		if err != nil {
			t.Fatalf("%s: %v", event, err)
		}
		if a.Header.Event != event || a.Event.Event != event || a.Event.Recorded.String() != "20261122080000-0500" {
			t.Errorf("%s: %+v, %+v", event, a.Header, a.Event)
		}
		if diff := cmp.Diff(want, a.Patients, sameTimes); diff != "" {
			t.Errorf("%s (-want +read):\n%s", event, diff)
		}
		if got := encoded(t, a.Message(), nil); got != raw {
			t.Errorf("%s is written %q", event, got)
		}
	}
	if len(ADTEvents()) != 6 {
		t.Errorf("events: %v", ADTEvents())
	}
}

// TestReadADTRefuses: each with the code and the place that an answer tells the sender.
func TestReadADTRefuses(t *testing.T) {
	msh := func(kind string) string { return "MSH|^~\\&|||||20261122||" + kind + "|1|P|2.5.1\r" }
	const pid, evn = "PID|1||secret^^^A\r", "EVN|A01|20261122\r"
	for name, c := range map[string]struct {
		raw  string
		code Condition
		at   string
	}{
		"another type":         {msh("ORU^R01") + pid, UnsupportedType, "MSH-9"},
		"another event":        {msh("ADT^A05") + pid, UnsupportedEvent, "MSH-9.2"},
		"no event":             {msh("ADT") + pid, UnsupportedEvent, "MSH-9.2"},
		"no patient":           {msh("ADT^A01") + evn, SegmentSequence, "PID"},
		"two patients":         {msh("ADT^A08") + evn + pid + pid, SegmentSequence, "PID[2]"},
		"no identifier":        {msh("ADT^A01") + evn + "PID|1||^^^A\r", RequiredField, "PID-3"},
		"identifier deleted":   {msh("ADT^A01") + evn + "PID|1||\"\"\r", RequiredField, "PID-3"},
		"no birth date":        {msh("ADT^A01") + evn + "PID|1||x||||secret\r", DataType, "PID-7"},
		"no time of admission": {msh("ADT^A01") + evn + pid + "PV1|" + strings.Repeat("|", 43) + "secret\r", DataType, "PV1-44"},
		"no time of event":     {msh("ADT^A01") + "EVN|A01|secret\r" + pid, DataType, "EVN-2"},
		"no time of sending":   {"MSH|^~\\&|||||secret||ADT^A01|1|P|2.5.1\r" + pid, DataType, "MSH-7"},
		"visit first":          {msh("ADT^A01") + "PV1|1|I\r" + pid, SegmentSequence, "PV1"},
		"merge of nothing":     {msh("ADT^A40") + pid, RequiredField, "MRG-1"},
		"second merge of none": {msh("ADT^A40") + pid + "MRG|a\r" + "PID|1||b||||nil\r", DataType, "PID[2]-7"},
	} {
		_, err := ReadADT(parsed(t, c.raw))
		var p *Problem
		if !errors.As(err, &p) || p.Code != c.code || p.At.String() != c.at || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want code %s at %s", name, err, c.code, c.at)
			continue
		}
		e := p.ERR()
		if e.Condition() != c.code || e.Code.Text == "" || e.Severity != SevError || len(e.Locations) != 1 || e.Locations[0] != p.At {
			t.Errorf("%s: told as %+v", name, e)
		}
	}
	// An identifier to be merged in another event than A40 is nobody's prior one.
	a, err := ReadADT(parsed(t, msh("ADT^A08")+evn+pid+"MRG|x\r"))
	if err != nil || a.Patients[0].Prior != nil {
		t.Errorf("a merge in an A08: %+v (%v)", a, err)
	}
	// A name that is deleted is no empty name, and one that is not there is not deleted.
	a, err = ReadADT(parsed(t, msh("ADT^A08")+evn+"PID|1||x||\"\"\r"))
	if err != nil || a.Patients[0].Patient.Names != nil || !slices.Equal(a.Patients[0].Patient.Deleted, []int{5}) {
		t.Errorf("a name deleted: %+v (%v)", a, err)
	}
	if _, err := ReadADT(Message{}); err == nil {
		t.Error("nothing was read as ADT")
	}
}

// TestReadMDMRefuses what is no document message, or lacks a segment.
func TestReadMDMRefuses(t *testing.T) {
	raw := golden(t, "mdm-t02.hl7")
	for name, spoiled := range map[string]string{
		"another type":    strings.Replace(raw, "MDM^T02^MDM_T02", "ADT^A01^ADT_A01", 1),
		"another event":   strings.Replace(raw, "MDM^T02^MDM_T02", "MDM^T01^MDM_T01", 1),
		"no patient":      strings.Replace(raw, "\rPID", "\rZID", 1),
		"no document":     strings.Replace(raw, "\rTXA", "\rZXA", 1),
		"no activity":     strings.Replace(raw, "|TX|20261122141000", "|TX|x20261122141000", 1),
		"no observed":     strings.Replace(raw, "F|||20261122141000-0500", "F|||2", 1),
		"a wrong signing": strings.Replace(raw, "U|AV|AC", "U|AV|AC||^^^^^^^^^^^^^^x", 1),
	} {
		if spoiled == raw {
			t.Fatalf("%s: the sample has changed", name)
		}
		_, err := ReadMDM(parsed(t, spoiled))
		var p *Problem
		if !errors.As(err, &p) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
