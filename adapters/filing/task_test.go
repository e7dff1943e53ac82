package filing_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/validate"
)

const spell = "01M826R3E0AAAAAAAAAAAAAAAA" // begun 2026-11-22T18:02:00Z

// task is an item of a spell of work; the first one files it.
func task(status connector.TaskStatus, first bool, changes ...func(*connector.Exchange)) connector.Exchange {
	return exchange(connector.ItemTask, comm, append([]func(*connector.Exchange){func(x *connector.Exchange) {
		x.Message = connector.Message{}
		x.Task, x.TaskNew = &connector.Task{ID: spell, Status: status, Holder: "Practitioner/ana", By: "Practitioner/bo"}, first
		x.Thread.Priority, x.TaskFocus = connector.Urgent, "Communication/h"
	}}, changes...)...)
}

func byPool(pool string) func(*connector.Exchange) {
	return func(x *connector.Exchange) { x.Task.Holder, x.Task.Pool = "", pool }
}

func TestGoldenTask(t *testing.T) {
	pool := task(connector.TaskRequested, false, byPool("nurse-triage"))
	writes := plan(t, policy(t), able(comm), task(connector.TaskAccepted, true))
	writes = append(writes, plan(t, policy(t), able(comm), pool)...)
	writes = append(writes, plan(t, policy(t), able(comm), task(connector.TaskCompleted, false))...)
	golden(t, "../../testdata/goldens/task.json", show(t, writes))
	if err := validate.New().Resource(resolved(writes[0].Body)); err != nil {
		t.Errorf("the gate: %v", err)
	}
}

func resolved(body []byte) []byte {
	return bytes.ReplaceAll(body, []byte(connector.SymPatient), []byte("Patient/p"))
}

// An owner is a reference where there is one, and of the types a Task takes: a Group stands behind the clinic.
func TestTaskOwner(t *testing.T) {
	people := policy(t)
	people.People["front-desk"] = "Group/front-desk"
	for name, c := range map[string]struct {
		change func(*connector.Exchange)
		path   []any
		want   any
	}{
		"a person":           {func(*connector.Exchange) {}, []any{"owner", "reference"}, "Practitioner/ana"},
		"a pool":             {byPool("nurse-triage"), []any{"owner", "reference"}, "HealthcareService/nurse-triage"},
		"a pool of no name":  {byPool("billing"), []any{"owner", "identifier", "value"}, "billing"},
		"a pool not allowed": {byPool("front-desk"), []any{"owner", "reference"}, "Organization/clinic-a"},
		"nobody":             {byPool(""), []any{"owner"}, nil},
	} {
		x := task(connector.TaskRequested, true, c.change)
		if got := at(resource(t, plan(t, people, able(comm), x)[0], "Task"), c.path...); got != c.want {
			t.Errorf("%s: %v is %v, want %v", name, c.path, got, c.want)
		}
		x.TaskNew = false
		u := plan(t, people, able(comm), x)[0].Update
		if has := u.Set["owner"] != nil; has == (len(u.Remove) == 1 && u.Remove[0] == "owner") || has != (c.want != nil) {
			t.Errorf("%s: a change sets %v and removes %v", name, u.Set, u.Remove)
		}
	}
}

// A clock that is behind must not make a Task that was changed before it began.
func TestTaskTimes(t *testing.T) {
	begun := connector.Task{ID: spell}.Begun()
	for received, want := range map[time.Time]time.Time{begun.Add(-time.Second): begun, begun.Add(1500 * time.Microsecond): begun.Add(1500 * time.Microsecond)} {
		x := task(connector.TaskAccepted, true, func(x *connector.Exchange) { x.Received = received })
		r := resource(t, plan(t, policy(t), able(comm), x)[0], "Task")
		x.TaskNew = false
		set := plan(t, policy(t), able(comm), x)[0].Update.Set
		for _, said := range []any{r["lastModified"], set["lastModified"]} {
			if got, err := time.Parse(time.RFC3339Nano, said.(string)); err != nil || !got.Equal(want) {
				t.Errorf("received %s: last modified %v, want %s", received, said, want)
			}
		}
		if got, err := time.Parse(time.RFC3339Nano, r["authoredOn"].(string)); err != nil || !got.Equal(begun) {
			t.Errorf("authored %v, want %s", r["authoredOn"], begun)
		}
	}
}

// Without a header there is nothing to point at, and no word of why.
func TestTaskWithoutHeader(t *testing.T) {
	x := task(connector.TaskAccepted, true, func(x *connector.Exchange) { x.TaskFocus = "" })
	if r := resource(t, plan(t, policy(t), able(comm), x)[0], "Task"); r["focus"] != nil || r["description"] != nil {
		t.Errorf("%v", r)
	}
}

func TestTasksNotTaken(t *testing.T) {
	traits := able(comm)
	traits.Tasks = false
	for _, first := range []bool{true, false} {
		if w := plan(t, policy(t), traits, task(connector.TaskAccepted, first)); len(w) != 0 {
			t.Errorf("%v", w)
		}
	}
}
