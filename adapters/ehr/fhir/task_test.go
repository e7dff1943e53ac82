package fhir

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
)

// Tasks are for an EHR that lets us create them and change what we created. Who lets its staff's be changed and none be created is
// asked for nothing.
func TestTasksTaken(t *testing.T) {
	none := ehr.Full()
	none.Task = false
	const rest = "system/Patient.rs system/Communication.crus system/DocumentReference.crus"
	for name, c := range map[string]struct {
		s     setting
		taken bool
		lacks string
	}{
		"open":                    {setting{traits: ehr.Full()}, true, ""},
		"granted":                 {setting{traits: ehr.Full(), scopes: rest + " system/Task.crus"}, true, ""},
		"not granted":             {setting{traits: ehr.Full(), scopes: rest}, false, "system/Task.crus"},
		"granted without update":  {setting{traits: ehr.Full(), scopes: rest + " system/Task.crs"}, false, "system/Task.u"},
		"not declared":            {setting{traits: none, scopes: rest}, false, ""},
		"declared without create": {setting{traits: none, scopes: rest, more: []string{"Task update"}}, false, ""},
		"never": {setting{traits: ehr.Full(), scopes: rest, options: func(o *Options) { o.Quirks.Never = []string{"Task create"} }},
			false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, c.s)
			traits, err := l.adapter.Open(t.Context())
			if err != nil || traits.Tasks != c.taken {
				t.Errorf("taken: %v, %v", traits.Tasks, err)
			}
			lacks := slices.DeleteFunc(traits.Missing, func(s string) bool { return !strings.HasPrefix(s, "system/Task.") })
			if strings.Join(lacks, " ") != c.lacks {
				t.Errorf("missing: %v, want %q", lacks, c.lacks)
			}
			found, err := l.adapter.Check(t.Context())
			rows := slices.DeleteFunc(found.Capabilities, func(x connector.Capability) bool { return x.Resource != "Task" })
			if err != nil || (len(rows) > 0) != (c.taken || c.lacks != "") {
				t.Errorf("doctor tells of %v, %v", rows, err)
			}
			gaps := slices.DeleteFunc(rows, func(x connector.Capability) bool { return x.Gap == nil })
			if (len(gaps) > 0) != (c.lacks != "") {
				t.Errorf("doctor complains of %v", gaps)
			}
		})
	}
}

// withTask is a lab with a Task on it, and the change that says who has it now.
func withTask(t *testing.T, resource string) (*lab, connector.Write) {
	t.Helper()
	l := opened(t, setting{traits: ehr.Full()})
	for _, id := range []string{"ana", "bo"} {
		l.put(t, `{"resourceType":"Practitioner","id":"`+id+`"}`)
	}
	ref := l.put(t, resource)
	x := connector.Exchange{Kind: connector.ItemTask, Base: testBase, Channel: "texting", Task: &connector.Task{
		ID: "01M826R3E0AAAAAAAAAAAAAAAA", Status: connector.TaskAccepted, Holder: "Practitioner/ana"}}
	x.Received = x.Task.Begun().Add(time.Minute)
	writes, err := l.adapter.Plan(x)
	if err != nil || len(writes) != 1 {
		t.Fatalf("%v %v", writes, err)
	}
	w := writes[0]
	w.URL, w.Update.Target, w.Expect.Subject = ref, ref, "Patient/daniel"
	return l, w
}

const taskHead = `{"resourceType":"Task","id":"t1","intent":"order","for":{"reference":"Patient/daniel"},`

// What the EHR adds is no difference, and what its staff have ended is not begun again.
func TestPrepareTask(t *testing.T) {
	for name, c := range map[string]struct {
		has  string
		done bool
	}{
		"another owner":   {`"status":"accepted","owner":{"reference":"Practitioner/bo"}}`, false},
		"another state":   {`"status":"requested","owner":{"reference":"Practitioner/ana"}}`, false},
		"nobody's":        {`"status":"accepted"}`, false},
		"a logical owner": {`"status":"accepted","owner":{"identifier":{"value":"ana"}}}`, false},
		"in the EHR's own words": {`"status":"accepted","lastModified":"2030-01-01T00:00:00Z","owner":{"reference":"Practitioner/ana","display":"Ana","type":"Practitioner"}}`,
			true},
		"completed by staff": {`"status":"completed","owner":{"reference":"Practitioner/bo"}}`, true},
		"cancelled by staff": {`"status":"cancelled"}`, true},
		"entered in error":   {`"status":"entered-in-error"}`, true},
		"in hand":            {`"status":"in-progress","owner":{"reference":"Practitioner/ana"}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			l, w := withTask(t, taskHead+c.has)
			final, done, err := l.adapter.Prepare(t.Context(), w)
			if err != nil || (done != nil) != c.done {
				t.Fatalf("done: %v, %v", done, err)
			}
			if c.done {
				return
			}
			if err := l.adapter.Gate(final); err != nil {
				t.Errorf("the gate: %v", err)
			}
			if _, err := l.adapter.File(t.Context(), final); err != nil {
				t.Fatal(err)
			}
			var now struct {
				Status string
				Owner  ref
			}
			if err := json.Unmarshal(l.All("Task")[0].Raw, &now); err != nil || now.Status != "accepted" || now.Owner.Reference != "Practitioner/ana" {
				t.Errorf("the EHR has %+v, %v", now, err)
			}
		})
	}
}

// Where identifiers cannot be trusted, a Task is known by its patient and the moment it began.
func TestListTask(t *testing.T) {
	for name, c := range map[string]struct {
		has   string
		found bool
	}{
		"ours, its identifier gone": {`"status":"requested","authoredOn":"2026-11-22T19:02:00+01:00"}`, true},
		"of another moment":         {`"status":"requested","authoredOn":"2026-11-22T18:02:01Z"}`, false},
		"another of ours": {`"status":"requested","authoredOn":"2026-11-22T18:02:00Z","identifier":[{"system":"` + testBase +
			`/texting/task","value":"01M826R3E0BBBBBBBBBBBBBBBB"}]}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := withTask(t, taskHead+c.has)
			x := connector.Exchange{Kind: connector.ItemTask, Base: testBase, Channel: "texting", TaskNew: true, Task: &connector.Task{
				ID: "01M826R3E0AAAAAAAAAAAAAAAA", Status: connector.TaskRequested}}
			r, err := l.adapter.List(t.Context(), l.write(t, x))
			if c.found != (err == nil && r.Reference == "Task/t1") || (!c.found && !errors.Is(err, connector.ErrAbsent)) {
				t.Errorf("%+v, %v", r.Reference, err)
			}
		})
	}
}

// reconcile reads Tasks back by the identifiers a channel's have.
func TestReadTasks(t *testing.T) {
	l, _ := withTask(t, taskHead+`"status":"requested"}`)
	x := connector.Exchange{Kind: connector.ItemTask, Base: testBase, Channel: "texting", TaskNew: true, Task: &connector.Task{
		ID: "01M826R3E0AAAAAAAAAAAAAAAA", Status: connector.TaskRequested}}
	w := l.write(t, x)
	made := l.file(t, w)
	page, err := l.adapter.ReadChart(t.Context(), connector.ChartQuery{Type: "Task", Patient: "Patient/daniel", Channels: []string{"texting"}})
	if err != nil || len(page.Entries) != 1 || page.Entries[0].Reference != made.Reference || !slices.Contains(page.Entries[0].Ours, w.Identity) {
		t.Errorf("%v, %v", page.Entries, err)
	}
	if r := l.adapter.ShowEntry(t.Context(), w, page.Entries[0]); !r.Echo.Shown || r.Echo.Subject != "Patient/daniel" || r.Echo.Status != "requested" {
		t.Errorf("%+v", r.Echo)
	}
}
