package validate

import (
	"crypto/sha1" //nolint:gosec // Attachment.hash is SHA-1 by definition.
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/chartwire/chartwire/fhir/r4"
)

// usCoreCategory is the category system of US Core 6.1.0 DocumentReference.
const usCoreCategory = r4.SystemUSCoreDocumentCategory

// checkOurs applies the rules google does not know to a resource of ours.
func checkOurs(root *node, bare bool) *Problem {
	resource := root.resourceType()
	if resource == "Bundle" {
		return checkTransaction(root, bare)
	}
	return checkEntry(rules{resource: resource, bare: bare}, resource, root)
}

// rules checks one resource. fullURLs is nil outside a transaction.
type rules struct {
	resource string
	bare     bool // without an identifier, and a note without its category
	fullURLs map[string]bool
}

func (r rules) problem(path, text string) *Problem {
	return &Problem{Resource: r.resource, Path: path, Text: text}
}

func checkEntry(r rules, path string, n *node) *Problem {
	if problem := r.references(path, n); problem != nil {
		return problem
	}
	switch r.resource {
	case "Communication", "CommunicationRequest":
		return first(r.identified(path, n), r.aboutPatient(path, n), r.payloads(path, n), r.senderIsNoGroup(path, n))
	case "DocumentReference":
		return first(r.identified(path, n), r.aboutPatient(path, n), r.documentTyped(path, n), r.documentContent(path, n), r.documentContext(path, n))
	case "Provenance":
		return r.agents(path, n)
	case "RelatedPerson":
		return r.identified(path, n)
	case "Task":
		return first(r.identified(path, n), r.taskTimes(path, n))
	case "Subscription":
		return r.restHook(path, n)
	default:
		return nil
	}
}

func first(problems ...*Problem) *Problem {
	for _, p := range problems {
		if p != nil {
			return p
		}
	}
	return nil
}

// identified: what we file can always be found again by a full business identifier.
func (r rules) identified(path string, n *node) *Problem {
	if r.bare {
		return nil
	}
	for _, id := range n.get("identifier").list() {
		if id.get("system").text() != "" && id.get("value").text() != "" {
			return nil
		}
	}
	return r.problem(path+".identifier", "required: one identifier with system and value, so that the entry can be found again")
}

// aboutPatient: a chart entry has a literal patient; a logical or missing one could end up on
// nobody's chart, or on another's.
func (r rules) aboutPatient(path string, n *node) *Problem {
	if typeOfReference(n.get("subject").get("reference").text()) != "Patient" {
		return r.problem(path+".subject", "required: a literal reference to a Patient")
	}
	return nil
}

// payloads: exactly one content[x] in each, and att-1.
func (r rules) payloads(path string, n *node) *Problem {
	for i, p := range n.get("payload").list() {
		at := index(path+".payload", i)
		count := 0
		for _, key := range p.keys {
			if strings.HasPrefix(key, "content") {
				count++
			}
		}
		if count != 1 {
			return r.problem(at, "a payload holds exactly one of contentString, contentAttachment and contentReference")
		}
		if a := p.get("contentAttachment"); a != nil {
			if problem := r.attachment(at+".contentAttachment", a, false); problem != nil {
				return problem
			}
		}
	}
	return nil
}

// attachment: att-1 (data needs contentType); size and hash agree with data; located asks for
// url or data (us-core-6).
func (r rules) attachment(path string, a *node, located bool) *Problem {
	data := a.get("data").text()
	if located && data == "" && a.get("url").text() == "" {
		return r.problem(path, "url or data is required (us-core-6)")
	}
	if data == "" {
		return nil
	}
	if a.get("contentType").text() == "" {
		return r.problem(path+".contentType", "required where there is data (att-1)")
	}
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return r.problem(path+".data", "not base64")
	}
	if size := a.get("size"); size != nil && string(size.raw) != strconv.Itoa(len(raw)) {
		return r.problem(path+".size", "not the number of bytes in data")
	}
	sum := sha1.Sum(raw) //nolint:gosec // see the import
	if hash := a.get("hash"); hash != nil && hash.text() != base64.StdEncoding.EncodeToString(sum[:]) {
		return r.problem(path+".hash", "not the SHA-1 of data")
	}
	return nil
}

// senderIsNoGroup: R4 allows CareTeam and Group as recipients only. google checks relative
// references; this one also checks absolute and logical ones.
func (r rules) senderIsNoGroup(path string, n *node) *Problem {
	for _, element := range []string{"sender", "requester"} {
		switch kindOfReference(n.get(element)) {
		case "CareTeam", "Group":
			return r.problem(path+"."+element, "a CareTeam or Group can receive, but cannot send")
		}
	}
	return nil
}

func (r rules) documentTyped(path string, n *node) *Problem {
	if !hasCoding(n.get("type"), "", "") {
		return r.problem(path+".type", "required with a coding (US Core DocumentReference)")
	}
	if r.bare {
		return nil
	}
	for _, c := range n.get("category").list() {
		if hasCoding(c, usCoreCategory, "clinical-note") {
			return nil
		}
	}
	return r.problem(path+".category", "required: a us-core-documentreference-category coding clinical-note (US Core DocumentReference)")
}

func (r rules) documentContent(path string, n *node) *Problem {
	for i, c := range n.get("content").list() {
		if problem := r.attachment(index(path+".content", i)+".attachment", c.get("attachment"), true); problem != nil {
			return problem
		}
	}
	for i, a := range n.get("author").list() {
		switch kindOfReference(a) {
		case "CareTeam", "Group", "HealthcareService":
			return r.problem(index(path+".author", i), "an author is a person, device or organization")
		}
	}
	return nil
}

func (r rules) documentContext(path string, n *node) *Problem {
	if len(n.get("context", "encounter").list()) > 1 {
		return r.problem(path+".context.encounter", "at most one encounter (US Core DocumentReference)")
	}
	return nil
}

// agents: provenance-1 of US Core.
func (r rules) agents(path string, n *node) *Problem {
	for i, a := range n.get("agent").list() {
		at := index(path+".agent", i)
		switch kindOfReference(a.get("who")) {
		case "Practitioner", "Device":
			if a.get("onBehalfOf") == nil {
				return r.problem(at+".onBehalfOf", "required where who is a Practitioner or a Device (provenance-1)")
			}
		case "CareTeam", "Group", "HealthcareService":
			return r.problem(at+".who", "an agent is a person, device or organization")
		}
	}
	return nil
}

// taskTimes: inv-1 of Task.
func (r rules) taskTimes(path string, n *node) *Problem {
	authored, okA := dateTime(n.get("authoredOn").text())
	modified, okM := dateTime(n.get("lastModified").text())
	if okA && okM && modified.Before(authored) {
		return r.problem(path+".lastModified", "earlier than authoredOn (inv-1)")
	}
	return nil
}

func (r rules) restHook(path string, n *node) *Problem {
	if n.get("channel", "type").text() == "rest-hook" && n.get("channel", "endpoint").text() == "" {
		return r.problem(path+".channel.endpoint", "required for a rest-hook")
	}
	return nil
}

// hasCoding reports whether the concept has a coding with system and code; "" matches any.
func hasCoding(concept *node, system, code string) bool {
	for _, c := range concept.get("coding").list() {
		s, v := c.get("system").text(), c.get("code").text()
		if s != "" && v != "" && (system == "" || s == system) && (code == "" || v == code) {
			return true
		}
	}
	return false
}
