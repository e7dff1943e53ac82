package ingest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/ingest"
)

func waits(need int, urgency connector.Priority) func(connector.Desk) bool {
	return func(d connector.Desk) bool {
		return d.Need.Equal(start.Add(time.Duration(need)*time.Second)) && d.Urgency == urgency
	}
}

func quiet(d connector.Desk) bool { return d.Need.IsZero() && d.Urgency == "" && d.Asked.IsZero() }

// TestWhoWaits: events and replies, one a second, and who waits after the last.
func TestWhoWaits(t *testing.T) {
	urgent := with(said("k9", "m-9", 9, "chest pain"), func(ev *connector.Event) { ev.Message.Priority = connector.Urgent })
	system := with(told("k8", "m-8", 8, "We got it."), func(ev *connector.Event) { ev.Message.Sender = connector.Participant{Role: connector.RoleSystem} })
	proxy := with(said("k7", "m-7", 7, "Mom here"), func(ev *connector.Event) {
		ev.Message.Sender = connector.Participant{Role: connector.RoleProxy, ID: "u-2"}
	})
	hurry := with(said("k6", "m-6", 6, "x"), func(ev *connector.Event) { ev.Thread.Priority = connector.Stat })
	note := with(said("k5", "m-5", 5, "for us"), func(ev *connector.Event) {
		ev.Message.Direction, ev.Message.Sender = connector.Internal, connector.Participant{Role: connector.RoleStaff, ID: "s"}
	})
	reply := connector.Event{} // of ours
	one, two, answer := said("k1", "m-1", 1, "one"), said("k2", "m-2", 2, "two"), told("k3", "m-3", 3, "three")
	for name, c := range map[string]struct {
		events []connector.Event
		want   func(connector.Desk) bool
	}{
		"a message":                                 {[]connector.Event{one}, waits(1, connector.Routine)},
		"the first of two":                          {[]connector.Event{one, two}, waits(1, connector.Routine)},
		"a repeat changes nothing":                  {[]connector.Event{one, answer, one}, quiet},
		"the most urgent":                           {[]connector.Event{one, urgent, two}, waits(1, connector.Urgent)},
		"a proxy":                                   {[]connector.Event{proxy}, waits(1, connector.Routine)},
		"the thread's urgency":                      {[]connector.Event{hurry}, waits(1, connector.Stat)},
		"the platform's staff answer":               {[]connector.Event{one, two, answer}, quiet},
		"a machine answers nothing":                 {[]connector.Event{one, system}, waits(1, connector.Routine)},
		"an answer that came late":                  {[]connector.Event{one, told("k4", "m-0", 0, "before")}, waits(1, connector.Routine)},
		"our reply":                                 {[]connector.Event{one, urgent, reply}, quiet},
		"after the answer":                          {[]connector.Event{one, reply, two}, waits(3, connector.Routine)},
		"new words after the answer":                {[]connector.Event{one, reply, corrected("kc", "m-1", 2, "not one")}, waits(3, connector.Routine)},
		"staff correct their answer":                {[]connector.Event{answer, one, corrected("kc", "m-3", 2, "3")}, waits(2, connector.Routine)},
		"new words of what has not come":            {[]connector.Event{answer, corrected("kc", "m-1", 2, "not one")}, quiet},
		"a note between staff":                      {[]connector.Event{one, note}, waits(1, connector.Routine)},
		"only a note":                               {[]connector.Event{note}, quiet},
		"closing is no answer":                      {[]connector.Event{one, turned("kt", connector.ThreadClosed, time.Hour)}, waits(1, connector.Routine)},
		"delivery of what we said is no new answer": {[]connector.Event{answer, one, news("kn", "m-3", connector.Read, time.Hour)}, waits(2, connector.Routine)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			last := time.Time{}
			for _, ev := range c.events {
				if ev.Type == "" {
					w.compose(w.draft(w.thread("t-1").ID))
				} else {
					w.accept(ev)
				}
				if (ev.Type == "" || ev.Type == connector.MessageCreated) && (ev.Message == nil || ev.Message.Direction != connector.Internal) {
					last = w.clock.Now()
				}
			}
			th := w.thread("t-1")
			if !c.want(th.Desk) {
				t.Errorf("need %v (%s), asked %v", th.Desk.Need, th.Desk.Urgency, th.Desk.Asked)
			}
			if name != "a repeat changes nothing" && name != "new words after the answer" && !th.Desk.Last.Equal(last) {
				t.Errorf("the newest message is of %v, want %v", th.Desk.Last, last)
			}
			if th.Desk.Version > th.Version {
				t.Errorf("the desk is as it is by version %d of %d", th.Desk.Version, th.Version)
			}
		})
	}
}

func TestPoolOfAThread(t *testing.T) {
	to := func(pool string) connector.Event {
		return with(said("k1", "m-1", 1, "one"), func(ev *connector.Event) {
			ev.Message.Recipients = []connector.Participant{{Role: connector.RoleClinician, ID: "dr"}, {Role: connector.RolePool, ID: pool}}
		})
	}
	for name, c := range map[string]struct {
		first connector.Event
		want  string
	}{
		"its recipient":         {to("refills"), "refills"},
		"one that nobody reads": {to("unheard-of"), "nurse-triage"},
		"nobody":                {with(to(""), func(ev *connector.Event) { ev.Message.Recipients = nil }), "nurse-triage"},
		"its sender": {with(told("k1", "m-1", 1, "one"), func(ev *connector.Event) {
			ev.Message.Sender = connector.Participant{Role: connector.RolePool, ID: "refills"}
		}), "refills"},
		"a person who is called as one": {with(to("x"), func(ev *connector.Event) { ev.Message.Recipients[0].ID = "refills" }), "nurse-triage"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.ch.Pools = []string{"nurse-triage", "refills"}
			w.accept(c.first)
			later := said("k2", "m-2", 2, "two")
			w.accept(later) // to nurse-triage, which changes nothing
			if got := w.thread("t-1").Desk.Pool; got != c.want {
				t.Errorf("pool %q, want %q", got, c.want)
			}
		})
	}
	w := newWorld(t)
	th, err := w.threadByID(w.compose(w.draft("")).Thread)
	if err != nil || th.Desk.Pool != "nurse-triage" || !quiet(th.Desk) || !th.Desk.Last.Equal(w.clock.Now()) {
		t.Errorf("a thread we began has the desk %+v (%v)", th.Desk, err)
	}
}

const (
	ana = "Practitioner/ana"
	bo  = "Practitioner/bo"
)

func (w *world) work(do ingest.WorkKind, by, to string, expect int64) (connector.Thread, error) {
	w.t.Helper()
	w.clock.Advance(time.Second)
	return w.in.Work(context.Background(), ingest.WorkIn{EHR: ehrID, Thread: w.thread("t-1").ID, Agent: "user:S1", OnBehalf: by, Do: do, To: to, Expect: expect})
}

func TestWork(t *testing.T) {
	type act struct {
		do     ingest.WorkKind
		by, to string
	}
	for name, c := range map[string]struct {
		acts         []act
		holder, pool string
		answered     bool
		taken        string // who has it: the last act is refused
	}{
		"claim":                   {acts: []act{{ingest.Claim, ana, ""}}, holder: ana},
		"claim again":             {acts: []act{{ingest.Claim, ana, ""}, {ingest.Claim, ana, ""}}, holder: ana},
		"claim what is taken":     {acts: []act{{ingest.Claim, ana, ""}, {ingest.Claim, bo, ""}}, holder: ana, taken: ana},
		"release":                 {acts: []act{{ingest.Claim, ana, ""}, {ingest.Release, ana, ""}}},
		"release what is taken":   {acts: []act{{ingest.Claim, ana, ""}, {ingest.Release, bo, ""}}, holder: ana, taken: ana},
		"claim what was released": {acts: []act{{ingest.Claim, ana, ""}, {ingest.Release, ana, ""}, {ingest.Claim, bo, ""}}, holder: bo},
		"assign":                  {acts: []act{{ingest.Assign, ana, bo}}, holder: bo},
		"assign what is taken":    {acts: []act{{ingest.Claim, bo, ""}, {ingest.Assign, ana, ana}}, holder: ana},
		"hand over":               {acts: []act{{ingest.Claim, ana, ""}, {ingest.Hand, ana, "refills"}}, pool: "refills"},
		"resolve":                 {acts: []act{{ingest.Claim, ana, ""}, {ingest.Resolve, bo, ""}}, holder: ana, answered: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.accept(said("k1", "m-1", 1, "one"))
			need := w.thread("t-1").Desk.Need
			var err error
			for n, a := range c.acts {
				before := len(w.store.kinds())
				if _, err = w.work(a.do, a.by, a.to, 0); err != nil && (n < len(c.acts)-1 || c.taken == "") {
					t.Fatalf("%s: %v", a.do, err)
				}
				if rows := len(w.store.kinds()) - before; rows == 1 != (err == nil) {
					t.Errorf("%s: %d audit rows", a.do, rows)
				}
			}
			var taken *ingest.Taken
			if errors.As(err, &taken) != (c.taken != "") || taken != nil && (taken.By != c.taken || !taken.At.Equal(start.Add(2*time.Second))) {
				t.Errorf("it was refused: %v", err)
			}
			d := w.thread("t-1").Desk
			if c.pool == "" {
				c.pool = "nurse-triage"
			}
			if d.Holder != c.holder || d.HeldAt.IsZero() != (c.holder == "") || d.Pool != c.pool {
				t.Errorf("held by %q since %v in pool %q, want %q in %q", d.Holder, d.HeldAt, d.Pool, c.holder, c.pool)
			}
			if c.answered != quiet(d) || !c.answered && !d.Need.Equal(need) {
				t.Errorf("need %v", d.Need)
			}
		})
	}
}

func TestWorkIsAudited(t *testing.T) {
	w := newWorld(t)
	w.accept(said("k1", "m-1", 1, "one"))
	for _, c := range []struct {
		do     ingest.WorkKind
		to     string
		detail map[string]string
	}{
		{ingest.Claim, "", map[string]string{"act": "claim", "from": "", "to": ana}},
		{ingest.Assign, bo, map[string]string{"act": "assign", "from": ana, "to": bo}},
		{ingest.Hand, "refills", map[string]string{"act": "hand", "from": "nurse-triage", "to": "refills"}},
		{ingest.Release, "", map[string]string{"act": "release", "from": "", "to": ""}},
		{ingest.Resolve, "", map[string]string{"act": "resolve", "first": "2026-11-22T18:00:01Z"}},
		{ingest.Resolve, "", map[string]string{"act": "resolve"}},
	} {
		if _, err := w.work(c.do, ana, c.to, 0); err != nil {
			t.Fatal(err)
		}
		a := w.store.audited[len(w.store.audited)-1]
		if a.Kind != "work" || a.Action != "U" || a.Outcome != 0 || a.Agent != "user:S1" || a.OnBehalf != ana || a.Thread != w.thread("t-1").ID || len(a.Detail) != len(c.detail) {
			t.Errorf("%s: the audit row is %+v", c.do, a)
		}
		for k, v := range c.detail {
			if a.Detail[k] != v {
				t.Errorf("%s: %s is %q, want %q", c.do, k, a.Detail[k], v)
			}
		}
	}
}

// TestWorkOnWhatWasShown: what moved on the chart since does not matter, what a person would want to see first does.
func TestWorkOnWhatWasShown(t *testing.T) {
	w := newWorld(t)
	w.accept(told("k0", "m-0", 0, "hello"))
	w.accept(said("k1", "m-1", 1, "one"))
	passes := w.thread("t-1")
	shown := passes.Version
	w.update(func(tx connector.Tx) error { return tx.PassThread(passes) })
	w.accept(news("k2", "m-0", connector.Read, time.Hour))
	if w.thread("t-1").Version <= shown+1 {
		t.Fatal("the thread did not move")
	}
	th, err := w.work(ingest.Claim, ana, "", shown)
	if err != nil || th.Version != w.thread("t-1").Version || th.Desk.Holder != ana {
		t.Fatalf("Work = %+v, %v", th.Desk, err)
	}
	if _, err := w.work(ingest.Resolve, ana, "", shown); !errors.Is(err, connector.ErrStale) {
		t.Errorf("resolving what somebody has taken since: %v", err)
	}
	shown = w.thread("t-1").Version
	w.accept(said("k3", "m-2", 2, "worse"))
	if _, err := w.work(ingest.Resolve, ana, "", shown); !errors.Is(err, connector.ErrStale) || quiet(w.thread("t-1").Desk) {
		t.Errorf("resolving with a message that nobody has seen: %v", err)
	}
	if _, err := w.work(ingest.Resolve, ana, "", w.thread("t-1").Version); err != nil {
		t.Error(err)
	}
}

func TestWorkThatIsNone(t *testing.T) {
	w := newWorld(t)
	w.accept(said("k1", "m-1", 1, "one"))
	before := w.thread("t-1")
	for _, c := range []struct {
		do     ingest.WorkKind
		by, to string
	}{{"eat", ana, ""}, {ingest.Claim, "", ""}, {ingest.Claim, ana, bo}, {ingest.Assign, ana, ""}, {ingest.Hand, ana, ""}} {
		if _, err := w.work(c.do, c.by, c.to, 0); !errors.Is(err, ingest.ErrNoSuchWork) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	_, err := w.in.Work(context.Background(), ingest.WorkIn{EHR: ehrID, Thread: "none", Agent: "user:S1", OnBehalf: ana, Do: ingest.Claim})
	if !errors.Is(err, connector.ErrNotFound) {
		t.Errorf("a thread that is not there: %v", err)
	}
	if after := w.thread("t-1"); after.Version != before.Version || len(w.store.kinds()) != 1 {
		t.Error("something was done")
	}
}

// TestMergedDesk: ours is moved into the thread the patient has answered in meanwhile, and nobody is forgotten.
func TestMergedDesk(t *testing.T) {
	w := newWorld(t)
	c := w.compose(w.draft(""))
	if _, err := w.in.Work(context.Background(), ingest.WorkIn{EHR: ehrID, Thread: c.Thread, Agent: "user:S1", OnBehalf: ana, Do: ingest.Claim}); err != nil {
		t.Fatal(err)
	}
	w.accept(said("k1", "m-1", 1, "thanks, but")) // before the platform told us whose thread this is
	echo := told("k2", "m-2", 2, "Please continue.")
	echo.Message.ClientID = c.Client
	w.accept(echo)
	th := w.thread("t-1")
	if _, err := w.threadByID(c.Thread); err == nil {
		t.Fatal("our thread was not merged")
	}
	if d := th.Desk; !d.Need.Equal(start.Add(2*time.Second)) || d.Holder != ana || d.Pool != "nurse-triage" || !d.Last.Equal(start.Add(2*time.Second)) || d.Version > th.Version || d.Version < th.Version-1 {
		t.Errorf("the desk is %+v at version %d", d, th.Version)
	}
}
