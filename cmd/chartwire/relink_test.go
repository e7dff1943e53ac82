package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/cmd/cmdtest"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
)

// anotherPatient is a thread whose second message names another patient than its first.
const anotherPatient = `{"type": "message.created", "timestamp": "2026-11-22T18:03:12Z", "data": {"thread": {"id": "t-relink", "topic": "clinical", "priority": "routine"}, "patient": {"identifiers": [{"system": "urn:oid:2.16.840.1.113883.19.5", "value": "MRN123"}], "name": {"family": "Cho", "given": ["Daniel"]}, "birth_date": "2015-07-04"}, "message": {"id": "m-1", "sequence": 1, "direction": "from_patient", "sent_at": "2026-11-22T13:03:11-05:00", "sender": {"role": "patient", "id": "u-1", "name": "Daniel Cho"}, "recipients": [{"role": "pool", "id": "nurse-triage", "name": "Nurse triage"}], "text": "It itches"}}}
{"type": "message.created", "timestamp": "2026-11-22T18:04:12Z", "data": {"thread": {"id": "t-relink", "topic": "clinical", "priority": "routine"}, "patient": {"identifiers": [{"system": "urn:oid:2.16.840.1.113883.19.5", "value": "MRN777"}], "name": {"family": "Ortiz", "given": ["Luz"]}, "birth_date": "1971-02-03"}, "message": {"id": "m-2", "sequence": 2, "direction": "from_patient", "sent_at": "2026-11-22T13:04:11-05:00", "sender": {"role": "patient", "id": "u-1", "name": "Daniel Cho"}, "recipients": [{"role": "pool", "id": "nurse-triage", "name": "Nurse triage"}], "text": "And now it burns"}}}
`

// TestRelinkWhileServing settles which patient a thread is about, through the socket of a running connector.
func TestRelinkWhileServing(t *testing.T) {
	dir := cmdtest.ShortDir(t)
	config, events := filepath.Join(dir, "chartwire.yaml"), filepath.Join(dir, "events.ndjson")
	if err := os.WriteFile(events, []byte(anotherPatient), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		var o, e bytes.Buffer
		ended <- run(ctx, []string{"demo", "--dir", dir, "--events", events}, streams{&o, &e})
	}()
	end := sync.OnceFunc(func() { stop(); <-ended })
	defer end()
	deadline := time.Now().Add(time.Minute)
	for !exists(filepath.Join(dir, "chartwire.db.sock")) {
		if time.Now().After(deadline) {
			t.Fatal("the connector does not serve")
		}
	}
	var r deliver.Relinking
	for r.Reason != connector.PatientChanged {
		code, out, errs := chartwire(t, "relink", "--config", config, "t-relink", "--json")
		r = deliver.Relinking{}
		if code == 0 && json.Unmarshal([]byte(out), &r) != nil || time.Now().After(deadline) {
			t.Fatalf("it is not held: exit %d\n%s%s", code, out, errs)
		}
	}
	if len(r.Named) != 2 || r.From != "" && r.Named[0] != r.From || r.Named[1] == "" { // the second may come before the first is bound
		t.Fatalf("bound to %s, and the platform has named %v", r.From, r.Named)
	}
	says := func(code int, want string, args ...string) {
		t.Helper()
		got, out, errs := chartwire(t, append([]string{"relink", "--config", config}, args...)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("relink %v: exit %d, want %d and %q:\n%s%s", args, got, code, want, out, errs)
		}
		for _, phi := range []string{"Cho", "Ortiz", "2015", "1971", "MRN", "itches", "asked the desk"} {
			if strings.Contains(out+errs, phi) {
				t.Errorf("relink %v says %q:\n%s%s", args, phi, out, errs)
			}
		}
	}
	other := r.Named[1]
	says(exitProblem, "Nothing is known by this id", "t-nobody")
	says(exitProblem, "name the patient", "t-relink", "--yes")
	says(exitProblem, "the EHR has no record Patient/nobody", "t-relink", "--patient", "Patient/nobody", "--yes")
	says(0, "add --patient Patient/ID", "t-relink")
	says(0, "items go on at once under "+other, "t-relink", "--patient", other)
	says(0, "Nothing was changed. To do it, add --yes.", r.Thread, "--patient", other)
	if len(r.OnChart) > 0 {
		says(0, "must have them corrected in the EHR: "+strings.Join(r.OnChart[0].Entries, ", "), "t-relink", "--patient", other)
	}
	says(0, "Done. What goes on from here: chartwire trace "+r.Thread, "t-relink", "--patient", other, "--yes", "--reason", "asked the desk")
	end() // the demo ends by itself once it sees that the chart is not what the platform said
	if code, out, errs := chartwire(t, "trace", "--config", config, "t-relink"); code != 0 || !strings.Contains(out, "act relink") || strings.Contains(out, other) || strings.Contains(out, "asked the desk") {
		t.Errorf("trace: exit %d: %s%s", code, out, errs)
	}
	if code, out, errs := chartwire(t, "trace", "--config", config, "--show", "t-relink"); code != 0 || !strings.Contains(out, "patient "+other) || !strings.Contains(out, "asked the desk") {
		t.Errorf("trace --show does not say who decided what: exit %d: %s%s", code, out, errs)
	}
}
