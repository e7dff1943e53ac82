package r4

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tree decodes JSON for semantic comparison; numbers keep their spelling.
func tree(t testing.TB, raw []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("not JSON: %v", err)
	}
	return v
}

// resource is what the tests need of a parsed Communication or CommunicationRequest.
type resource interface{ MarshalJSON() ([]byte, error) }

func parseAny(raw []byte) (resource, error) {
	if TypeOf(raw) == "CommunicationRequest" {
		return ParseCommunicationRequest(raw)
	}
	return ParseCommunication(raw)
}

func examples(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/examples/*.json")
	if err != nil || len(files) != 5 {
		t.Fatalf("want the 5 official examples, have %d (%v)", len(files), err)
	}
	out := map[string][]byte{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(f)] = raw
	}
	return out
}

func TestOfficialExamplesSurvive(t *testing.T) {
	for name, raw := range examples(t) {
		c, err := parseAny(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := c.MarshalJSON()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(tree(t, raw), tree(t, got)); diff != "" {
			t.Errorf("%s changed:\n%s", name, diff)
		}
	}
}

// The view alone, without the server's bytes, must lose nothing but contained resources: that is
// what makes the payload type and samply's structs trustworthy for building.
func TestOfficialExamplesThroughTheViewAlone(t *testing.T) {
	for name, raw := range examples(t) {
		c, err := parseAny(raw)
		if err != nil {
			t.Fatal(err)
		}
		switch c := c.(type) {
		case *Communication:
			c.raw, c.base = nil, nil
		case *CommunicationRequest:
			c.raw, c.base = nil, nil
		}
		got, err := c.MarshalJSON()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := tree(t, raw).(map[string]any)
		delete(want, "contained")
		if diff := cmp.Diff(any(want), tree(t, got)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestPatchedExampleChangesOnlyThePatchedElements(t *testing.T) {
	for name, raw := range examples(t) {
		c, err := parseAny(raw)
		if err != nil {
			t.Fatal(err)
		}
		want := tree(t, raw).(map[string]any)
		want["status"] = "completed"
		want["sent"] = nil
		delete(want, "sent")
		payload, _ := want["payload"].([]any)
		want["payload"] = append(payload, map[string]any{"contentString": "added"})
		switch c := c.(type) {
		case *Communication:
			c.Status, c.Sent, c.Payload = EventCompleted, nil, append(c.Payload, StringPayload("added"))
		case *CommunicationRequest:
			c.Status, c.Payload = RequestCompleted, append(c.Payload, StringPayload("added"))
		}
		got, err := c.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(any(want), tree(t, got)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// serverBytes holds all that samply drops: contained, _field siblings, unknown fields, decimals.
const serverBytes = `{"resourceType":"Communication","id":"c1","contained":[{"resourceType":"Patient","id":"p"}],` +
	`"_status":{"extension":[{"url":"http://x/why","valueString":"because"}]},"status":"in-progress",` +
	`"subject":{"reference":"Patient/1","vendorField":1.50},"vendor":{"n":1.2300},` +
	`"recipient":[{"reference":"Practitioner/a","x":1},{"reference":"Practitioner/b","x":2},{"reference":"Practitioner/c","x":3}],` +
	`"payload":[{"contentString":"one","_contentString":{"id":"s1"}},{"contentAttachment":{"url":"Binary/1","zz":true}}]}`

func TestParsedKeepsTheServersBytes(t *testing.T) {
	c, err := ParseCommunication([]byte(serverBytes))
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.MarshalJSON()
	if err != nil || string(got) != serverBytes {
		t.Errorf("unchanged, but %s (%v)", got, err)
	}
	if string(c.Raw()) != serverBytes {
		t.Error("Raw is not the server's bytes")
	}
}

func TestParsedMergesDeep(t *testing.T) {
	c, err := ParseCommunication([]byte(serverBytes))
	if err != nil {
		t.Fatal(err)
	}
	c.Status = EventCompleted
	c.Subject.Display = String("shown")
	c.Recipient = c.Recipient[1:]                   // the first goes
	c.Payload[1].Attachment.Title = String("photo") // the second payload changes in place
	got, err := c.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(
		`"in-progress"`, `"completed"`,
		`"vendorField":1.50}`, `"vendorField":1.50,"display":"shown"}`,
		`{"reference":"Practitioner/a","x":1},`, ``,
		`"zz":true}`, `"zz":true,"title":"photo"}`,
	).Replace(serverBytes)
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRemovedAndAddedPrimitivesDropTheirReason(t *testing.T) {
	raw := `{"resourceType":"Communication","status":"completed","_sent":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]},"received":"2026-01-01"}`
	c, err := ParseCommunication([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	c.Sent, c.Received = String("2026-01-02T00:00:00Z"), nil
	got, err := c.MarshalJSON()
	want := `{"resourceType":"Communication","status":"completed","sent":"2026-01-02T00:00:00Z"}`
	if err != nil || string(got) != want {
		t.Errorf("got %s (%v)", got, err)
	}
}

func TestParseRefuses(t *testing.T) {
	const secret = "Zebra-Quagga"
	for name, c := range map[string]struct {
		raw  string
		want error
		text string
	}{
		"another type":      {`{"resourceType":"Patient","status":"completed"}`, ErrResourceType, ""},
		"no type":           {`{"status":"completed"}`, ErrResourceType, ""},
		"no status":         {`{"resourceType":"Communication"}`, nil, "Communication.status"},
		"unknown status":    {`{"resourceType":"Communication","status":"` + secret + `"}`, nil, "a coded element"},
		"wrong JSON type":   {`{"resourceType":"Communication","status":"completed","sent":[1]}`, nil, "sent"},
		"duplicate key":     {`{"resourceType":"Communication","status":"completed","status":"unknown"}`, ErrDuplicateKey, ""},
		"not an object":     {`["` + secret + `"]`, nil, "not a JSON object"},
		"trailing document": {`{"resourceType":"Communication","status":"completed"}{}`, nil, "after the JSON object"},
		"not JSON":          {`{"resourceType":` + secret, nil, "not a JSON object"},
		"nothing":           {``, nil, "not a JSON object"},
	} {
		_, err := ParseCommunication([]byte(c.raw))
		if err == nil || (c.want != nil && !errors.Is(err, c.want)) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error quotes the document: %v", name, err)
		}
	}
}
