package r4

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/samply/golang-fhir-models/fhir-models/fhir"
)

// CommunicationRequest asks for a message to be sent (R4 CommunicationRequest). R4 has no
// intent, topic or inResponseTo here. As [Communication], a parsed one keeps the server's bytes.
type CommunicationRequest struct {
	fhir.CommunicationRequest
	Payload []Payload

	raw, base []byte
}

type requestBody struct {
	ResourceType string `json:"resourceType"`
	fhir.OtherCommunicationRequest
	Payload []Payload `json:"payload,omitempty"`
}

// NewCommunicationRequest starts a CommunicationRequest with its status and identifiers.
func NewCommunicationRequest(status RequestStatus, ids ...Identifier) *CommunicationRequest {
	return &CommunicationRequest{CommunicationRequest: fhir.CommunicationRequest{Status: status, Identifier: ids}}
}

// ParseCommunicationRequest reads a CommunicationRequest from a server; errors as for
// [ParseCommunication].
func ParseCommunicationRequest(raw []byte) (*CommunicationRequest, error) {
	var view requestBody
	if err := parseView("CommunicationRequest", raw, &view); err != nil {
		return nil, err
	}
	c := &CommunicationRequest{CommunicationRequest: fhir.CommunicationRequest(view.OtherCommunicationRequest), Payload: view.Payload, raw: slices.Clone(raw)}
	base, err := Marshal(c.body())
	if err != nil {
		return nil, err
	}
	c.base = base
	return c, nil
}

func (c CommunicationRequest) body() requestBody {
	return requestBody{"CommunicationRequest", fhir.OtherCommunicationRequest(c.CommunicationRequest), c.Payload}
}

// MarshalJSON encodes the resource; see [Communication.MarshalJSON].
func (c CommunicationRequest) MarshalJSON() ([]byte, error) {
	if c.CommunicationRequest.Payload != nil {
		return nil, errSamplyPayload("CommunicationRequest")
	}
	return marshalView("CommunicationRequest", c.body(), c.raw, c.base)
}

// Raw is the server's bytes of a parsed request, nil for a built one. Do not change them.
func (c CommunicationRequest) Raw() json.RawMessage { return c.raw }

// SetAuthoredOn sets authoredOn, keeping t's offset; zero removes it.
func (c *CommunicationRequest) SetAuthoredOn(t time.Time) { c.AuthoredOn = String(DateTime(t)) }

// SetOccurrence sets occurrenceDateTime, keeping t's offset; zero removes it.
func (c *CommunicationRequest) SetOccurrence(t time.Time) { c.OccurrenceDateTime = String(DateTime(t)) }
