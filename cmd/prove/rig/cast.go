package rig

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/seed"
)

const (
	patientSystem = "urn:oid:2.16.840.1.113883.19.5"
	pool          = "team-intake"
	staff         = "u-nurse"
	staffName     = "Robin Hale"
	patients      = 97 // a prime, so that neighbours in time are never the same person
)

// person is the nth patient: names repeat, as in life; birth date and identifier tell people apart.
func person(n int) seed.Patient {
	n %= patients
	born := time.Date(1940, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n*293)
	return seed.Patient{
		Identifiers: []seed.Identifier{{System: patientSystem, Value: fmt.Sprintf("PRV%04d", n)}},
		Family:      []string{"Okafor", "Lindqvist", "Serrano", "Whitfield", "Nakamura"}[n%5],
		Given:       []string{[]string{"Ada", "Jonas", "Pilar", "Theo"}[n%4]},
		BirthDate:   born.Format(time.DateOnly),
		Phone:       fmt.Sprintf("+1500555%04d", n),
		Since:       time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC),
	}
}

// cast is everyone the load names.
func cast() (seed.People, error) {
	p := seed.People{
		Staff: []seed.Person{{ID: staff, Name: staffName, Clinician: true}},
		Pools: []seed.Pool{{ID: pool, Name: "Intake team"}},
	}
	for n := range patients {
		p.Patients = append(p.Patients, person(n))
	}
	return p, nil
}

// Message is one exchange the load has made: what the judge holds the chart against.
type Message struct {
	Thread  string
	ID      string // "" for a reply, whose id is the platform's to give
	Seq     int
	Patient int
	Text    string
	Reply   bool
}

// key names a message in the file of acknowledgements.
func (m Message) key() string {
	if m.Reply {
		return m.Thread + "/reply"
	}
	return m.Thread + "/" + m.ID
}

// event is the message as the platform tells it.
func (m Message) event(at time.Time) []byte {
	p := person(m.Patient)
	patient := map[string]any{"role": "patient", "id": "u-" + p.Identifiers[0].Value, "name": p.Given[0] + " " + p.Family}
	team := map[string]any{"role": "pool", "id": pool, "name": "Intake team"}
	nurse := map[string]any{"role": "clinician", "id": staff, "name": staffName}
	message := map[string]any{"id": m.ID, "sequence": m.Seq, "sent_at": at.UTC().Format(time.RFC3339), "text": m.Text,
		"direction": "from_patient", "sender": patient, "recipients": []any{team}}
	if m.Seq%2 == 0 {
		message["direction"], message["sender"], message["recipients"] = "to_patient", nurse, []any{patient}
	}
	data := map[string]any{"thread": map[string]any{"id": m.Thread, "subject": "Proof"}, "message": message,
		"patient": map[string]any{
			"identifiers": []any{map[string]any{"system": patientSystem, "value": p.Identifiers[0].Value}},
			"name":        map[string]any{"family": p.Family, "given": p.Given}, "birth_date": p.BirthDate, "phone": p.Phone,
		}}
	raw, err := json.Marshal(map[string]any{"type": "message.created", "timestamp": at.UTC().Format(time.RFC3339), "data": data})
	if err != nil {
		panic("an event of plain values always marshals: " + err.Error())
	}
	return raw
}
