package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
)

// Where the EHR files threads as one entry, a message has no entry of its own: it is on the chart where one of its thread's
// transcripts, or what was added to one, shows its words. The judge reads no more of a transcript than that: no two revisions
// in a world have the same words.

// transcript is the thread that the entry is a transcript of.
func (e entry) transcript() (thread string, ok bool) {
	for _, id := range e.Identifier {
		if at := strings.LastIndex(id.Value, "/v"); id.System == base+"/"+channel+"/transcript" && at > 0 {
			return id.Value[:at], true
		}
	}
	return "", false
}

// text is the document the entry holds.
func (e entry) text() []byte {
	for _, c := range e.Content {
		if raw, err := base64.StdEncoding.DecodeString(c.Attachment.Data); err == nil {
			return raw
		}
	}
	return nil
}

// toldOn holds a version of a transcript to its patient, to the words of its own thread in their order, and to showing nothing
// that another current entry shows.
func (j *judge) toldOn(l ehr.Entry, e entry, thread string) {
	name := l.Type + "/" + l.ID
	if l.Version == 1 {
		j.stats["transcript"]++
		j.notes[thread] = append(j.notes[thread], name)
	}
	text := e.text()
	var own *talk
	for _, t := range j.w.script.threads {
		if t.id == thread {
			own = t
			continue
		}
		for _, m := range t.messages {
			if bytes.Contains(text, []byte(m.words[0])) {
				j.failLocked("%s tells of %s and has words of %s/%s", name, thread, t.id, m.id)
			}
		}
	}
	if own != nil && (own.mistaken || e.Subject.Reference != j.subject(own)) {
		j.failLocked("the transcript %s of %s is on the chart of %s", name, thread, e.Subject.Reference)
	}
	for _, r := range j.w.script.replies {
		switch {
		case !bytes.Contains(text, []byte(r.text)):
		case r.thread != nil && r.thread != own:
			j.failLocked("%s tells of %s and has reply %d to %s", name, thread, r.n, r.thread.id)
		case own == nil && e.Subject.Reference != "Patient/"+patientID(r.patient):
			j.failLocked("reply %d is in a transcript on the chart of %s and is about %s", r.n, e.Subject.Reference, patientID(r.patient))
		}
	}
	if own != nil {
		j.toldInOrder(l, own, name, text)
	}
	j.twice(thread)
}

// toldInOrder holds the messages in a transcript to the order of their thread, and their files to being named.
func (j *judge) toldInOrder(l ehr.Entry, t *talk, name string, text []byte) {
	messages := slices.Clone(t.messages)
	slices.SortFunc(messages, func(a, b *said) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	last, at, passed := "", -1, 0
	for _, m := range messages {
		n := bytes.Index(text, []byte(m.words[0]))
		if n < 0 {
			continue
		}
		key := t.id + "/" + m.id
		if n < at {
			j.failLocked("%s shows %s after %s", name, last, key)
		}
		last, at = key, n
		if sum := sha256.Sum256(m.file); m.file != nil && !bytes.Contains(text, []byte(hex.EncodeToString(sum[:]))) {
			j.failLocked("%s shows %s and does not name its file", name, key)
		}
		if _, before := j.places[key]; !before {
			j.gap(m, key, passed)
			j.places[key] = l.Seq
		}
		passed = m.sequence
	}
}

// twice holds every revision of a thread to standing in one current entry.
func (j *judge) twice(thread string) {
	var texts []string
	for _, t := range j.w.script.threads {
		if t.id == thread {
			for _, m := range t.messages {
				texts = append(texts, m.words...)
			}
		}
	}
	for _, r := range j.w.script.replies {
		texts = append(texts, r.text)
	}
	current := j.current(thread)
	for _, words := range texts {
		if on := showing(current, words); len(on) > 1 {
			j.failLocked("%.30q stands in the current entries %v", words, on)
		}
	}
}

// note is an entry that holds, and where it is.
type note struct {
	name string
	entry
}

// current are a thread's entries that hold: they say so, and none on the chart stands in their place.
func (j *judge) current(thread string) (out []note) {
	replaced := map[string]bool{}
	for _, name := range j.notes[thread] {
		typ, id, _ := strings.Cut(name, "/")
		stored, ok := j.w.ehr.Get(typ, id)
		if !ok {
			continue
		}
		e, err := readEntry(stored.Raw)
		if err != nil || e.Status == "superseded" || e.Status == "entered-in-error" {
			continue
		}
		out = append(out, note{name, e})
		for _, r := range e.RelatesTo {
			if r.Code == "replaces" {
				replaced[r.Target.Reference] = true
			}
		}
	}
	return slices.DeleteFunc(out, func(n note) bool { return replaced[n.name] })
}

func showing(current []note, words string) (names []string) {
	for _, n := range current {
		if n.shows([]byte(words)) {
			names = append(names, n.name)
		}
	}
	return names
}

// onChart is the entry that shows a revision: its own, or that of its thread; "" for none.
func (j *judge) onChart(thread, value, words string) string {
	if on := j.entryOf(value); on != "" || !j.w.script.perThread {
		return on
	}
	if on := showing(j.current(thread), words); len(on) > 0 {
		return on[0]
	}
	return ""
}

// carrier is the item whose request an item is told with: itself, but for what is told with another.
func (j *judge) carrier(i connector.Item) connector.Item {
	if t := i.Detail.Telling; t != nil && t.With != "" {
		return j.items[t.With]
	}
	return i
}

// withPerson says whether an item, or what it is told with, is or was with a person.
func (j *judge) withPerson(i connector.Item) bool {
	c := j.carrier(i)
	return i.State == connector.Parked || j.released[i.ID] || c.State == connector.Parked || j.released[c.ID]
}
