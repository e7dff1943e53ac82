package validate

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/fhir/r4"
)

func object(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

func TestOurRules(t *testing.T) {
	com, doc, prov := build(t, communication()), build(t, document()), build(t, provenance())
	for _, c := range []struct {
		name       string
		raw        []byte
		path, text string
	}{
		{"no identifier", change(t, com, nil, "identifier"), "Communication.identifier", "identifier with system and value"},
		{"identifier without system", change(t, com, nil, "identifier", 0, "system"), "Communication.identifier", "identifier with system and value"},
		{"request without identifier", change(t, build(t, request()), nil, "identifier"), "CommunicationRequest.identifier", "required"},
		{"document without identifier", change(t, doc, nil, "identifier"), "DocumentReference.identifier", "required"},
		{"no subject", change(t, com, nil, "subject"), "Communication.subject", "a literal reference to a Patient"},
		{"group as subject", change(t, com, "Group/1", "subject", "reference"), "Communication.subject", "Patient"},
		{"logical subject", change(t, com, object("type", "Patient", "display", secret), "subject"), "Communication.subject", "Patient"},
		{"request without subject", change(t, build(t, request()), nil, "subject"), "CommunicationRequest.subject", "Patient"},
		{"two contents", change(t, com, object("reference", "Binary/1"), "payload", 0, "contentReference"), "Communication.payload[0]", "cannot accept multiple values for content field"},
		{"no content", change(t, com, object("id", "x"), "payload", 0), "Communication.payload[0]", `missing required field "content"`},
		{"absolute CareTeam sender", change(t, com, object("reference", "https://ehr.example/fhir/CareTeam/1"), "sender"), "Communication.sender", "cannot send"},
		{"logical CareTeam sender", change(t, com, object("type", "CareTeam", "display", secret), "sender"), "Communication.sender", "cannot send"},
		{"logical Group sender by URL", change(t, com, object("type", "http://hl7.org/fhir/StructureDefinition/Group", "display", "x"), "sender"), "Communication.sender", "cannot send"},
		{"att-1", change(t, com, nil, "payload", 1, "contentAttachment", "contentType"), "Communication.payload[1].contentAttachment.contentType", "att-1"},
		{"size differs", change(t, com, 4, "payload", 1, "contentAttachment", "size"), "Communication.payload[1].contentAttachment.size", "not the number of bytes"},
		{"hash differs", change(t, com, "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", "payload", 1, "contentAttachment", "hash"), "Communication.payload[1].contentAttachment.hash", "SHA-1"},
		{"symbol left", change(t, com, "{patient}", "subject", "reference"), "Communication.subject", "not a resolved reference"},
		{"contained missing", change(t, com, "#p", "sender", "reference"), "Communication.sender", "contained resource that is not there"},
		{"urn outside a transaction", change(t, com, r4.URN("a"), "sender", "reference"), "Communication.sender", "same transaction"},
		{"conditional outside a transaction", change(t, com, "Patient?identifier=a|b", "subject", "reference"), "Communication.subject", "transactions only"},
		{"no type", change(t, doc, nil, "type"), "DocumentReference.type", "US Core"},
		{"type without coding", change(t, doc, object("text", secret), "type"), "DocumentReference.type", "US Core"},
		{"no category", change(t, doc, nil, "category"), "DocumentReference.category", "clinical-note"},
		{"other category", change(t, doc, secret, "category", 0, "coding", 0, "code"), "DocumentReference.category", "clinical-note"},
		{"no document subject", change(t, doc, nil, "subject"), "DocumentReference.subject", "Patient"},
		{"us-core-6", change(t, doc, object("contentType", "text/plain", "title", secret), "content", 0, "attachment"), "DocumentReference.content[0].attachment", "us-core-6"},
		{"document att-1", change(t, doc, nil, "content", 0, "attachment", "contentType"), "DocumentReference.content[0].attachment.contentType", "att-1"},
		{"two encounters", change(t, doc, []any{object("reference", "Encounter/1"), object("reference", "Encounter/2")}, "context", "encounter"), "DocumentReference.context.encounter", "at most one"},
		{"logical CareTeam author", change(t, doc, object("type", "CareTeam", "display", "x"), "author", 0), "DocumentReference.author[0]", "an author is"},
		{"provenance-1 Practitioner", change(t, prov, nil, "agent", 0, "onBehalfOf"), "Provenance.agent[0].onBehalfOf", "provenance-1"},
		{"provenance-1 Device", change(t, prov, "Device/1", "agent", 1, "who", "reference"), "Provenance.agent[1].onBehalfOf", "provenance-1"},
		{"provenance-1 logical", change(t, prov, object("type", "Practitioner", "display", "x"), "agent", 1, "who"), "Provenance.agent[1].onBehalfOf", "provenance-1"},
		{"HealthcareService agent", change(t, prov, object("type", "HealthcareService", "display", "x"), "agent", 1, "who"), "Provenance.agent[1].who", "an agent is"},
		{"inv-1", change(t, build(t, task()), "2026-11-22T18:00:00Z", "lastModified"), "Task.lastModified", "inv-1"},
		{"rest-hook", change(t, build(t, r4.NewSubscription("Task", "https://x", "r")), nil, "channel", "endpoint"), "Subscription.channel.endpoint", "rest-hook"},
		{"searchset", []byte(`{"resourceType":"Bundle","type":"searchset"}`), "Bundle.type", "only transaction"},
	} {
		expect(t, c.name, gate.Resource(c.raw), c.path, c.text)
	}
}

// What is not ours to judge passes the base check: seeds and other servers' resources.
func TestBaseKnowsNothingOfOurs(t *testing.T) {
	for _, raw := range []string{
		`{"resourceType":"Patient","name":[{"family":"Cho","given":["Daniel"],"_given":[{"id":"g2"}]}]}`,
		`{"resourceType":"Communication","status":"completed"}`,
		`{"resourceType":"DocumentReference","status":"current","content":[{"attachment":{"title":"x"}}]}`,
		`{"resourceType":"Bundle","type":"searchset","total":0}`,
		`{"resourceType":"Communication","status":"completed","contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"},"_sent":{"extension":[{"url":"http://x","valueString":"y"}]}}`,
	} {
		if err := gate.Base([]byte(raw)); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
	if err := gate.Resource([]byte(`{"resourceType":"Patient","active":true}`)); err != nil {
		t.Errorf("a resource without rules of ours: %v", err)
	}
}

func TestReferencesThatPass(t *testing.T) {
	com := build(t, communication())
	contained := change(t, com, []any{object("resourceType", "RelatedPerson", "id", "rp", "patient", object("reference", "Patient/p1"))}, "contained")
	for name, raw := range map[string][]byte{
		"absolute":  change(t, com, "https://ehr.example/fhir/Patient/p1", "subject", "reference"),
		"versioned": change(t, com, "Patient/p1/_history/2", "subject", "reference"),
		"contained": change(t, contained, object("reference", "#rp"), "sender"),
		"oid":       change(t, com, object("reference", "urn:oid:1.2.3"), "sender"),
	} {
		if err := gate.Resource(raw); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func transaction(t testing.TB) []byte {
	t.Helper()
	var tx r4.Transaction
	urn := tx.Create("message", communication(), r4.IdentifierQuery("https://x.example/sid/message", "a?b c"))
	p := r4.NewProvenance(fixedTime, r4.Ref(urn))
	p.Author(r4.Ref("Patient/p1"), nil)
	tx.Create("provenance", p, "")
	old := communication()
	old.Id = r4.String("c9")
	tx.Update("https://ehr.example/fhir", "Communication/c9", old, `W/"1"`)
	return build(t, &tx)
}

func TestTransactionPasses(t *testing.T) {
	if err := gate.Resource(transaction(t)); err != nil {
		t.Fatal(err)
	}
	conditional := change(t, transaction(t), "Patient?identifier=urn:oid:1.2|MRN1", "entry", 0, "resource", "subject", "reference")
	if err := gate.Resource(conditional); err != nil {
		t.Errorf("a conditional reference in a transaction: %v", err)
	}
}

func TestTransactionRules(t *testing.T) {
	good := transaction(t)
	var doc struct {
		Entry []struct {
			FullURL string `json:"fullUrl"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(good, &doc); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name       string
		raw        []byte
		path, text string
	}{
		{"bdl-3", change(t, good, nil, "entry", 1, "request"), "Bundle.entry[1].request", "bdl-3"},
		{"bdl-7", change(t, good, doc.Entry[0].FullURL, "entry", 1, "fullUrl"), "Bundle.entry[1].fullUrl", "bdl-7"},
		{"bdl-8", change(t, good, "https://ehr.example/fhir/Communication/c9/_history/1", "entry", 2, "fullUrl"), "Bundle.entry[2].fullUrl", "bdl-8"},
		{"fullUrl", change(t, good, "Communication/1", "entry", 0, "fullUrl"), "Bundle.entry[0].fullUrl", "urn:uuid"},
		{"urn of no entry", change(t, good, r4.URN("other"), "entry", 1, "resource", "target", 0, "reference"), "Bundle.entry[1].resource.target[0]", "same transaction"},
		{"entry's own rules", change(t, good, nil, "entry", 0, "resource", "subject"), "Bundle.entry[0].resource.subject", "Patient"},
		{"entry against google", change(t, good, nil, "entry", 0, "resource", "status"), "Bundle.entry[0].resource", `missing required field "status"`},
		{"POST elsewhere", change(t, good, "Task", "entry", 0, "request", "url"), "Bundle.entry[0].request.url", "POST"},
		{"PUT of another id", change(t, good, "Communication/c8", "entry", 2, "request", "url"), "Bundle.entry[2].request.url", "PUT"},
		{"question mark", change(t, good, "?identifier=a", "entry", 0, "request", "ifNoneExist"), "Bundle.entry[0].request.ifNoneExist", "question mark"},
	} {
		err := gate.Resource(c.raw)
		if c.name == "entry against google" {
			// google's paths name contained resources in its own way; the sentence is what counts.
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		expect(t, c.name, err, c.path, c.text)
	}
}

func TestBare(t *testing.T) {
	gate := New()
	doc := change(t, change(t, build(t, document()), nil, "identifier"), nil, "category")
	com := change(t, build(t, communication()), nil, "identifier")
	for name, raw := range map[string][]byte{"note": doc, "communication": com} {
		if gate.Resource(raw) == nil {
			t.Errorf("%s without an identifier passes as one of ours", name)
		}
		if err := gate.Bare(raw); err != nil {
			t.Errorf("bare %s: %v", name, err)
		}
	}
	for name, raw := range map[string][]byte{
		"no subject": change(t, com, nil, "subject"), "no type": change(t, doc, nil, "type"),
		"not R4": change(t, com, "gone", "status"), "symbol left": change(t, doc, "{patient}", "subject", "reference"),
	} {
		if gate.Bare(raw) == nil {
			t.Errorf("bare with %s passes", name)
		}
	}
}
