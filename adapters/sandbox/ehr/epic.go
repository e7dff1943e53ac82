package ehr

import (
	"mime"
	"net/http"
	"slices"
)

// epic are Epic's rules for clinical notes. Sources: what third parties recorded of DocumentReference.Create (Clinical Notes) in
// Epic's sandbox, and Epic's own list of note types as one of them copied it. Where no record says how Epic refuses, it is
// refused without a code of Epic's.
var epic = vendor{refuse: epicRefuses, admit: epicAdmits, keep: epicKeeps, answer: epicAnswers}

const epicErrors = "urn:oid:1.2.840.114350.1.13.0.1.7.2.657369"

// epicNoteTypes are the LOINC codes of the note types Epic lists, without those that are filed by other workflows (discharge
// summaries, patient instructions). An organization's own note types are of other systems.
var epicNoteTypes = []string{
	"11506-3", "11488-4", "34117-2", "28570-0", "34111-5", "34746-8", "75492-9", "11504-8", "34109-9",
}

func epicFails(status int, code, display, text, expression string) *failure {
	f := fail(status, "business-rule", "%s", text).at(expression)
	f.coding = coding{epicErrors, code, display}
	return f
}

func epicMissing(text, expression string) *failure {
	return epicFails(http.StatusBadRequest, "59108", "A required element is missing.", text, expression)
}

func epicRefuses(w *write) *failure {
	switch w.typ {
	case "Communication": // the only API of that name is of community resources
		return fail(http.StatusBadRequest, "business-rule", "a referral to a community resource is required").at("basedOn")
	case "DocumentReference":
		return epicRefusesNote(w.resource)
	}
	return nil
}

func epicRefusesNote(r resource) *failure {
	switch docStatus := str(r, "docStatus"); {
	case str(r, "status") != "current":
		return epicFails(http.StatusUnprocessableEntity, "59012", "An unsupported value was sent.", "Only a status of 'current' is supported.", "status")
	case docStatus == "":
		return epicMissing("docStatus is required", "docStatus")
	case docStatus != "final" && docStatus != "preliminary":
		return fail(http.StatusUnprocessableEntity, "value", "a note is final or preliminary").at("docStatus")
	case !epicHasNoteType(r):
		return fail(http.StatusUnprocessableEntity, "value", "this is no note type").at("type")
	case len(elements(r, []string{"context", "encounter", "reference"})) == 0:
		return epicMissing("Valid encounter required", "context/encounter")
	}
	return epicRefusesText(r)
}

func epicHasNoteType(r resource) bool {
	for _, v := range elements(r, []string{"type", "coding"}) {
		c, _ := v.(resource)
		if system := str(c, "system"); system != "" && (system != "http://loinc.org" || slices.Contains(epicNoteTypes, str(c, "code"))) {
			return true
		}
	}
	return false
}

// epicFirst is the attachment Epic looks at: the first.
func epicFirst(r resource) resource {
	for _, v := range elements(r, []string{"content", "attachment"}) {
		a, _ := v.(resource)
		return a
	}
	return nil
}

func epicRefusesText(r resource) *failure {
	a := epicFirst(r)
	kind, _, err := mime.ParseMediaType(str(a, "contentType"))
	switch {
	case err != nil || kind != "text/plain":
		return fail(http.StatusUnprocessableEntity, "not-supported", "a note is text/plain").at("content/attachment/contentType")
	case str(a, "data") == "":
		return epicMissing("the note has no text", "content/attachment/data")
	}
	return nil
}

// epicAdmits holds the encounter to be the patient's own and one that can hold a note. A finished one can (recorded); one that is
// still planned takes a draft alone (pre-charting).
func epicAdmits(s *Server, w *write) *failure {
	if w.typ != "DocumentReference" {
		return nil
	}
	no := func(text string) *failure {
		return fail(http.StatusBadRequest, "business-rule", "Valid encounter required: %s", text).at("context/encounter")
	}
	subject := references(w.resource, "subject", "reference")
	for _, key := range references(w.resource, "context", "encounter", "reference") {
		local, _ := localTarget(key, s.opts.Base)
		typ, id := splitType(local)
		v := s.get(typ, id)
		if v == nil || typ != "Encounter" {
			return no("it is none")
		}
		e, err := parse(v.raw)
		switch status := str(e, "status"); {
		case err != nil || !slices.Equal(references(e, "subject", "reference"), subject):
			return no("it is another patient's")
		case status == "cancelled" || status == "entered-in-error":
			return no("it did not take place")
		case status == "planned" && str(w.resource, "docStatus") != "preliminary":
			return no("it has not begun, and the note is signed")
		}
	}
	return nil
}

func references(r resource, path ...string) []string {
	var out []string
	for _, v := range elements(r, path) {
		if ref, ok := v.(string); ok {
			out = append(out, ref)
		}
	}
	return out
}

// epicKeeps is what stays of a note: our identifier does not, nor does anything after the first attachment, whose text becomes a
// Binary of its own. A note without an author is the background user's; its date is when it came.
func epicKeeps(s *Server, w *write) {
	a := epicFirst(w.resource)
	if w.typ != "DocumentReference" || str(a, "data") == "" {
		return
	}
	text := s.put("Binary", s.newID("Binary"), resource{"resourceType": "Binary", "contentType": "text/plain", "data": a["data"]},
		s.now(), http.MethodPost, s.opts.Base)
	kept := resource{"date": instant(s.now()), "author": []any{resource{"display": "User Interconnect"}},
		"content": []any{resource{"attachment": resource{"contentType": "text/plain", "url": text.key()}}}}
	for _, name := range []string{"resourceType", "status", "docStatus", "type", "category", "subject", "author"} {
		if v, ok := w.resource[name]; ok {
			kept[name] = v
		}
	}
	kept["context"] = resource{"encounter": elements(w.resource, []string{"context", "encounter"})}
	w.resource = kept
}

// epicAnswers says where the note is and nothing else. Epic shows it where Prefer asks for it (recorded); this one does not, so
// that a client proves that it can read it back.
func epicAnswers(resp *Response, v *version) {
	resp.Header = http.Header{"Location": {v.key()}}
	resp.Body = nil
}
