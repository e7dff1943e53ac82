package sim

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

const (
	base      = "https://connector.clinic.example/sid"
	channel   = "texting"
	mrnSystem = "urn:oid:2.16.840.1.113883.19.5"
)

// began is when every world begins.
var began = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // of a synctest bubble

// talk is a thread as the platform has it.
type talk struct {
	id       string
	patient  int // index of the person it is about
	numbered bool
	urgent   bool
	proxy    bool
	messages []*said
	mistaken bool // it names somebody by another's record number: nothing of it may reach a chart
	turns    int  // from this message on it names somebody else; 0 never
}

// said is one message with every revision of its words.
type said struct {
	thread    *talk
	id        string
	number    int // from 1
	sequence  int
	sent      time.Duration
	toPatient bool
	words     []string // by revision, from 1
	file      []byte   // an attachment's bytes, nil for none
	retracted bool
	states    []string
}

// post is one delivery of one event.
type post struct {
	at    time.Duration
	id    string
	body  []byte
	about string // what it says, for the trace
}

// reply is a message a person writes in Chartwire.
type reply struct {
	at      time.Duration
	thread  *talk // nil begins a new one
	n       int
	patient int
	text    string
}

type object = map[string]any

// phrases are texts that systems break: what arrives must be these bytes.
var phrases = []string{
	"Take 5 mg, not 50 mg.", "  two  spaces  ", "line one\nline two\n", "<b>bold</b> & \"quoted\" \\ back", "größer als 38,5 °C 🙂",
	"e\u0301 and \u00e9 differ", "tab\tinside", "مرحبا doctor", "ends with a backslash \\", "{patient} is no symbol here", strings.Repeat("long ", 200),
}

// talk decides who talks, what is said, and how the platform delivers it.
func (s *script) talk(r *rand.Rand) {
	n := 1 + r.IntN(4)
	switch k := r.IntN(20); {
	case k >= 19:
		n = 10 + r.IntN(21)
	case k >= 12:
		n = 1 + r.IntN(10)
	}
	if s.perSecond > 0 && n > 10 {
		n = 10
	}
	numbered := r.IntN(5) > 0
	for i := range n {
		t := &talk{id: fmt.Sprintf("t-%d", i+1), patient: r.IntN(max(1, n*2/3)), numbered: numbered, urgent: r.IntN(10) == 0, proxy: r.IntN(8) == 0,
			mistaken: r.IntN(25) == 0}
		if r.IntN(30) == 0 {
			t.turns = 2
		}
		s.threads = append(s.threads, t)
		s.thread(r, t)
	}
	for i := range []int{0, 0, 1, 2, 4}[r.IntN(5)] {
		p := reply{at: between(r, 0, s.span), n: i, patient: r.IntN(max(1, n*2/3)), text: fmt.Sprintf("reply %d: %s", i, phrases[r.IntN(len(phrases)-1)])}
		if r.IntN(4) > 0 { // the platform numbers it after what the thread has by then
			p.thread = s.threads[r.IntN(n)]
			p.patient = p.thread.patient
			p.at = p.thread.messages[len(p.thread.messages)-1].sent + between(r, 0, 10*time.Minute)
		}
		s.replies = append(s.replies, p)
	}
	slices.SortStableFunc(s.posts, func(a, b post) int { return cmp.Compare(a.at, b.at) })
}

func (s *script) thread(r *rand.Rand, t *talk) {
	at := between(r, 0, s.span/2)
	for i := range 1 + r.IntN(7) {
		m := &said{thread: t, id: fmt.Sprintf("m-%d", i+1), number: i + 1, sent: at, toPatient: i%2 == 1}
		if t.numbered {
			m.sequence = i + 1
		}
		m.words = []string{fmt.Sprintf("%s/%s: %s", t.id, m.id, phrases[r.IntN(len(phrases))])}
		if r.IntN(10) == 0 {
			m.file = []byte(fmt.Sprintf("file of %s/%s %d", t.id, m.id, r.Uint64()))
		}
		t.messages = append(t.messages, m)
		s.deliver(r, at, "message.created", s.created(t, m, i == 0))
		s.after(r, t, m, at)
		at += between(r, time.Second, min(10*time.Minute, s.span/10))
	}
	if r.IntN(4) == 0 {
		s.deliver(r, at, "thread.closed", object{"thread": object{"id": t.id}})
	}
}

// after decides what follows a message: news of its delivery, new words, its retraction.
func (s *script) after(r *rand.Rand, t *talk, m *said, at time.Duration) {
	about := object{"id": t.id}
	if m.toPatient {
		last := []string{"delivered", "read", "failed", ""}[r.IntN(4)]
		states := map[string][]string{"delivered": {"sent", "delivered"}, "read": {"sent", "delivered", "read"}, "failed": {"sent", "failed"}}[last]
		for _, state := range states {
			at += between(r, time.Second, 20*time.Second)
			m.states = append(m.states, state)
			s.deliver(r, at, "message.status", object{"thread": about, "status": object{"message_id": m.id, "state": state, "at": stamp(at)}})
		}
	}
	for r.IntN(8) == 0 || len(m.words) > 1 && len(m.words) < 4 && r.IntN(2) == 0 {
		at += between(r, time.Second, []time.Duration{5 * time.Second, 10 * time.Minute}[r.IntN(2)])
		m.words = append(m.words, fmt.Sprintf("%s/%s corrected %d: %s", t.id, m.id, len(m.words), phrases[r.IntN(len(phrases))]))
		s.deliver(r, at, "message.corrected", object{"thread": about, "correction": object{"message_id": m.id, "version": len(m.words),
			"text": m.words[len(m.words)-1], "at": stamp(at), "by": s.author(t, m)}})
	}
	if r.IntN(20) == 0 {
		at += between(r, time.Second, 10*time.Minute)
		m.retracted = true
		s.deliver(r, at, "message.retracted", object{"thread": about, "retraction": object{"message_id": m.id, "at": stamp(at), "by": s.author(t, m)}})
	}
}

func stamp(at time.Duration) string {
	return began.Add(at).In(time.FixedZone("", -6*60*60)).Format(time.RFC3339)
}

// deliver decides when, and how often, the platform posts an event.
func (s *script) deliver(r *rand.Rand, at time.Duration, kind string, data object) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(object{"type": kind, "timestamp": stamp(at), "data": data}); err != nil {
		panic("an event of plain values always marshals: " + err.Error())
	}
	p := post{at: at + late(r), id: fmt.Sprintf("evt-%d", len(s.posts)+1), body: bytes.TrimSpace(body.Bytes()), about: kind}
	s.posts = append(s.posts, p)
	if r.IntN(8) == 0 {
		p.at += late(r)
		s.posts = append(s.posts, p)
	}
}

// late is how long an event is under way: mostly moments, now and then longer than gaps are waited for.
func late(r *rand.Rand) time.Duration {
	switch n := r.IntN(100); {
	case n < 80:
		return between(r, 0, 3*time.Second)
	case n < 95:
		return between(r, 0, 50*time.Second)
	case n < 99:
		return between(r, 0, 10*time.Minute)
	}
	return between(r, 0, 3*time.Hour)
}

func (s *script) created(t *talk, m *said, first bool) object {
	message := object{"id": m.id, "direction": "from_patient", "sent_at": stamp(m.sent), "text": m.words[0], "sender": s.author(t, m),
		"recipients": []any{object{"role": "pool", "id": "nurse-triage", "name": "Nurse triage"}}}
	if m.toPatient {
		message["direction"], message["recipients"] = "to_patient", []any{s.person(t)}
	}
	if m.sequence > 0 {
		message["sequence"] = m.sequence
	}
	if t.urgent {
		message["priority"] = "urgent"
	}
	if m.file != nil {
		message["attachments"] = []any{object{"id": "a-1", "filename": "note.txt", "content_type": "text/plain", "data": base64.StdEncoding.EncodeToString(m.file)}}
	}
	data := object{"thread": object{"id": t.id, "subject": "About " + t.id, "topic": "clinical"}, "message": message}
	switch {
	case t.turns > 0 && m.number >= t.turns:
		data["patient"] = patientOf(t.patient + 17)
	case t.mistaken:
		p := patientOf(t.patient)
		p["identifiers"] = patientOf(t.patient + 18)["identifiers"] // of somebody of the same name
		data["patient"] = p
	case first || m.sequence == 0: // events may come in any order
		data["patient"] = patientOf(t.patient)
	}
	return data
}

func (s *script) author(t *talk, m *said) object {
	if m.toPatient {
		return object{"role": "clinician", "id": "prac-ana", "name": "Ana Rivera",
			"identifier": object{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}}
	}
	return s.person(t)
}

// person is who writes for the patient.
func (s *script) person(t *talk) object {
	if t.proxy {
		return object{"role": "proxy", "id": fmt.Sprintf("x-%d", t.patient), "name": "Morgan Doe", "relationship": "mother"}
	}
	return object{"role": "patient", "id": fmt.Sprintf("u-%d", t.patient), "name": "Pat Doe"}
}

// patientOf is the person the nth patient is. Names repeat, as in life.
func patientOf(n int) object {
	return object{"identifiers": []any{object{"system": mrnSystem, "value": fmt.Sprintf("MRN%03d", n)}},
		"name": object{"family": []string{"Cho", "Lee", "Doe"}[n%3], "given": []string{"Daniel"}}, "birth_date": fmt.Sprintf("19%02d-07-04", 40+n%60)}
}

// patientID is the EHR's id of that patient.
func patientID(n int) string { return fmt.Sprintf("pat-%c%c", 'a'+n/26, 'a'+n%26) }
