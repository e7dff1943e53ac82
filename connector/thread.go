package connector

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Identifier is a FHIR Identifier's system and value; both are platform- or EHR-supplied and may be PHI.
type Identifier struct {
	System string `json:"system"`
	Value  string `json:"value"`
}

// IsZero says whether nothing was given.
func (i Identifier) IsZero() bool { return i == Identifier{} }

// Token is the search token system|value (FHIR R4 search, token), not escaped.
func (i Identifier) Token() string { return i.System + "|" + i.Value }

// Participant is one person, pool or system in an exchange, as the channel names them.
type Participant struct {
	Role         Role        `json:"role"`
	ID           string      `json:"id,omitempty"` // the platform's id; pools and people of the config share it
	Identifier   *Identifier `json:"identifier,omitempty"`
	Name         string      `json:"name,omitempty"`
	Relationship string      `json:"relationship,omitempty"` // with role proxy
}

// Key names the participant within its channel: the platform's id, else its identifier, else its role. Two participants
// with one key are the same person. It is PHI.
func (p Participant) Key() string {
	switch {
	case p.Role == RolePatient:
		return string(RolePatient)
	case p.ID != "":
		return p.ID
	case p.Identifier != nil:
		return p.Identifier.Token()
	default:
		return string(p.Role)
	}
}

// HumanName is a name as the channel gave it.
type HumanName struct {
	Family string   `json:"family,omitempty"`
	Given  []string `json:"given,omitempty"`
}

// PatientKey is what is known about the patient a thread is about before the EHR's own record is bound to it.
type PatientKey struct {
	Reference   string       `json:"reference,omitempty"` // EHR-issued, such as Patient/abc; binds by itself
	Identifiers []Identifier `json:"identifiers,omitempty"`
	Name        *HumanName   `json:"name,omitempty"`
	BirthDate   string       `json:"birth_date,omitempty"` // YYYY-MM-DD
	Phone       string       `json:"phone,omitempty"`      // E.164
}

// IsZero says whether the key names nobody.
func (k PatientKey) IsZero() bool { return k.Reference == "" && len(k.Identifiers) == 0 }

// Participant names the patient as the send contract wants a participant named: by an identifier, where one is known.
func (k PatientKey) Participant() Participant {
	p := Participant{Role: RolePatient}
	if len(k.Identifiers) > 0 {
		p.Identifier = &k.Identifiers[0]
	}
	if k.Name != nil {
		p.Name = strings.TrimSpace(strings.Join(k.Name.Given, " ") + " " + k.Name.Family)
	}
	return p
}

// SameIdentifiers says whether other names the same patient: every identifier whose system both give must have the same
// value, and at least one system must be shared. A key without identifiers names nobody else.
func (k PatientKey) SameIdentifiers(other PatientKey) bool {
	if len(k.Identifiers) == 0 || len(other.Identifiers) == 0 {
		return k.Reference == other.Reference || k.Reference == "" || other.Reference == ""
	}
	shared := false
	for _, a := range k.Identifiers {
		for _, b := range other.Identifiers {
			if a.System != b.System {
				continue
			}
			if a.Value != b.Value {
				return false
			}
			shared = true
		}
	}
	return shared
}

// ThreadInfo is what the channel says about a thread.
type ThreadInfo struct {
	ID        string      `json:"id"` // the channel's; unique in it for ever
	Subject   string      `json:"subject,omitempty"`
	Topic     string      `json:"topic,omitempty"`
	Priority  Priority    `json:"priority,omitempty"`
	Encounter *Identifier `json:"encounter,omitempty"` // the visit the platform knows of
	About     []string    `json:"about,omitempty"`     // references the EHR issued

	TurnedAt time.Time `json:"turned_at,omitzero"` // the platform's time of the newest close or reopen taken
	Awaits   []string  `json:"awaits,omitempty"`   // ids of messages it spoke of and has not given (Thread.Await)

	Disputed []PatientKey `json:"disputed,omitempty"` // whom later events have named instead of the thread's patient (Thread.Dispute)
	Settled  []PatientKey `json:"settled,omitempty"`  // how events may name the patient a person has linked the thread to (Thread.Settle)
}

// Attachment is a file of a message. Data is nil until it was given inline or fetched.
type Attachment struct {
	ID          string `json:"id"`
	Filename    string `json:"filename,omitempty"`
	ContentType string `json:"content_type"`
	Size        int64  `json:"size,omitempty"`   // bytes, as declared
	SHA256      string `json:"sha256,omitempty"` // Hash of its bytes, as declared
	URL         string `json:"url,omitempty"`
	Data        []byte `json:"data,omitempty"`
}

// Hash is the SHA-256 of bytes in lower-case hex: what an Attachment names, and what receipts compare.
func Hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Message is one message as the channel gave it, or the new words of a correction.
type Message struct {
	ID          string        `json:"id"`
	Sequence    int64         `json:"sequence,omitempty"` // from 1 without gaps; 0 where the channel has none
	Direction   Direction     `json:"direction"`
	SentAt      time.Time     `json:"sent_at"` // keeps the sender's UTC offset
	Sender      Participant   `json:"sender"`
	Recipients  []Participant `json:"recipients,omitempty"`
	Text        string        `json:"text,omitempty"`
	InReplyTo   string        `json:"in_reply_to,omitempty"`
	Attachments []Attachment  `json:"attachments,omitempty"`
	ClientID    string        `json:"client_message_id,omitempty"`
	Language    string        `json:"language,omitempty"`
	Priority    Priority      `json:"priority,omitempty"`
	Encounter   string        `json:"encounter,omitempty"` // of a message of ours: the encounter it was written in, by the EHR's launch. Never a platform's word
}

// Delivery is how far a message to a patient has got, and when, by the platform's word.
type Delivery struct {
	State  SendState `json:"state,omitempty"`
	At     time.Time `json:"at,omitzero"`
	Reason string    `json:"reason,omitempty"` // the platform's words for a failure; may be PHI
}

// Retraction says who took a message back, when and why.
type Retraction struct {
	At     time.Time    `json:"at"`
	By     *Participant `json:"by,omitempty"`
	Reason string       `json:"reason,omitempty"`
}

// Consent is one person's word about one channel.
type Consent struct {
	State        string       `json:"state"` // granted | revoked
	Phone        string       `json:"phone,omitempty"`
	MessageTypes []string     `json:"message_types,omitempty"`
	How          string       `json:"how,omitempty"`
	At           time.Time    `json:"at"`
	Of           *Participant `json:"of,omitempty"`
}

// The types below print as "[phi]" wherever a log line or an error might format them.

func (Participant) String() string              { return redacted }
func (Participant) LogValue() slog.Value        { return slog.StringValue(redacted) }
func (PatientKey) String() string               { return redacted }
func (PatientKey) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (ThreadInfo) String() string               { return redacted }
func (ThreadInfo) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Attachment) String() string               { return redacted }
func (Attachment) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Message) String() string                  { return redacted }
func (Message) LogValue() slog.Value            { return slog.StringValue(redacted) }
func (m Message) GoString() string              { return redacted }
func (p PatientKey) GoString() string           { return redacted }
func (i Identifier) GoString() string           { return redacted }
func (p Participant) GoString() string          { return redacted }
func (i Identifier) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(redacted)) }
