package hl7

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAckSample: the sample is written byte by byte, as an answer to the sample of a document, and reads as it was given.
func TestAckSample(t *testing.T) {
	in, err := ReadMSH(parsed(t, golden(t, "mdm-t02.hl7")))
	if err != nil {
		t.Fatal(err)
	}
	in.Charset = ASCII // the sample answers in ASCII
	unknown := &Problem{At: ERL{Segment: "PID", Sequence: 1, Field: 3}, Code: UnknownKey, Text: "MRN123 unknown in HOSP_A"}
	a := AckTo(in, AckAE, "EHR000917", at(14, 15, 31), unknown.ERR())
	a.Text = "Patient not found"
	m, err := a.Message()
	if got, want := encoded(t, m, err), golden(t, "ack-ae.hl7"); got != want {
		t.Errorf("written %q\nwant    %q", got, want)
	}
	got, err := ReadAck(parsed(t, golden(t, "ack-ae.hl7")))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, got, sameTimes); diff != "" {
		t.Errorf("(-given +read):\n%s", diff)
	}
}

// TestAckModes: an answer of each code keeps the sender's character set and version, and comes back as it was given.
func TestAckModes(t *testing.T) {
	in := samples()["mdm-t10.hl7"].completed().Header
	in.Version = "2.3.1"
	for _, f := range ackFacts {
		a := AckTo(in, f.Code, "1", at(1, 2, 3))
		m, err := a.Message()
		got, err := ReadAck(parsed(t, encoded(t, m, err)))
		if err != nil || got.Code != f.Code || got.ControlID != in.ControlID || got.Header.Charset != Latin1 || got.Header.Version != "2.3.1" ||
			got.Header.ReceivingApplication != in.SendingApplication || got.Header.SendingFacility != in.ReceivingFacility || got.Header.Enhanced() {
			t.Errorf("%s: %+v (%v)", f.Code, got, err)
		}
	}
	if !samples()["mdm-t06.hl7"].Header.Enhanced() || in.Enhanced() {
		t.Error("the enhanced mode is not told from the original one")
	}
	if a := AckTo(MSH{ControlID: "x"}, AckAA, "1", at(1, 2, 3)); a.Header.Version != Version251 {
		t.Errorf("version %q", a.Header.Version)
	}
	for name, a := range map[string]Ack{
		"no code":        AckTo(in, "", "1", at(1, 2, 3)),
		"a strange code": AckTo(in, "OK", "1", at(1, 2, 3)),
		"no time":        AckTo(in, AckAA, "1", TS{}),
		"no id":          AckTo(in, AckAA, "", at(1, 2, 3)),
		"answers none":   AckTo(MSH{ProcessingID: "P"}, AckAA, "1", at(1, 2, 3)),
	} {
		var p *Problem
		if _, err := a.Message(); !errors.As(err, &p) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReadAckForms: errors in the places that older versions have for them; what answers nothing is refused.
func TestReadAckForms(t *testing.T) {
	const msh = "MSH|^~\\&|||||20261122||ACK|9|P|2.3\r"
	code := func(c, text, system string) CWE { return CWE{CE: CE{Code: c, Text: text, System: system}} }
	for name, c := range map[string]struct {
		raw  string
		want []ERR
	}{
		"none":  {msh + "MSA|AA|1\r", nil},
		"ERR-1": {msh + "MSA|AE|1\rERR|PID^1^3^101&Required field missing&HL70357~PV1^1^2^103\r", []ERR{{Locations: []ERL{{Segment: "PID", Sequence: 1, Field: 3}}, Code: code("101", "Required field missing", "HL70357"), Severity: SevError}, {Locations: []ERL{{Segment: "PV1", Sequence: 1, Field: 2}}, Code: code("103", "", ""), Severity: SevError}}},
		"MSA-6": {msh + "MSA|AR|1||||206^Application record locked^HL70357\r", []ERR{{Code: code("206", "Application record locked", "HL70357"), Severity: SevError}}},
		"two": {msh + "MSA|AE|1\rERR||PID^1^5^2^1^1~PID^1^7|102|W|X9^own|||say\rERR|||207|F\r", []ERR{
			{Locations: []ERL{{"PID", 1, 5, 2, 1, 1}, {Segment: "PID", Sequence: 1, Field: 7}}, Code: code("102", "", ""), Severity: SevWarning, App: code("X9", "own", ""), User: "say"},
			{Code: code("207", "", ""), Severity: SevFatal}}},
		"no time in the header": {"MSH|^~\\&|||||now||ACK|9|P|2.3\rMSA|AA|1\r", nil},
	} {
		a, err := ReadAck(parsed(t, c.raw))
		if err != nil || a.ControlID != "1" {
			t.Errorf("%s: %+v (%v)", name, a, err)
			continue
		}
		if diff := cmp.Diff(c.want, a.Errors); diff != "" {
			t.Errorf("%s (-want +read):\n%s", name, diff)
		}
	}
	for name, raw := range map[string]string{"no MSA": msh, "no code": msh + "MSA||1\r", "a strange code": msh + "MSA|OK|1\r", "no id": msh + "MSA|AA\r"} {
		var p *Problem
		if _, err := ReadAck(parsed(t, raw)); !errors.As(err, &p) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTables: every code says what it means, and a CA is no filing.
func TestTables(t *testing.T) {
	for _, c := range []struct {
		code                      AckCode
		commit, positive, content bool
	}{
		{AckAA, false, true, false}, {AckAE, false, false, true}, {AckAR, false, false, false},
		{AckCA, true, true, false}, {AckCE, true, false, true}, {AckCR, true, false, false},
	} {
		f, ok := c.code.Fact()
		if !ok || f.Commit != c.commit || f.Positive != c.positive || f.Content != c.content || f.Meaning == "" {
			t.Errorf("%s: %+v", c.code, f)
		}
	}
	if len(ackFacts) != 6 || len(conditionFacts) != 14 {
		t.Errorf("%d codes, %d conditions", len(ackFacts), len(conditionFacts))
	}
	for _, f := range conditionFacts {
		want := AckAE
		switch {
		case f.Code == Accepted:
			want = AckAA
		case f.Code >= "200":
			want = AckAR
		}
		if got, ok := f.Code.Fact(); !ok || got.Usual != want || got.Name == "" || got.About == "" || got.Meaning == "" {
			t.Errorf("%s: %+v", f.Code, got)
		}
	}
	if _, ok := Condition("666").Fact(); ok {
		t.Error("a condition nobody knows has a meaning")
	}
	if _, ok := AckCode("OK").Fact(); ok {
		t.Error("a code nobody knows has a meaning")
	}
}
