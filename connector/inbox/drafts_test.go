package inbox

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// listedDrafts tells the drafts of a user's page of a patient, one a line.
func (w *world) listedDrafts(s *Session) string {
	w.t.Helper()
	all, err := w.desk.Patient(w.t.Context(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, d := range all.Drafts {
		line := fmt.Sprintf("%q", d.Text)
		for name, v := range map[string]string{"of": d.Subject, "topic": d.Topic} {
			if v != "" {
				line += " " + name + " " + v
			}
		}
		if d.ReadBy != "" {
			line += ", " + d.ReadBy
		}
		if d.Stray != "" {
			line += " (stray)"
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// TestDraftsAreListed: a patient's page shows every draft of its user, whatever it is for, and each opens in its own composer.
func TestDraftsAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.signed(doctor, daniel, "doctor")
		one := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		other := w.comes(daniel, "t-2", 1, motherSide, "He fell")
		keep := func(in DraftIn) DraftView {
			v, err := w.desk.Save(t.Context(), s, in)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			return v
		}
		c := w.newPage(s, "")
		results := keep(DraftIn{Channel: "texting", Topic: "results", To: []string{"patient"}, Text: "Your results are in.", Bind: c.Bind})
		refill := keep(DraftIn{Channel: "texting", Topic: "refill", To: []string{"u-mother"}, Text: "The refill is ready.", Bind: w.newPage(s, "").Bind})
		reply := keep(answer(w.opened(s, other), "u-mother", "Keep him still.").DraftIn)
		want := `"Keep him still." of Knee, to Maria Cho (mother), not to Cho
"The refill is ready." topic refill, to Maria Cho (mother), not to Cho
"Your results are in." topic results, to Cho, not to Maria Cho (mother)`
		if got := w.listedDrafts(s); got != want {
			t.Errorf("listed\n%s\nwant\n%s", got, want)
		}
		for _, d := range []DraftView{results, refill} {
			c := w.newPage(s, "", d.ID)
			if c.Draft.ID != d.ID || c.Draft.Text != d.Text || c.Draft.Topic != d.Topic || len(c.More) != 1 || c.More[0].ID == d.ID {
				t.Errorf("%s opens %+v, beside %d", d.Text, c.Draft, len(c.More))
			}
		}
		if c := w.newPage(s, ""); c.Draft.ID != "" || len(c.More) != 2 || c.More[0].ID != refill.ID {
			t.Errorf("a new message begins with %+v, beside %d", c.Draft, len(c.More))
		}
		// Two windows can begin two replies in one thread.
		first := keep(answer(w.opened(s, one), "patient", "Cool it.").DraftIn)
		second := keep(answer(w.opened(s, one), "patient", "Warm it.").DraftIn)
		if v := w.opened(s, one).Composer; v.Draft.ID != second.ID || len(v.More) != 1 || v.More[0].ID != first.ID {
			t.Errorf("the thread opens %+v, beside %+v", v.Draft, v.More)
		}
		if v, err := w.desk.Thread(t.Context(), s, one, first.ID); err != nil || v.Composer.Draft.Text != "Cool it." || len(v.Composer.More) != 1 {
			t.Errorf("the wanted one: %+v, %v", v.Composer.Draft, err)
		}
		for _, d := range []DraftView{first, second, results, reply} {
			if err := w.desk.Discard(t.Context(), s, d.ID); err != nil {
				t.Error(err)
			}
		}
		if got := w.listedDrafts(s); got != strings.Split(want, "\n")[1] {
			t.Errorf("left is %s", got)
		}
		if _, err := w.desk.New(t.Context(), s, "", results.ID); !errors.As(err, new(*Gone)) {
			t.Errorf("one that was thrown away: %v", err)
		}
		if _, err := w.desk.Save(t.Context(), s, DraftIn{ID: results.ID, Channel: "texting", Text: "again", Bind: c.Bind}); !errors.As(err, new(*Gone)) {
			t.Errorf("kept after it was thrown away: %v", err)
		}
		lee := w.signed("Practitioner/lee", daniel, "doctor")
		if got := w.listedDrafts(lee); got != "" {
			t.Errorf("a colleague sees %s", got)
		}
		if _, err := w.desk.New(t.Context(), lee, "", refill.ID); !errors.As(err, new(*Gone)) {
			t.Errorf("a colleague opens it: %v", err)
		}
		if got := w.listedDrafts(w.signed(doctor, maria, "doctor")); got != "" {
			t.Errorf("under another patient stands %s", got)
		}
		// Whose role was taken away meanwhile finds the words, and cannot send them.
		if all, err := w.desk.Patient(t.Context(), w.signed(doctor, daniel, "none")); err != nil || len(all.Drafts) != 1 || all.Drafts[0].Stray != strayRole {
			t.Errorf("to a reader it is %+v, %v", all.Drafts, err)
		}
	})
}

// TestDraftsOfAThreadThatIsAnothers: what was written for a patient is found under them, whomever its thread is about now; it is
// shown under nobody else, and cannot be sent from anywhere. It can be thrown away.
func TestDraftsOfAThreadThatIsAnothers(t *testing.T) {
	for name, change := range map[string]func(*world, string){
		"bound anew": func(w *world, thread string) { w.rebind(thread, maria) },
		"a later event names another": func(w *world, thread string) {
			w.update(func(tx connector.Tx) error {
				th, err := tx.Thread(w.ehr.ID, thread)
				if err != nil {
					return err
				}
				th.Changed = true
				return tx.PutThread(&th)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.running(w.desk)
				s := w.signed(doctor, daniel, "doctor")
				thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
				in := answer(w.opened(s, thread), "patient", "Cool the knee.")
				in.AddFiles = []Upload{{"plan.pdf", []byte(pdf)}}
				kept, err := w.desk.Save(t.Context(), s, in.DraftIn)
				if err != nil {
					t.Fatal(err)
				}
				in.ID, in.Version, in.AddFiles = kept.ID, kept.Version, nil
				change(w, thread)

				all, err := w.desk.Patient(t.Context(), s)
				if err != nil || len(all.Drafts) != 1 {
					t.Fatalf("drafts %+v, %v", all.Drafts, err)
				}
				d := all.Drafts[0]
				if d.Text != "Cool the knee." || d.Stray != strayOther || d.Subject != "" || d.ReadBy != "" || len(d.Files) != 1 {
					t.Errorf("shown as %+v", d)
				}
				for _, word := range []string{"maria", "Maria"} {
					if strings.Contains(d.Stray, word) {
						t.Errorf("it says whose the thread is: %q", d.Stray)
					}
				}
				if c := w.newPage(s, ""); c.Draft.ID != "" || len(c.More) != 0 {
					t.Errorf("the page of a new message offers it: %+v %+v", c.Draft, c.More)
				}
				if _, err := w.desk.New(t.Context(), s, "", kept.ID); !errors.As(err, new(*Gone)) {
					t.Errorf("it opens as a new message: %v", err)
				}
				// Under the other patient there is nothing of it, in a list or in the thread.
				there := w.signed(doctor, maria, "doctor")
				if got := w.listedDrafts(there); got != "" {
					t.Errorf("under the other patient stands %s", got)
				}
				if v, err := w.desk.Thread(t.Context(), there, thread, kept.ID); err == nil && (v.Composer.Draft.ID != "" || len(v.Composer.More) != 0 || v.Thread.Draft) {
					t.Errorf("the thread of the other patient shows %+v", v.Composer.Draft)
				}
				// No way sends it: from its old page, from the new one, with any bind this user can have.
				binds := []string{in.Bind, w.newPage(s, "").Bind, w.desk.bind(there, maria, thread), w.desk.bind(s, maria, thread), w.desk.bind(s, daniel, "")}
				for _, who := range []*Session{s, there} {
					for _, in := range []SendIn{in, {DraftIn: DraftIn{ID: kept.ID, Version: kept.Version, Channel: "texting", To: []string{"patient"}, Text: "Cool the knee."}}} {
						for _, bind := range binds {
							in.Bind, in.Anyway = bind, true
							if _, err := w.desk.Send(t.Context(), who, in); err == nil {
								t.Errorf("sent from %q by %+v", in.Thread, who.Patient)
							}
						}
					}
				}
				leaves()
				if got := w.sent(thread); len(got) != 0 {
					t.Fatalf("sent %v", got)
				}
				if err := w.desk.Discard(t.Context(), s, kept.ID); err != nil {
					t.Fatal(err)
				}
				if got := w.listedDrafts(s); got != "" {
					t.Errorf("thrown away, and still there: %s", got)
				}
			})
		})
	}
}

// TestUndoOfAStrayDraft gives it back as one that cannot be sent where it was written.
func TestUndoOfAStrayDraft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.signed(doctor, daniel, "doctor")
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		sent, err := w.desk.Send(t.Context(), s, answer(w.opened(s, thread), "patient", "Cool it."))
		if err != nil {
			t.Fatal(err)
		}
		w.rebind(thread, maria)
		v, err := w.desk.Undo(t.Context(), s, sent.ID)
		if err != nil || v.Stray != strayOther || v.Text != "Cool it." {
			t.Errorf("taken back: %+v, %v", v, err)
		}
	})
}

// A later event of the thread that names another patient, in the moments in which a message could be taken back, keeps it from
// going: it is not known any more whom it is about.
func TestMessageIsNotSentInAThreadThatNamesAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.running(w.desk)
		s := w.signed(doctor, daniel, "doctor")
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		if _, err := w.desk.Send(t.Context(), s, answer(w.opened(s, thread), "patient", "Cool it.")); err != nil {
			t.Fatal(err)
		}
		w.comes(maria, "t-1", 2, patientSide, "And my back")
		leaves()
		if got := w.sent(thread); len(got) != 0 {
			t.Fatalf("sent %v", got)
		}
		all, err := w.desk.Patient(t.Context(), s)
		if err != nil || len(all.Drafts) != 1 || all.Drafts[0].Problem != notItsPatients || all.Drafts[0].Stray != strayOther {
			t.Errorf("given back as %+v, %v", all.Drafts, err)
		}
	})
}
