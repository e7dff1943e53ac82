package filing

import (
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// ownerTypes are what Task.owner takes (standards.md §1.3).
var ownerTypes = []string{"CareTeam", "Device", "HealthcareService", "Organization", "Patient", "Practitioner", "PractitionerRole", "RelatedPerson"}

var taskStatuses = map[connector.TaskStatus]r4.TaskStatus{
	connector.TaskRequested: r4.TaskRequested, connector.TaskAccepted: r4.TaskAccepted, connector.TaskCompleted: r4.TaskCompleted,
}

// task files the Task of a spell of work on a thread, and later each change of who has it. It says whose work it is and about whom,
// and no word of a message.
func (p *planner) task() ([]connector.Write, error) {
	if !p.traits.Tasks {
		return nil, nil
	}
	owner, err := p.taskOwner()
	if err != nil {
		return nil, err
	}
	if p.x.TaskNew {
		return p.newTask(owner)
	}
	return []connector.Write{p.taskChange(owner)}, nil
}

// taskOwner is who has the work; nil where nobody has.
func (p *planner) taskOwner() (*r4.Reference, error) {
	pt, ok := p.x.Task.Owner()
	if !ok {
		return nil, nil
	}
	who, err := p.as(pt, ownerTypes)
	return &who.ref, err
}

func (p *planner) newTask(owner *r4.Reference) ([]connector.Write, error) {
	id := p.ids.Task(p.x.Task.ID)
	t := r4.NewTask(taskStatuses[p.x.Task.Status], identifier(id), r4.Ref(p.x.TaskFocus), r4.Ref(connector.SymPatient))
	if p.x.TaskFocus == "" {
		t.Focus = nil
	}
	t.Code = r4.Ptr(p.category(CategoryAnswer))
	t.Priority = priorityOf(p.x.Thread.Priority)
	t.Owner = owner
	if by, ok := p.x.Task.Requester(); ok {
		who, err := p.as(by, requesterTypes)
		if err != nil {
			return nil, err
		}
		t.Requester = &who.ref
	}
	t.SetTimes(p.x.Task.Begun(), p.taskChanged())
	return p.file(entry{id: id, kind: "Task", resource: t, provides: connector.SymTask(p.x.Task.ID), date: p.x.Task.Begun(),
		expect: connector.Expect{Subject: connector.SymPatient, Status: string(p.x.Task.Status)}})
}

// taskChanged is when the Task became what it is to say; not before it began, whatever the clock of the process says that committed
// the change (inv-1).
func (p *planner) taskChanged() time.Time {
	if p.x.Received.Before(p.x.Task.Begun()) {
		return p.x.Task.Begun()
	}
	return p.x.Received
}

func (p *planner) taskChange(owner *r4.Reference) connector.Write {
	task := p.x.Task
	set, remove := map[string]any{"status": string(task.Status), "lastModified": r4.DateTime(p.taskChanged())}, []string(nil)
	if owner == nil {
		remove = []string{"owner"}
	} else {
		set["owner"] = *owner
	}
	if p.x.TaskFocus != "" {
		set["focus"] = r4.Ref(p.x.TaskFocus)
	}
	if p.x.Thread.Priority != "" && task.Status != connector.TaskCompleted {
		set["priority"] = string(p.x.Thread.Priority)
	}
	what := "status=" + string(task.Status) + "@" + p.x.Received.UTC().Format(time.RFC3339Nano)
	return change("Task", connector.SymTask(task.ID), p.ids.Task(task.ID), what, string(task.Status), set, remove...)
}
