package r4

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// ReferenceView is a reference as a server gave it.
type ReferenceView struct {
	Reference, Type, Display          string
	IdentifierSystem, IdentifierValue string
}

// LocalID is the "Type/id" of a literal reference: the last two segments, without a version.
// "" where the reference is logical, contained or a urn.
func (r ReferenceView) LocalID() string { return LocalID(r.Reference) }

// LocalID reduces a literal reference or a Location ("https://ehr/fhir/Patient/1/_history/2") to
// "Patient/1", or "" where it holds no such part. It never resolves anything.
func LocalID(reference string) string {
	if strings.HasPrefix(reference, "urn:") || strings.HasPrefix(reference, "#") {
		return ""
	}
	reference, _, _ = strings.Cut(reference, "?")
	parts := strings.Split(strings.TrimSuffix(reference, "/"), "/")
	if n := len(parts); n >= 4 && parts[n-2] == "_history" {
		parts = parts[:n-2]
	}
	if len(parts) < 2 {
		return ""
	}
	local := strings.Join(parts[len(parts)-2:], "/")
	if !referencePattern.MatchString(local) {
		return ""
	}
	return local
}

// EchoAttachment is an attachment as the server gave it back.
type EchoAttachment struct {
	ContentType, Title, URL string
	Size                    int
	// Data is the decoded content, nil where the attachment is by url only.
	Data []byte
	// SHA256 is of Data; meaningless where Data is nil.
	SHA256 [32]byte
}

// Echo is what a server gave back of a Communication, CommunicationRequest, DocumentReference or
// Task, for comparing it with what was sent. It may hold PHI throughout. Subject of a Task is its
// for, Date its authoredOn.
type Echo struct {
	ResourceType, ID, VersionID, LastUpdated string
	Status                                   string
	Subject                                  ReferenceView
	Encounter                                ReferenceView
	Sender                                   ReferenceView
	Recipients, Authors                      []ReferenceView
	PartOf, InResponseTo, BasedOn            []ReferenceView
	Replaces                                 []ReferenceView // relatesTo with code replaces
	Identifiers                              []PatientIdentifier
	Sent, Received, Date                     string // as given
	Topic                                    string // topic.text
	Categories                               []string
	// Texts are the contentString payloads in order; compare their bytes.
	Texts       []string
	Attachments []EchoAttachment
	// References are the contentReference payloads.
	References []ReferenceView
}

// HasIdentifier reports whether the echo carries exactly (system, value).
func (e Echo) HasIdentifier(system, value string) bool {
	return PatientView{Identifiers: e.Identifiers}.HasIdentifier(system, value)
}

type attachmentJSON struct {
	ContentType string      `json:"contentType"`
	Data        string      `json:"data"`
	URL         string      `json:"url"`
	Size        json.Number `json:"size"`
	Title       string      `json:"title"`
}

type echoJSON struct {
	ResourceType string           `json:"resourceType"`
	ID           string           `json:"id"`
	Meta         metaJSON         `json:"meta"`
	Status       string           `json:"status"`
	Identifier   []identifierJSON `json:"identifier"`
	MasterID     *identifierJSON  `json:"masterIdentifier"`
	Subject      referenceJSON    `json:"subject"`
	For          referenceJSON    `json:"for"`
	AuthoredOn   string           `json:"authoredOn"`
	Encounter    referenceJSON    `json:"encounter"`
	Sender       referenceJSON    `json:"sender"`
	Recipient    []referenceJSON  `json:"recipient"`
	Author       []referenceJSON  `json:"author"`
	PartOf       []referenceJSON  `json:"partOf"`
	InResponseTo []referenceJSON  `json:"inResponseTo"`
	BasedOn      []referenceJSON  `json:"basedOn"`
	Category     []conceptJSON    `json:"category"`
	Topic        conceptJSON      `json:"topic"`
	Sent         string           `json:"sent"`
	Received     string           `json:"received"`
	Date         string           `json:"date"`
	Payload      []struct {
		String     *string         `json:"contentString"`
		Attachment *attachmentJSON `json:"contentAttachment"`
		Reference  *referenceJSON  `json:"contentReference"`
	} `json:"payload"`
	Content []struct {
		Attachment attachmentJSON `json:"attachment"`
	} `json:"content"`
	RelatesTo []struct {
		Code   string        `json:"code"`
		Target referenceJSON `json:"target"`
	} `json:"relatesTo"`
	Context struct {
		Encounter []referenceJSON `json:"encounter"`
	} `json:"context"`
}

// ReadEcho reads a Communication, CommunicationRequest, DocumentReference or Task leniently. Errors:
// [ErrResourceType], or a [*Problem] where the JSON has another shape or an attachment's data
// is not base64; the caller treats the write as not shown back.
func ReadEcho(raw []byte) (Echo, error) {
	resourceType := TypeOf(raw)
	switch resourceType {
	case "Communication", "CommunicationRequest", "DocumentReference", "Task":
	default:
		return Echo{}, ErrResourceType
	}
	var j echoJSON
	if err := readAs(resourceType, raw, &j); err != nil {
		return Echo{}, err
	}
	e := Echo{
		ResourceType: resourceType, ID: j.ID, VersionID: j.Meta.VersionID, LastUpdated: j.Meta.LastUpdated,
		Status: j.Status, Subject: j.Subject.view(), Encounter: j.Encounter.view(), Sender: j.Sender.view(),
		Recipients: views(j.Recipient), Authors: views(j.Author), PartOf: views(j.PartOf),
		InResponseTo: views(j.InResponseTo), BasedOn: views(j.BasedOn),
		Sent: j.Sent, Received: j.Received, Date: j.Date, Topic: j.Topic.Text,
	}
	if resourceType == "Task" {
		e.Subject, e.Date = j.For.view(), j.AuthoredOn
	}
	if j.MasterID != nil {
		j.Identifier = append(j.Identifier, *j.MasterID)
	}
	for _, id := range j.Identifier {
		e.Identifiers = append(e.Identifiers, PatientIdentifier{id.Use, id.System, id.Value, id.Type.codes()})
	}
	for _, c := range j.Category {
		e.Categories = append(e.Categories, c.codes()...)
	}
	for _, r := range j.RelatesTo {
		if r.Code == "replaces" {
			e.Replaces = append(e.Replaces, r.Target.view())
		}
	}
	if len(j.Context.Encounter) > 0 {
		e.Encounter = j.Context.Encounter[0].view()
	}
	return e, e.readContent(j)
}

func (e *Echo) readContent(j echoJSON) error {
	for _, p := range j.Payload {
		switch {
		case p.String != nil:
			e.Texts = append(e.Texts, *p.String)
		case p.Reference != nil:
			e.References = append(e.References, p.Reference.view())
		case p.Attachment != nil:
			if err := e.addAttachment(*p.Attachment); err != nil {
				return err
			}
		}
	}
	for _, c := range j.Content {
		if err := e.addAttachment(c.Attachment); err != nil {
			return err
		}
	}
	return nil
}

func (e *Echo) addAttachment(j attachmentJSON) error {
	a := EchoAttachment{ContentType: j.ContentType, Title: j.Title, URL: j.URL}
	if n, err := j.Size.Int64(); err == nil {
		a.Size = int(n)
	}
	if j.Data != "" {
		// R4 allows white space inside base64Binary.
		data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(j.Data), ""))
		if err != nil {
			return &Problem{e.ResourceType + " attachment data", "is not base64"}
		}
		a.Data, a.SHA256 = data, sha256.Sum256(data)
	}
	e.Attachments = append(e.Attachments, a)
	return nil
}

func (r referenceJSON) view() ReferenceView {
	return ReferenceView{r.Reference, r.Type, r.Display, r.Identifier.System, r.Identifier.Value}
}

func views(refs []referenceJSON) []ReferenceView {
	var out []ReferenceView
	for _, r := range refs {
		out = append(out, r.view())
	}
	return out
}
