package demo

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// telling is one version of a message in the transcript of its thread, read here by the rules of docs/transcript.md and not by
// the code that wrote it.
type telling struct {
	of    *onChart
	place int    // in its transcript
	facts string // its lines, each between line ends
	words string
}

// told finds what the current transcripts of a thread say of a message revision. What was superseded says nothing any more.
func (c *reader) told(thread string, m *entry) []shown {
	var out []shown
	for _, o := range c.threads[thread] {
		if o.Status != "current" || len(o.Content) == 0 {
			continue
		}
		text := o.text
		if text == nil {
			var err error
			if text, err = base64.StdEncoding.DecodeString(o.Content[0].Attachment.Data); err != nil {
				continue
			}
		}
		out = append(out, tellings(o, string(text), m)...)
	}
	return out
}

// version takes down a transcript by the value of its identifier, thread/vN.
func (c *reader) version(value string, o *onChart) {
	thread := value[:max(0, strings.LastIndexByte(value, '/'))]
	c.threads[thread] = append(c.threads[thread], o)
}

// transcripts counts those that stand.
func (c *reader) transcripts() int {
	n := 0
	for _, all := range c.threads {
		for _, o := range all {
			if o.Status == "current" {
				n++
			}
		}
	}
	return n
}

// tellings are the places of a transcript that tell a message revision.
func tellings(o *onChart, text string, m *entry) []shown {
	var out []shown
	for n, t := range blocks(text) {
		if t.is(m) {
			t.of, t.place = o, n
			out = append(out, t)
		}
	}
	return out
}

// blocks cuts a transcript into its messages' versions; none where it is not whole.
func blocks(text string) []telling {
	_, rest, ok := strings.Cut(text, "\n\n")
	var out []telling
	for ok && !strings.HasPrefix(rest, "End of transcript [") {
		var head, count string
		if head, rest, ok = strings.Cut(rest, "\n\n"); !ok {
			return nil
		}
		count = head[strings.LastIndexByte(head, '\n')+1:]
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(count, "Text: "), " bytes"))
		if err != nil || n < 0 || n+2 > len(rest) {
			return nil
		}
		out = append(out, telling{facts: "\n" + head + "\n", words: rest[:n]})
		rest = rest[n+2:]
	}
	return out
}

// is says whether a block is of this revision.
func (t telling) is(m *entry) bool {
	title, _, _ := strings.Cut(t.facts[1:], "\n")
	version := strings.Contains(title, fmt.Sprintf(", version %d (correction) [", m.Revision))
	if m.Revision == 1 {
		version = !strings.Contains(title, ", version ")
	}
	return version && strings.Contains(t.facts, "\nId: "+m.ID+"\n")
}

func (t telling) patient() string { return t.of.Subject.Reference }

// created orders the messages of one transcript, which came to the chart at once.
func (t telling) created() time.Time { return t.of.created.Add(time.Duration(t.place)) }

// shows holds a block to the message: its words, its files by name and hash, and whether it was taken back.
func (t telling) shows(_ context.Context, m *entry) (bool, error) {
	for _, sum := range m.Attachments {
		if !strings.Contains(t.facts, ", SHA-256 "+sum+"\n") {
			return false, nil
		}
	}
	return t.words == m.Text && strings.Contains(t.facts, "\nStatus: RETRACTED") == m.Retracted, nil
}
