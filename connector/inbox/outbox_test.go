package inbox

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

func TestConsentRevokedBeforeItIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.running(w.desk)
		s, _ := w.launch(daniel)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		in := answer(w.opened(s, thread), "patient", "Cool it.")
		kept, err := w.desk.Save(t.Context(), s, in.DraftIn)
		if err != nil {
			t.Fatal(err)
		}
		w.consent(daniel, "t-1", connector.Revoked)
		in.ID, in.Version = kept.ID, kept.Version
		kept, err = w.desk.Send(t.Context(), s, in)
		var not *NotSent
		if !errors.As(err, &not) || not.Reason != connector.ConsentRevoked || kept.Text != "Cool it." || !kept.SendAt.IsZero() {
			t.Errorf("sent after it was revoked: %+v %v", kept, err)
		}
		wantNoPHI(t, err)
		v := w.opened(s, thread).Composer
		if v.May || v.Why != cannot(connector.ConsentRevoked) || v.Draft.Text != "Cool it." {
			t.Errorf("the composer says %q, and holds %+v", v.Why, v.Draft)
		}
		leaves()
		if got := w.sent(thread); len(got) != 0 {
			t.Errorf("sent %v", got)
		}
	})
}

// What cannot go out once its time has come is a draft again and says why, and can be sent anew.
func TestMessageIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.running(w.desk, w.replica())
		s, _ := w.launch(daniel)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		in := answer(w.opened(s, thread), "patient", "Cool it.")
		in.AddFiles = []Upload{{"plan.pdf", []byte(pdf)}}
		sent, err := w.desk.Send(t.Context(), s, in)
		if err != nil {
			t.Fatal(err)
		}
		w.consent(daniel, "t-1", connector.Revoked)
		before := w.opened(s, thread).Version
		leaves()
		v := w.opened(s, thread)
		back := v.Composer.Draft
		if len(v.Entries) != 1 || back.ID != sent.ID || back.Text != "Cool it." || !back.SendAt.IsZero() || len(back.Files) != 1 {
			t.Fatalf("given back: %d entries, %+v", len(v.Entries), back)
		}
		if want := "Not sent: " + connector.ConsentRevoked.Sentence(); !strings.HasPrefix(back.Problem, want) {
			t.Errorf("it says %q, want %q", back.Problem, want)
		}
		if v.Version <= before {
			t.Error("pages are not told")
		}
		w.consent(daniel, "t-1", connector.Granted)
		v = w.opened(s, thread)
		in = answer(v, "patient", "Cool it.")
		in.ID, in.Version = back.ID, back.Version
		if sent, err = w.desk.Send(t.Context(), s, in); err != nil || sent.Problem != "" {
			t.Fatalf("sent anew: %q %v", sent.Problem, err)
		}
		leaves()
		all, data := w.ours(thread)
		if len(all) != 1 || data[0]["plan.pdf"] != pdf {
			t.Errorf("%d sent in the end", len(all))
		}
	})
}

// A replica that is late with giving a message back does not take what was sent anew meanwhile.
func TestMessageIsGivenBackOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		in := answer(w.opened(s, thread), "patient", "Cool it.")
		sent, err := w.desk.Send(t.Context(), s, in)
		if err != nil {
			t.Fatal(err)
		}
		var first connector.DraftRow
		read := func(tx connector.Tx) (err error) { first, err = tx.Draft(w.ehr.ID, sent.ID); return err }
		w.update(read)
		w.consent(daniel, "t-1", connector.Revoked)
		time.Sleep(UndoFor)
		if _, err := w.desk.sendNow(t.Context(), w.ehr); err != nil {
			t.Fatal(err)
		}
		back := w.opened(s, thread).Composer.Draft
		w.consent(daniel, "t-1", connector.Granted)
		in.ID, in.Version = back.ID, back.Version
		if sent, err = w.desk.Send(t.Context(), s, in); err != nil {
			t.Fatal(err)
		}
		if err := w.replica().giveBack(t.Context(), w.ehr, first, 1, "Not sent: too late."); err != nil {
			t.Fatal(err)
		}
		v := w.opened(s, thread)
		if len(v.Entries) != 2 || v.Entries[1].UndoUntil.IsZero() || v.Composer.Draft.ID != "" {
			t.Errorf("what was sent anew was taken back: %+v", v.Composer.Draft)
		}
		time.Sleep(UndoFor)
		if _, err := w.desk.sendNow(t.Context(), w.ehr); err != nil {
			t.Fatal(err)
		}
		if got := w.sent(thread); !slices.Equal(got, []string{"Cool it."}) {
			t.Errorf("sent %v", got)
		}
	})
}

// A message whose thread is gone is kept as a new one, and does not hold up others.
func TestMessageOfAThreadThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.launch(daniel)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		sent, err := w.desk.Send(t.Context(), s, answer(w.opened(s, thread), "patient", "Cool it."))
		if err != nil {
			t.Fatal(err)
		}
		w.update(func(tx connector.Tx) error {
			row, err := tx.Draft(w.ehr.ID, sent.ID)
			if err != nil {
				return err
			}
			row.Thread = connector.NewID(time.Now())
			return tx.PutDraft(&row)
		})
		time.Sleep(UndoFor)
		if _, err := w.desk.sendNow(t.Context(), w.ehr); err != nil {
			t.Fatal(err)
		}
		all, err := w.desk.Patient(t.Context(), s)
		if err != nil || len(all.Drafts) != 1 || all.Drafts[0].Text != "Cool it." || !strings.Contains(all.Drafts[0].Problem, "not there any more") {
			t.Errorf("drafts %+v, %v", all.Drafts, err)
		}
	})
}

// A thread that is bound to somebody else in the moments in which a message could be taken back does not get it.
func TestMessageIsNotSentToAnotherPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.running(w.desk)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		lee := w.signed("Practitioner/lee", daniel, "doctor")
		if _, err := w.desk.Save(t.Context(), lee, answer(w.opened(lee, thread), "patient", "Rest").DraftIn); err != nil {
			t.Fatal(err)
		}
		s := w.signed(doctor, daniel, "doctor")
		if _, err := w.desk.Send(t.Context(), s, answer(w.opened(s, thread), "patient", "Cool it.")); err != nil {
			t.Fatal(err)
		}
		w.rebind(thread, maria)
		leaves()
		if got := w.sent(thread); len(got) != 0 {
			t.Fatalf("sent %v", got)
		}
		for _, user := range []string{doctor, "Practitioner/lee"} {
			s := w.signed(user, maria, "doctor")
			if v := w.opened(s, thread); v.Composer.Draft.ID != "" || len(v.Entries) != 1 {
				t.Errorf("what %s wrote to another patient is shown: %+v", user, v.Composer.Draft)
			}
		}
		for user, text := range map[string]string{doctor: "Cool it.", "Practitioner/lee": "Rest"} {
			s := w.signed(user, daniel, "doctor")
			all, err := w.desk.Patient(t.Context(), s)
			if err != nil || len(all.Threads) != 0 || len(all.Drafts) != 1 || all.Drafts[0].Text != text || all.Drafts[0].Stray != strayOther {
				t.Errorf("it is lost to %s: %d threads, drafts %+v, %v", user, len(all.Threads), all.Drafts, err)
			}
			if given := text == "Cool it."; given != (all.Drafts[0].Problem == notItsPatients) {
				t.Errorf("%s is told %q", user, all.Drafts[0].Problem)
			}
		}
	})
}
