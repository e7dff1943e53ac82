package demo

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/cmd/cmdtest"
	"github.com/chartwire/chartwire/connector/store/pgtest"
)

// play runs a --once --json demonstration and gives its line.
func play(t *testing.T, o Options) Summary {
	t.Helper()
	var out, errs bytes.Buffer
	o.Once, o.JSON, o.Out, o.Err, o.Dir = true, true, &out, &errs, cmdtest.ShortDir(t)
	if err := Run(context.Background(), o); err != nil {
		t.Fatalf("demo: %v\n%s%s", err, out.String(), errs.String())
	}
	var s Summary
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		t.Fatalf("the demo's line is not JSON: %v: %s", err, out.String())
	}
	return s
}

// wantClean holds a line to DESIGN §6: everything accepted is on the chart, nothing twice, nothing out of order.
func wantClean(t *testing.T, s Summary) {
	t.Helper()
	if s.Accepted == 0 || s.Accepted != s.OnChart || s.Duplicates+s.OutOfOrder+s.WrongPatient+s.Unknown+s.Parked != 0 {
		t.Fatalf("the chart is not what was sent: %+v", s)
	}
}

func TestBundledThreads(t *testing.T) {
	s := play(t, Options{})
	wantClean(t, s)
	if s.Sent != 2 {
		t.Errorf("sent %d messages, want a reply and one born in the EHR", s.Sent)
	}
}

// TestBundledThreadsOnPostgres: the same threads, the same counts, on the other store.
func TestBundledThreadsOnPostgres(t *testing.T) {
	s := play(t, Options{Store: pgtest.New(t)})
	wantClean(t, s)
	if s.Sent != 2 {
		t.Errorf("sent %d messages, want a reply and one born in the EHR", s.Sent)
	}
}

func TestContractThread(t *testing.T) {
	expect := filepath.Join(t.TempDir(), "expect.json")
	s := play(t, Options{Events: []string{"../../testdata/threads-contract/proxy-with-photo.ndjson"}, Expect: expect})
	wantClean(t, s)
	if s.Accepted != 3 {
		t.Errorf("accepted %d, want the contract thread's 3 messages", s.Accepted)
	}
	if raw, err := os.ReadFile(expect); err != nil || !json.Valid(raw) {
		t.Errorf("the expectation file cannot be read: %v", err)
	}
}

func TestGeneratedTrafficShuffledAndRepeated(t *testing.T) {
	s := play(t, Options{Generate: "threads=100,messages=5,shuffle,repeat=0.1", Seed: 7})
	wantClean(t, s)
	if s.Accepted != 500 {
		t.Errorf("accepted %d, want 500", s.Accepted)
	}
}

// TestNoteOnlyEHR files as notes: internal notes are left out, and a retraction such an EHR cannot show is parked for staff.
func TestNoteOnlyEHR(t *testing.T) {
	s := play(t, Options{EHRType: "note"})
	if s.Duplicates+s.OutOfOrder+s.WrongPatient+s.Unknown != 0 || s.OnChart+s.NotDue+s.Parked != s.Accepted || s.OnChart == 0 {
		t.Fatalf("the chart is not what was sent: %+v", s)
	}
	if s.NotDue != 2 || s.Parked != 1 {
		t.Errorf("not due %d and parked %d, want the 2 internal notes and the 1 retraction", s.NotDue, s.Parked)
	}
}

// TestDocuments files every message as a transcript, text and PDF: the words are read back from the text.
func TestDocuments(t *testing.T) {
	s := play(t, Options{As: "document", Events: []string{"../../testdata/threads-contract/proxy-with-photo.ndjson"}})
	wantClean(t, s)
	if s.OnChart != 3 {
		t.Errorf("%d on the chart, want the contract thread's 3 messages", s.OnChart)
	}
}

// TestThreads files the contract's thread as one transcript when it closes, under both strategies.
func TestThreads(t *testing.T) {
	for _, as := range []string{"note", "document"} {
		s := play(t, Options{As: as, Per: "thread", Events: []string{"../../testdata/threads-contract/proxy-with-photo.ndjson"}})
		wantClean(t, s)
		if s.OnChart != 3 || s.Filed != 3 || s.Transcripts != 1 {
			t.Errorf("%s: %d on the chart and %d filed, want the contract thread's 3 messages in one entry, not %d", as, s.OnChart, s.Filed, s.Transcripts)
		}
	}
}

// TestReadBackSeesThreads proves that the comparison with a transcript can fail.
func TestReadBackSeesThreads(t *testing.T) {
	transcript := func(text, status string) *reader {
		o := &onChart{ResourceType: "DocumentReference", ID: "d1", Status: status}
		o.Subject.Reference = "Patient/a"
		o.Content = append(o.Content, struct{ Attachment chartFile }{chartFile{Data: base64.StdEncoding.EncodeToString([]byte(text))}})
		return &reader{threads: map[string][]*onChart{"t": {o}}}
	}
	const one = "Secure message thread\nMark: 0\n\nMessage 1 of 1 [0]\nId: m\nAttachment: a, b, 1 bytes, SHA-256 00\nText: 8 bytes\n\ntake one\n\n"
	const end = "End of transcript [0]\n"
	const retracted = "Secure message thread\nMark: 0\n\nMessage 1 of 1 [0]\nId: m\nStatus: RETRACTED\nText: 8 bytes\n\ntake one\n\n"
	const corrected = one + "Message 1 of 1, version 2 (correction) [0]\nId: m\nText: 8 bytes\n\ntake two\n\n"
	for name, c := range map[string]struct {
		text, status string
		entry        entry
		want         int
	}{
		"same":              {one + end, "current", entry{ID: "m", Revision: 1, Text: "take one", Attachments: []string{"00"}}, 1},
		"other words":       {one + end, "current", entry{ID: "m", Revision: 1, Text: "take two"}, 0},
		"another file":      {one + end, "current", entry{ID: "m", Revision: 1, Text: "take one", Attachments: []string{"01"}}, 0},
		"superseded":        {one + end, "superseded", entry{ID: "m", Revision: 1, Text: "take one"}, 0},
		"cut short":         {one, "current", entry{ID: "m", Revision: 1, Text: "take one"}, 0},
		"another message":   {one + end, "current", entry{ID: "n", Revision: 1, Text: "take one"}, 0},
		"not taken back":    {one + end, "current", entry{ID: "m", Revision: 1, Text: "take one", Retracted: true}, 0},
		"taken back":        {retracted + end, "current", entry{ID: "m", Revision: 1, Text: "take one", Retracted: true}, 1},
		"wrongly so":        {retracted + end, "current", entry{ID: "m", Revision: 1, Text: "take one"}, 0},
		"the correction":    {corrected + end, "current", entry{ID: "m", Revision: 2, Text: "take two"}, 1},
		"no such":           {corrected + end, "current", entry{ID: "m", Revision: 3, Text: "take two"}, 0},
		"the first of them": {corrected + end, "current", entry{ID: "m", Revision: 1, Text: "take one"}, 1},
	} {
		var s Summary
		if err := compare(t.Context(), transcript(c.text, c.status), &thread{ID: "t", Messages: []*entry{&c.entry}}, "Patient/a", &s); err != nil {
			t.Fatal(err)
		}
		if s.OnChart != c.want {
			t.Errorf("%s: %d on the chart, want %d", name, s.OnChart, c.want)
		}
	}
}

// TestReadBackSeesFaults proves that the comparison can fail: an expectation that differs in one word, patient or place is
// not met.
func TestReadBackSeesFaults(t *testing.T) {
	chart := func() *reader {
		o := &onChart{ResourceType: "Communication", ID: "c1", Status: "completed"}
		o.Subject.Reference = "Patient/a"
		o.Payload = append(o.Payload, chartPayload{ContentString: "take one"})
		return &reader{messages: map[string][]*onChart{"t/m": {o}}, headers: map[string]int{}}
	}
	for name, c := range map[string]struct {
		patient string
		entry   entry
		twice   bool
		want    Summary
	}{
		"same":          {"Patient/a", entry{ID: "m", Revision: 1, Text: "take one"}, false, Summary{OnChart: 1}},
		"other words":   {"Patient/a", entry{ID: "m", Revision: 1, Text: "take two"}, false, Summary{}},
		"other patient": {"Patient/b", entry{ID: "m", Revision: 1, Text: "take one"}, false, Summary{WrongPatient: 1}},
		"missing file":  {"Patient/a", entry{ID: "m", Revision: 1, Text: "take one", Attachments: []string{"00"}}, false, Summary{}},
		"retracted":     {"Patient/a", entry{ID: "m", Revision: 1, Text: "take one", Retracted: true}, false, Summary{}},
		"not there":     {"Patient/a", entry{ID: "n", Revision: 1, Text: "take one"}, false, Summary{}},
		"twice":         {"Patient/a", entry{ID: "m", Revision: 1, Text: "take one"}, true, Summary{OnChart: 1, Duplicates: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			r := chart()
			if c.twice {
				r.messages["t/m"] = append(r.messages["t/m"], r.messages["t/m"][0])
			}
			var got Summary
			if c.entry.Attachments == nil {
				c.entry.Attachments = []string{}
			}
			if err := compare(context.Background(), r, &thread{ID: "t", Messages: []*entry{&c.entry}}, c.patient, &got); err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// Faults at the EHR cost time and nothing else: what was sent is on the chart once, in order.
func TestFaultsCostNothingButTime(t *testing.T) {
	script := filepath.Join(t.TempDir(), "faults.txt") // those whose outcome is known at once: the others are settled only after a while
	rules := "POST Communication #3 429 retry-after=1\nPOST Communication #5 expire-tokens\n"
	if err := os.WriteFile(script, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	wantClean(t, play(t, Options{Generate: "threads=4,messages=3,shuffle", Faults: script}))
}

func TestFaultsAreRead(t *testing.T) {
	for _, o := range []Options{{Faults: "seed:x"}, {Faults: "nowhere.txt"}, {Traits: "search=maybe"}} {
		o.Once, o.Dir, o.Out, o.Err = true, t.TempDir(), io.Discard, io.Discard
		if err := Run(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), "--") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
