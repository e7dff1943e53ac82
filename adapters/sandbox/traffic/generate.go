package traffic

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/platform"
)

// The event shapes, with fields in the order a reader wants them.
type event struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"`
	Data      data   `json:"data"`
}

type data struct {
	Thread  thread   `json:"thread"`
	Patient *patient `json:"patient,omitempty"`
	Message *message `json:"message,omitempty"`
	Status  *status  `json:"status,omitempty"`
}

type thread struct {
	ID       string `json:"id"`
	Subject  string `json:"subject,omitempty"`
	Topic    string `json:"topic,omitempty"`
	Priority string `json:"priority,omitempty"`
}

type identifier struct {
	System string `json:"system"`
	Value  string `json:"value"`
}

type patient struct {
	Identifiers []identifier `json:"identifiers"`
	Name        name         `json:"name"`
	BirthDate   string       `json:"birth_date"`
	Phone       string       `json:"phone"`
}

type name struct {
	Family string   `json:"family"`
	Given  []string `json:"given"`
}

type participant struct {
	Role         string      `json:"role"`
	ID           string      `json:"id"`
	Identifier   *identifier `json:"identifier,omitempty"`
	Name         string      `json:"name,omitempty"`
	Relationship string      `json:"relationship,omitempty"`
}

type message struct {
	ID         string        `json:"id"`
	Sequence   int           `json:"sequence"`
	Direction  string        `json:"direction"`
	SentAt     string        `json:"sent_at"`
	Sender     participant   `json:"sender"`
	Recipients []participant `json:"recipients"`
	Text       string        `json:"text"`
	InReplyTo  string        `json:"in_reply_to,omitempty"`
	Priority   string        `json:"priority,omitempty"`
}

type status struct {
	MessageID string `json:"message_id"`
	State     string `json:"state"`
	At        string `json:"at"`
}

// PatientSystem is the identifier system of generated patients: the one the example configuration maps.
const PatientSystem = "urn:oid:2.16.840.1.113883.19.5"

// epoch is when generated traffic begins; nothing in it depends on the day it is generated.
var epoch = time.Date(2026, 11, 2, 13, 0, 0, 0, time.UTC)

// zone is the clinic's offset, which sent_at keeps.
var zone = time.FixedZone("", -6*60*60)

type timed struct {
	at  time.Time
	raw []byte
}

// Generate makes the traffic a spec asks for ("threads=2000,messages=5,shuffle,repeat=0.1"). The same spec and seed give
// the same bytes. Threads overlap as they do in life; the order is that of the events' timestamps.
func Generate(spec string, seed uint64) (Traffic, error) {
	s, err := ParseSpec(spec)
	if err != nil {
		return Traffic{}, err
	}
	g := &generator{spec: s, random: rand.New(rand.NewPCG(seed, 0x7ead))}
	for i := range s.Threads {
		g.thread(i)
	}
	slices.SortStableFunc(g.events, func(a, b timed) int { return a.at.Compare(b.at) })
	t := Traffic{Order: platform.Order{Shuffle: s.Shuffle, Repeat: s.Repeat, Seed: seed}}
	for _, e := range g.events {
		t.Events = append(t.Events, e.raw)
	}
	return t, nil
}

type generator struct {
	spec   Spec
	random *rand.Rand
	events []timed
}

func (g *generator) add(at time.Time, kind string, d data) {
	raw, err := json.Marshal(event{Type: kind, Timestamp: at.UTC().Format(time.RFC3339), Data: d})
	if err != nil {
		panic("an event of plain values always marshals: " + err.Error())
	}
	g.events = append(g.events, timed{at, raw})
}

// thread makes one conversation: the patient, or for some their proxy, and the clinic take turns.
func (g *generator) thread(i int) {
	script := conversations[g.random.IntN(len(conversations))]
	who := patientNumber(g.random.IntN(cmp.Or(g.spec.Threads*2/3, 1)))
	t := thread{ID: fmt.Sprintf("gen-t%05d", i+1), Subject: script.subject, Topic: script.topic}
	if script.urgent {
		t.Priority = "urgent"
	}
	author := participant{Role: "patient", ID: "u-" + who.Identifiers[0].Value, Name: who.Name.Given[0] + " " + who.Name.Family}
	if g.random.IntN(8) == 0 {
		author = participant{
			Role: "proxy", ID: "x-" + who.Identifiers[0].Value, Name: "Morgan " + who.Name.Family,
			Relationship: []string{"mother", "father", "daughter", "husband"}[g.random.IntN(4)],
		}
	}
	answering := clinicians[g.random.IntN(len(clinicians))]
	at := epoch.Add(time.Duration(i)*20*time.Second + time.Duration(g.random.IntN(10))*time.Second)
	for n := range g.spec.Messages {
		g.turn(t, who, script, n, author, answering, at)
		at = at.Add(time.Duration(60+g.random.IntN(120)) * time.Second)
	}
}

func (g *generator) turn(t thread, who patient, script conversation, n int, author, answering participant, at time.Time) {
	m := &message{
		ID: fmt.Sprintf("m-%d", n+1), Sequence: n + 1, SentAt: at.In(zone).Format(time.RFC3339), Text: script.line(n),
		Priority: t.Priority,
	}
	d := data{Thread: t, Message: m}
	if n > 0 {
		d.Thread = thread{ID: t.ID}
		m.InReplyTo = fmt.Sprintf("m-%d", n)
	} else {
		d.Patient = &who
	}
	arrived := at.Add(time.Second)
	if n%2 == 0 {
		m.Direction, m.Sender, m.Recipients = "from_patient", author, []participant{script.pool}
		g.add(arrived, "message.created", d)
		return
	}
	m.Direction, m.Sender, m.Recipients = "to_patient", answering, []participant{author}
	g.add(arrived, "message.created", d)
	if g.spec.Statuses {
		done := at.Add(4 * time.Second)
		s := &status{MessageID: m.ID, State: "delivered", At: done.UTC().Format(time.RFC3339)}
		g.add(done, "message.status", data{Thread: thread{ID: t.ID}, Status: s})
	}
}

// patientNumber gives the nth patient: the same person in every run. Names repeat, as in life; birth date and identifier
// tell people apart.
func patientNumber(n int) patient {
	born := time.Date(1936, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n*7919%31000)
	return patient{
		Identifiers: []identifier{{PatientSystem, fmt.Sprintf("GEN%06d", n+1)}},
		Name:        name{Family: families[n*31%len(families)], Given: []string{givens[n*17%len(givens)]}},
		BirthDate:   born.Format(time.DateOnly),
		Phone:       fmt.Sprintf("+1500555%04d", n%10000),
	}
}
