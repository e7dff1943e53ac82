package rig

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/platform"
)

// Verdict is what the EHR's ledger and the platform's say of what was acknowledged.
type Verdict struct {
	Acked        int // messages whose sender was told that they are durable
	OnChart      int // of all that were sent
	Lost         int // acked and not on the chart; what is parked is counted here too, see Parked
	Duplicates   int // entries beyond the first of one message, one thread's header or one reply, and replies sent twice
	Inversions   int // filed after a later message of their thread and not marked late
	Late         int // marked late
	WrongPatient int
	WrongWords   int
	Strangers    int        // entries nobody sent
	Doubles      [][]string // the entries, Type/id, of each that is there more than once
	Details      []string
}

// Clean says whether nothing is wrong.
func (v Verdict) Clean() bool {
	return v.Lost == 0 && v.Duplicates == 0 && v.Inversions == 0 && v.WrongPatient == 0 && v.WrongWords == 0 && v.Strangers == 0
}

func (v Verdict) String() string {
	s := fmt.Sprintf("%d acked, %d on the chart: %d lost, %d doubled, %d inverted (%d late), %d under a wrong patient, %d with other words, %d of nobody",
		v.Acked, v.OnChart, v.Lost, v.Duplicates, v.Inversions, v.Late, v.WrongPatient, v.WrongWords, v.Strangers)
	for _, d := range v.Details[:min(len(v.Details), 20)] {
		s += "\n  " + d
	}
	return s
}

// Chart is the evidence: what the EHR holds, in which order it was created, and what the platform was handed.
type Chart struct {
	Entries []ehr.Stored
	Ledger  []ehr.Entry
	Sent    []platform.Received
}

// Judge holds the chart against what was sent.
func (w *World) Judge() Verdict {
	c := Chart{Entries: append(w.EHR.All("Communication"), w.EHR.All("DocumentReference")...), Ledger: w.EHR.Ledger(), Sent: w.Platform.Received()}
	attempted, acked := w.Acks.all()
	return Judge(c, attempted, acked, func(patient int) string { return w.refs.Patients[person(patient).Identifiers[0]] })
}

// entry is what of a chart entry counts.
type entry struct {
	ref     string
	created int // its place in the ledger
	message string
	header  string
	subject string
	text    string
	late    bool
	alone   bool // the text is a message's words and nothing else
}

// judge is one judgement under way.
type judge struct {
	v         Verdict
	created   map[string]int
	byMessage map[string][]entry
	byText    map[string][]entry // of replies
	headers   map[string][]entry
	replies   map[string]bool // by their words
	reference func(patient int) string
}

// Judge is the judgement itself, apart from the World, so that a planted wrong can be shown to be seen. reference gives
// the EHR's reference of a patient.
func Judge(c Chart, attempted, acked map[string]Message, reference func(patient int) string) Verdict {
	j := &judge{created: map[string]int{}, byMessage: map[string][]entry{}, byText: map[string][]entry{}, headers: map[string][]entry{},
		replies: map[string]bool{}, reference: reference}
	for _, e := range c.Ledger {
		if e.Version == 1 {
			j.created[e.Type+"/"+e.ID] = e.Seq
		}
	}
	for _, m := range attempted {
		if m.Reply {
			j.replies[m.Text] = true
		}
	}
	for _, s := range c.Entries {
		j.read(s)
	}
	j.v.Acked = len(acked)
	for key, m := range attempted {
		_, promised := acked[key]
		j.message(m, promised)
	}
	j.strangers(attempted)
	j.order(attempted)
	j.sent(c.Sent, attempted, acked)
	slices.Sort(j.v.Details)
	return j.v
}

func (j *judge) say(format string, args ...any) {
	j.v.Details = append(j.v.Details, fmt.Sprintf(format, args...))
}

// read sorts one entry in.
func (j *judge) read(s ehr.Stored) {
	var r struct {
		Status     string
		Identifier []struct{ System, Value string }
		Subject    struct{ Reference string }
		Payload    []struct{ ContentString string }
		Content    []struct{ Attachment struct{ Data string } }
		Note       []struct{ Text string }
	}
	if err := json.Unmarshal(s.Raw, &r); err != nil {
		j.v.Strangers++
		j.say("%s cannot be read", s.Reference())
		return
	}
	e := entry{ref: s.Reference(), created: j.created[s.Reference()], subject: r.Subject.Reference}
	for _, n := range r.Note {
		e.late = e.late || strings.HasPrefix(n.Text, "Filed out of sequence")
	}
	if len(r.Payload) > 0 {
		e.text = r.Payload[0].ContentString
	}
	if len(r.Content) > 0 {
		data, _ := base64.StdEncoding.DecodeString(r.Content[0].Attachment.Data) // what is no base64 has no words
		e.text = string(data)
		e.late = strings.Contains(e.text, "Filed out of sequence")
	}
	for _, id := range r.Identifier {
		switch id.System {
		case IdentityBase + "/" + Channel + "/message":
			e.message = id.Value
		case IdentityBase + "/" + Channel + "/thread":
			e.header = id.Value
		case IdentityBase + "/" + Channel + "/transcript":
			j.transcript(e, id.Value, r.Status)
			return
		}
	}
	switch {
	case j.said(e):
	case e.header != "":
		j.headers[e.header] = append(j.headers[e.header], e)
	default:
		j.v.Strangers++
		j.say("%s names no message of the load", e.ref)
	}
}

// said takes down where a message stands; false where the entry is none.
func (j *judge) said(e entry) bool {
	switch {
	case j.replies[e.text]: // whose id is the platform's
		j.byText[e.text] = append(j.byText[e.text], e)
	case e.message != "":
		j.byMessage[e.message] = append(j.byMessage[e.message], e)
	default:
		return false
	}
	return true
}

// found are the entries of a message.
func (j *judge) found(m Message) []entry {
	if m.Reply {
		return j.byText[m.Text]
	}
	return j.byMessage[m.key()]
}

func (j *judge) message(m Message, promised bool) {
	found := j.found(m)
	if len(found) == 0 {
		if promised {
			j.v.Lost++
			j.say("lost: %s", m.key())
		}
		return
	}
	j.v.OnChart++
	j.doubled(m.key(), found)
	for _, e := range found {
		if e.subject != j.reference(m.Patient) {
			j.v.WrongPatient++
			j.say("wrong patient: %s of %s is under %s", e.ref, m.key(), e.subject)
		}
		if e.text != m.Text && (e.alone || !strings.HasPrefix(e.ref, "DocumentReference/") || !strings.Contains(e.text, m.Text)) {
			j.v.WrongWords++
			j.say("other words: %s of %s", e.ref, m.key())
		}
		if e.late {
			j.v.Late++
		}
	}
}

func (j *judge) doubled(what string, found []entry) {
	if len(found) < 2 {
		return
	}
	j.v.Duplicates += len(found) - 1
	var refs []string
	for _, e := range found {
		refs = append(refs, e.ref)
	}
	j.v.Doubles = append(j.v.Doubles, refs)
	j.say("doubled: %s is %s", what, strings.Join(refs, " and "))
}

// strangers are entries that name a message or thread nobody sent; headers are doubled like messages.
func (j *judge) strangers(attempted map[string]Message) {
	threads := map[string]bool{}
	for _, m := range attempted {
		threads[m.Thread] = true
	}
	for id, found := range j.byMessage {
		if _, ok := attempted[id]; !ok {
			j.v.Strangers += len(found)
			j.say("nobody's: %s names %s", found[0].ref, id)
		}
	}
	for id, found := range j.headers {
		j.doubled("the header of "+id, found)
		if !threads[id] {
			j.v.Strangers += len(found)
			j.say("nobody's: %s is the header of %s", found[0].ref, id)
		}
	}
}

// order looks at each thread in the order its entries were created.
func (j *judge) order(attempted map[string]Message) {
	type filed struct {
		entry
		seq int
	}
	threads := map[string][]filed{}
	for _, m := range attempted {
		if m.Reply {
			continue
		}
		if found := j.found(m); len(found) > 0 {
			threads[m.Thread] = append(threads[m.Thread], filed{found[0], m.Seq})
		}
	}
	for id, all := range threads {
		slices.SortFunc(all, func(a, b filed) int { return a.created - b.created })
		highest := 0
		for _, f := range all {
			if f.seq < highest && !f.late {
				j.v.Inversions++
				j.say("inverted: message %d of %s was filed after message %d", f.seq, id, highest)
			}
			highest = max(highest, f.seq)
		}
	}
}

// sent holds what the platform was handed against the replies.
func (j *judge) sent(received []platform.Received, attempted, acked map[string]Message) {
	times := map[string]int{}
	for _, r := range received {
		times[r.Message.Text]++
	}
	for key, m := range attempted {
		if !m.Reply {
			continue
		}
		_, promised := acked[key]
		switch n := times[m.Text]; {
		case n == 0 && promised && len(j.found(m)) > 0:
			j.v.Lost++
			j.say("not sent: %s", key)
		case n > 1:
			j.v.Duplicates += n - 1
			j.say("sent %d times: %s", n, key)
		}
	}
}
