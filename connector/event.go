package connector

import "time"

// EventType is a type of the channel event contract.
type EventType string

// The seven event types of the channel event contract.
const (
	MessageCreated   EventType = "message.created"
	MessageStatus    EventType = "message.status"
	MessageCorrected EventType = "message.corrected"
	MessageRetracted EventType = "message.retracted"
	ThreadClosed     EventType = "thread.closed"
	ThreadReopened   EventType = "thread.reopened"
	ConsentUpdated   EventType = "consent.updated"
)

// Inbound is what arrived at a channel's events address, unread: the headers the channel's signature needs (canonical
// MIME keys), the exact body bytes, and when we got them (UTC).
type Inbound struct {
	Header map[string][]string
	Body   []byte
	At     time.Time
}

// Event is one verified, decoded event of a channel. Exactly the parts its Type needs are set.
type Event struct {
	Key        string // webhook-id, or sha256 of the line for files; unique in its channel for ever
	Type       EventType
	Timestamp  time.Time
	Thread     *ThreadInfo
	Patient    *PatientKey
	Message    *Message    // message.created
	MessageID  string      // status, corrected, retracted: the platform's id or our client_message_id
	Delivery   *Delivery   // message.status
	Correction *Correction // message.corrected
	Retraction *Retraction // message.retracted
	Consent    *Consent    // consent.updated
	Raw        []byte      // the body as received, kept sealed
}

// Correction holds the new words of an existing message.
type Correction struct {
	Version     int          `json:"version"` // 2 for the first
	Text        string       `json:"text"`
	At          time.Time    `json:"at"`
	By          *Participant `json:"by,omitempty"`
	Attachments []Attachment `json:"attachments,omitempty"`
}

// Outgoing is a message for the platform (contracts/channel-send.schema.json).
type Outgoing struct {
	ClientID    string // ULID, ours
	ThreadID    string // the platform's; "" when Chartwire starts the thread
	Subject     string
	Topic       string
	Priority    Priority
	Patient     *PatientKey
	Sender      Participant
	Recipients  []Participant
	SentAt      time.Time
	Text        string
	Language    string
	InReplyTo   string
	Attachments []Attachment
}

// Handover is the platform's answer to a taken message.
type Handover struct {
	MessageID string
	ThreadID  string
	Sequence  int64     // 0 where the platform gives none
	At        time.Time // the platform's time; zero where it gives none
}
