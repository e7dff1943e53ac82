package rig

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/platform"
)

// planted is a chart of one thread with three messages and a reply, all as they should be.
type planted struct {
	chart     Chart
	attempted map[string]Message
	acked     map[string]Message
}

func patientRef(n int) string { return fmt.Sprintf("Patient/p%d", n) }

func plant() *planted {
	p := &planted{attempted: map[string]Message{}, acked: map[string]Message{}}
	p.file("Communication/h", "thread", "t", patientRef(1), "", "")
	for n := 1; n <= 3; n++ {
		m := Message{Thread: "t", ID: fmt.Sprintf("m-%d", n), Seq: n, Patient: 1, Text: fmt.Sprintf("words %d", n)}
		p.attempted[m.key()], p.acked[m.key()] = m, m
		p.file(fmt.Sprintf("Communication/%d", n), "message", m.key(), patientRef(1), m.Text, "")
	}
	r := Message{Thread: "t", Patient: 1, Text: "a reply", Reply: true}
	p.attempted[r.key()], p.acked[r.key()] = r, r
	p.file("Communication/r", "message", "t/theirs", patientRef(1), r.Text, "")
	p.chart.Sent = append(p.chart.Sent, platform.Received{Message: platform.Message{Text: r.Text}})
	return p
}

// file puts an entry on the chart.
func (p *planted) file(ref, kind, value, subject, text, note string) {
	r := map[string]any{"subject": map[string]string{"reference": subject},
		"identifier": []any{map[string]string{"system": IdentityBase + "/" + Channel + "/" + kind, "value": value}}}
	if text != "" {
		r["payload"] = []any{map[string]string{"contentString": text}}
	}
	if note != "" {
		r["note"] = []any{map[string]string{"text": note}}
	}
	raw, _ := json.Marshal(r)
	typ, id, _ := strings.Cut(ref, "/")
	p.chart.Entries = append(p.chart.Entries, ehr.Stored{Type: typ, ID: id, Version: 1, Raw: raw})
	p.chart.Ledger = append(p.chart.Ledger, ehr.Entry{Seq: len(p.chart.Ledger) + 1, Type: typ, ID: id, Version: 1})
}

// take removes an entry.
func (p *planted) take(ref string) {
	var kept []ehr.Stored
	for _, e := range p.chart.Entries {
		if e.Reference() != ref {
			kept = append(kept, e)
		}
	}
	p.chart.Entries = kept
}

// TestJudge plants each wrong once: the judge sees that one and no other.
func TestJudge(t *testing.T) {
	const late = "Filed out of sequence: later messages of this thread were filed before it."
	for _, c := range []struct {
		name  string
		wrong func(p *planted)
		want  Verdict
	}{
		{"nothing", func(*planted) {}, Verdict{}},
		{"lost", func(p *planted) { p.take("Communication/2") }, Verdict{Lost: 1}},
		{"not acked", func(p *planted) { p.take("Communication/2"); delete(p.acked, "t/m-2") }, Verdict{}},
		{"doubled", func(p *planted) { p.file("Communication/2b", "message", "t/m-2", patientRef(1), "words 2", "") }, Verdict{Duplicates: 1}},
		{"doubled header", func(p *planted) { p.file("Communication/hb", "thread", "t", patientRef(1), "", "") }, Verdict{Duplicates: 1}},
		{"inverted", func(p *planted) {
			p.take("Communication/1")
			p.file("Communication/1b", "message", "t/m-1", patientRef(1), "words 1", "")
		}, Verdict{Inversions: 1}},
		{"marked late", func(p *planted) {
			p.take("Communication/1")
			p.file("Communication/1b", "message", "t/m-1", patientRef(1), "words 1", late)
		}, Verdict{Late: 1}},
		{"wrong patient", func(p *planted) {
			p.take("Communication/3")
			p.file("Communication/3b", "message", "t/m-3", patientRef(2), "words 3", "")
		}, Verdict{WrongPatient: 1}},
		{"other words", func(p *planted) {
			p.take("Communication/3")
			p.file("Communication/3b", "message", "t/m-3", patientRef(1), "words", "")
		}, Verdict{WrongWords: 1}},
		{"a stranger", func(p *planted) { p.file("Communication/x", "message", "t/m-9", patientRef(1), "words", "") }, Verdict{Strangers: 1}},
		{"a strange header", func(p *planted) { p.file("Communication/x", "thread", "u", patientRef(1), "", "") }, Verdict{Strangers: 1}},
		{"no name", func(p *planted) { p.file("Communication/x", "other", "u", patientRef(1), "", "") }, Verdict{Strangers: 1}},
		{"a reply sent twice", func(p *planted) { p.chart.Sent = append(p.chart.Sent, p.chart.Sent[0]) }, Verdict{Duplicates: 1}},
		{"a reply not sent", func(p *planted) { p.chart.Sent = nil }, Verdict{Lost: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := plant()
			c.wrong(p)
			got := Judge(p.chart, p.attempted, p.acked, patientRef)
			want := c.want
			want.Acked, want.OnChart, want.Details, want.Doubles = got.Acked, got.OnChart, got.Details, got.Doubles
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("judged\n%v\nwant\n%v", got, want)
			}
			if got.Clean() != (c.want.Lost+c.want.Duplicates+c.want.Inversions+c.want.WrongPatient+c.want.WrongWords+c.want.Strangers == 0) {
				t.Errorf("Clean is %v of %v", got.Clean(), got)
			}
		})
	}
}

func TestParseStates(t *testing.T) {
	s, err := parseStates([]byte(`# HELP chartwire_exchanges x
chartwire_exchanges{channel="texting",direction="from_patient",ehr="sandbox",state="filed"} 12
chartwire_exchanges{channel="texting",direction="to_patient",ehr="sandbox",state="filed"} 3
chartwire_exchanges{channel="texting",direction="to_patient",ehr="sandbox",state="held"} 2
`))
	if err != nil || s["filed"] != 15 || s.Moving() != 2 || s.Accepted() != 17 {
		t.Errorf("%v, %v", s, err)
	}
	if _, err := parseStates([]byte("chartwire_exchanges{} x\n")); err == nil {
		t.Error("a line that cannot be read is taken for none")
	}
}
