package demo

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/athena"
)

// TestAthena plays the bundled threads: internal notes are left out, and what the API cannot take back is for a person.
func TestAthena(t *testing.T) {
	s := play(t, Options{EHRType: "athena"})
	if s.Duplicates+s.OutOfOrder+s.WrongPatient+s.Unknown+s.Held != 0 || s.OnChart+s.NotDue+s.Held+s.Parked != s.Accepted || s.OnChart == 0 {
		t.Fatalf("the chart is not what was sent: %+v", s)
	}
	if s.NotDue != 2 || s.Parked != 1 || s.Sent != 1 {
		t.Errorf("not due %d, parked %d and sent %d, want the 2 internal notes, the retraction and the reply", s.NotDue, s.Parked, s.Sent)
	}
}

func TestAthenaContractThread(t *testing.T) {
	s := play(t, Options{EHRType: "athena", Events: []string{"../../testdata/threads-contract/proxy-with-photo.ndjson"}})
	wantClean(t, s)
	if s.Accepted != 3 || s.NotDue+s.Held != 0 {
		t.Errorf("%+v, want the contract thread's 3 messages", s)
	}
}

// Answers that never came are settled by listing the patient's documents.
func TestAthenaFaults(t *testing.T) {
	script := filepath.Join(t.TempDir(), "faults.txt")
	if err := os.WriteFile(script, []byte("POST clinicaldocument #2 commit-then-reset\nPOST clinicaldocument #5 5xx-after-commit\nPOST clinicaldocument #7 429 retry-after=1\nPOST token #1 5xx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantClean(t, play(t, Options{EHRType: "athena", Generate: "threads=4,messages=3,shuffle,repeat=0.2", Faults: script}))
}

// TestPapersReadBack proves that the comparison can fail: a chart that differs in one thing is not what was sent.
func TestPapersReadBack(t *testing.T) {
	photo := hash([]byte("photo"))
	text := func(id, words string) string {
		return "Secure message\nMessage id: texting t/" + id + "\nText: 8 bytes\n\n" + words
	}
	chart := func() []athena.Document {
		return []athena.Document{
			{Patient: "Patient/a", Text: text("m", "take one")},
			{Patient: "Patient/a", Text: text("m/r2", "take two") + "\n\nAttachments:\n- a.png, SHA-256 " + photo + "\n"},
			{Patient: "Patient/a", Text: text("n", "wrong...")},
			{Patient: "Patient/a", Text: text("n/not-delivered", "did not.")},
		}
	}
	sent := thread{ID: "t", Messages: []*entry{
		{ID: "m", Revision: 1, Text: "take one"}, {ID: "m", Revision: 2, Text: "take two", Attachments: []string{photo}},
		{ID: "n", Revision: 1, Text: "wrong..."},
	}}
	for name, c := range map[string]struct {
		change func([]athena.Document) []athena.Document
		want   Summary
	}{
		"same":             {func(d []athena.Document) []athena.Document { return d }, Summary{OnChart: 2}},
		"other words":      {func(d []athena.Document) []athena.Document { d[1].Text = text("m/r2", "take 2.."); return d }, Summary{OnChart: 1}},
		"file not named":   {func(d []athena.Document) []athena.Document { d[1].Text = text("m/r2", "take two"); return d }, Summary{OnChart: 1}},
		"other patient":    {func(d []athena.Document) []athena.Document { d[1].Patient = "Patient/b"; return d }, Summary{OnChart: 1, WrongPatient: 1}},
		"newest not there": {func(d []athena.Document) []athena.Document { return []athena.Document{d[0], d[2], d[3]} }, Summary{OnChart: 1}},
		"twice":            {func(d []athena.Document) []athena.Document { return append(d, d[1]) }, Summary{OnChart: 2, Duplicates: 1}},
		"failed twice":     {func(d []athena.Document) []athena.Document { return append(d, d[3]) }, Summary{OnChart: 2, Duplicates: 1}},
		"of nobody":        {func(d []athena.Document) []athena.Document { return append(d, athena.Document{Text: "x"}) }, Summary{OnChart: 2, Duplicates: 1}},
		"out of order":     {func(d []athena.Document) []athena.Document { d[0].Created = d[0].Created.Add(1); return d }, Summary{OnChart: 2, OutOfOrder: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var got Summary
			p := papersOf(c.change(chart()))
			if err := compare(context.Background(), p, &sent, "Patient/a", &got); err != nil {
				t.Fatal(err)
			}
			got.Duplicates += p.strays(expectation{Threads: []*thread{&sent}})
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
	retracted := *sent.Messages[2]
	retracted.Retracted = true
	if ok, _ := (paper{chart()[2]}).shows(context.Background(), &retracted); ok {
		t.Error("a document that stands unchanged counts as retracted")
	}
}
