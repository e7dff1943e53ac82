package deliver_test

import (
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// said is a message of the patient's.
func said(id string, seq int64, text string) connector.Event {
	return connector.Event{Type: connector.MessageCreated, Patient: anasKey(), Message: &connector.Message{ID: id, Sequence: seq,
		Direction: connector.FromPatient, SentAt: time.Date(2000, 1, 1, 0, 0, int(seq), 0, time.UTC),
		Sender: connector.Participant{Role: connector.RolePatient}, Text: text,
		Recipients: []connector.Participant{{Role: connector.RolePool, ID: "nurses"}}}}
}

// told is a message to the patient the platform knows of by itself.
func told(id string, seq int64, text string) connector.Event {
	ev := said(id, seq, text)
	ev.Message.Direction, ev.Message.Sender = connector.ToPatient, connector.Participant{Role: connector.RoleClinician, ID: "dr"}
	ev.Message.Recipients = []connector.Participant{{Role: connector.RolePatient}}
	return ev
}

func anasKey() *connector.PatientKey {
	return &connector.PatientKey{Identifiers: []connector.Identifier{{System: "urn:mrn", Value: "1"}},
		Name: &connector.HumanName{Family: "Garcia", Given: []string{"Ana"}}, BirthDate: "1980-02-03"}
}

func status(id string, s connector.SendState, why string) connector.Event {
	return connector.Event{Type: connector.MessageStatus, MessageID: id, Delivery: &connector.Delivery{State: s, At: clock.System.Now(), Reason: why}}
}

func corrected(id string, version int, text string) connector.Event {
	return connector.Event{Type: connector.MessageCorrected, MessageID: id,
		Correction: &connector.Correction{Version: version, Text: text, At: clock.System.Now()}}
}

func retracted(id string) connector.Event {
	return connector.Event{Type: connector.MessageRetracted, MessageID: id, Retraction: &connector.Retraction{At: clock.System.Now()}}
}

func turned(t connector.EventType) connector.Event { return connector.Event{Type: t} }
