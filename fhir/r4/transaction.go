package r4

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/samply/golang-fhir-models/fhir-models/fhir"
)

// urnNamespace makes our UUIDv5 names differ from anyone else's of the same text.
var urnNamespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://github.com/chartwire/chartwire/fhir/r4"))

// URN is the temporary fullUrl of a transaction entry: "urn:uuid:" and the UUIDv5 of name. The
// same name gives the same URN, so planning stays pure. Names must differ within a bundle.
func URN(name string) string { return "urn:uuid:" + uuid.NewSHA1(urnNamespace, []byte(name)).String() }

// Transaction is a transaction Bundle under construction (R4 http §3.1.0.11): all or nothing.
type Transaction struct {
	entries []fhir.BundleEntry
	err     error
}

// Create adds a POST of resource with the temporary fullUrl [URN](name) and returns that URN
// for references from other entries. ifNoneExist is a search without "?" (see
// [IdentifierQuery]), or "" for an unconditional create.
func (t *Transaction) Create(name string, resource json.Marshaler, ifNoneExist string) string {
	urn := URN(name)
	t.add(urn, resource, fhir.BundleEntryRequest{Method: fhir.HTTPVerbPOST, IfNoneExist: String(ifNoneExist)})
	return urn
}

// Update adds a PUT of resource to reference ("Type/id"). ifMatch is an ETag such as W/"3", or
// "" to overwrite whatever is there. base is the FHIR base, which makes the entry's fullUrl.
func (t *Transaction) Update(base, reference string, resource json.Marshaler, ifMatch string) {
	t.add(strings.TrimSuffix(base, "/")+"/"+reference, resource,
		fhir.BundleEntryRequest{Method: fhir.HTTPVerbPUT, Url: reference, IfMatch: String(ifMatch)})
}

func (t *Transaction) add(fullURL string, resource json.Marshaler, request fhir.BundleEntryRequest) {
	raw, err := resource.MarshalJSON()
	if err != nil && t.err == nil {
		t.err = err
	}
	if request.Url == "" {
		request.Url = TypeOf(raw)
	}
	t.entries = append(t.entries, fhir.BundleEntry{FullUrl: &fullURL, Resource: raw, Request: &request})
}

// Len is the number of entries.
func (t *Transaction) Len() int { return len(t.entries) }

// MarshalJSON encodes the Bundle, or gives the first [*Problem] of its entries.
func (t *Transaction) MarshalJSON() ([]byte, error) {
	if t.err != nil {
		return nil, t.err
	}
	return encode("Bundle", struct {
		ResourceType string `json:"resourceType"`
		fhir.OtherBundle
	}{"Bundle", fhir.OtherBundle{Type: fhir.BundleTypeTransaction, Entry: t.entries}})
}

// IdentifierQuery is the search "identifier=system|value" for If-None-Exist and for Find. The
// characters that mean something in a search token (\ , $ |) are escaped with \ (R4 search
// §3.1.1.4.1), then everything is percent-encoded.
func IdentifierQuery(system, value string) string {
	return "identifier=" + url.QueryEscape(Token(system, value))
}

// Token is the search token system|value, escaped but not percent-encoded: a form value.
func Token(system, value string) string {
	escape := strings.NewReplacer(`\`, `\\`, `,`, `\,`, `$`, `\$`, `|`, `\|`)
	return escape.Replace(system) + "|" + escape.Replace(value)
}
