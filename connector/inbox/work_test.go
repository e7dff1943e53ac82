package inbox

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

func TestWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		s, lee := w.signed(doctor, daniel, "doctor"), w.signed("Practitioner/lee", daniel, "administrator")
		work := func(s *Session, act, to string) error {
			return w.desk.Work(t.Context(), s, WorkIn{Thread: thread, Act: act, To: to, Shown: 1 << 40})
		}
		held := func(by *Session, name, pool string, mine bool) {
			t.Helper()
			if l := w.opened(by, thread).Thread; l.Holder.Key != name || l.Pool != pool || l.Mine != mine {
				t.Errorf("held by %q in %q, mine: %v; want %q in %q, %v", l.Holder.Key, l.Pool, l.Mine, name, pool, mine)
			}
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		w.said()
		at := time.Now()
		must(work(s, Claim, ""))
		w.wantSaid("work 0 user for " + doctor + " act=claim from= to=" + doctor)
		held(s, doctor, "nurses", true)
		held(lee, doctor, "nurses", false)
		time.Sleep(time.Minute)
		for _, act := range []string{Claim, Release} {
			var taken *Taken
			if err := work(lee, act, ""); !errors.As(err, &taken) || taken.Who.Key != doctor || !taken.When.Equal(at) {
				t.Errorf("%s of what another holds: %+v %v", act, taken, err)
			}
		}
		held(lee, doctor, "nurses", false)
		must(work(lee, Assign, "Practitioner/lee"))
		held(lee, "Practitioner/lee", "nurses", true)
		must(work(lee, Release, ""))
		held(lee, "", "nurses", false)
		must(work(lee, Assign, "PractitionerRole/r7")) // of a pool's members
		held(lee, "PractitionerRole/r7", "nurses", false)
		must(work(lee, Hand, "front"))
		held(lee, "", "front", false)
		if l := w.opened(s, thread).Thread; l.Waits != time.Minute+1 && l.Waits != time.Minute {
			t.Errorf("waits %v before it is resolved", l.Waits)
		}
		w.said()
		must(work(s, Resolve, ""))
		if l := w.opened(s, thread).Thread; l.Waits != 0 {
			t.Errorf("waits %v once it is resolved", l.Waits)
		}
		if said := w.said(); !strings.HasPrefix(said[0], "work 0 user for "+doctor+" act=resolve first=") {
			t.Errorf("audited %v", said)
		}
		for name, tc := range map[string]struct{ act, to string }{
			"somebody unknown": {Assign, "Practitioner/who"}, "nobody": {Assign, ""}, "no pool": {Hand, "ward"}, "nothing": {"", ""}, "another act": {"delete", ""},
		} {
			var wrong *Wrong
			if err := work(s, tc.act, tc.to); !errors.As(err, &wrong) || wrong.Field != "act" {
				t.Errorf("%s: %v", name, err)
			}
		}
		held(s, "", "front", false)
		if err := work(s, Assign, doctor); err != nil { // to oneself, of whatever pool
			t.Error(err)
		}
		for _, who := range w.opened(s, thread).Staff {
			if who.Key != "Practitioner/lee" && who.Key != "PractitionerRole/r7" {
				t.Errorf("%s is offered a thread of front, whose work list they do not see", who.Key)
			}
		}
		if err := work(s, Assign, "Practitioner/aide"); !errors.As(err, new(*Wrong)) {
			t.Errorf("assigned to somebody in whose work list it is not: %v", err)
		}
	})
}

// A thread assigned to one's role is one's own.
func TestWorkOfOnesRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		okafor := w.signed(doctor, daniel, "doctor")
		w.app.grant.User = "Practitioner/role"
		w.chart.user = User{Reference: "Practitioner/role", Codes: []string{"doctor"}, Also: []string{"PractitionerRole/r7"}}
		s, _ := w.launch(daniel)
		if err := w.desk.Work(t.Context(), okafor, WorkIn{Thread: thread, Act: Assign, To: "PractitionerRole/r7"}); err != nil {
			t.Fatal(err)
		}
		if l := w.opened(s, thread).Thread; !l.Mine || l.Holder.Key != "PractitionerRole/r7" {
			t.Errorf("held by %+v, mine: %v", l.Holder, l.Mine)
		}
		w.said()
		if err := w.desk.Work(t.Context(), s, WorkIn{Thread: thread, Act: Release, To: ""}); err != nil {
			t.Errorf("released: %v", err)
		}
		w.wantSaid("work 0 user for PractitionerRole/r7 act=release from=PractitionerRole/r7 to=")
		if l := w.opened(s, thread).Thread; l.Holder.Key != "" {
			t.Errorf("still held by %+v", l.Holder)
		}
	})
}

// Whoever may only read is refused every act, and that is audited; nothing of it is done.
func TestReadOnlyDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.running(w.desk)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		s := w.signed("Practitioner/aide", daniel, "aide")
		v := w.opened(s, thread)
		if s.Role != ReadOnly || v.Composer.May || v.Composer.Why == "" || v.Frame.Write {
			t.Fatalf("role %s, composer %+v", s.Role, v.Composer)
		}
		in := answer(v, "patient", "Cool it.")
		begins := in
		begins.Thread, begins.Channel, begins.Bind = "", "texting", w.desk.bind(s, daniel, "")
		acts := map[string]func() error{
			"save":           func() error { _, err := w.desk.Save(t.Context(), s, in.DraftIn); return err },
			"send":           func() error { _, err := w.desk.Send(t.Context(), s, in); return err },
			"begin":          func() error { _, err := w.desk.Send(t.Context(), s, begins); return err },
			"note":           func() error { return w.desk.Note(t.Context(), s, thread, "Call him", v.Composer.Bind) },
			"the new page":   func() error { _, err := w.desk.New(t.Context(), s, "", ""); return err },
			"a made-up work": func() error { return w.desk.Work(t.Context(), s, WorkIn{Thread: thread, Act: "delete", To: ""}) },
		}
		for act, to := range map[string]string{Claim: "", Release: "", Assign: "Practitioner/aide", Hand: "front", Resolve: ""} {
			acts[act] = func() error {
				return w.desk.Work(t.Context(), s, WorkIn{Thread: thread, Act: act, To: to, Shown: 1 << 40})
			}
		}
		before := w.opened(s, thread).Version
		for name, act := range acts {
			w.said()
			err := act()
			if !errors.As(err, new(*Forbidden)) {
				t.Errorf("%s: %v", name, err)
			}
			wantNoPHI(t, err)
			w.wantSaid("deny 4 user for Practitioner/aide why=role")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if v := w.opened(s, thread); v.Version != before || len(v.Entries) != 1 || v.Composer.Draft.ID != "" || v.Thread.Waits == 0 {
			t.Errorf("something was done: version %d, was %d; %+v", v.Version, before, v.Thread)
		}
		all, err := w.desk.Patient(t.Context(), s)
		if err != nil || len(all.Threads) != 1 || len(all.Drafts) != 0 {
			t.Errorf("%d threads, %d drafts, %v", len(all.Threads), len(all.Drafts), err)
		}
	})
}

func TestNote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		s := w.signed(doctor, daniel, "doctor")
		v := w.opened(s, thread)
		w.said()
		if err := w.desk.Note(t.Context(), s, thread, "He fell yesterday", v.Composer.Bind); err != nil {
			t.Fatal(err)
		}
		if said := w.said(); len(said) != 1 || !strings.HasPrefix(said[0], "note 0 user for "+doctor) {
			t.Errorf("audited %v", said)
		}
		v = w.opened(s, thread)
		if len(v.Entries) != 2 || v.Thread.Waits == 0 {
			t.Fatalf("%d entries; a note is no answer: waits %v", len(v.Entries), v.Thread.Waits)
		}
		if e := v.Entries[1]; e.Direction != connector.Internal || e.Text != "He fell yesterday" || e.Sender.Key != doctor || e.Delivery != nil {
			t.Errorf("the note is %+v", e)
		}
		if len(v.Composer.To) != 1 || v.Composer.To[0].Key != "patient" {
			t.Errorf("the composer offers %+v", v.Composer.To)
		}
		for name, c := range map[string]struct{ text, bind string }{"nothing": {" \n", v.Composer.Bind}, "too much": {strings.Repeat("a", maxText+1), v.Composer.Bind}} {
			var wrong *Wrong
			if err := w.desk.Note(t.Context(), s, thread, c.text, c.bind); !errors.As(err, &wrong) || wrong.Field != "text" {
				t.Errorf("%s: %v", name, err)
			}
		}
		other := w.comes(daniel, "t-2", 2, patientSide, "My arm hurts")
		w.said()
		if err := w.desk.Note(t.Context(), s, other, "He fell", v.Composer.Bind); !errors.As(err, new(*Unbound)) || !w.denied("unbound") {
			t.Errorf("by another thread's page: %v", err)
		}
		w.launch(maria)
		covered, err := w.asItIs(s)
		if err != nil || covered.Covered == "" {
			t.Fatal(err)
		}
		if err := w.desk.Note(t.Context(), covered, thread, "He fell", v.Composer.Bind); !errors.As(err, new(*Covered)) || !w.denied("covered") {
			t.Errorf("by a covered page: %v", err)
		}
		if v := w.opened(s, thread); len(v.Entries) != 2 {
			t.Errorf("%d entries in the end", len(v.Entries))
		}
	})
}

func TestResolvingTakesNothingAwayThatWasNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		thread := w.comes(daniel, "t-1", 1, patientSide, "Thanks!")
		shown := w.opened(s, thread).Version
		time.Sleep(time.Minute)
		w.comes(daniel, "t-1", 2, patientSide, "My chest hurts")
		err := w.desk.Work(t.Context(), s, WorkIn{Thread: thread, Act: Resolve, Shown: shown})
		if !errors.As(err, new(*Newer)) {
			t.Error(err)
		}
		if err := w.desk.Work(t.Context(), s, WorkIn{Thread: thread, Act: Resolve}); !errors.As(err, new(*Newer)) {
			t.Errorf("a page that does not say what it shows: %v", err)
		}
		if v := w.opened(s, thread); v.Thread.Waits == 0 {
			t.Errorf("what nobody has seen is resolved (error %v)", err)
		}
		if err := w.desk.Work(t.Context(), s, WorkIn{Thread: thread, Act: Resolve, Shown: w.opened(s, thread).Version}); err != nil {
			t.Error(err)
		}
	})
}
