// Package contracts holds the JSON Schemas of the channel contract as a messaging platform would: a copy of its own, and
// a strict validator over them. They are the schemas published with Chartwire; a test keeps the copies equal where the
// originals are at hand.
package contracts

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:embed channel-event.schema.json
var eventSchema []byte

//go:embed channel-send.schema.json
var sendSchema []byte

const (
	eventURL = "https://chartwire.example/schemas/channel-event.json"
	sendURL  = "https://chartwire.example/schemas/channel-send.json"
)

type compiled struct{ event, send, taken *jsonschema.Schema }

var schemas = sync.OnceValue(func() compiled {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.AssertContent() // base64 must be base64
	for url, raw := range map[string][]byte{eventURL: eventSchema, sendURL: sendSchema} {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			panic("embedded schema " + url + ": " + err.Error())
		}
		if err := c.AddResource(url, doc); err != nil {
			panic("embedded schema " + url + ": " + err.Error())
		}
	}
	return compiled{event: c.MustCompile(eventURL), send: c.MustCompile(sendURL), taken: c.MustCompile(sendURL + "#/$defs/taken")}
})

// Event checks one channel event. The error lists every place that breaks the schema, without the values there.
func Event(raw []byte) error { return check(schemas().event, raw) }

// Send checks a message Chartwire posts to a send_url.
func Send(raw []byte) error { return check(schemas().send, raw) }

// Taken checks a platform's answer to a message it took.
func Taken(raw []byte) error { return check(schemas().taken, raw) }

func check(schema *jsonschema.Schema, raw []byte) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	err = schema.Validate(doc)
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	var places []string
	leaves(invalid, &places)
	return fmt.Errorf("breaks the schema: %s", strings.Join(places, "; "))
}

func leaves(e *jsonschema.ValidationError, out *[]string) {
	if len(e.Causes) == 0 {
		keyword := strings.Join(e.ErrorKind.KeywordPath(), "/")
		*out = append(*out, fmt.Sprintf("/%s: %s", strings.Join(e.InstanceLocation, "/"), keyword))
	}
	for _, c := range e.Causes {
		leaves(c, out)
	}
}
