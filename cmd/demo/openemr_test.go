package demo

import (
	"context"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/openemr"
)

func TestOpenEMRContractThread(t *testing.T) {
	s := play(t, Options{EHRType: "openemr", Events: []string{"../../testdata/threads-contract/proxy-with-photo.ndjson"}})
	wantClean(t, s)
	if s.Accepted != 3 || s.OnChart != 3 || s.NotDue != 0 {
		t.Errorf("%+v, want the contract thread's 3 messages on the chart", s)
	}
}

// TestOpenEMR plays the bundled threads: internal notes are left out, the retraction is for staff, and the text with control
// characters, which is no text to OpenEMR, is declined.
func TestOpenEMR(t *testing.T) {
	s := play(t, Options{EHRType: "openemr"})
	if s.Duplicates+s.OutOfOrder+s.WrongPatient+s.Unknown+s.Held != 0 || s.OnChart+s.NotDue+s.Parked != s.Accepted {
		t.Fatalf("the chart is not what was sent: %+v", s)
	}
	if s.NotDue != 2 || s.Parked != 2 || s.Sent != 1 {
		t.Errorf("not due %d, parked %d, sent %d, want the 2 internal notes, the 2 messages above and the reply", s.NotDue, s.Parked, s.Sent)
	}
}

// TestUploadsReadBack proves that the comparison can fail: a chart that differs in one thing is not what was sent.
func TestUploadsReadBack(t *testing.T) {
	const category = "Patient Messages"
	photo := []byte("\x89PNG")
	note := func(value, words string, more ...string) openemr.Document {
		text := "Secure message\nMessage id: texting " + value + "\nText: 8 bytes\n\n" + words
		for _, m := range more {
			text += m
		}
		return openemr.Document{Patient: "Patient/a", Category: category, Name: value + ".txt", Data: []byte(text)}
	}
	chart := func() []openemr.Document {
		return []openemr.Document{
			note("t/m", "take one"), note("t/m/r2", "take two"),
			{Patient: "Patient/a", Category: category, Name: fileStem("t/m/r2", 1) + "png", Data: photo},
			note("t/n", "see file", "\n\nAttachments (kept on the messaging platform, not in this note):\n- a.csv, text/csv, SHA-256 "+hash([]byte("a,b"))+"\n"),
			note("t/n/not-delivered", "NOT DELI"),
		}
	}
	sent := thread{ID: "t", Messages: []*entry{
		{ID: "m", Revision: 1, Text: "take one"}, {ID: "m", Revision: 2, Text: "take two", Attachments: []string{hash(photo)}},
		{ID: "n", Revision: 1, Text: "see file", Attachments: []string{hash([]byte("a,b"))}},
	}}
	for name, c := range map[string]struct {
		change func([]openemr.Document) []openemr.Document
		want   Summary
	}{
		"same":              {func(d []openemr.Document) []openemr.Document { return d }, Summary{OnChart: 2}},
		"other words":       {func(d []openemr.Document) []openemr.Document { d[1] = note("t/m/r2", "take too"); return d }, Summary{OnChart: 1}},
		"no photo":          {func(d []openemr.Document) []openemr.Document { return append(d[:2], d[3:]...) }, Summary{OnChart: 1}},
		"another photo":     {func(d []openemr.Document) []openemr.Document { d[2].Data = []byte("x"); return d }, Summary{OnChart: 1}},
		"another's photo":   {func(d []openemr.Document) []openemr.Document { d[2].Patient = "Patient/b"; return d }, Summary{OnChart: 1}},
		"photo twice":       {func(d []openemr.Document) []openemr.Document { return append(d, d[2]) }, Summary{OnChart: 2, Duplicates: 1}},
		"a file not named":  {func(d []openemr.Document) []openemr.Document { d[3] = note("t/n", "see file"); return d }, Summary{OnChart: 1}},
		"named by the text": {func(d []openemr.Document) []openemr.Document { d[3] = note("t/n", "see file", "\n"); return d }, Summary{OnChart: 1}},
		"another patient":   {func(d []openemr.Document) []openemr.Document { d[3].Patient = "Patient/b"; return d }, Summary{OnChart: 1, WrongPatient: 1}},
		"another category":  {func(d []openemr.Document) []openemr.Document { d[3].Category = ""; return d }, Summary{OnChart: 1, Duplicates: 1}},
		"twice":             {func(d []openemr.Document) []openemr.Document { return append(d, d[0]) }, Summary{OnChart: 2, Duplicates: 1}},
		"news twice":        {func(d []openemr.Document) []openemr.Document { return append(d, d[4]) }, Summary{OnChart: 2, Duplicates: 1}},
		"sent by nobody":    {func(d []openemr.Document) []openemr.Document { return append(d, note("t/x", "take one")) }, Summary{OnChart: 2, Duplicates: 1}},
		"a stray file": {func(d []openemr.Document) []openemr.Document {
			return append(d, openemr.Document{Category: category, Name: "x.png"})
		}, Summary{OnChart: 2, Duplicates: 1}},
		"out of order": {func(d []openemr.Document) []openemr.Document { d[0].Created = d[0].Created.Add(1); return d },
			Summary{OnChart: 2, OutOfOrder: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var got Summary
			u := uploadsOf(c.change(chart()), category)
			if err := compare(context.Background(), u, &sent, "Patient/a", &got); err != nil {
				t.Fatal(err)
			}
			got.Duplicates += u.strays(expectation{Threads: []*thread{&sent}})
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}
