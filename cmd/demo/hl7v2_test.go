package demo

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/engine"
)

// TestInterfaceEngine plays the bundled threads over MLLP: internal notes are left out, every revision and the retraction are
// documents that the engine's chart shows.
func TestInterfaceEngine(t *testing.T) {
	s := play(t, Options{EHRType: "hl7v2"})
	if s.Duplicates+s.OutOfOrder+s.WrongPatient+s.Unknown+s.Held+s.Parked != 0 || s.OnChart+s.NotDue != s.Accepted || s.OnChart == 0 {
		t.Fatalf("the chart is not what was sent: %+v", s)
	}
	if s.NotDue != 2 || s.Sent != 1 {
		t.Errorf("not due %d and sent %d, want the 2 internal notes and the reply", s.NotDue, s.Sent)
	}
}

func TestInterfaceEngineContractThread(t *testing.T) {
	s := play(t, Options{EHRType: "hl7v2", Events: []string{"../../testdata/threads-contract/proxy-with-photo.ndjson"}})
	wantClean(t, s)
	if s.Accepted != 3 || s.NotDue != 0 {
		t.Errorf("%+v, want the contract thread's 3 messages", s)
	}
}

// Faults that say what came of the message cost time and nothing else.
func TestInterfaceEngineFaults(t *testing.T) {
	script := filepath.Join(t.TempDir(), "faults.txt")
	if err := os.WriteFile(script, []byte("T02 #3 ar\nT02 #5 split-ack\nT02 #7 ar code=207\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantClean(t, play(t, Options{EHRType: "hl7v2", Generate: "threads=4,messages=3,shuffle,repeat=0.2", Faults: script}))
}

// TestDocumentsReadBack proves that the comparison can fail: a chart that differs in one thing is not what was sent.
func TestDocumentsReadBack(t *testing.T) {
	photo, retracted := []byte("photo"), number("t/n")+"-retracted"
	chart := func() []engine.Document {
		return []engine.Document{
			{Number: revisionNumber("t", "m", 1), Event: "T02", Patient: "Patient/a", Text: "Secure message\nText: 8 bytes\n\ntake one", ReplacedBy: revisionNumber("t", "m", 2)},
			{Number: revisionNumber("t", "m", 2), Event: "T10", Patient: "Patient/a", Text: "Secure message\nText: 8 bytes\n\ntake two", Files: []engine.File{{Data: photo}}},
			{Number: revisionNumber("t", "n", 1), Event: "T02", Patient: "Patient/a", Text: "Secure message\nText: 5 bytes\n\nwrong", ReplacedBy: retracted},
			{Number: retracted, Event: "T10", Patient: "Patient/a", Text: "Retracted: sent in error"},
		}
	}
	sent := thread{ID: "t", Messages: []*entry{
		{ID: "m", Revision: 1, Text: "take one"}, {ID: "m", Revision: 2, Text: "take two", Attachments: []string{hash(photo)}},
		{ID: "n", Revision: 1, Text: "wrong", Retracted: true},
	}}
	for name, c := range map[string]struct {
		change func([]engine.Document) []engine.Document
		want   Summary
	}{
		"same":               {func(d []engine.Document) []engine.Document { return d }, Summary{OnChart: 2}},
		"other words":        {func(d []engine.Document) []engine.Document { d[1].Text = d[0].Text; return d }, Summary{OnChart: 1}},
		"no file":            {func(d []engine.Document) []engine.Document { d[1].Files = nil; return d }, Summary{OnChart: 1}},
		"both versions show": {func(d []engine.Document) []engine.Document { d[1].Event = "T02"; return d }, Summary{OnChart: 1}},
		"replaced by more":   {func(d []engine.Document) []engine.Document { d[1].ReplacedBy = retracted; return d }, Summary{OnChart: 1}},
		"other patient":      {func(d []engine.Document) []engine.Document { d[1].Patient = "Patient/b"; return d }, Summary{OnChart: 1, WrongPatient: 1}},
		"not retracted":      {func(d []engine.Document) []engine.Document { d[2].ReplacedBy = ""; return d }, Summary{OnChart: 1}},
		"retracted in words": {func(d []engine.Document) []engine.Document { d[3].Text = "Corrected"; return d }, Summary{OnChart: 1}},
		"its own words":      {func(d []engine.Document) []engine.Document { d[2].ReplacedBy, d[2].Text = "", "Retracted"; return d }, Summary{OnChart: 1}},
		"newest not there":   {func(d []engine.Document) []engine.Document { return []engine.Document{d[0], d[2], d[3]} }, Summary{OnChart: 1}},
		"twice":              {func(d []engine.Document) []engine.Document { return append(d, d[1]) }, Summary{OnChart: 2, Duplicates: 1}},
		"retracted twice":    {func(d []engine.Document) []engine.Document { return append(d, d[3]) }, Summary{OnChart: 2, Duplicates: 1}},
		"sent by nobody": {func(d []engine.Document) []engine.Document { return append(d, engine.Document{Number: "x"}) },
			Summary{OnChart: 2, Duplicates: 1}},
		"out of order": {func(d []engine.Document) []engine.Document { d[0].Created = d[0].Created.Add(1); return d },
			Summary{OnChart: 2, OutOfOrder: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var got Summary
			for _, m := range sent.Messages {
				if m.Attachments == nil {
					m.Attachments = []string{}
				}
			}
			d := documentsOf(c.change(chart()))
			if err := compare(context.Background(), d, &sent, "Patient/a", &got); err != nil {
				t.Fatal(err)
			}
			got.Duplicates += d.strays(expectation{Threads: []*thread{&sent}})
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// TestHL7v2Threads files the contract's thread as one document message when it closes.
func TestHL7v2Threads(t *testing.T) {
	s := play(t, Options{EHRType: "hl7v2", Per: "thread", Events: []string{"../../testdata/threads-contract/proxy-with-photo.ndjson"}})
	wantClean(t, s)
	if s.OnChart != 3 || s.Filed != 3 || s.Transcripts != 1 {
		t.Errorf("%d on the chart and %d filed, want the contract thread's 3 messages in one entry, not %d", s.OnChart, s.Filed, s.Transcripts)
	}
}

// TestReadBackSeesReplacedTranscripts: what was replaced says nothing any more, and one sent twice is seen.
func TestReadBackSeesReplacedTranscripts(t *testing.T) {
	const text = "Secure message thread\nMark: 0\n\nMessage 1 of 1 [0]\nId: m\nText: 8 bytes\n\ntake one\n\nEnd of transcript [0]\n"
	first, second := transcriptNumber("t")+"1", transcriptNumber("t")+"2"
	for name, c := range map[string]struct {
		documents []engine.Document
		want      Summary
	}{
		"one":            {[]engine.Document{{Number: first, Patient: "Patient/a", Text: text}}, Summary{OnChart: 1}},
		"replaced":       {[]engine.Document{{Number: first, Patient: "Patient/a", Text: text, ReplacedBy: second}, {Number: second, Patient: "Patient/a", Text: text}}, Summary{OnChart: 1}},
		"by something":   {[]engine.Document{{Number: first, Patient: "Patient/a", Text: text, ReplacedBy: second}}, Summary{}},
		"two stand":      {[]engine.Document{{Number: first, Patient: "Patient/a", Text: text}, {Number: second, Patient: "Patient/a", Text: text}}, Summary{OnChart: 1, Duplicates: 1}},
		"another thread": {[]engine.Document{{Number: transcriptNumber("u") + "1", Patient: "Patient/a", Text: text}}, Summary{Duplicates: 1}},
	} {
		th := &thread{ID: "t", Messages: []*entry{{ID: "m", Revision: 1, Text: "take one"}}}
		d, got := documentsOf(c.documents), Summary{}
		if err := compare(t.Context(), d, th, "Patient/a", &got); err != nil {
			t.Fatal(err)
		}
		if got.Duplicates += d.strays(expectation{Threads: []*thread{th}}); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}
