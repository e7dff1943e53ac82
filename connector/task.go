package connector

import (
	"cmp"
	"time"

	"github.com/oklog/ulid/v2"
)

// TaskStatus is how far a spell of work on a thread has got. Values are those of FHIR Task.status (http://hl7.org/fhir/task-status).
type TaskStatus string

// The statuses a spell of work passes through.
const (
	TaskRequested TaskStatus = "requested" // a pool has it, and nobody of it yet
	TaskAccepted  TaskStatus = "accepted"  // somebody holds it
	TaskCompleted TaskStatus = "completed" // answered, or said to need no answer
)

// Task is what the EHR's Task of a spell of work is to say from one change on: from when staff first claim, assign or hand over a
// thread until it is answered or resolved. The ID of the item that begins it is the Task's.
type Task struct {
	ID     string     `json:"id"`
	Status TaskStatus `json:"status"`
	Holder string     `json:"holder,omitempty"` // EHR reference of who has it
	Pool   string     `json:"pool,omitempty"`   // id of the pool that has it, where nobody holds it
	By     string     `json:"by,omitempty"`     // EHR reference of who began the spell
}

// Begun is when the spell began, to the millisecond: its ID says so.
func (t Task) Begun() time.Time {
	id, err := ulid.ParseStrict(t.ID)
	if err != nil {
		return time.Time{}
	}
	return ulid.Time(id.Time()).UTC()
}

// Owner is who has the task, as exchanges name participants; false where nobody has.
func (t Task) Owner() (Participant, bool) {
	if t.Holder != "" {
		return Participant{Role: RoleStaff, ID: t.Holder}, true
	}
	return Participant{Role: RolePool, ID: t.Pool}, t.Pool != ""
}

// Requester is who began the spell; false where that is not known.
func (t Task) Requester() (Participant, bool) {
	return Participant{Role: RoleStaff, ID: t.By}, t.By != ""
}

// Spell is the desk's open spell of work as it is now; false where none is open.
func (d Desk) Spell() (Task, bool) {
	t := Task{ID: d.Task, Status: TaskAccepted, Holder: d.Holder}
	if d.Holder == "" {
		t.Status, t.Pool = TaskRequested, d.Pool
	}
	return t, d.Task != ""
}

// EndSpell ends the desk's open spell of work and gives what its Task is to say at the last; false where none was open.
func (d *Desk) EndSpell() (Task, bool) {
	t, open := d.Spell()
	t.Status, d.Task = TaskCompleted, ""
	return t, open
}

// PutTask puts the item that brings a spell of work of this thread to the EHR, and makes its lane due. begins says that the
// spell begins with it. An EHR that takes no Tasks leaves it out.
func PutTask(tx Tx, t Thread, task Task, begins bool, now time.Time) error {
	i := Item{ID: NewID(now), EHR: t.EHR, Thread: t.ID, Lane: LaneTask, Kind: ItemTask, State: Waiting, Channel: t.Channel,
		Priority: cmp.Or(t.Desk.Urgency, t.Info.Priority), CommittedAt: now, ChangedAt: now, Detail: ItemDetail{Task: &task}}
	if begins {
		i.ID = task.ID
	}
	if err := tx.PutItem(&i); err != nil {
		return err
	}
	return tx.TouchLane(i.EHR, i.Thread, i.Lane, now, i.Priority)
}

// mergeSpells leaves one spell of work open after a thread was merged into another: the EHR has heard nothing of the merged one's,
// or the two could not have become one. The one that goes on is told of whoever has the thread now.
func mergeSpells(tx Tx, t Thread, gone Desk, now time.Time) error {
	if gone.Task != "" && gone.Task != t.Desk.Task {
		err := eachTask(tx, t, func(i Item) error {
			if i.Detail.Task.ID != gone.Task {
				return nil
			}
			i.State, i.Reason, i.NextAt, i.ChangedAt = NotDue, PolicyLeftOut, time.Time{}, now
			return tx.PutItem(&i)
		})
		if err != nil {
			return err
		}
	}
	if task, open := t.Desk.Spell(); open {
		return PutTask(tx, t, task, false, now)
	}
	return nil
}

// wakeTasks makes the lane due on which tasks have waited for the platform to name their thread.
func wakeTasks(tx Tx, t Thread, now time.Time) error {
	return eachTask(tx, t, func(i Item) error { return tx.TouchLane(i.EHR, t.ID, LaneTask, now, i.Priority) })
}

// eachTask visits the task items of a thread that are not done.
func eachTask(tx Tx, t Thread, visit func(Item) error) error {
	items, err := tx.ThreadItems(t.EHR, t.ID)
	for _, i := range items {
		if i.Kind == ItemTask && !i.State.Done() {
			if err := visit(i); err != nil {
				return err
			}
		}
	}
	return err
}

// SymTask is the symbol of a Task of ours.
func SymTask(id string) string { return "{task:" + id + "}" }
