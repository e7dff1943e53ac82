package r4

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/samply/golang-fhir-models/fhir-models/fhir"
)

// Communication is one message on a chart, or the header of a thread of them (R4
// Communication). The samply fields are promoted; Payload replaces samply's.
//
// One made by [NewCommunication] is encoded from its fields. One made by [ParseCommunication]
// keeps the server's bytes: encoding it gives those bytes with the changed elements patched.
type Communication struct {
	fhir.Communication
	Payload []Payload

	raw, base []byte
}

type communicationBody struct {
	ResourceType string `json:"resourceType"`
	fhir.OtherCommunication
	Payload []Payload `json:"payload,omitempty"`
}

// NewCommunication starts a Communication with its status and business identifiers.
func NewCommunication(status EventStatus, ids ...Identifier) *Communication {
	return &Communication{Communication: fhir.Communication{Status: status, Identifier: ids}}
}

// ParseCommunication reads a Communication from a server. It keeps a copy of raw. Errors:
// [ErrResourceType], [ErrDuplicateKey], or a [*Problem] naming the element that is missing or of
// the wrong type; the caller treats the body as unreadable.
func ParseCommunication(raw []byte) (*Communication, error) {
	var view communicationBody
	if err := parseView("Communication", raw, &view); err != nil {
		return nil, err
	}
	c := &Communication{Communication: fhir.Communication(view.OtherCommunication), Payload: view.Payload, raw: slices.Clone(raw)}
	base, err := Marshal(c.body())
	if err != nil {
		return nil, err
	}
	c.base = base
	return c, nil
}

func (c Communication) body() communicationBody {
	return communicationBody{"Communication", fhir.OtherCommunication(c.Communication), c.Payload}
}

// MarshalJSON encodes the resource. A built one is checked and refused with a [*Problem]; a
// parsed one is the server's bytes with our changes in them.
func (c Communication) MarshalJSON() ([]byte, error) {
	if c.Communication.Payload != nil {
		return nil, errSamplyPayload("Communication")
	}
	return marshalView("Communication", c.body(), c.raw, c.base)
}

// Raw is the server's bytes of a parsed Communication, nil for a built one. Do not change them.
func (c Communication) Raw() json.RawMessage { return c.raw }

// SetSent sets sent, keeping t's offset; the zero time removes it.
func (c *Communication) SetSent(t time.Time) { c.Sent = String(DateTime(t)) }

// SetReceived sets received ("arrived at the destination", never "read"); zero removes it.
func (c *Communication) SetReceived(t time.Time) { c.Received = String(DateTime(t)) }

// errSamplyPayload: samply's payloads would be dropped without a word, so they are refused.
func errSamplyPayload(resourceType string) error {
	return &Problem{resourceType + ".payload", "set the Payload of package r4, not the embedded one"}
}

// marshalView encodes a built view strictly, or brings the changes of a parsed one into raw.
func marshalView(resourceType string, body any, raw, base []byte) ([]byte, error) {
	if raw == nil {
		return encode(resourceType, body)
	}
	now, err := Marshal(body)
	if err != nil {
		return nil, err
	}
	return merge(raw, base, now), nil
}
