package r4

import (
	"errors"
	"strings"
	"testing"

	"github.com/samply/golang-fhir-models/fhir-models/fhir"
)

// samplyPayload is what must never be set on our wrapper.
func samplyPayload() []fhir.CommunicationPayload {
	return []fhir.CommunicationPayload{{ContentString: "x"}}
}

func TestURNIsStableAndDistinct(t *testing.T) {
	if URN("a") != URN("a") || URN("a") == URN("b") {
		t.Error("URN is not a function of its name")
	}
	if urn := URN("a"); !strings.HasPrefix(urn, "urn:uuid:") || len(urn) != 45 || urn[23] != '5' {
		t.Errorf("%s is no UUIDv5 URN", urn)
	}
}

func TestTransaction(t *testing.T) {
	var tx Transaction
	urn := tx.Create("message", message(), IdentifierQuery("https://x.example/sid/message", "t/m"))
	provenance := NewProvenance(fixedTime, Ref(urn))
	provenance.Author(Ref("Patient/p1"), nil)
	tx.Create("provenance", provenance, "")
	tx.Update("https://ehr.example/fhir/", "Communication/c9", NewCommunication(EventCompleted, NewIdentifier("s", "v")), `W/"3"`)
	raw, err := tx.MarshalJSON()
	if err != nil || tx.Len() != 3 {
		t.Fatal(err)
	}
	for _, part := range []string{
		`{"resourceType":"Bundle","type":"transaction"`, `"fullUrl":"` + urn + `"`, `"target":[{"reference":"` + urn + `"}]`,
		`"request":{"method":"POST","url":"Communication","ifNoneExist":"identifier=https%3A%2F%2Fx.example%2Fsid%2Fmessage%7Ct%2Fm"}`,
		`"request":{"method":"POST","url":"Provenance"}`, `"contentString":"BP <98/60> & pulse\n👍"`,
		`"fullUrl":"https://ehr.example/fhir/Communication/c9"`, `"request":{"method":"PUT","url":"Communication/c9","ifMatch":"W/\"3\""}`,
	} {
		if !strings.Contains(string(raw), part) {
			t.Errorf("no %s in %s", part, raw)
		}
	}
	view, err := ReadBundle(raw)
	if err != nil || len(view.Entries) != 3 || view.Entries[0].IfNoneExist == "" || view.Entries[2].Method != "PUT" || view.Entries[2].IfMatch != `W/"3"` {
		t.Errorf("read back as %+v (%v)", view, err)
	}
}

func TestTransactionGivesTheEntrysProblem(t *testing.T) {
	var tx Transaction
	tx.Create("a", NewCommunication(EventCompleted, Identifier{}), "")
	tx.Create("b", message(), "")
	_, err := tx.MarshalJSON()
	var problem *Problem
	if !errors.As(err, &problem) || problem.Path != "Communication.identifier[0]" {
		t.Errorf("%v", err)
	}
}

func TestIdentifierQueryEscapes(t *testing.T) {
	if got := Token("urn:a", `t/m,1$2|3\4`); got != `urn:a|t/m\,1\$2\|3\\4` {
		t.Errorf("token %s", got)
	}
	if got := IdentifierQuery("urn:a", "x&y=z +%"); got != "identifier=urn%3Aa%7Cx%26y%3Dz+%2B%25" {
		t.Errorf("query %s", got)
	}
}
