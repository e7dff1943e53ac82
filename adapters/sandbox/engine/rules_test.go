package engine_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/sandbox/engine"
)

// TestRules breaks a faultless message in one place each, and looks at the answer and that nothing was kept.
func TestRules(t *testing.T) {
	first := er7(t, mdm("T02", "C1", "D1", "", "one\n\nthree"))
	adds := er7(t, mdm("T06", "C2", "D2", "D1", "and two"))
	file := mdm("T02", "C2", "D2", "", "see the file")
	file.Content = append(file.Content, file.Content[0].File(hl7.PDF([]byte("%PDF-1.7"))))
	withFile := er7(t, file)
	signed := mdm("T02", "C2", "D2", "", "signed")
	signed.TXA.Completion = hl7.Authenticated
	twins := mdm("T10", "C2", "D2", "D1", "not theirs")
	twins.Patient.Identifiers[0].ID, twins.Patient.Birth = "MRN123-N", hl7.TS{}
	for name, c := range map[string]struct {
		raw      []byte
		old, new string
		want     string
	}{
		"nothing wrong":                {adds, "", "", "AA"},
		"a file":                       {withFile, "", "", "AA"},
		"no MSH-7":                     {first, "|20261122120000+0000||MDM", "|||MDM", "AE 101 MSH-7"},
		"MSH-7 is no time":             {first, "|20261122120000+0000||MDM", "|noon||MDM", "AE 102 MSH-7"},
		"no MSH-9":                     {first, "MDM^T02^MDM_T02", "", "AE 101 MSH-9"},
		"another type":                 {first, "MDM^T02^MDM_T02", "ORU^R01^ORU_R01", "AR 200 MSH-9"},
		"another event":                {first, "MDM^T02^MDM_T02", "MDM^T01^MDM_T01", "AR 201 MSH-9"},
		"a cancellation":               {first, "MDM^T02^MDM_T02", "MDM^T11^MDM_T01", "AR 201 MSH-9"},
		"another structure":            {first, "MDM_T02", "MDM_T01", "AE 103 MSH-9"},
		"no MSH-10":                    {first, "|C1|", "||", "hung up"},
		"a long MSH-10":                {first, "|C1|", "|C12345678901234567890|", "AE 104 MSH-10"},
		"no MSH-11":                    {first, "|P|", "||", "AE 101 MSH-11"},
		"training":                     {first, "|P|", "|T|", "AR 202 MSH-11"},
		"no MSH-12":                    {first, "|2.5.1|", "||", "AE 101 MSH-12"},
		"another version":              {first, "|2.5.1|", "|2.3|", "AR 203 MSH-12"},
		"MSH-15 of no table":           {first, "|2.5.1||||||", "|2.5.1|||XX|||", "CE 103 MSH-15"},
		"a character set it lacks":     {first, "UNICODE UTF-8", "8859/1", "AE 103 MSH-18"},
		"a character set nobody has":   {first, "UNICODE UTF-8", "EBCDIC", "AE 103 MSH-18"},
		"bytes of another set":         {first, "one", "\xe9", "AE 102 OBX-5"},
		"a line feed ends a segment":   {first, "\rEVN", "\nEVN", "AE 100"},
		"no EVN":                       {first, "EVN|T02|20261122120000+0000\r", "", "AE 100 EVN"},
		"no PV1":                       {first, "PV1|1|O\r", "", "AE 100 PV1"},
		"PID twice":                    {first, "\rPV1", "\rPID|1||MRN123^^^HOSP_A^MR||Cho^Daniel\rPV1", "AE 100 PID[2]"},
		"PV1 before PID":               {first, "\rPID", "\rPV1|1|O\rPID", "AE 100 PID"},
		"a segment of their own":       {first, "\rTXA", "\rZZZ|1\rTXA", "AE 100 ZZZ"},
		"no content":                   {first, "\rOBX", "\rNTE", "AE 100 NTE"},
		"no EVN-2":                     {first, "EVN|T02|20261122120000+0000", "EVN|T02", "AE 101 EVN-2"},
		"EVN-1 says another event":     {first, "EVN|T02", "EVN|T06", "AE 103 EVN-1"},
		"no PID-3":                     {first, "MRN123^^^HOSP_A^MR", "", "AE 101 PID-3"},
		"no PID-5":                     {first, "Cho^Daniel^^^^^L", "", "AE 101 PID-5"},
		"PID-5 says delete":            {first, "Cho^Daniel^^^^^L", `""`, "AE 101 PID-5"},
		"no PV1-2":                     {first, "PV1|1|O", "PV1|1", "AE 101 PV1-2"},
		"PV1-2 of no table":            {first, "PV1|1|O", "PV1|1|X", "AE 103 PV1-2"},
		"nobody's number":              {first, "MRN123^", "MRN124^", "AE 204 PID-3"},
		"another authority":            {first, "HOSP_A", "HOSP_B", "AE 204 PID-3"},
		"another type of number":       {first, "^MR", "^PI", "AE 204 PID-3"},
		"one number of nobody":         {first, "^MR|", "^MR~NOONE^^^HOSP_A^MR|", "AE 204 PID-3(2)"},
		"two numbers of one patient":   {first, "^MR|", "^MR~X7^^^PLAN|", "AA"},
		"numbers of two patients":      {first, "^MR|", "^MR~MRN123-N^^^HOSP_A^MR|", "AE 204 PID-3(2)"},
		"another family name":          {first, "Cho^", "Chu^", "AE 204 PID-5"},
		"another given name":           {first, "^Daniel", "^Denise", "AE 204 PID-5"},
		"the name in other case":       {first, "Cho^Daniel", "CHO^DANIEL M", "AA"},
		"another birth date":           {first, "|20150704", "|20131005", "AE 204 PID-7"},
		"no birth date":                {first, "|20150704", "", "AA"},
		"no TXA-1":                     {first, "TXA|1", "TXA|", "AE 101 TXA-1"},
		"no TXA-2":                     {first, "|PR|", "||", "AE 101 TXA-2"},
		"a type the site has not":      {first, "|PR|", "|XX|", "AE 103 TXA-2"},
		"TXA-3 of no table":            {first, "|PR|TX|", "|PR|XX|", "AE 103 TXA-3"},
		"TXA-4 and nobody in TXA-5":    {first, "|PR|TX|", "|PR|TX|20261122", "AE 101 TXA-5"},
		"no TXA-12":                    {first, "|D1|", "||", "AE 101 TXA-12"},
		"a long TXA-12":                {first, "|D1|", "|" + strings.Repeat("D", 31) + "|", "AE 104 TXA-12"},
		"no TXA-17":                    {first, "|DO|", "||", "AE 101 TXA-17"},
		"TXA-17 of no table":           {first, "|DO|", "|XX|", "AE 103 TXA-17"},
		"TXA-19 of no table":           {first, "|AV", "|XX", "AE 103 TXA-19"},
		"signed by nobody":             {er7(t, signed), "", "", "AE 101 TXA-22"},
		"no OBX-2":                     {first, "OBX|1|TX", "OBX|1|", "AE 101 OBX-2"},
		"formatted text":               {first, "OBX|3|TX", "OBX|3|FT", "AE 103 OBX[3]-2"},
		"no OBX-3":                     {first, "OBX|2|TX|34748-4^^LN", "OBX|2|TX|", "AE 101 OBX[2]-3"},
		"no OBX-11":                    {first, "three||||||F", "three||||||", "AE 101 OBX[3]-11"},
		"OBX-11 of no table":           {first, "three||||||F", "three||||||Q", "AE 103 OBX[3]-11"},
		"a file of no type":            {withFile, "^application^", "^^", "AE 101 OBX[2]-5.2"},
		"a file without encoding":      {withFile, "^Base64^", "^^", "AE 101 OBX[2]-5.4"},
		"an encoding of no table":      {withFile, "^Base64^", "^base64^", "AE 103 OBX[2]-5.4"},
		"a file without data":          {withFile, "JVBERi0xLjc=", "", "AE 101 OBX[2]-5.5"},
		"data that is not Base64":      {withFile, "JVBERi0xLjc=", "JVBERi0xLjc", "AE 102 OBX[2]-5.5"},
		"broken lines of Base64":       {withFile, "JVBERi0x", `JVBERi0x\X0D\\X0A\`, "AE 102 OBX[2]-5.5"},
		"Base64 with bits too many":    {withFile, "Ljc=", "Ljd=", "AE 102 OBX[2]-5.5"},
		"a number that is taken":       {adds, "|D2|D1|", "|D1|D1|", "AE 205 TXA-12"},
		"an addendum to nothing":       {adds, "|D2|D1|", "|D2||", "AE 101 TXA-13"},
		"an addendum to no document":   {adds, "|D2|D1|", "|D2|D9|", "AE 204 TXA-13"},
		"another authority's document": {adds, "|D2|D1|", "|D2|D1^X|", "AE 204 TXA-13"},
		"another patient's document":   {er7(t, twins), "", "", "AE 204 TXA-13"},
	} {
		t.Run(name, func(t *testing.T) {
			e := open(t, engine.Options{})
			kept := 0
			if !bytes.Equal(c.raw, first) {
				send(t, e, first)
				kept = 1
			}
			if c.old != "" && bytes.Count(c.raw, []byte(c.old)) == 0 {
				t.Fatalf("the message has no %q:\n%q", c.old, c.raw)
			}
			raw := bytes.Replace(c.raw, []byte(c.old), []byte(c.new), 1)
			if got := send(t, e, raw); got != c.want {
				t.Errorf("answered %q, want %q", got, c.want)
			}
			if c.want == "AA" {
				kept++
			}
			if len(e.Ledger()) != kept || len(e.Documents()) != kept {
				t.Errorf("%d in the ledger, want %d", len(e.Ledger()), kept)
			}
			if a := e.Arrivals(); len(a) == 0 || (a[len(a)-1].Code == hl7.AckAA) != (c.want == "AA") {
				t.Errorf("arrivals %+v", a)
			}
		})
	}
}

// TestAcknowledgement: what MSH-15 and MSH-16 ask for is answered, and nothing else.
func TestAcknowledgement(t *testing.T) {
	for asks, want := range map[string][3]string{ // to a good message, to one of another patient, to one of another version
		"|":     {"AA", "AE 204 PID-3", "AR 203 MSH-12"},
		"AL|":   {"CA", "CA", "CR 203 MSH-12"},
		"AL|AL": {"CA, AA", "CA, AE 204 PID-3", "CR 203 MSH-12"},
		"NE|AL": {"AA", "AE 204 PID-3", ""},
		"|AL":   {"AA", "AE 204 PID-3", ""},
		"AL|NE": {"CA", "CA", "CR 203 MSH-12"},
		"ER|ER": {"", "AE 204 PID-3", "CR 203 MSH-12"},
		"SU|SU": {"CA, AA", "CA", ""},
	} {
		raw := bytes.Replace(er7(t, mdm("T02", "C1", "D1", "", "one")), []byte("|2.5.1|||||"), []byte("|2.5.1|||"+asks+"|"), 1)
		nobody := bytes.Replace(raw, []byte("MRN123^"), []byte("MRN124^"), 1)
		version := bytes.Replace(raw, []byte("|2.5.1|"), []byte("|2.4|"), 1)
		got := [3]string{send(t, open(t, engine.Options{}), raw), send(t, open(t, engine.Options{}), nobody), send(t, open(t, engine.Options{}), version)}
		if got != want {
			t.Errorf("MSH-15|16 %s: answered %q, want %q", asks, got, want)
		}
	}
}

// TestAckNamesItsMessage: an answer goes back where the message came from, says what it answers and why, and has an id of its own.
func TestAckNamesItsMessage(t *testing.T) {
	e := open(t, engine.Options{})
	raw := bytes.Replace(er7(t, mdm("T02", "C1", "D1", "", "one")), []byte("MRN123^"), []byte("MRN124^"), 1)
	answers, err := e.Handle(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	a := acks(t, answers)[0]
	if a.ControlID != "C1" || a.Header.ReceivingApplication.Namespace != "CW" || a.Header.Event != "T02" || a.Text == "" || strings.Contains(a.Text, "MRN124") {
		t.Errorf("%+v", a)
	}
	again, err := e.Handle(t.Context(), raw)
	if err != nil || acks(t, again)[0].Header.ControlID == a.Header.ControlID {
		t.Errorf("two answers have one id: %v", err)
	}
}

func TestIndexIsChecked(t *testing.T) {
	id := hl7.CX{ID: "1", Authority: mrn}
	for name, p := range map[string][]engine.Patient{
		"nobody":         {{}},
		"no identifier":  {{Ref: "Patient/a"}},
		"no authority":   {{Ref: "Patient/a", Identifiers: []hl7.CX{{ID: "1"}}}},
		"one id for two": {{Ref: "Patient/a", Identifiers: []hl7.CX{id}}, {Ref: "Patient/b", Identifiers: []hl7.CX{id}}},
	} {
		o := engine.Options{Now: noon.UTC().UTC, Patients: p}
		if _, err := engine.New(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := engine.New(engine.Options{}); err == nil {
		t.Error("an engine without a clock")
	}
}

// TestChart: text keeps its bytes, and originals, addenda and replacements know each other.
func TestChart(t *testing.T) {
	e := open(t, engine.Options{})
	text := "a|b^c~d\\e&f\n\n  \u00e9\u2014\U0001f642\r\n.br\n"
	withFile := mdm("T02", "C1", "D1", "", text)
	withFile.Content = append(withFile.Content, withFile.Content[0].File(hl7.PDF([]byte{0, 1, 0x1c, 0x0b})))
	for _, d := range []hl7.MDM{
		withFile, mdm("T06", "C2", "D2", "D1", "an addendum"), mdm("T10", "C3", "D3", "D1", "corrected"), mdm("T10", "C4", "D4", "D3", "Retracted: reason"),
	} {
		if got := send(t, e, er7(t, d)); got != "AA" {
			t.Fatalf("%s: %s", d.TXA.Document.ID, got)
		}
	}
	if got := send(t, e, er7(t, mdm("T10", "C5", "D5", "D1", "over the first again"))); got != "AE 204 TXA-13" {
		t.Errorf("a replaced document was replaced again: %s", got)
	}
	d := e.Documents()
	if len(d) != 4 || d[0].Text != text || len(d[0].Files) != 1 || !bytes.Equal(d[0].Files[0].Data, []byte{0, 1, 0x1c, 0x0b}) || d[0].Files[0].Subtype != "pdf" {
		t.Fatalf("%+v", d)
	}
	if !cmp.Equal(d[0].Addenda, []string{"D2"}) || d[0].ReplacedBy != "D3" || d[2].ReplacedBy != "D4" || d[3].ReplacedBy != "" || d[3].Parent != "D3" {
		t.Errorf("%+v", d)
	}
}

// TestCancels: an engine that takes T11 hides the document it names, of that patient, and no other.
func TestCancels(t *testing.T) {
	e := open(t, engine.Options{Cancels: true})
	cancel := func(control, number string) hl7.MDM {
		m := mdm("T11", control, number, "", "")
		m.Content, m.TXA.Availability = nil, "CA"
		return m
	}
	other := cancel("C4", "D1")
	other.Patient.Identifiers[0].ID, other.Patient.Birth = "MRN123-N", hl7.TS{}
	for _, c := range []struct {
		m    hl7.MDM
		want string
	}{
		{mdm("T02", "C1", "D1", "", "one"), "AA"}, {mdm("T02", "C2", "D2", "", "two"), "AA"},
		{cancel("C3", "D9"), "AE 204 TXA-12"}, {other, "AE 204 TXA-12"}, {cancel("C5", "D1"), "AA"},
	} {
		if got := send(t, e, er7(t, c.m)); got != c.want {
			t.Errorf("%s %s is answered %q, want %q", c.m.Event, c.m.TXA.Document.ID, got, c.want)
		}
	}
	if all := e.Documents(); len(all) != 2 || !all[0].Cancelled || all[1].Cancelled {
		t.Errorf("%+v", all)
	}
}
