package transcript

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// line is one fact: a label and a value, neither of them empty and neither holding a line break.
type line struct{ label, value string }

// block is one version of one message: what is known about it, then its words.
type block struct {
	message, version int // from 1
	of               int // messages in the transcript
	lines            []line
	words            string
	struck           bool // not valid any more: corrected or retracted
}

// title is the line a block begins with.
func (b block) title() string {
	s := fmt.Sprintf("Message %d of %d", b.message, b.of)
	if b.version > 1 {
		s += fmt.Sprintf(", version %d (correction)", b.version)
	}
	return s
}

// facts collects lines and leaves out the empty ones.
type facts []line

func (f *facts) add(label, value string) {
	if value = Line(value); value != "" {
		*f = append(*f, line{label, value})
	}
}

// shown are the entries that appear, and how many internal notes do not.
func (t Transcript) shown() (entries []Entry, left int) {
	for _, e := range t.Entries {
		if e.Message.Direction == connector.Internal && !t.Internal {
			left++
			continue
		}
		entries = append(entries, e)
	}
	return entries, left
}

// head are the facts about the thread.
func (t Transcript) head() []line {
	entries, left := t.shown()
	var f facts
	f.add("Document", t.What)
	f.add("Thread", cmp.Or(Line(t.Thread.Subject), Line(t.Thread.Topic)))
	f.add("Thread id", t.Thread.ID)
	f.add("Channel", t.Channel)
	if t.Single {
		f.add(CiteLabel, t.Cite)
	} else {
		f.add(ThreadCiteLabel, t.Cite)
	}
	f.add("Patient", t.patient())
	if !t.Single {
		f.add("Messages", fmt.Sprint(len(entries)))
	}
	if left > 0 {
		f.add("Left out", fmt.Sprintf("internal notes of the care team: %d", left))
	}
	switch {
	case t.Single: // it says nothing of the thread
	case t.Closed.IsZero():
		f.add("State", "open: messages may follow")
	default:
		f.add("State", "closed "+t.local(t.Closed))
	}
	zone := t.Zone
	if zone == nil {
		zone = time.UTC
	}
	f.add("Times", zone.String()+", each with its offset from UTC")
	f.add("Attachments", "named with their SHA-256; kept on the messaging platform, not in this transcript")
	return f
}

// patient is the line about the patient, "" where nothing was given.
func (t Transcript) patient() string {
	if t.Patient == nil {
		return ""
	}
	s := Line(t.Patient.Name)
	for _, part := range []struct{ label, value string }{{"born", Line(t.Patient.BirthDate)}, {"MRN", Line(t.Patient.MRN)}} {
		if part.value == "" {
			continue
		}
		if s != "" {
			s += ", "
		}
		s += part.label + " " + part.value
	}
	return s
}

// blocks are all versions of all messages in the order they are shown: a correction stands right behind the words it
// corrects, because who reads those must not miss it.
func (t Transcript) blocks() []block {
	entries, _ := t.shown()
	var all []block
	for i, e := range entries {
		first := block{message: i + 1, version: 1, of: len(entries), words: e.Message.Text}
		first.lines = t.first(e, entries[:i])
		t.judge(&first, e, 1)
		first.lines = append(first.lines, files(e.Message.Attachments)...)
		all = append(all, first)
		for n, c := range e.Corrections {
			b := block{message: i + 1, version: version(e, n), of: len(entries), words: c.Text}
			b.lines = t.correction(e, c)
			t.judge(&b, e, n+2)
			b.lines = append(b.lines, files(c.Attachments)...)
			all = append(all, b)
		}
	}
	return all
}

// version is the number of a message's n-th correction: the channel's where it counts up, else the next.
func version(e Entry, n int) int {
	v := 1
	for i := 0; i <= n; i++ {
		v = max(v+1, e.Corrections[i].Version)
	}
	return v
}

// first are the facts about a message as it was sent.
func (t Transcript) first(e Entry, before []Entry) []line {
	m := e.Message
	var f facts
	f.add("Id", m.ID)
	if m.Direction == connector.Internal {
		f.add("Kind", "internal note of the care team, not sent to the patient")
	}
	f.add("From", Person(m.Sender))
	for _, r := range m.Recipients {
		f.add("To", Person(r))
	}
	f.add("Sent", t.local(m.SentAt))
	if m.Direction == connector.FromPatient && !e.Received.IsZero() {
		f.add("Received", t.local(e.Received))
	}
	if m.Priority.Rank() > 0 {
		f.add("Priority", string(m.Priority))
	}
	f.add("In reply to", replied(m.InReplyTo, before))
	f.add("Delivery", Delivery(m, e.Delivery, t.Zone))
	if e.Late {
		f.add("Note", Late)
	}
	if e.AfterGap {
		f.add("Note", AfterGap)
	}
	return f
}

// replied names the message a reply answers by its number. One that is not shown before it is named by its id.
func replied(id string, before []Entry) string {
	if id == "" {
		return ""
	}
	if i := slices.IndexFunc(before, func(e Entry) bool { return e.Message.ID == id }); i >= 0 {
		return fmt.Sprintf("message %d", i+1)
	}
	return fmt.Sprintf("%s, which is not shown before this message", Line(id))
}

// correction are the facts about new words.
func (t Transcript) correction(e Entry, c connector.Correction) []line {
	by, at := e.Message.Sender, e.Message.SentAt
	if c.By != nil {
		by = *c.By
	}
	if !c.At.IsZero() {
		at = c.At
	}
	var f facts
	f.add("Id", e.Message.ID)
	f.add("Corrected by", Person(by))
	f.add("Corrected", t.local(at))
	return f
}

// judge says of a version whether it still holds. place counts the versions of its message from 1.
func (t Transcript) judge(b *block, e Entry, place int) {
	var f facts
	if newest := len(e.Corrections); place <= newest {
		b.struck = true
		s := fmt.Sprintf("CORRECTED: version %d below replaces these words", version(e, newest-1))
		f.add("Status", s)
	}
	if r := e.Retraction; r != nil {
		b.struck = true
		s := "RETRACTED"
		if !r.At.IsZero() {
			s += " " + t.local(r.At)
		}
		if r.By != nil {
			s += " by " + Person(*r.By)
		}
		if reason := Line(r.Reason); reason != "" {
			s += ". Reason given: " + reason
		}
		f.add("Status", s)
	}
	b.lines = append(b.lines, f...)
}

func files(list []connector.Attachment) []line {
	var f facts
	for _, a := range list {
		f.add("Attachment", File(a))
	}
	return f
}

// newest is the latest time the transcript knows of, which a document made of it is dated by. It is the Unix epoch where
// there is none.
func (t Transcript) newest() time.Time {
	latest := time.Unix(0, 0)
	see := func(times ...time.Time) {
		for _, at := range times {
			if at.After(latest) {
				latest = at
			}
		}
	}
	see(t.Closed)
	entries, _ := t.shown()
	for _, e := range entries {
		see(e.Message.SentAt, e.Received, e.Delivery.At)
		for _, c := range e.Corrections {
			see(c.At)
		}
		if e.Retraction != nil {
			see(e.Retraction.At)
		}
	}
	return latest.UTC()
}
