package contracts_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/contracts"
)

const (
	event = `{"type":"message.created","timestamp":"2026-11-22T18:03:12Z","data":{"thread":{"id":"t-1"},"message":{"id":"m-1",
		"direction":"from_patient","sent_at":"2026-11-22T18:03:12Z","sender":{"role":"patient","id":"u"},"text":"hi"}}}`
	send = `{"client_message_id":"01J","thread_id":"t-1","sender":{"role":"clinician","id":"a"},"recipients":[{"role":"patient","id":"u"}],
		"sent_at":"2026-11-22T18:03:12Z","text":"hi"}`
)

func TestSchemas(t *testing.T) {
	for _, c := range []struct {
		name     string
		check    func([]byte) error
		doc      string
		from, to string
		want     string // "" for valid
	}{
		{"event", contracts.Event, event, "", "", ""},
		{"event of unknown type", contracts.Event, event, "message.created", "message.sent", "/type: enum"},
		{"time that is none", contracts.Event, event, `"timestamp":"2026-11-22T18:03:12Z"`, `"timestamp":"today"`, "/timestamp: format"},
		{"patient as clinician", contracts.Event, event, `"role":"patient"`, `"role":"staff"`, "/data/message/sender/role"},
		{"unknown field", contracts.Event, event, `"text"`, `"colour":"red","text"`, "/data/message"},
		{"attachment that is not base64", contracts.Event, event, `"text":"hi"`, `"attachments":[{"id":"a","content_type":"x/y","data":"%"}]`, "/data/message/attachments/0/data"},
		{"not JSON", contracts.Event, "{", "", "", "not JSON"},
		{"send", contracts.Send, send, "", "", ""},
		{"send without thread or patient", contracts.Send, send, `"thread_id":"t-1",`, ``, "required"},
		{"send with a bad participant", contracts.Send, send, `"role":"clinician","id":"a"`, `"role":"clinician"`, "/sender"},
		{"taken", contracts.Taken, `{"message_id":"m","thread_id":"t","sequence":3}`, "", "", ""},
		{"taken without thread", contracts.Taken, `{"message_id":"m"}`, "", "", "required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := strings.Replace(c.doc, c.from, c.to, 1)
			err := c.check([]byte(doc))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestCopiesEqualThePublishedSchemas(t *testing.T) {
	for _, name := range []string{"channel-event.schema.json", "channel-send.schema.json"} {
		published, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "shared", "contracts", name))
		if err != nil {
			t.Skipf("SKIPPED: the published contracts are not beside this checkout (../shared/contracts/%s): the copies were not compared", name)
		}
		copied, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(published, copied) {
			t.Errorf("%s differs from the published one", name)
		}
	}
}
