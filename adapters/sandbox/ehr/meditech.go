package ehr

// meditech is MEDITECH Expanse's R4 API as its CapabilityStatement declares it (Greenfield, Interoperability Services: US Core
// STU6 FHIR R4 2.0.0): what can be searched by what is from there. What a Communication must hold is not published; here it is a
// completed or running message of somebody to somebody about one patient, with words, which is the least that makes sense.
var meditech = vendor{
	refuse: func(w *write) *failure {
		if w.typ != "Communication" {
			return nil
		}
		r := w.resource
		recipients, _ := r["recipient"].([]any)
		payload, _ := r["payload"].([]any)
		for _, need := range []struct {
			element string
			there   bool
		}{
			{"subject", pointsTo(withoutDisplay(r["subject"]), "Patient")}, {"sender", r["sender"] != nil}, {"recipient", len(recipients) > 0},
			{"payload", len(payload) > 0}, {"sent", str(r, "sent") != ""},
		} {
			if !need.there {
				return fail(422, "required", "%s is required", need.element).at("Communication." + need.element)
			}
		}
		return nil
	},
	params: map[string][]string{
		"Communication":     {"_id", "part-of", "patient", "recipient", "sender", "sent", "subject"},
		"DocumentReference": {"_id", "patient", "type", "period", "status", "encounter", "category", "date"},
		"Patient":           {"_id", "identifier", "name", "birthdate", "gender", "family", "email", "phone"},
		"Practitioner":      {"_id", "family", "given", "name", "identifier", "active"},
		"RelatedPerson":     {"_id", "patient", "name"},
		"Encounter":         {"_id", "patient", "date", "class", "type", "status", "identifier"},
	},
}

// withoutDisplay is a reference as software reads it.
func withoutDisplay(v any) any {
	r, ok := v.(resource)
	if !ok {
		return v
	}
	out := resource{}
	for k, x := range r {
		if k != "display" {
			out[k] = x
		}
	}
	return out
}
