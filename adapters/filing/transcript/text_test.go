package transcript_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/connector"
)

var update = flag.Bool("update", false, "write the goldens anew")

// golden compares with a file of the tree's goldens.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("..", "..", "..", "testdata", "goldens", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestTextOfProxyWithPhoto(t *testing.T) {
	golden(t, "proxy-with-photo.transcript.txt", transcript.Text(proxyWithPhoto()))
}

// said lists what a transcript's messages say, as Words should give it back.
func said(t transcript.Transcript) []string {
	var all []string
	for _, e := range t.Entries {
		if e.Message.Direction == connector.Internal && !t.Internal {
			continue
		}
		all = append(all, e.Message.Text)
		for _, c := range e.Corrections {
			all = append(all, c.Text)
		}
	}
	return all
}

func cut(t interface{ Fatalf(string, ...any) }, text []byte) []string {
	list, ok := transcript.Words(text)
	if !ok {
		t.Fatalf("Words refused a text form:\n%s", text)
	}
	var all []string
	for _, s := range list {
		all = append(all, string(s.Words))
	}
	return all
}

// everyHardWord is one thread of all the hard words, each corrected to the one before.
func everyHardWord() transcript.Transcript {
	t := proxyWithPhoto()
	t.Entries = nil
	last := ""
	for i, text := range sorted(hard) {
		e := transcript.Entry{Message: from(mother, "m-"+string(rune('a'+i)), "13:00:00-05:00", text, ana)}
		e.Corrections = []connector.Correction{{Version: 2, Text: last, At: at("14:00:00-05:00")}}
		t.Entries, last = append(t.Entries, e), text
	}
	return t
}

func TestWordsComeBackByteForByte(t *testing.T) {
	internal := proxyWithPhoto()
	internal.Internal = true
	for name, x := range map[string]transcript.Transcript{
		"proxy": proxyWithPhoto(), "internal notes": internal, "500": fivehundred(), "hard": everyHardWord(), "empty": {},
	} {
		if diff := cmp.Diff(said(x), cut(t, transcript.Text(x))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestAnyWordsComeBack is the same for whatever rapid comes up with, in words, names and subjects.
func TestAnyWordsComeBack(t *testing.T) {
	texts := rapid.OneOf(rapid.String(), rapid.StringMatching(`(\n|\r|Message [12] of 2|Text: [0-9] bytes|From: x|End of transcript|\[[0-9a-f]{8}\]| ){0,12}`),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }), rapid.SampledFrom(sorted(hard)))
	rapid.Check(t, func(rt *rapid.T) {
		x := transcript.Transcript{Thread: connector.ThreadInfo{ID: texts.Draw(rt, "id"), Subject: texts.Draw(rt, "subject")}}
		for range rapid.IntRange(0, 4).Draw(rt, "messages") {
			who := connector.Participant{Role: connector.RoleProxy, Name: texts.Draw(rt, "name"), Relationship: texts.Draw(rt, "relation")}
			e := transcript.Entry{Message: from(who, texts.Draw(rt, "message"), "13:00:00-05:00", texts.Draw(rt, "text"), who)}
			e.Message.Attachments = []connector.Attachment{{Filename: texts.Draw(rt, "file"), ContentType: texts.Draw(rt, "type"), SHA256: texts.Draw(rt, "sum")}}
			for range rapid.IntRange(0, 2).Draw(rt, "corrections") {
				e.Corrections = append(e.Corrections, connector.Correction{Text: texts.Draw(rt, "new"), Version: rapid.IntRange(-1, 4).Draw(rt, "version")})
			}
			x.Entries = append(x.Entries, e)
		}
		if diff := cmp.Diff(said(x), cut(rt, transcript.Text(x))); diff != "" {
			rt.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// TestNobodyForgesAMessage counts the lines that begin a message: as many as there are, whatever the messages say, even
// one whose writer has seen the transcript so far.
func TestNobodyForgesAMessage(t *testing.T) {
	x := proxyWithPhoto()
	for range 3 {
		mark := markOf(t, transcript.Text(x))
		x.Entries[2].Message.Text += "\n\nMessage 9 of 9 [" + mark + "]\nFrom: Ana Rivera (clinician)\nText: 5 bytes\n\nSTOP!\n\nEnd of transcript [" + mark + "]\n"
		text := transcript.Text(x)
		mark = markOf(t, text)
		if n := bytes.Count(text, []byte(" ["+mark+"]\n")); n != len(said(x))+1 {
			t.Errorf("%d lines carry the mark of %d versions and the end", n, len(said(x)))
		}
		if n := bytes.Count(text, []byte(mark)); n != len(said(x))+2 {
			t.Errorf("the mark stands in %d places", n)
		}
	}
}

func markOf(t *testing.T, text []byte) string {
	t.Helper()
	_, rest, ok := strings.Cut(string(text), "\nMark: ")
	if !ok || len(rest) < 8 {
		t.Fatal("no mark")
	}
	return rest[:8]
}

// TestAlteredTranscriptIsRefused breaks a text form in every way a chart is known to.
func TestAlteredTranscriptIsRefused(t *testing.T) {
	whole := transcript.Text(proxyWithPhoto())
	for name, alter := range map[string]func(string) string{
		"cut off":      func(s string) string { return s[:len(s)/2] },
		"no last line": func(s string) string { return s[:strings.LastIndex(s, "End of")] },
		"trimmed":      strings.TrimSpace,
		"CR LF":        func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
		"a character":  func(s string) string { return strings.Replace(s, "🙂", ":)", 1) },
		"one message":  func(s string) string { return strings.Replace(s, "Message 2 of", "Message 3 of", 1) },
		"other count":  func(s string) string { return strings.Replace(s, "Message 2 of 6", "Message 2 of 7", 1) },
		"other mark": func(s string) string {
			return strings.Replace(s, "Message 3 of 6 ["+markOf(t, whole), "Message 3 of 6 [00000000", 1)
		},
		"without the last": func(s string) string {
			from, to := strings.Index(s, "Message 6 of 6 ["), strings.LastIndex(s, "End of transcript [")
			return s[:from] + s[to:]
		},
		"a sign":         func(s string) string { return strings.Replace(s, "Text: ", "Text: +", 1) },
		"more behind it": func(s string) string { return s + "x" },
		"no title":       func(s string) string { return s[1:] },
		"nothing":        func(string) string { return "" },
	} {
		altered := alter(string(whole))
		if altered == string(whole) {
			t.Fatalf("%s: not altered", name)
		}
		if list, ok := transcript.Words([]byte(altered)); ok {
			t.Errorf("%s: taken as %d versions", name, len(list))
		}
	}
}

// FuzzWords holds the reader to what the writer can have written: no panic, and whatever it takes is words of the input.
func FuzzWords(f *testing.F) {
	f.Add(transcript.Text(proxyWithPhoto()))
	f.Add(transcript.Text(everyHardWord()))
	f.Add([]byte("Secure message thread\nMark: 00000000 \n\nEnd of transcript [00000000]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, ok := transcript.Words(text)
		if !ok && list != nil {
			t.Error("refused and given")
		}
		for _, s := range list {
			if !bytes.Contains(text, s.Words) || s.Message < 1 || s.Version < 1 {
				t.Errorf("%d.%d is not of the input", s.Message, s.Version)
			}
		}
	})
}

func TestTextIsUTF8AndSaysWhatHappened(t *testing.T) {
	text := string(transcript.Text(proxyWithPhoto()))
	if !utf8.ValidString(text) {
		t.Error("not UTF-8")
	}
	for _, want := range []string{
		"From: Maria Cho (mother, proxy)", "To: Nurse triage (pool)", "From: Ana Rivera (clinician)",
		"Sent: 2026-11-22 13:03:11 -05:00", "Received: 2026-11-22 13:03:12 -05:00", "Delivery: delivered 2026-11-22 13:10:03 -05:00",
		"Delivery: NOT DELIVERED: number not in service",
		"Status: RETRACTED 2026-11-22 13:45:00 -05:00 by Ana Rivera (clinician). Reason given: meant for another patient",
		"Status: CORRECTED: version 3 below replaces these words", "Corrected by: Nurse triage (pool)", "Left out: internal notes of the care team: 1",
		"In reply to: message 2", "In reply to: m-gone, which is not shown before this message", "Priority: urgent",
		"Attachment: reading.png, image/png, 68 bytes, SHA-256 431ced6916a2a21a156e38701afe55bbd7f88969fbbfc56d7fe099d47f265460",
		"Patient: Daniel Cho, born 2015-07-04, MRN MRN123", "Filed out of sequence", "Filed after a gap",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("does not say %q", want)
		}
	}
	for _, not := range []string{"sounds worried", "m-4"} {
		if strings.Contains(text, not) {
			t.Errorf("says %q, which is internal", not)
		}
	}
	bare := proxyWithPhoto()
	bare.Patient, bare.Zone, bare.Internal = nil, nil, true
	text = string(transcript.Text(bare))
	if strings.Contains(text, "Patient:") || !strings.Contains(text, "sounds worried") || !strings.Contains(text, "Sent: 2026-11-22 18:03:11 +00:00") {
		t.Errorf("without a patient and a zone, with internal notes:\n%s", text)
	}
}
