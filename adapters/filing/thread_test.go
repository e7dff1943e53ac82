package filing_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

var update = flag.Bool("update", false, "write the goldens")

const base = "https://connector.clinic.example/sid"

// policy is that of the example configuration.
func policy(t testing.TB) filing.Policy {
	t.Helper()
	zone, err := time.LoadLocation("America/Chicago")
	if err != nil {
		t.Fatal(err)
	}
	return filing.Policy{
		Organization: "Organization/clinic-a", Location: zone, NoteType: r4.NewCoding(r4.SystemLOINC, "34748-4", ""),
		DocStatus: r4.DocFinal, CreateProxies: true, Internal: true, InlineBytes: 5 << 20,
		People: map[string]string{"nurse-triage": "HealthcareService/nurse-triage", "prac-ana": "Practitioner/prac-ana"},
	}
}

// able can do everything.
func able(s connector.Strategy) connector.Traits {
	return connector.Traits{Strategy: s, Update: true, Requests: true, RequestPut: true, Watch: true, Subscribe: true,
		Transaction: true, Provenance: true, Proxies: true, IfNoneExist: true, Tasks: true, Echo: connector.EchoExact}
}

// event is as much of the channel event contract as a plan needs.
type event struct {
	Type      connector.EventType `json:"type"`
	Timestamp time.Time           `json:"timestamp"`
	Data      struct {
		Thread  connector.ThreadInfo `json:"thread"`
		Message *connector.Message   `json:"message"`
		Status  *struct {
			MessageID string              `json:"message_id"`
			State     connector.SendState `json:"state"`
			At        time.Time           `json:"at"`
		} `json:"status"`
	} `json:"data"`
}

// exchanges makes of a thread file what deliver would plan, item by item.
func exchanges(t testing.TB, path string, s connector.Strategy) []connector.Exchange {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []connector.Exchange
	messages := map[string]connector.Message{}
	var thread connector.ThreadInfo
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		x := connector.Exchange{Base: base, Channel: "texting", Received: e.Timestamp, Receipts: true, Strategy: s, Revision: 1,
			Refs: map[string]connector.Reference{}, Missing: map[string]bool{"u-901": true}}
		if thread.ID == "" {
			thread = e.Data.Thread
			header := x
			header.Kind, header.Thread = connector.ItemHeader, thread
			out = append(out, header)
		}
		x.Thread = thread
		switch e.Type {
		case connector.MessageCreated:
			x.Kind, x.Message = connector.ItemExchange, *e.Data.Message
			if x.Message.Direction == connector.ToPatient {
				x.Delivery = connector.Delivery{State: connector.Sent, At: e.Timestamp}
			}
			if _, ok := messages[x.Message.InReplyTo]; ok {
				x.Parent = x.Message.InReplyTo
			}
			messages[x.Message.ID] = x.Message
		case connector.MessageStatus:
			x.Kind, x.Message = connector.ItemStatus, messages[e.Data.Status.MessageID]
			x.Charted, x.Revisions = connector.Delivery{State: connector.Sent}, []int{1}
			x.Delivery = connector.Delivery{State: e.Data.Status.State, At: e.Data.Status.At}
		case connector.ThreadClosed:
			x.Kind = connector.ItemClose
		default:
			t.Fatalf("the thread file has a %s event this test does not know", e.Type)
		}
		out = append(out, x)
	}
	return out
}

// shown is a write as chartwire map prints it, with what the chart must show once it is filed.
type shown struct {
	Key     string            `json:"key"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    any               `json:"body"`
	Expect  connector.Expect  `json:"expect"`
}

func show(t testing.TB, writes []connector.Write) []shown {
	t.Helper()
	var out []shown
	for _, w := range writes {
		s := shown{Key: w.Key, Method: w.Method, URL: w.URL, Headers: w.Header, Expect: w.Expect}
		if w.Update != nil {
			s.Body = w.Update
		} else {
			s.Body = json.RawMessage(w.Body)
		}
		out = append(out, s)
	}
	return out
}

func golden(t *testing.T, path string, v any) {
	t.Helper()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (make it with -update)", err)
	}
	if !bytes.Equal(want, buf.Bytes()) {
		t.Errorf("the plan of %s changed; if it is meant, run with -update. Now:\n%s", path, buf.Bytes())
	}
}

// plan fails the test where the exchange cannot be planned.
func plan(t testing.TB, p filing.Policy, traits connector.Traits, x connector.Exchange) []connector.Write {
	t.Helper()
	writes, err := filing.Plan(p, traits, x)
	if err != nil {
		t.Fatalf("%s: %v", x.Kind, err)
	}
	return writes
}

func TestGoldenThread(t *testing.T) {
	for _, s := range []connector.Strategy{connector.AsCommunication, connector.AsNote} {
		t.Run(string(s), func(t *testing.T) {
			var writes []connector.Write
			for _, x := range exchanges(t, "../../testdata/threads-contract/proxy-with-photo.ndjson", s) {
				writes = append(writes, plan(t, policy(t), able(s), x)...)
			}
			golden(t, "../../testdata/goldens/proxy-with-photo."+string(s)+".json", show(t, writes))
		})
	}
}

// An EHR that can do nothing but create must still get every exchange, without a single reference to what it lacks.
func TestGoldenThreadPlain(t *testing.T) {
	traits := connector.Traits{Strategy: connector.AsCommunication}
	var writes []connector.Write
	for _, x := range exchanges(t, "../../testdata/threads-contract/proxy-with-photo.ndjson", connector.AsCommunication) {
		writes = append(writes, plan(t, policy(t), traits, x)...)
	}
	golden(t, "../../testdata/goldens/proxy-with-photo.create-only.json", show(t, writes))
}

func BenchmarkPlan(b *testing.B) {
	for _, s := range []connector.Strategy{connector.AsCommunication, connector.AsNote} {
		b.Run(string(s), func(b *testing.B) {
			p, all := policy(b), exchanges(b, "../../testdata/threads-contract/proxy-with-photo.ndjson", s)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				plan(b, p, able(s), all[n%len(all)])
				n++
			}
		})
	}
}
