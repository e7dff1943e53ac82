package r4

import (
	"crypto/sha1" //nolint:gosec // FHIR R4 Attachment.hash is SHA-1 by definition; it is no security control.
	"encoding/base64"
	"time"

	"github.com/samply/golang-fhir-models/fhir-models/fhir"
)

// The FHIR data types, as samply declares them. Pointers mean "absent when nil".
type (
	// Identifier is a business identifier; R4 datatypes.
	Identifier = fhir.Identifier
	// Reference points at another resource; R4 references.
	Reference = fhir.Reference
	// Coding is one code of one code system.
	Coding = fhir.Coding
	// CodeableConcept is a concept by codes, text or both.
	CodeableConcept = fhir.CodeableConcept
	// Attachment is content by value (data) or by url.
	Attachment = fhir.Attachment
	// Annotation is a note about a resource; its text is markdown.
	Annotation = fhir.Annotation
	// Meta is resource metadata.
	Meta = fhir.Meta
	// Period is a span of dateTimes.
	Period = fhir.Period
	// HumanName is a name of a person.
	HumanName = fhir.HumanName
	// ContactPoint is a phone number, mail address and the like.
	ContactPoint = fhir.ContactPoint
	// Extension is an R4 extension.
	Extension = fhir.Extension
)

// String returns a pointer to s, or nil for "": FHIR has no empty strings.
func String(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Value returns what p points at, or "" where the element is absent.
func Value(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// Ptr returns a pointer to v, for the optional elements samply declares as pointers.
func Ptr[T any](v T) *T { return &v }

// NewIdentifier makes the identifier (system, value).
func NewIdentifier(system, value string) Identifier {
	return Identifier{System: String(system), Value: String(value)}
}

// Ref is a literal reference: "Patient/p1", an absolute URL, a "urn:uuid:…" of the same
// transaction, or a "{symbol}" the caller fills in before sending (package validate refuses
// one that is still there).
func Ref(reference string) Reference { return Reference{Reference: String(reference)} }

// RefDisplay is [Ref] with a human-readable display.
func RefDisplay(reference, display string) Reference {
	return Reference{Reference: String(reference), Display: String(display)}
}

// LogicalRef is a reference to something the server may not know as a resource: its type, a
// business identifier and a display. R4 references §2.3.0.3.
func LogicalRef(resourceType string, id Identifier, display string) Reference {
	r := Reference{Type: String(resourceType), Display: String(display)}
	if id.System != nil || id.Value != nil {
		r.Identifier = &id
	}
	return r
}

// NewCoding makes a coding; display may be "".
func NewCoding(system, code, display string) Coding {
	return Coding{System: String(system), Code: String(code), Display: String(display)}
}

// Concept makes a CodeableConcept of codings and text, either of which may be missing.
func Concept(text string, codings ...Coding) CodeableConcept {
	return CodeableConcept{Coding: codings, Text: String(text)}
}

// NewAttachment carries data by value: base64 data, size in bytes and hash, the base64 of the
// SHA-1 of the raw bytes (R4 datatypes, Attachment). title and creation may be empty.
func NewAttachment(contentType string, data []byte, title string, creation time.Time) Attachment {
	a := LinkedAttachment(contentType, "", title, len(data), creation)
	a.Data = String(base64.StdEncoding.EncodeToString(data))
	a.Hash = String(AttachmentHash(data))
	return a
}

// LinkedAttachment names content that lives at url (a "Binary/…" reference or urn:uuid of the
// same transaction) or, with url "", that is not on the server at all. size is in bytes of the
// raw content.
func LinkedAttachment(contentType, url, title string, size int, creation time.Time) Attachment {
	return Attachment{
		ContentType: String(contentType), Url: String(url), Size: &size,
		Title: String(title), Creation: String(DateTime(creation)),
	}
}

// AttachmentHash is R4 Attachment.hash: the base64 of the SHA-1 of the raw bytes.
func AttachmentHash(data []byte) string {
	sum := sha1.Sum(data) //nolint:gosec // see the import
	return base64.StdEncoding.EncodeToString(sum[:])
}

// NewNote is commentary about a resource. at may be zero and author nil.
func NewNote(text string, at time.Time, author *Reference) Annotation {
	return Annotation{Text: text, Time: String(DateTime(at)), AuthorReference: author}
}

// NewPeriod spans start to end, either of which may be zero.
func NewPeriod(start, end time.Time) *Period {
	return &Period{Start: String(DateTime(start)), End: String(DateTime(end))}
}

// FindCode returns the code that concepts hold in system; ok is false where there is none.
func FindCode(concepts []CodeableConcept, system string) (code string, ok bool) {
	for _, c := range concepts {
		for _, k := range c.Coding {
			if Value(k.System) == system && Value(k.Code) != "" {
				return *k.Code, true
			}
		}
	}
	return "", false
}

// FindIdentifier returns the value that ids hold in system; ok is false where there is none.
func FindIdentifier(ids []Identifier, system string) (value string, ok bool) {
	for _, id := range ids {
		if Value(id.System) == system && Value(id.Value) != "" {
			return *id.Value, true
		}
	}
	return "", false
}
