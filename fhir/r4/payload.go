package r4

import "time"

// ContentTypePlain is the content type of text carried as an attachment.
const ContentTypePlain = "text/plain; charset=utf-8"

// Payload is one part of a Communication or CommunicationRequest: exactly one of String,
// Attachment and Reference is set. It stands in for samply's payload types, which write all
// three. The other fields hold what a server's payload may carry.
type Payload struct {
	ID                *string     `json:"id,omitempty"`
	Extension         []Extension `json:"extension,omitempty"`
	ModifierExtension []Extension `json:"modifierExtension,omitempty"`
	String            *string     `json:"contentString,omitempty"`
	Attachment        *Attachment `json:"contentAttachment,omitempty"`
	Reference         *Reference  `json:"contentReference,omitempty"`
}

// StringPayload carries text as contentString. Encoding refuses text for which
// [CarriableString] is false; use [TextPayload] where that can happen.
func StringPayload(text string) Payload { return Payload{String: &text} }

// AttachmentPayload carries a as contentAttachment.
func AttachmentPayload(a Attachment) Payload { return Payload{Attachment: &a} }

// ReferencePayload carries r as contentReference.
func ReferencePayload(r Reference) Payload { return Payload{Reference: &r} }

// TextPayload carries text unchanged: as contentString where a FHIR string can hold it, else
// as a text/plain attachment of its bytes. text must not be empty: an exchange without text has
// no text payload.
func TextPayload(text string, creation time.Time) Payload {
	if CarriableString(text) {
		return StringPayload(text)
	}
	return AttachmentPayload(NewAttachment(ContentTypePlain, []byte(text), "", creation))
}

func (p Payload) check(path string) error {
	n := 0
	for _, set := range []bool{p.String != nil, p.Attachment != nil, p.Reference != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		return &Problem{path, "a payload holds exactly one of contentString, contentAttachment and contentReference"}
	}
	return nil
}
