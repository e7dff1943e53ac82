package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/cmd/cmdtest"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
)

var update = flag.Bool("update", false, "write the golden files anew")

// chartwire runs one command in process.
func chartwire(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // a hang must fail, not wait for the test binary's limit
	defer cancel()
	code = run(ctx, args, streams{&o, &e})
	return code, o.String(), e.String()
}

func TestExitCodes(t *testing.T) {
	keyset := filepath.Join(t.TempDir(), "k.json")
	for _, c := range []struct {
		name string
		args []string
		code int
		says string // in either stream
	}{
		{"version", []string{"version"}, 0, "dev"},
		{"help", []string{"--help"}, 0, "Run the connector."},
		{"no command", nil, exitUse, "expected one of"},
		{"unknown command", []string{"fly"}, exitUse, "fly"},
		{"unknown flag", []string{"serve", "--fast"}, exitUse, "--fast"},
		{"no such config", []string{"serve", "--config", "nowhere.yaml"}, exitProblem, "nowhere.yaml"},
		{"check of nothing", []string{"config", "check", "nowhere.yaml"}, exitProblem, "nowhere.yaml"},
		{"schema", []string{"config", "schema"}, 0, "https://json-schema.org/draft/2020-12/schema"},
		{"keys init", []string{"keys", "init", "--keyset", keyset}, 0, "Back it up"},
		{"keys init again", []string{"keys", "init", "--keyset", keyset}, exitProblem, "exist"},
		{"keys list", []string{"keys", "list", "--keyset", keyset}, 0, "primary=true"},
		{"keys rotate", []string{"keys", "rotate", "--keyset", keyset}, 0, "seals from now on"},
		{"events and generate", []string{"demo", "--events", "a", "--generate", "threads=1"}, exitProblem, "not both"},
		{"bad spec", []string{"demo", "--once", "--generate", "threads=none"}, exitProblem, "--generate"},
		{"unknown profile", []string{"demo", "--once", "--ehr", "punchcards"}, exitProblem, "punchcards"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := chartwire(t, c.args...)
			if code != c.code || !strings.Contains(out+errs, c.says) {
				t.Errorf("exit %d, want %d with %q:\n%s%s", code, c.code, c.says, out, errs)
			}
		})
	}
}

// TestConfigCheckOfTheExample: the example of the contract is good but for the secret files it names.
func TestConfigCheckOfTheExample(t *testing.T) {
	files := []string{"../../config/chartwire.example.yaml"}
	if contract := "../../../shared/contracts/chartwire.example.yaml"; exists(contract) {
		files = append(files, contract)
	} else {
		t.Log("the contract's own example is not beside this checkout: only the embedded one is checked")
	}
	for _, f := range files {
		code, out, _ := chartwire(t, "config", "check", f)
		if code != exitProblem {
			t.Errorf("%s: exit %d, want %d for its missing secret files", f, code, exitProblem)
		}
		for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
			if !strings.Contains(line, "missing-secret") {
				t.Errorf("%s: %s", f, line)
			}
		}
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// TestMapGolden holds the exact requests of the contract's thread, as Communications, as notes and as HL7 v2 documents.
func TestMapGolden(t *testing.T) {
	for _, ehr := range []string{"mercy", "valley", "county"} {
		t.Run(ehr, func(t *testing.T) {
			code, out, errs := chartwire(t, "map", "--config", "testdata/map.yaml", "--ehr", ehr, "--json", "../../testdata/threads-contract/proxy-with-photo.ndjson")
			if code != 0 {
				t.Fatalf("exit %d: %s", code, errs)
			}
			var requests []map[string]any
			if err := json.Unmarshal([]byte(out), &requests); err != nil || len(requests) == 0 {
				t.Fatalf("not the JSON of DESIGN §6: %v", err)
			}
			golden := filepath.Join("../../testdata/goldens", "map-"+ehr+".json")
			if *update {
				if err := os.WriteFile(golden, []byte(out), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if out != string(want) {
				t.Errorf("the plan differs from %s; if that is meant, run: go test ./cmd/chartwire -update\n%s", golden, out)
			}
		})
	}
}

// TestMapShowsER7: an HL7 v2 message is shown as people read one, a segment a line.
func TestMapShowsER7(t *testing.T) {
	code, out, errs := chartwire(t, "map", "--config", "testdata/map.yaml", "--ehr", "county", "../../testdata/threads-contract/proxy-with-photo.ndjson")
	if code != 0 || strings.Contains(out, "\r") || !strings.Contains(out, "── county (hl7v2, mdm)\nMDM T02\nContent-Type: application/hl7-v2+er7\nMSH|^~\\&|CHARTWIRE|CLINIC_A|EHR|COUNTY|") ||
		!strings.Contains(out, "\nPID|1||") || !strings.Contains(out, "^image^png^Base64^") {
		t.Errorf("exit %d: %s\n%s", code, errs, out)
	}
}

// TestMapShowsDocuments: a document is shown with both its forms, and with what it loses.
func TestMapShowsDocuments(t *testing.T) {
	cfg, err := os.ReadFile("testdata/map.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "chartwire.yaml")
	if err := os.WriteFile(file, bytes.Replace(cfg, []byte("{as: note,"), []byte("{as: document,"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := chartwire(t, "map", "--config", file, "--ehr", "valley", "../../testdata/threads-contract/proxy-with-photo.ndjson")
	if code != 0 || !strings.Contains(out, "── valley (fhir, document)") || strings.Count(out, `"contentType": "application/pdf"`) != 3 ||
		strings.Count(out, `"contentType": "text/plain; charset=utf-8"`) != 3 || !strings.Contains(out, "is not included: the entry names it, the file stays on the platform") {
		t.Errorf("exit %d: %s\n%s", code, errs, out)
	}
}

func TestMapNamesWhatItCannotPlan(t *testing.T) {
	code, _, errs := chartwire(t, "map", "--config", "testdata/map.yaml", "--ehr", "nobody", "../../testdata/threads-contract/proxy-with-photo.ndjson")
	if code != exitProblem || !strings.Contains(errs, "nobody") {
		t.Errorf("exit %d: %s", code, errs)
	}
	bad := filepath.Join(t.TempDir(), "bad.ndjson")
	if err := os.WriteFile(bad, []byte(`{"type":"message.created"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs = chartwire(t, "map", "--config", "testdata/map.yaml", "--ehr", "mercy", bad)
	if code != exitProblem || !strings.Contains(errs, "line 1") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// TestTrace finds a thread by the platform's id, its message's id and its chart entry, in the store a demo left behind.
func TestTrace(t *testing.T) {
	dir := cmdtest.ShortDir(t)
	code, _, errs := chartwire(t, "demo", "--once", "--json", "--dir", dir, "--events", "../../testdata/threads-contract/proxy-with-photo.ndjson")
	if code != 0 {
		t.Fatalf("demo: exit %d: %s", code, errs)
	}
	config := filepath.Join(dir, "chartwire.yaml")
	code, out, errs := chartwire(t, "trace", "--config", config, "--json", "t-42")
	if code != 0 {
		t.Fatalf("trace: exit %d: %s", code, errs)
	}
	var found []deliver.Traced
	if err := json.Unmarshal([]byte(out), &found); err != nil || len(found) != 1 {
		t.Fatalf("want one thread: %v\n%s", err, out)
	}
	entry := ""
	for _, i := range found[0].Items {
		for _, w := range i.Writes {
			if i.Kind == "exchange" && w.Receipt != "" {
				entry = w.Receipt
			}
			if len(w.Attempts) != 1 || w.Attempts[0].Outcome == "open" {
				t.Errorf("%s %s: want one decided attempt, got %+v", i.Kind, i.Message, w.Attempts)
			}
		}
	}
	var exchange deliver.TracedItem
	for _, i := range found[0].Items {
		if i.Kind == "exchange" {
			exchange = i
		}
	}
	w := exchange.Writes[0]
	for _, id := range []string{"m-2", entry, "https://ehr.example/fhir/" + entry + "/_history/1", found[0].Thread, exchange.ID, w.ID, w.Attempts[0].ID, w.Control} {
		code, out, errs := chartwire(t, "trace", "--config", config, id)
		if code != 0 || !strings.Contains(out, "on the chart as ") || !strings.Contains(out, "who did what") {
			t.Errorf("trace %s: exit %d: %s%s", id, code, out, errs)
		}
		for _, phi := range []string{"Patient/", "subject", "Expires", `"text"`} { // neither who, nor what was said
			if strings.Contains(out, phi) {
				t.Errorf("trace %s shows %q without --show:\n%s", id, phi, out)
			}
		}
		if len(id) == 26 && id != found[0].Thread && !strings.Contains(out, "→ "+exchange.ID) {
			t.Errorf("trace %s does not mark what was asked for:\n%s", id, out)
		}
	}
	code, out, errs = chartwire(t, "trace", "--config", config, "--show", "--json", w.ID)
	if code != 0 || json.Unmarshal([]byte(out), &found) != nil || found[0].Patient == "" {
		t.Fatalf("trace --show: exit %d: %s%s", code, out, errs)
	}
	for _, i := range found[0].Items {
		for _, w := range i.Writes {
			for _, a := range w.Attempts {
				if a.Request == nil || !json.Valid(a.Request.Body) || a.Request.Header["Content-Type"] == "" || a.Answer == "" {
					t.Errorf("%s: attempt %d has not its request and answer: %+v", i.Kind, a.No, a)
				}
			}
		}
	}
	if code, out, errs := chartwire(t, "audit", "verify", "--config", config); code != 0 || !strings.Contains(out, "sandbox") {
		t.Errorf("audit verify: exit %d: %s%s", code, out, errs)
	}
	if code, _, errs := chartwire(t, "trace", "--config", config, "nobody-knows"); code != exitProblem || !strings.Contains(errs, "nobody-knows") {
		t.Errorf("trace of an unknown id: exit %d: %s", code, errs)
	}
}

// TestParkedWhileServing lists, replays and releases through the socket of a running connector: an EHR of notes cannot
// show a retraction, so it is parked for staff, and parks again when it is replayed.
func TestParkedWhileServing(t *testing.T) {
	dir := cmdtest.ShortDir(t)
	config := filepath.Join(dir, "chartwire.yaml")
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		var o, e bytes.Buffer
		ended <- run(ctx, []string{"demo", "--ehr", "note", "--dir", dir}, streams{&o, &e})
	}()
	defer func() { stop(); <-ended }()
	deadline := time.Now().Add(time.Minute)
	for !exists(filepath.Join(dir, "chartwire.db.sock")) { // before it serves, the commands would open the store themselves
		if time.Now().After(deadline) {
			t.Fatal("the connector does not serve")
		}
	}
	list := func(want int) []deliver.TracedItem {
		for {
			var items []deliver.TracedItem
			code, out, errs := chartwire(t, "parked", "list", "--config", config, "--json")
			if code == 0 && json.Unmarshal([]byte(out), &items) == nil && len(items) == want {
				return items
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d items are not parked: exit %d\n%s%s", want, code, out, errs)
			}
		}
	}
	var retraction, notice deliver.TracedItem
	for _, i := range list(2) {
		switch i.Kind {
		case connector.ItemRetraction:
			retraction = i
		case connector.ItemNotice:
			notice = i
		}
		if i.Owner == "" || i.Next == "" || i.Sentence == "" || i.Age == "" || len(i.Actions) == 0 {
			t.Errorf("a parked item without owner, reason or next step: %+v", i)
		}
	}
	dry := func(code int, says string, args ...string) {
		t.Helper()
		got, out, errs := chartwire(t, append([]string{"parked", args[0], "--config", config}, args[1:]...)...)
		if got != code || !strings.Contains(out+errs, says) {
			t.Errorf("parked %v: exit %d, want %d and %q:\n%s%s", args, got, code, says, out, errs)
		}
	}
	dry(exitProblem, "no work behind it", "replay", notice.ID, "--yes")
	dry(exitProblem, "name items", "replay")
	dry(0, "Nothing was changed", "release", notice.ID)
	if len(list(2)) != 2 {
		t.Fatal("a dry run changed something")
	}
	dry(0, "left out, as dealt with by hand", "release", notice.ID, "--yes", "--why", "called the patient")
	dry(exitProblem, "not parked", "release", notice.ID, "--yes")
	dry(0, "1 written anew", "replay", "--reason", "not-expressible")
	dry(exitProblem, "nothing of it is on the chart", "retract", retraction.ID)
	dry(exitProblem, "already-there does not help", "already-there", retraction.ID, "DocumentReference/1")
	dry(0, "Done.", "replay", retraction.ID, "--yes")
	if left := list(1); left[0].ID != retraction.ID {
		t.Errorf("parked after replay: %+v", left)
	}
	if code, out, errs := chartwire(t, "trace", "--config", config, retraction.ID); code != 0 || !strings.Contains(out, "not_due") {
		t.Errorf("trace: exit %d: %s%s", code, out, errs)
	}
	for _, act := range []string{"pause", "resume"} {
		if code, out, errs := chartwire(t, act, "--config", config, "sandbox"); code != 0 || !strings.Contains(out, act+"d") {
			t.Errorf("%s: exit %d: %s", act, code, errs)
		}
	}
	if code, _, _ := chartwire(t, "resume", "--config", config, "nobody"); code != exitProblem {
		t.Errorf("resume of an unknown EHR: exit %d", code)
	}
	dry(exitProblem, "no item", "release", "01NOBODY")
	if code, out, errs := chartwire(t, "trace", "--config", config, notice.ID); code != 0 || !strings.Contains(out, "released by cli") || strings.Contains(out, "called the patient") {
		t.Errorf("trace of a released item: exit %d: %s%s", code, out, errs)
	}
	if code, out, _ := chartwire(t, "trace", "--config", config, "--show", notice.ID); code != 0 || !strings.Contains(out, "called the patient") {
		t.Errorf("trace --show does not show why: exit %d: %s", code, out)
	}
}

// TestMapShowsThreads: a thread that is one entry is shown at its last message; the others say where they are told.
func TestMapShowsThreads(t *testing.T) {
	cfg, err := os.ReadFile("testdata/map.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "chartwire.yaml")
	if err := os.WriteFile(file, bytes.Replace(cfg, []byte("{as: note,"), []byte("{as: note, per: thread,"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := chartwire(t, "map", "--config", file, "--ehr", "valley", "../../testdata/threads-contract/proxy-with-photo.ndjson")
	if code != 0 || strings.Count(out, "told in version 1 of the thread's transcript\n") != 3 || strings.Contains(out, "lost: The thread") || strings.Count(out, `"resourceType": "DocumentReference"`) != 1 ||
		!strings.Contains(out, `"value": "t-42/v1"`) || !strings.Contains(out, "is not included: the entry names it, the file stays on the platform") {
		t.Errorf("exit %d: %s\n%s", code, errs, out)
	}
}
