package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters"
	"github.com/chartwire/chartwire/cmd/preview"
	"github.com/chartwire/chartwire/config"
)

// TestMapAll shows the contract's thread to a connection of each type: every exchange has its place for every EHR, in the
// order of the file, and a type this version has no adapter for hides no other.
func TestMapAll(t *testing.T) {
	const file, thread = "../../testdata/config/all-ehrs.yaml", "../../testdata/threads-contract/proxy-with-photo.ndjson"
	cfg, problems := config.Load(file, adapters.Sections()...)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if len(cfg.EHRs) != 7 {
		t.Fatalf("%d EHRs, want one of each of the seven types", len(cfg.EHRs))
	}
	there := map[config.EHRType]bool{}
	for _, kind := range adapters.EHRTypes() {
		there[kind] = true
	}
	want := 0
	if len(there) < 7 {
		want = exitProblem
	}
	code, out, errs := chartwire(t, "map", "--config", file, "--ehr", "all", "--json", thread)
	var records []preview.Record
	if err := json.Unmarshal([]byte(out), &records); err != nil || code != want {
		t.Fatalf("exit %d, want %d: %v\n%s", code, want, err, errs)
	}
	steps, last, ehrs := []string{}, "", map[string]int{}
	for _, r := range records {
		if r.Exchange == nil {
			t.Fatalf("%s: a record of no exchange", r.EHR)
		}
		if s := r.Exchange.String(); s != last {
			steps, last = append(steps, s), s
		}
		if planned := r.State != preview.NotPlanned; planned != there[r.Type] || !planned && !strings.Contains(r.Why, string(r.Type)) {
			t.Errorf("%s (%s): state %s, why %q", r.EHR, r.Type, r.State, r.Why)
		}
		ehrs[last+" "+r.EHR]++
	}
	order := []string{"thread t-42", "message t-42/m-1, from_patient, sent 2026-11-22T13:03:11-05:00",
		"message t-42/m-2, to_patient, sent 2026-11-22T13:10:00-05:00", "news of t-42/m-2: delivered",
		"message t-42/m-3, from_patient, sent 2026-11-22T13:12:29-05:00", "thread t-42 closed"}
	if strings.Join(steps, "\n") != strings.Join(order, "\n") || len(ehrs) != len(order)*len(cfg.EHRs) {
		t.Errorf("%d places for %d EHRs, in this order:\n%s", len(ehrs), len(cfg.EHRs), strings.Join(steps, "\n"))
	}
	if code, again, _ := chartwire(t, "map", "--config", file, "--ehr", "all", "--json", thread); code != want || again != out {
		t.Errorf("exit %d: two plans of one file differ", code)
	}
}

// TestMapSaysWhatIsLost: the photo does not travel in a note, and people read so beside the Communication that has it.
func TestMapSaysWhatIsLost(t *testing.T) {
	code, out, errs := chartwire(t, "map", "--config", "testdata/map.yaml", "--ehr", "all", "../../testdata/threads-contract/proxy-with-photo.ndjson")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	_, first, _ := strings.Cut(out, "━━ message t-42/m-1, from_patient")
	first, _, _ = strings.Cut(first, "━━ ")
	blocks := strings.Split(first, "── ")
	if len(blocks) != 4 {
		t.Fatalf("%d blocks, want one of each of three EHRs:\n%s", len(blocks)-1, first)
	}
	const photo = "lost: The file reading.png (image/png) is not included"
	for n, c := range []struct {
		name  string
		photo bool
		says  string
	}{
		{"mercy (fhir, communication)\nPOST https://ehr.mercy.example/fhir/r4\n", false, `"resourceType": "Communication"`},
		{"valley (fhir, note)\nPOST https://fhir.valley.example/r4\n", true, `"resourceType": "DocumentReference"`},
		{"county (hl7v2, mdm)\nMDM T02\n", false, "\nlost: The EHR shows nothing back"},
	} {
		if b := blocks[n+1]; !strings.HasPrefix(b, c.name) || strings.Contains(b, photo) != c.photo || !strings.Contains(b, c.says) {
			t.Errorf("want %q, photo lost %v and %q:\n%s", c.name, c.photo, c.says, b)
		}
	}
}

// TestMapOfEveryEvent: corrections, retractions, internal notes and repeated news each have one place.
func TestMapOfEveryEvent(t *testing.T) {
	code, out, errs := chartwire(t, "map", "--config", "testdata/map.yaml", "--ehr", "all", "../../testdata/threads/04-urgent-internal-retracted.ndjson")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, s := range []string{"lost: The internal note is left out of the chart.", "━━ retraction of chest-george/m-5", "lost: The priority (urgent) is not shown.",
		"lost: The retraction is an entry of its own", "not due: left out by the filing policy", "not due: this news changes nothing on the chart", "lost: That the message was read is not shown."} {
		if !strings.Contains(out, s) {
			t.Errorf("nothing says %q", s)
		}
	}
}

// TestMapUploads: a document that is uploaded is shown as a person reads it, the bytes of a picture by size and hash, at the
// address of the API that takes it.
func TestMapUploads(t *testing.T) {
	args := []string{"map", "--config", "../../testdata/config/all-ehrs.yaml", "--ehr", "cedar", "../../testdata/threads-contract/proxy-with-photo.ndjson"}
	code, out, errs := chartwire(t, args...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{
		"POST https://openemr.cedar.example/apis/default/api/patient/{patient}/document?path=%2Fchartwire\nContent-Type: multipart/form-data; boundary=chartwire",
		".txt (text/plain; charset=utf-8)\nSecure message\nThread: Home readings\n", "\n\n¡Gracias! Will do.\n",
		".png (image/png), 68 bytes, SHA-256 431ced6916a2a21a156e38701afe55bbd7f88969fbbfc56d7fe099d47f265460\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not shown in:\n%s", want, out)
		}
	}
	_, out, _ = chartwire(t, append(args, "--json")...)
	var records []preview.Record
	if err := json.Unmarshal([]byte(out), &records); err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, r := range records {
		var all []preview.Upload
		if r.Key != "" && (json.Unmarshal(r.Body, &all) != nil || len(all) != 1 || all[0].Field != "document" || (all[0].Text == "") == (all[0].Data == nil)) {
			t.Errorf("the body of %s is %s", r.Key, r.Body)
		}
		files += len(all)
	}
	if files != 4 {
		t.Errorf("%d uploads, want three messages and the photo", files)
	}
}

// TestMapOfFilesByURL: nothing is fetched, and the plan is the one that the file will get: what is decided by its type and size is
// decided by those the event declares, its hash is the declared one, and a symbol stands for its bytes.
func TestMapOfFilesByURL(t *testing.T) {
	const config = "../../testdata/config/all-ehrs.yaml"
	raw, err := os.ReadFile("../../testdata/threads/03-photo-by-url-out-of-order.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	const sum, size, symbol = "6f1281bd95101cb3f5c88d8ccf03834b631013279036da37b42622501fa89095", "30937 bytes", "{the 30937 bytes fetched from https://media.texting.example/media/incision-day6.png}"
	for name, c := range map[string]struct {
		from, to         string
		size, sum        string
		inline, uploaded bool
	}{
		"as it is":       {"", "", size, sum, true, true},
		"a large one":    {`"size": 30937`, `"size": 9000000`, "9000000 bytes", sum, false, false},
		"without a hash": {`, "sha256": "` + sum + `"`, "", size, "{SHA-256 of the bytes}", true, true},
		"no picture":     {`"content_type": "image/png", "size": 30937`, `"content_type": "video/mp4", "size": 30937`, size, sum, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "events.ndjson")
			if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(raw), c.from, c.to)), 0o600); err != nil {
				t.Fatal(err)
			}
			code, out, errs := chartwire(t, "map", "--config", config, "--ehr", "mercy", file)
			if inline := strings.Contains(out, `"data": "`+symbol); code != 0 || inline != c.inline {
				t.Errorf("exit %d, inside the Communication: %v\n%s", code, inline, errs)
			}
			code, out, errs = chartwire(t, "map", "--config", config, "--ehr", "cedar", file)
			if !strings.Contains(out, c.size+", SHA-256 "+c.sum) || code != 0 {
				t.Errorf("exit %d: the note does not name the file as it is\n%s", code, errs)
			}
			if uploaded := strings.Contains(out, ".png (image/png)\n{the "); uploaded != c.uploaded {
				t.Errorf("uploaded: %v, want %v", uploaded, c.uploaded)
			}
		})
	}
}
