package ehr_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

const (
	urnA = "urn:uuid:6f1d0c1e-5d0b-4a57-9a55-2f1f0b1f0a01"
	urnB = "urn:uuid:6f1d0c1e-5d0b-4a57-9a55-2f1f0b1f0a02"
)

// tx wraps entries of {fullUrl, request fields, resource} into a transaction.
func tx(entries ...string) string {
	return `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Join(entries, ",") + `]}`
}

func entry(fullURL, request, resource string) string {
	return fmt.Sprintf(`{"fullUrl":%q,"request":{%s},"resource":%s}`, fullURL, request, resource)
}

func provenance(target string) string {
	return `{"resourceType":"Provenance","target":[{"reference":"` + target + `"}],"recorded":"2026-11-22T18:00:00Z",
		"agent":[{"who":{"reference":"Organization/clinic"}}]}`
}

const (
	postCommunication = `"method":"POST","url":"Communication"`
	postProvenance    = `"method":"POST","url":"Provenance"`
	ifNone            = `,"ifNoneExist":"identifier=https://cw.example/sid/texting/message|t/1"`
)

func TestTransactionResolvesAndCommitsTogether(t *testing.T) {
	w := start(t, ehr.Options{})
	message := replace(communication("t/1", "hi"), "Patient/daniel", "Patient?identifier=urn:oid:1.2.3|MRN1")
	body := tx(entry(urnB, postProvenance, provenance(urnA)), entry(urnA, postCommunication+ifNone, message))
	a := w.do("POST", "", body, "Prefer", "return=representation")
	w.want(a, 200, "")
	if err := gate.Base(a.raw); err != nil {
		t.Errorf("the response Bundle: %v", err)
	}
	entries := a.body["entry"].([]any)
	response := entries[1].(map[string]any)["response"].(map[string]any)
	stored := entries[1].(map[string]any)["resource"].(map[string]any)
	location := fmt.Sprintf("Communication/%s/_history/1", stored["id"])
	if response["status"] != "201 Created" || response["location"] != location || response["etag"] != `W/"1"` {
		t.Errorf("response %v, want location %s", response, location)
	}
	if subject := stored["subject"].(map[string]any)["reference"]; subject != "Patient/daniel" {
		t.Errorf("conditional reference became %v", subject)
	}
	target := entries[0].(map[string]any)["resource"].(map[string]any)["target"].([]any)[0].(map[string]any)["reference"]
	if target != "Communication/"+stored["id"].(string) {
		t.Errorf("urn became %v", target)
	}
	ledger := w.Ledger()
	if len(ledger) != 2 || ledger[0].Transaction != 1 || ledger[1].Transaction != 1 {
		t.Errorf("ledger %+v", ledger)
	}

	t.Run("again: the message is there, its Provenance would be a second one of it", func(t *testing.T) {
		again := w.do("POST", "", body)
		w.want(again, 200, "")
		entries := again.body["entry"].([]any)
		if entries[1].(map[string]any)["response"].(map[string]any)["status"] != "200 OK" {
			t.Errorf("%s", again.raw)
		}
		if entries[1].(map[string]any)["resource"] != nil {
			t.Error("a resource came back that Prefer did not ask for")
		}
		if n := len(w.All("Communication")); n != 1 {
			t.Errorf("%d messages", n)
		}
		found := w.do("GET", "/Provenance?target="+target.(string), "")
		if len(ids(found)) != 2 {
			t.Errorf("provenances %v", ids(found))
		}
	})
	t.Run("update in a transaction, with ifMatch", func(t *testing.T) {
		id := stored["id"].(string)
		put := func(match string) string {
			changed := replace(communication("t/1", "hi"), `"resourceType"`, `"id":"`+id+`","resourceType"`, "completed", "entered-in-error")
			return tx(entry("", `"method":"PUT","url":"Communication/`+id+`","ifMatch":"`+match+`"`, changed))
		}
		w.want(w.do("POST", "", replace(put(`W/\"7\"`), `"fullUrl":"",`, "")), 412, "current version")
		w.want(w.do("POST", "", replace(put(`W/\"1\"`), `"fullUrl":"",`, "")), 200, "")
	})
}

func TestTransactionIsAllOrNothing(t *testing.T) {
	good := entry(urnA, postCommunication+ifNone, communication("t/1", "hi"))
	cases := []struct {
		name, body string
		status     int
		words      string
	}{
		{"not a Bundle", communication("t/1", "hi"), 400, "Bundle of type transaction"},
		{"batch", replace(tx(good), `"transaction"`, `"batch"`), 400, "type transaction"},
		{"empty", `{"resourceType":"Bundle","type":"transaction"}`, 400, "empty"},
		{"no request (bdl-3)", tx(good, `{"resource":`+communication("t/2", "x")+`}`), 400, "bdl-3"},
		{"no resource", tx(good, `{"request":{"method":"POST","url":"Communication"}}`), 400, "no resource"},
		{"same fullUrl (bdl-7)", tx(good, entry(urnA, postCommunication, communication("t/2", "x"))), 400, "bdl-7"},
		{"a create with a real fullUrl", tx(entry("https://x.example/Communication/1", postCommunication, communication("t/2", "x"))), 400, "urn:uuid"},
		{"DELETE", tx(good, entry(urnB, `"method":"DELETE","url":"Communication/x"`, communication("t/2", "x"))), 400, "POST and PUT"},
		{"second entry invalid", tx(good, entry(urnB, postCommunication, replace(communication("t/2", "x"), `"completed"`, `"sent"`))), 422, "gate"},
		{"second entry dangling", tx(good, entry(urnB, postProvenance, provenance("Communication/nobody"))), 422, "does not exist"},
		{"unresolved urn", tx(good, entry(urnB, postProvenance, provenance("urn:uuid:0f1d0c1e-5d0b-4a57-9a55-2f1f0b1f0a09"))), 400, "urn"},
		{"conditional reference without a hit", tx(good, entry(urnB, postCommunication, replace(communication("t/2", "x"), "Patient/daniel", "Patient?identifier=MRN9"))), 412, "matches 0"},
		{"conditional reference with two hits", tx(good, entry(urnB, postCommunication, replace(communication("t/2", "x"), "Patient/daniel", "Patient?family=cho"))), 412, "matches 2"},
		{"two entries mean the same", tx(good, entry(urnB, postCommunication+ifNone, communication("t/1", "hi"))), 400, "same resource"},
		{"a type that cannot be created", tx(good, entry(urnB, `"method":"POST","url":"Patient"`, `{"resourceType":"Patient","active":true}`)), 405, "not supported"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := start(t, ehr.Options{})
			w.want(w.do("POST", "", c.body), c.status, c.words)
			if len(w.Ledger()) != 0 || len(w.All("Communication")) != 0 {
				t.Errorf("something was written: %+v", w.Ledger())
			}
		})
	}
}
