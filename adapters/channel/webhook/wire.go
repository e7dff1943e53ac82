package webhook

import (
	"encoding/json"
	"math/big"

	"github.com/chartwire/chartwire/connector/decode"
)

// The structs below are the contract's JSON, field for field. Every field is a pointer or a slice, because the contract
// tells an absent field from an empty one; check.go holds them to the rest of the schema.

type wireEvent struct {
	Type      *string   `json:"type"`
	Timestamp *string   `json:"timestamp"`
	Data      *wireData `json:"data"`
}

type wireData struct {
	Thread     *wireThread     `json:"thread"`
	Patient    *wirePatient    `json:"patient"`
	Message    *wireMessage    `json:"message"`
	Status     *wireStatus     `json:"status"`
	Correction *wireCorrection `json:"correction"`
	Retraction *wireRetraction `json:"retraction"`
	Consent    *wireConsent    `json:"consent"`
}

type wireThread struct {
	ID        *string         `json:"id"`
	Subject   *string         `json:"subject"`
	Topic     *string         `json:"topic"`
	Priority  *string         `json:"priority"`
	Encounter *wireIdentifier `json:"encounter"`
	About     []string        `json:"about"`
}

type wireIdentifier struct {
	System *string `json:"system"`
	Value  *string `json:"value"`
}

type wirePatient struct {
	Identifiers []wireIdentifier `json:"identifiers"`
	Name        *wireName        `json:"name"`
	BirthDate   *string          `json:"birth_date"`
	Phone       *string          `json:"phone"`
}

type wireName struct {
	Family *string  `json:"family"`
	Given  []string `json:"given"`
}

type wireParticipant struct {
	Role         *string         `json:"role"`
	ID           *string         `json:"id"`
	Identifier   *wireIdentifier `json:"identifier"`
	Name         *string         `json:"name"`
	Relationship *string         `json:"relationship"`
}

type wireMessage struct {
	ID          *string           `json:"id"`
	Sequence    *whole            `json:"sequence"`
	Direction   *string           `json:"direction"`
	SentAt      *string           `json:"sent_at"`
	Sender      *wireParticipant  `json:"sender"`
	Recipients  []wireParticipant `json:"recipients"`
	Text        *string           `json:"text"`
	InReplyTo   *string           `json:"in_reply_to"`
	Attachments []wireAttachment  `json:"attachments"`
	ClientID    *string           `json:"client_message_id"`
	Language    *string           `json:"language"`
	Priority    *string           `json:"priority"`
}

type wireAttachment struct {
	ID          *string `json:"id"`
	Filename    *string `json:"filename"`
	ContentType *string `json:"content_type"`
	Size        *whole  `json:"size"`
	SHA256      *string `json:"sha256"`
	Data        *string `json:"data"`
	URL         *string `json:"url"`
}

type wireStatus struct {
	MessageID *string          `json:"message_id"`
	State     *string          `json:"state"`
	Reason    *string          `json:"reason"`
	At        *string          `json:"at"`
	Recipient *wireParticipant `json:"recipient"`
}

type wireCorrection struct {
	MessageID   *string          `json:"message_id"`
	Text        *string          `json:"text"`
	At          *string          `json:"at"`
	By          *wireParticipant `json:"by"`
	Version     *whole           `json:"version"`
	Attachments []wireAttachment `json:"attachments"`
}

type wireRetraction struct {
	MessageID *string          `json:"message_id"`
	At        *string          `json:"at"`
	By        *wireParticipant `json:"by"`
	Reason    *string          `json:"reason"`
}

type wireConsent struct {
	State        *string          `json:"state"`
	Phone        *string          `json:"phone"`
	MessageTypes []string         `json:"message_types"`
	How          *string          `json:"how"`
	At           *string          `json:"at"`
	Of           *wireParticipant `json:"of"`
}

// wireTaken is the platform's answer to a send ("taken" in the send contract).
type wireTaken struct {
	MessageID *string `json:"message_id"`
	ThreadID  *string `json:"thread_id"`
	Sequence  *whole  `json:"sequence"`
	At        *string `json:"at"`
}

// whole is JSON Schema's "integer": a number without a fraction, however it is written, so 1, 1.0 and 1e0 are the same.
// A number beyond 64 bits is refused.
type whole int64

// maxNumber bounds the spelling of a number in bytes, so that 1e999999999 is not worked out.
const maxNumber = 40

// UnmarshalJSON reads the number; its error is a *decode.Problem, whose text holds no value.
func (w *whole) UnmarshalJSON(b []byte) error {
	refused := &decode.Problem{Text: "want a whole number in range"}
	var n json.Number
	if len(b) > maxNumber || b[0] == '"' || json.Unmarshal(b, &n) != nil {
		return refused
	}
	if v, err := n.Int64(); err == nil {
		*w = whole(v)
		return nil
	}
	if f, err := n.Float64(); err != nil || f > 1<<63 || f < -1<<63 {
		return refused
	}
	if f, _ := n.Float64(); f != 0 && f > -1e-9 && f < 1e-9 {
		return refused // a fraction; its digits are not worked out
	}
	r, ok := new(big.Rat).SetString(n.String())
	if !ok || !r.IsInt() || !r.Num().IsInt64() {
		return refused
	}
	*w = whole(r.Num().Int64())
	return nil
}
