package ehr

import (
	"encoding/base64"
	"mime"
	"net/url"
	"slices"
	"strings"
)

// oracle is Oracle Health Millennium's R4 API, as its pages on Communication and DocumentReference describe it
// (fhir.cerner.com, docs.oracle.com/en/industries/health/millennium-platform-apis/mfrap). They say that other elements are
// ignored, or can cause errors; what people meet is a bare 400, so nothing but what the pages name is taken here. An update
// is not described to the end there: R4's statuses are taken.
var oracle = vendor{
	bare: "Invalid request", silent: true, updates: []string{"DocumentReference"},
	refuse: func(w *write) *failure {
		if takes, ok := oracleTakes[w.typ]; ok && !takes(w.resource, w.id != "") {
			return fail(400, "invalid", "Invalid request")
		}
		return nil
	},
	keep: keepOracle,
	params: map[string][]string{
		"Communication":     {"_id", "category", "recipient", "received", "-email-status"},
		"DocumentReference": {"_id", "patient", "encounter", "period", "type", "category"},
	},
	search: searchOracle,
}

var oracleTakes = map[string]func(r resource, update bool) bool{"Communication": takesStaffMessage, "DocumentReference": takesDocument}

const oracleExtensions = "https://fhir-ehr.cerner.com/r4/StructureDefinition/"

// only says whether an object has these members, those marked with ! always, and no others.
func only(v any, names ...string) (resource, bool) {
	r, ok := v.(resource)
	if !ok {
		return nil, false
	}
	seen := 0
	for _, name := range names {
		bare, must := strings.CutPrefix(name, "!")
		if _, there := r[bare]; there {
			seen++
		} else if must {
			return nil, false
		}
	}
	return r, seen == len(r)
}

// one is the only element of a list.
func one(v any) any {
	if list, ok := v.([]any); ok && len(list) == 1 {
		return list[0]
	}
	return nil
}

// pointsTo says whether v is a plain literal reference to one of these types.
func pointsTo(v any, types ...string) bool {
	r, ok := only(v, "!reference")
	typ, _, _ := strings.Cut(str(r, "reference"), "/")
	return ok && slices.Contains(types, typ)
}

// coded says whether v is a CodeableConcept of exactly one coding, and that a test passes.
func coded(v any, test func(system, code string) bool) bool {
	concept, ok := only(v, "!coding", "text")
	if !ok {
		return false
	}
	c, ok := only(one(concept["coding"]), "!system", "!code", "display")
	return ok && test(str(c, "system"), str(c, "code"))
}

// content says whether v is an attachment by value, of one of these media types in one of these charsets.
func content(v any, charset []string, types ...string) bool {
	a, ok := only(v, "!contentType", "!data", "title")
	media, params, err := mime.ParseMediaType(str(a, "contentType"))
	data, bad := base64.StdEncoding.DecodeString(str(a, "data"))
	return ok && err == nil && bad == nil && len(data) > 0 && slices.Contains(types, media) &&
		(media == "application/pdf" || slices.Contains(charset, strings.ToLower(params["charset"])))
}

func takesStaffMessage(r resource, _ bool) bool {
	if _, ok := only(r, "!resourceType", "!status", "!category", "priority", "subject", "topic", "encounter", "!recipient", "!sender", "!payload", "extension"); !ok {
		return false
	}
	recipients, _ := r["recipient"].([]any)
	payload, ok := only(one(r["payload"]), "!contentAttachment")
	return ok && str(r, "status") == "completed" && len(recipients) > 0 &&
		!slices.ContainsFunc(recipients, func(v any) bool { return !pointsTo(v, "Practitioner", "Group") }) &&
		coded(one(r["category"]), func(system, code string) bool {
			return system == "http://terminology.hl7.org/CodeSystem/communication-category" && (code == "notification" || code == "reminder") ||
				system == "http://snomed.info/sct" && code == "312853008"
		}) &&
		slices.Contains([]string{"", "routine", "urgent"}, str(r, "priority")) &&
		(r["subject"] == nil || pointsTo(r["subject"], "Patient")) &&
		(r["encounter"] == nil || r["subject"] != nil && pointsTo(r["encounter"], "Encounter")) &&
		pointsTo(r["sender"], "Practitioner") && (r["topic"] == nil || holds(r["topic"], "!text")) &&
		(r["extension"] == nil || repliesTo(one(r["extension"]))) &&
		content(payload["contentAttachment"], []string{"", "utf-8", "us-ascii"}, "text/plain", "application/xhtml+xml")
}

func holds(v any, names ...string) bool {
	_, ok := only(v, names...)
	return ok
}

func repliesTo(v any) bool {
	e, ok := only(v, "!url", "!valueReference")
	return ok && str(e, "url") == oracleExtensions+"reply-to" && pointsTo(e["valueReference"], "Group")
}

func takesDocument(r resource, update bool) bool {
	id, statuses := "id", []string{"current"}
	if update {
		id, statuses = "!id", []string{"current", "superseded", "entered-in-error"}
	}
	if _, ok := only(r, "!resourceType", id, "!status", "!docStatus", "!type", "!subject", "author", "!content", "!context"); !ok {
		return false
	}
	authors, _ := r["author"].([]any)
	entry, ok := only(one(r["content"]), "!attachment")
	return ok && slices.Contains(statuses, str(r, "status")) && (str(r, "docStatus") == "final" || str(r, "docStatus") == "amended") &&
		coded(r["type"], func(system, _ string) bool {
			return system == "http://loinc.org" || strings.HasPrefix(system, "https://fhir.cerner.com/") && strings.HasSuffix(system, "/codeSet/72")
		}) &&
		pointsTo(r["subject"], "Patient") && !slices.ContainsFunc(authors, func(v any) bool { return !pointsTo(v, "Practitioner") }) &&
		happened(r["context"]) &&
		content(entry["attachment"], []string{"utf-8"}, "application/pdf", "text/plain", "text/rtf", "text/richtext", "text/html", "application/xml", "application/xhtml+xml")
}

// happened says whether a document's context has the end of its period, with a time, and at most one encounter.
func happened(v any) bool {
	c, ok := only(v, "!period", "encounter")
	if !ok {
		return false
	}
	p, ok := only(c["period"], "!end", "start")
	return ok && strings.Contains(str(p, "end"), "T") && (p["start"] == nil || strings.Contains(str(p, "start"), "T")) &&
		(c["encounter"] == nil || pointsTo(one(c["encounter"]), "Encounter"))
}

// searchOracle asks for what Millennium must be told: of a message its id, or category, recipient, received and email status;
// of a document its id or its patient, and both ends of a period.
func searchOracle(typ string, q url.Values) *failure {
	ok := true
	switch typ {
	case "Communication":
		received := q["received"]
		ok = q.Has("_id") || q.Has("category") && (q.Has("recipient:Group") || q.Has("recipient:Practitioner")) && q.Has("-email-status") &&
			(len(received) == 1 || len(received) == 2) && prefixed(received, "ge", "le") && strings.Contains(received[0], "T")
	case "DocumentReference":
		period := q["period"]
		ok = (q.Has("_id") || q.Has("patient")) && (len(period) == 0 || len(period) == 2 && prefixed(period, "ge", "lt"))
	}
	if !ok {
		return fail(400, "invalid", "Invalid request")
	}
	return nil
}

func prefixed(values []string, prefixes ...string) bool {
	for i, v := range values {
		if !strings.HasPrefix(v, prefixes[i]) {
			return false
		}
	}
	return true
}

// keepOracle puts content into a Binary, by which alone it is read back, and gives a message the moment it was received.
func keepOracle(s *Server, w *write) {
	binary := func(attachment any) string {
		a, _ := attachment.(resource)
		v := s.put("Binary", s.newID("Binary"), resource{"resourceType": "Binary", "contentType": a["contentType"], "data": a["data"]}, s.now(), "POST", s.opts.Base)
		return v.key()
	}
	switch w.typ {
	case "Communication":
		payload := one(w.resource["payload"]).(resource)
		w.resource["payload"] = []any{resource{"contentReference": resource{"reference": binary(payload["contentAttachment"])}}}
		w.resource["sent"], w.resource["received"] = instant(s.now()), instant(s.now())
		extensions, _ := w.resource["extension"].([]any)
		w.resource["extension"] = append(extensions, resource{"url": oracleExtensions + "email-status", "valueCodeableConcept": resource{
			"coding": []any{resource{"system": "http://hl7.org/fhir/task-status", "code": "received"}}}})
	case "DocumentReference":
		entry := one(w.resource["content"]).(resource)
		a := entry["attachment"].(resource)
		w.resource["content"] = []any{resource{"attachment": resource{"contentType": a["contentType"], "url": s.opts.Base + "/" + binary(a)}}}
		w.resource["date"] = instant(s.now())
	}
}
