package rig

import (
	"encoding/base64"
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

// transcribe puts the thread on the chart as one entry in place of many: version 1 told the first message alone.
func (p *planted) transcribe() {
	p.chart.Entries, p.chart.Ledger = nil, nil
	p.tell("DocumentReference/1", "t/v1", "superseded", "words 1")
	p.tell("DocumentReference/2", "t/v2", "current", "words 1", "words 2", "words 3", "a reply")
}

// tell puts a version of a transcript on the chart, as docs/transcript.md has one; words that begin with "late:" are marked so.
func (p *planted) tell(ref, version, status string, words ...string) {
	text := "Secure message thread\nThread id: t\nMark: 0 (stands behind every line that begins a message, and in no message)\n\n"
	for n, w := range words {
		note := ""
		if rest, late := strings.CutPrefix(w, "late:"); late {
			w, note = rest, "Note: Filed out of sequence: later messages of this thread were filed before it.\n"
		}
		id := "theirs"
		if _, at, ok := strings.Cut(w, "words "); ok {
			id = "m-" + at[:1]
		}
		text += fmt.Sprintf("Message %d of %d [0]\nId: %s\n%sText: %d bytes\n\n%s\n\n", n+1, len(words), id, note, len(w), w)
	}
	p.file(ref, "transcript", version, patientRef(1), "", "")
	at := &p.chart.Entries[len(p.chart.Entries)-1]
	data := base64.StdEncoding.EncodeToString([]byte(text + "End of transcript [0]\n"))
	at.Raw = []byte(strings.Replace(string(at.Raw), "{", `{"status":"`+status+`","content":[{"attachment":{"data":"`+data+`"}}],`, 1))
}

// patch changes the bytes of an entry.
func (p *planted) patch(ref, from, to string) {
	for n := range p.chart.Entries {
		if e := &p.chart.Entries[n]; e.Reference() == ref {
			e.Raw = []byte(strings.Replace(string(e.Raw), from, to, 1))
		}
	}
}

// TestJudgeOfThreads plants each wrong once in a thread that is one entry.
func TestJudgeOfThreads(t *testing.T) {
	for name, c := range map[string]struct {
		wrong func(p *planted)
		want  Verdict
	}{
		"nothing":                           {func(*planted) {}, Verdict{}},
		"the newest is not there":           {func(p *planted) { p.take("DocumentReference/2") }, Verdict{Lost: 4}},
		"the one before is there, and says": {func(p *planted) { p.patch("DocumentReference/1", "superseded", "current") }, Verdict{Duplicates: 1}},
		"the newest is superseded":          {func(p *planted) { p.patch("DocumentReference/2", "current", "superseded") }, Verdict{Lost: 4}},
		"the newest twice": {func(p *planted) {
			p.tell("DocumentReference/3", "t/v2", "current", "words 1", "words 2", "words 3", "a reply")
		}, Verdict{Duplicates: 4}},
		"a version that adds": {func(p *planted) {
			p.take("DocumentReference/2")
			p.patch("DocumentReference/1", "superseded", "current")
			p.tell("DocumentReference/3", "t/v2", "current", "words 2", "words 3", "a reply")
		}, Verdict{}},
		"one is not told": {func(p *planted) {
			p.take("DocumentReference/2")
			p.tell("DocumentReference/3", "t/v2", "current", "words 1", "words 3", "a reply")
		}, Verdict{Lost: 1}},
		"one is told twice": {func(p *planted) {
			p.take("DocumentReference/2")
			p.tell("DocumentReference/3", "t/v2", "current", "words 1", "words 2", "words 2", "words 3", "a reply")
		}, Verdict{Duplicates: 1}},
		"inverted": {func(p *planted) {
			p.take("DocumentReference/2")
			p.tell("DocumentReference/3", "t/v2", "current", "words 2", "words 1", "words 3", "a reply")
		}, Verdict{Inversions: 1}},
		"marked late": {func(p *planted) {
			p.take("DocumentReference/2")
			p.tell("DocumentReference/3", "t/v2", "current", "words 2", "late:words 1", "words 3", "a reply")
		}, Verdict{Late: 1}},
		"more words": {func(p *planted) {
			p.take("DocumentReference/2")
			p.tell("DocumentReference/3", "t/v2", "current", "words 1", "words 2 and more", "words 3", "a reply")
		}, Verdict{WrongWords: 1}},
		"a stranger's": {func(p *planted) {
			p.take("DocumentReference/2")
			p.tell("DocumentReference/3", "t/v2", "current", "words 1", "words 2", "words 3", "a reply", "words 9")
		}, Verdict{Strangers: 1}},
		"wrong patient": {func(p *planted) { p.patch("DocumentReference/2", patientRef(1), patientRef(2)) }, Verdict{WrongPatient: 4}},
		"not whole": {func(p *planted) {
			p.patch("DocumentReference/1", `"superseded"`, `"current","content":[{"attachment":{"data":"Tm8="}}],"was":[]`)
			p.patch("DocumentReference/1", `,"content":[{"attachment":{"data":"U2`, `,"old":[{"attachment":{"data":"U2`)
		},
			Verdict{Strangers: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			p := plant()
			p.transcribe()
			c.wrong(p)
			judged(t, p, c.want)
		})
	}
}

// judged holds the judge to one wrong and no other.
func judged(t *testing.T, p *planted, want Verdict) {
	t.Helper()
	got := Judge(p.chart, p.attempted, p.acked, patientRef)
	clean := want.Lost+want.Duplicates+want.Inversions+want.WrongPatient+want.WrongWords+want.Strangers == 0
	want.Acked, want.OnChart, want.Details, want.Doubles = got.Acked, got.OnChart, got.Details, got.Doubles
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("judged\n%v\nwant\n%v", got, want)
	}
	if got.Clean() != clean {
		t.Errorf("Clean is %v of %v", got.Clean(), got)
	}
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
			judged(t, p, c.want)
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
