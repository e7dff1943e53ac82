package deliver

import (
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// change is an item of a spell of work: what begins it where the key is the spell's.
func change(spell, key string, status connector.TaskStatus, with ...func(*connector.Item)) *connector.Item {
	i := an(connector.ItemTask, key, with...)
	i.ID, i.Lane, i.Detail.Task = key, connector.LaneTask, &connector.Task{ID: spell, Status: status}
	return i
}

func TestNextTask(t *testing.T) {
	const accepted, completed = connector.TaskAccepted, connector.TaskCompleted
	named := connector.Thread{ID: "T", Ext: "t-1"}
	for name, c := range map[string]struct {
		thread connector.Thread
		items  []*connector.Item
		want   string        // "" is none
		due    time.Duration // from noon; 0 is never
	}{
		"nothing":                 {named, nil, "", 0},
		"a thread without a name": {connector.Thread{ID: "T", Ext: "T"}, []*connector.Item{change("a", "a", accepted)}, "", 0},
		"what begins comes first": {named, []*connector.Item{change("a", "b", accepted), change("a", "a", accepted, at(time.Second))}, "a", 0},
		"a change alone":          {named, []*connector.Item{change("a", "b", accepted)}, "b", 0},
		"a change waits with what begins": {named, []*connector.Item{change("a", "a", accepted, next(time.Minute)), change("a", "b", accepted, at(1))},
			"", time.Minute},
		"another spell does not":                   {named, []*connector.Item{change("a", "a", accepted, next(time.Minute)), change("b", "b", accepted, at(1))}, "b", 0},
		"nor with one that a person has to see to": {named, []*connector.Item{change("a", "x", accepted, never), change("b", "b", accepted, at(1))}, "b", 0},
		"an open outcome comes before all": {named, []*connector.Item{change("a", "a", accepted), change("b", "x", accepted, in(connector.Unknown), next(time.Minute))},
			"", time.Minute},
		"what is overtaken goes first, due or not": {named, []*connector.Item{change("a", "x", accepted, next(time.Minute)), change("a", "y", accepted, at(1))}, "x", 0},
		"then the newest":                          {named, []*connector.Item{change("a", "y", accepted, at(1))}, "y", 0},
		// A replica's clock was a second behind when the spell was ended.
		"nothing comes after the end": {named, []*connector.Item{change("a", "x", accepted, at(time.Second)), change("a", "y", completed)}, "x", 0},
	} {
		p := nextTask(c.thread, c.items, noon)
		got := ""
		if p.item != nil {
			got = p.item.ID
		}
		due := time.Time{}
		if c.due > 0 {
			due = noon.Add(c.due)
		}
		if got != c.want || !p.due.Equal(due) {
			t.Errorf("%s: %q, due %s; want %q, due %s", name, got, p.due, c.want, due)
		}
	}
}
