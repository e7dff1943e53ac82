package inbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// ours gives the messages of ours in a thread, with the bytes of their files by name.
func (w *world) ours(thread string) (out []connector.MessageRow, data []map[string]string) {
	w.t.Helper()
	w.update(func(tx connector.Tx) error {
		out, data = nil, nil
		all, err := tx.ThreadMessages(w.ehr.ID, thread)
		if err != nil {
			return err
		}
		for _, m := range all {
			if m.Client == "" || m.Message.Direction != connector.ToPatient {
				continue
			}
			blobs, err := tx.Blobs(w.ehr.ID, thread, m.ID)
			if err != nil {
				return err
			}
			named := map[string]string{}
			for _, a := range m.Message.Attachments {
				named[a.Filename] = string(blobs[a.ID])
			}
			out, data = append(out, m), append(data, named)
		}
		return nil
	})
	return out, data
}

// leaves lets the time pass in which a message can be taken back, and what is due go.
func leaves() {
	time.Sleep(UndoFor + time.Second)
	synctest.Wait()
}

func TestDraftKeepsItsFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.running(w.desk)
		s, _ := w.launch(daniel)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		in := answer(w.opened(s, thread), "patient", "See the plan")
		photo := picture(t, "image/png", 8, 8, 255)
		in.AddFiles = []Upload{{"knee.png", photo}, {`C:\notes\plan.pdf`, []byte(pdf)}}
		v, err := w.desk.Save(t.Context(), s, in.DraftIn)
		if err != nil || len(v.Files) != 2 || v.Files[0].Name != "knee.png" || !v.Files[0].Image || v.Files[1].Name != "plan.pdf" || v.Files[1].Image {
			t.Fatalf("kept %+v, %v", v.Files, err)
		}
		in.ID, in.Version = v.ID, v.Version
		in.DropFiles, in.AddFiles = []string{v.Files[0].ID}, []Upload{{"arm", photo}}
		dropped := v.Files[0].ID
		if v, err = w.desk.Save(t.Context(), s, in.DraftIn); err != nil || len(v.Files) != 2 || v.Files[1].Name != "arm.png" || v.Files[1].ID == dropped {
			t.Fatalf("kept %+v, %v", v.Files, err)
		}
		w.update(func(tx connector.Tx) error {
			if left, err := tx.Blobs(w.ehr.ID, "", v.ID); err != nil || len(left[dropped]) != 0 {
				t.Errorf("a file that was dropped has %d bytes, %v", len(left[dropped]), err)
			}
			return nil
		})
		if _, _, _, err := w.desk.File(t.Context(), s, thread, v.ID, dropped, false); !errors.Is(err, connector.ErrNotFound) {
			t.Errorf("a file that was dropped: %v", err)
		}
		if name, kind, data, err := w.desk.File(t.Context(), s, thread, v.ID, v.Files[1].ID, false); err != nil || name != "arm.png" || kind != "image/png" || string(data) != string(photo) {
			t.Errorf("a file of the draft: %s %s %d bytes, %v", name, kind, len(data), err)
		}
		stale := in
		if _, err := w.desk.Save(t.Context(), s, stale.DraftIn); !errors.As(err, new(*Stale)) {
			t.Errorf("changed in another window: %v", err)
		}
		in.ID, in.Version, in.DropFiles, in.AddFiles = v.ID, v.Version, nil, nil
		for n := range maxFiles - 1 { // one more than there is room for
			in.AddFiles = append(in.AddFiles, Upload{fmt.Sprint(n, ".txt"), []byte("a")})
		}
		var wrong *Wrong
		if _, err := w.desk.Save(t.Context(), s, in.DraftIn); !errors.As(err, &wrong) || wrong.Field != "files" {
			t.Errorf("eleven files: %v", err)
		}
		in.AddFiles = []Upload{{"run.png", []byte("MZ")}}
		if _, err := w.desk.Save(t.Context(), s, in.DraftIn); !errors.As(err, &wrong) || wrong.Field != "files" {
			t.Errorf("a file that is no picture: %v", err)
		}
		if !w.denied("attachment") {
			t.Errorf("a disguised file leaves no row: %v", w.said())
		}
		if now := w.opened(s, thread).Composer.Draft; now.Version != v.Version || len(now.Files) != 2 {
			t.Errorf("what was refused is kept: %+v", now)
		}
		other := w.signed("Practitioner/lee", daniel, "doctor")
		if _, _, _, err := w.desk.File(t.Context(), other, thread, v.ID, v.Files[1].ID, false); !errors.Is(err, connector.ErrNotFound) {
			t.Errorf("another's draft: %v", err)
		}
		in.AddFiles = nil
		if _, err := w.desk.Send(t.Context(), s, in); err != nil {
			t.Fatal(err)
		}
		if e := w.opened(other, thread).Entries; len(e) != 2 || len(e[1].Files) != 2 || !e[1].UndoUntil.IsZero() {
			t.Errorf("others see %+v", e)
		}
		leaves()
		all, data := w.ours(thread)
		if len(all) != 1 || len(data[0]) != 2 || data[0]["plan.pdf"] != pdf || data[0]["arm.png"] != string(photo) {
			t.Fatalf("sent %d messages, with %d files", len(all), len(data))
		}
		w.update(func(tx connector.Tx) error {
			if left, err := tx.Blobs(w.ehr.ID, "", v.ID); err != nil || len(left) != 0 {
				t.Errorf("%d files stay behind, %v", len(left), err)
			}
			return nil
		})
	})
}

func TestDraftIsItsUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		s := w.signed(doctor, daniel, "doctor")
		kept, err := w.desk.Save(t.Context(), s, answer(w.opened(s, thread), "patient", "Cool it.").DraftIn)
		if err != nil {
			t.Fatal(err)
		}
		lee := w.signed("Practitioner/lee", daniel, "doctor")
		v := w.opened(lee, thread)
		if v.Composer.Draft.ID != "" || len(v.Composer.Others) != 1 || v.Composer.Others[0].Key != doctor || len(v.Entries) != 1 {
			t.Errorf("a colleague sees %+v, %+v write", v.Composer.Draft, v.Composer.Others)
		}
		in := answer(v, "patient", "Mine")
		in.ID, in.Version = kept.ID, kept.Version
		if _, err := w.desk.Save(t.Context(), lee, in.DraftIn); !errors.Is(err, connector.ErrNotFound) {
			t.Errorf("a colleague changes it: %v", err)
		}
		if err := w.desk.Discard(t.Context(), lee, kept.ID); err != nil {
			t.Error(err)
		}
		time.Sleep(typingFor)
		if v := w.opened(lee, thread); len(v.Composer.Others) != 0 {
			t.Errorf("%+v still write", v.Composer.Others)
		}
		if v := w.opened(s, thread); v.Composer.Draft.Text != "Cool it." || !v.Thread.Draft {
			t.Errorf("the draft is %+v", v.Composer.Draft)
		}
		if err := w.desk.Discard(t.Context(), s, kept.ID); err != nil {
			t.Error(err)
		}
		if v := w.opened(s, thread); v.Composer.Draft.ID != "" || v.Thread.Draft {
			t.Errorf("what was discarded is %+v", v.Composer.Draft)
		}
	})
}

// What a template could not fill in keeps a message from going, and the words are kept.
func TestOpenTemplateIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ehr.Templates = []Template{{ID: "visit", Name: "Visit", Language: "en", Text: "Dear {{patient.given}}, see you on {{appointment.date}}."}}
		w.desk = w.replica()
		w.chart.facts = Facts{Given: "Daniel"}
		w.running(w.desk)
		s, _ := w.launch(daniel)
		thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
		v := w.opened(s, thread)
		offered := v.Composer.Templates
		if len(offered) != 1 || offered[0].Text != "Dear Daniel, see you on {{appointment.date}}." || !slices.Equal(offered[0].Open, []string{"appointment.date"}) {
			t.Fatalf("offered %+v", offered)
		}
		in := answer(v, "patient", offered[0].Text)
		kept, err := w.desk.Send(t.Context(), s, in)
		var wrong *Wrong
		if !errors.As(err, &wrong) || wrong.Field != "text" || !strings.Contains(wrong.Text, "{{appointment.date}}") || kept.Text != in.Text {
			t.Fatalf("open: %v, kept %+v", err, kept)
		}
		leaves()
		if all, _ := w.ours(thread); len(all) != 0 {
			t.Fatalf("sent %d", len(all))
		}
		in.ID, in.Version, in.Text = kept.ID, kept.Version, "Dear Daniel, see you on Friday."
		if _, err := w.desk.Send(t.Context(), s, in); err != nil {
			t.Fatal(err)
		}
		leaves()
		if got := w.sent(thread); !slices.Equal(got, []string{in.Text}) {
			t.Errorf("sent %v", got)
		}
	})
}

// What a page says of who will read a message is whom it goes to, whatever a draft was saved with.
func TestRecipientByDefault(t *testing.T) {
	for name, c := range map[string]struct {
		saved []string // of a draft; nil: none is kept
		to    string
		reads string
	}{
		"no draft":              {nil, "patient", "to Cho, not to Maria Cho (mother)"},
		"nobody was chosen":     {[]string{}, "patient", "to Cho, not to Maria Cho (mother)"},
		"another was chosen":    {[]string{"u-mother"}, "u-mother", "to Maria Cho (mother), not to Cho"},
		"one who is not there":  {[]string{"u-aunt"}, "patient", "to Cho, not to Maria Cho (mother)"},
		"the usual, and nobody": {[]string{"patient", "u-aunt"}, "patient", "to Cho, not to Maria Cho (mother)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.running(w.desk)
				s, _ := w.launch(daniel)
				thread := w.comes(daniel, "t-1", 1, patientSide, "My knee hurts")
				w.event(daniel, "t-1", connector.MessageCreated, func(e *connector.Event) { // the mother is written to, and has not written
					e.Message = &connector.Message{ID: "m-2", Sequence: 2, Direction: connector.ToPatient, SentAt: e.Timestamp, Text: "Which knee?",
						Sender: connector.Participant{Role: connector.RolePool, ID: "nurses"}, Recipients: []connector.Participant{patientSide, motherSide}}
				})
				if c.saved != nil {
					in := answer(w.opened(s, thread), "", "Cool it.").DraftIn
					in.To = c.saved
					if _, err := w.desk.Save(t.Context(), s, in); err != nil {
						t.Fatal(err)
					}
				}
				v := w.opened(s, thread).Composer
				says := v.Draft.ReadBy
				if says == "" {
					says = v.ReadBy
				}
				if v.Ask || says != c.reads || !slices.Equal(v.Draft.To, []string{c.to}) {
					t.Fatalf("asks: %v, says %q, is for %v", v.Ask, says, v.Draft.To)
				}
				in := SendIn{DraftIn: DraftIn{ID: v.Draft.ID, Version: v.Draft.Version, Thread: thread, To: v.Draft.To, Text: "Cool it.", Bind: v.Bind}, Seen: v.Seen}
				sent, err := w.desk.Send(t.Context(), s, in)
				if err != nil || sent.ReadBy != c.reads {
					t.Fatalf("to be read by %q, %v", sent.ReadBy, err)
				}
				leaves()
				all, _ := w.ours(thread)
				if len(all) != 1 || len(all[0].Message.Recipients) != 1 || all[0].Message.Recipients[0].Key() != c.to {
					t.Errorf("sent %d", len(all))
				}
			})
		})
	}
}
