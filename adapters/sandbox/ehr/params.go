package ehr

import (
	"maps"
	"slices"
	"strings"
)

// Kinds of search parameter (http://hl7.org/fhir/search-param-type).
const (
	kindToken     = "token"
	kindReference = "reference"
	kindDate      = "date"
	kindString    = "string"
	kindURI       = "uri"
)

// param is one search parameter: its kind and the element paths it looks at (R4 §2.1.21.1.4). A path step through a list
// takes every element of it.
type param struct {
	kind   string
	paths  []string
	target string // for a reference: the only type that counts, "" for any
	only   string // for a token over ContactPoint: the only system that counts
}

func token(paths ...string) param  { return param{kind: kindToken, paths: paths} }
func ref(paths ...string) param    { return param{kind: kindReference, paths: paths} }
func date(paths ...string) param   { return param{kind: kindDate, paths: paths} }
func text(paths ...string) param   { return param{kind: kindString, paths: paths} }
func patient(path ...string) param { return param{kind: kindReference, paths: path, target: "Patient"} }
func contact(system string) param {
	return param{kind: kindToken, paths: []string{"telecom"}, only: system}
}

// everyType are the parameters of every resource type.
var everyType = map[string]param{
	"_id":          token("id"),
	"_lastUpdated": date("meta.lastUpdated"),
	"_tag":         token("meta.tag"),
	"_security":    token("meta.security"),
	"_profile":     {kind: kindURI, paths: []string{"meta.profile"}},
}

// searchParams are the types this EHR knows and what each can be searched by, names and meaning as in the R4 definitions. A
// name that begins with a hyphen is a vendor's, for its rules to name.
var searchParams = map[string]map[string]param{
	"Patient": {
		"identifier": token("identifier"), "name": text("name.family", "name.given", "name.text", "name.prefix", "name.suffix"),
		"family": text("name.family"), "given": text("name.given"), "birthdate": date("birthDate"), "gender": token("gender"),
		"telecom": token("telecom"), "phone": contact("phone"), "email": contact("email"), "active": token("active"),
		"link": ref("link.other"),
	},
	"Practitioner": {
		"identifier": token("identifier"), "name": text("name.family", "name.given", "name.text"), "family": text("name.family"),
		"given": text("name.given"), "active": token("active"), "telecom": token("telecom"), "phone": contact("phone"),
	},
	"PractitionerRole": {
		"identifier": token("identifier"), "practitioner": ref("practitioner"), "organization": ref("organization"),
		"role": token("code"), "active": token("active"), "service": ref("healthcareService"),
	},
	"Organization": {"identifier": token("identifier"), "name": text("name", "alias"), "active": token("active"), "partof": ref("partOf")},
	"HealthcareService": {
		"identifier": token("identifier"), "name": text("name"), "active": token("active"), "organization": ref("providedBy"),
	},
	"CareTeam": {
		"identifier": token("identifier"), "status": token("status"), "category": token("category"), "subject": ref("subject"),
		"patient": patient("subject"), "participant": ref("participant.member"), "encounter": ref("encounter"),
	},
	"Group":    {"identifier": token("identifier"), "member": ref("member.entity"), "type": token("type"), "code": token("code")},
	"Location": {"identifier": token("identifier"), "name": text("name", "alias"), "status": token("status")},
	"Device":   {"identifier": token("identifier"), "patient": patient("patient"), "type": token("type"), "status": token("status")},
	"RelatedPerson": {
		"identifier": token("identifier"), "patient": patient("patient"), "active": token("active"),
		"name": text("name.family", "name.given", "name.text"), "birthdate": date("birthDate"), "telecom": token("telecom"),
		"phone": contact("phone"), "relationship": token("relationship"),
	},
	"Encounter": {
		"identifier": token("identifier"), "subject": ref("subject"), "patient": patient("subject"), "status": token("status"),
		"class": token("class"), "type": token("type"), "date": date("period"), "participant": ref("participant.individual"),
		"service-provider": ref("serviceProvider"), "part-of": ref("partOf"),
	},
	"Communication": {
		"identifier": token("identifier"), "subject": ref("subject"), "patient": patient("subject"), "part-of": ref("partOf"),
		"sender": ref("sender"), "recipient": ref("recipient"), "based-on": ref("basedOn"), "status": token("status"),
		"sent": date("sent"), "received": date("received"), "medium": token("medium"), "category": token("category"),
		"encounter": ref("encounter"), "-email-status": token("extension.valueCodeableConcept"),
	},
	"CommunicationRequest": {
		"identifier": token("identifier"), "subject": ref("subject"), "patient": patient("subject"), "sender": ref("sender"),
		"recipient": ref("recipient"), "requester": ref("requester"), "based-on": ref("basedOn"), "replaces": ref("replaces"),
		"group-identifier": token("groupIdentifier"), "status": token("status"), "priority": token("priority"),
		"authored": date("authoredOn"), "occurrence": date("occurrenceDateTime", "occurrencePeriod"), "medium": token("medium"),
		"category": token("category"), "encounter": ref("encounter"),
	},
	"DocumentReference": {
		"identifier": token("masterIdentifier", "identifier"), "subject": ref("subject"), "patient": patient("subject"),
		"status": token("status"), "type": token("type"), "category": token("category"), "date": date("date"),
		"author": ref("author"), "authenticator": ref("authenticator"), "custodian": ref("custodian"),
		"encounter": ref("context.encounter"), "period": date("context.period"), "related": ref("context.related"),
		"relatesto": ref("relatesTo.target"), "security-label": token("securityLabel"),
	},
	"Provenance": {
		"target": ref("target"), "patient": patient("target"), "agent": ref("agent.who"), "recorded": date("recorded"),
		"when": date("occurredDateTime", "occurredPeriod"), "entity": ref("entity.what"),
	},
	"Task": {
		"identifier": token("identifier"), "subject": ref("for"), "patient": patient("for"), "owner": ref("owner"),
		"requester": ref("requester"), "focus": ref("focus"), "status": token("status"), "intent": token("intent"),
		"code": token("code"), "priority": token("priority"), "authored-on": date("authoredOn"), "modified": date("lastModified"),
		"encounter": ref("encounter"), "based-on": ref("basedOn"), "part-of": ref("partOf"),
		"group-identifier": token("groupIdentifier"),
	},
	"Appointment": {
		"identifier": token("identifier"), "status": token("status"), "date": date("start"), "patient": patient("participant.actor"),
		"actor": ref("participant.actor"),
	},
	"Observation": {
		"identifier": token("identifier"), "subject": ref("subject"), "patient": patient("subject"), "status": token("status"),
		"code": token("code"), "category": token("category"), "date": date("effectiveDateTime", "effectivePeriod"),
		"encounter": ref("encounter"),
	},
	"Consent": {
		"identifier": token("identifier"), "patient": patient("patient"), "status": token("status"), "scope": token("scope"),
		"category": token("category"), "date": date("dateTime"),
	},
	"AuditEvent": {
		"date": date("recorded"), "type": token("type"), "subtype": token("subtype"), "action": token("action"),
		"outcome": token("outcome"), "agent": ref("agent.who"), "patient": patient("agent.who", "entity.what"),
		"entity": ref("entity.what"),
	},
	"Binary": {},
	"Subscription": {
		"status": token("status"), "type": token("channel.type"), "criteria": text("criteria"),
		"url": {kind: kindURI, paths: []string{"channel.endpoint"}},
	},
}

func knownType(typ string) bool { return searchParams[typ] != nil }

func knownTypes() []string { return slices.Sorted(maps.Keys(searchParams)) }

// writeTypes are the types the connector files; Traits.SearchWrites and SearchByIdentifier are about them.
var writeTypes = map[string]bool{"Communication": true, "CommunicationRequest": true, "DocumentReference": true}

// paramsOf returns the parameters a client may use on a type under these traits.
func (t Traits) paramsOf(typ string) map[string]param {
	if !t.searchable(typ) {
		return nil
	}
	all := maps.Clone(everyType)
	maps.Copy(all, searchParams[typ])
	own, limited := t.vendor().params[typ]
	maps.DeleteFunc(all, func(name string, _ param) bool {
		return limited && !slices.Contains(own, name) || !limited && strings.HasPrefix(name, "-")
	})
	if writeTypes[typ] && !t.SearchByIdentifier {
		delete(all, "identifier")
	}
	return all
}

func (t Traits) searchable(typ string) bool {
	return typ != "Binary" && (!writeTypes[typ] || t.SearchWrites)
}

func (t Traits) readable(typ string) bool { return !(writeTypes[typ] && t.HideWrites) }

func (t Traits) creatable(typ string) bool {
	switch typ {
	case "Communication":
		return t.AcceptCommunication
	case "CommunicationRequest":
		return t.AcceptCommunicationRequest
	case "DocumentReference":
		return t.AcceptDocumentReference
	case "Provenance":
		return t.Provenance
	case "RelatedPerson":
		return t.RelatedPersonCreate
	case "Task":
		return t.Task
	case "Binary":
		return t.Binary
	case "Subscription":
		return t.Subscription
	}
	return false
}

func (t Traits) updatable(typ string) bool {
	if own := t.vendor().updates; own != nil && !slices.Contains(own, typ) {
		return false
	}
	if writeTypes[typ] {
		return t.UpdateCommunication && t.creatable(typ)
	}
	return typ != "Provenance" && typ != "Binary" && t.creatable(typ)
}
