package webhook_test

import (
	"bytes"
	"encoding/json"
	"os"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The schemas under testdata are copies of the contracts this package speaks.

const eventURL = "https://chartwire.example/schemas/channel-event.json"

var compiled sync.Map

// eventSchema gives the event contract, with formats and encodings asserted; open lets it take unknown fields, as a
// channel with unknown_fields: keep does.
func eventSchema(t testing.TB, open bool) *jsonschema.Schema {
	return schema(t, "testdata/channel-event.schema.json", eventURL, open)
}

func sendSchema(t testing.TB) *jsonschema.Schema {
	return schema(t, "testdata/channel-send.schema.json", "https://chartwire.example/schemas/channel-send.json", false)
}

func schema(t testing.TB, file, url string, open bool) *jsonschema.Schema {
	t.Helper()
	key := [2]any{file, open}
	if s, ok := compiled.Load(key); ok {
		return s.(*jsonschema.Schema)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.AssertContent()
	for f, u := range map[string]string{"testdata/channel-event.schema.json": eventURL, file: url} {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if open {
			doc = opened(doc)
		}
		if err := c.AddResource(u, doc); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile(url)
	if err != nil {
		t.Fatal(err)
	}
	compiled.Store(key, s)
	return s
}

// opened takes additionalProperties out of a schema.
func opened(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if k != "additionalProperties" {
				out[k] = opened(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = opened(v[i])
		}
		return out
	default:
		return v
	}
}

func validate(t *testing.T, s *jsonschema.Schema, body []byte) {
	t.Helper()
	if err := fits(s, body); err != nil {
		t.Errorf("not by the contract: %v", err)
	}
}

func fits(s *jsonschema.Schema, body []byte) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

// TestSchemaCopies holds the copies to the contracts, where those are beside the checkout.
func TestSchemaCopies(t *testing.T) {
	for _, name := range []string{"channel-event.schema.json", "channel-send.schema.json"} {
		want, err := os.ReadFile("../../../../shared/contracts/" + name)
		if err != nil {
			t.Skipf("SKIPPED: the contracts are not beside this checkout, so the copy of %s was not compared", name)
		}
		got, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("testdata/%s is not the contract any more: copy it again", name)
		}
	}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
