package ehrtest

import (
	"errors"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

const spellID = "01M826R3E0AAAAAAAAAAAAAAAA"

// task is an item of a spell of work that one of the staff has.
func (r *Rig) task(s connector.Strategy, status connector.TaskStatus, first bool) connector.Exchange {
	return r.exchange(s, connector.ItemTask, "", "", func(x *connector.Exchange) {
		x.Message = connector.Message{}
		x.Task, x.TaskNew = &connector.Task{ID: spellID, Status: status, Pool: "some-pool"}, first
		x.Received = x.Task.Begun().Add(time.Minute)
		x.TaskFocus = r.known[connector.SymHeader]
	})
}

// tasks: an EHR that takes Tasks has one of a spell of work, which says how far that is; another one is sent none.
func tasks(t *testing.T, h Harness) {
	r := h.Start(t)
	traits := r.open(t)
	first := r.task(h.Strategy, connector.TaskRequested, true)
	if !traits.Tasks {
		for _, x := range []connector.Exchange{first, r.task(h.Strategy, connector.TaskCompleted, false)} {
			if w := r.plan(t, x); len(w) > 0 {
				t.Errorf("the EHR takes no Tasks, and this is planned: %s %s", w[0].Method, w[0].Type)
			}
		}
		return
	}
	r.file(t, r.header(h.Strategy))
	first.TaskFocus = r.known[connector.SymHeader]
	made := r.file(t, first)[0]
	w, _ := r.prepared(t, r.plan(t, first)[0])
	found, err := r.EHR.Find(t.Context(), w)
	switch {
	case errors.Is(err, connector.ErrNotSearchable):
	case err != nil || found.Reference != made.Reference || !found.Found:
		t.Errorf("Find gives %s (%v), filed was %s", found.Reference, err, made.Reference)
	default:
		check(t, w, found)
	}
	if !made.Echo.Shown || len(made.Echo.Identities) == 0 || made.Echo.Identities[0] != w.Identity {
		t.Errorf("the receipt shows %v under %v", made.Echo.Shown, made.Echo.Identities)
	}
	ended := r.task(h.Strategy, connector.TaskCompleted, false)
	r.file(t, ended)
	change := r.plan(t, ended)[0]
	if _, done := r.prepared(t, change); done == nil {
		t.Error("the chart shows the end already, and the adapter would write it again")
	}
	if _, err := r.EHR.Find(t.Context(), r.resolve(t, change)); err != nil {
		t.Errorf("Find of a change that was made: %v", err)
	}
	if n := len(r.Stored("Task")); n != 1 {
		t.Errorf("the EHR has %d Tasks of one spell of work", n)
	}
	change.Expect.Subject = r.Other
	_, _, err = r.EHR.(connector.Preparer).Prepare(t.Context(), r.resolve(t, change))
	var refused *connector.Refused
	if !errors.As(err, &refused) || refused.Reason != connector.WrongSubject {
		t.Errorf("a change of a Task that is for another patient: %v", err)
	}
}
