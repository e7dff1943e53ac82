package inbox

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/chartwire/chartwire/connector"
)

// A version that was corrected keeps its files: a correction of the text alone takes nobody's photo away.
func TestEveryVersionHasItsFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.signed(doctor, daniel, "doctor")
		thread := w.event(daniel, "t-1", connector.MessageCreated, func(e *connector.Event) {
			e.Message = &connector.Message{ID: "m-1", Sequence: 1, Direction: connector.FromPatient, SentAt: e.Timestamp, Sender: patientSide, Text: "My knee",
				Attachments: []connector.Attachment{{ID: "f1", Filename: "plan.pdf", ContentType: "application/pdf", Data: []byte(pdf)}}}
		})
		corrected := func(version int, attachments ...connector.Attachment) {
			w.event(daniel, "t-1", connector.MessageCorrected, func(e *connector.Event) {
				e.MessageID, e.Correction = "m-1", &connector.Correction{Version: version, Text: "My left knee", At: e.Timestamp, Attachments: attachments}
			})
		}
		corrected(2)
		corrected(3, connector.Attachment{ID: "f1", Filename: "late.png", ContentType: "image/png", URL: "https://platform.example/late.png"})
		e := w.opened(s, thread).Entries[0]
		if len(e.Edited) != 2 || len(e.Edited[0].Files) != 1 || len(e.Edited[1].Files) != 0 || len(e.Files) != 1 {
			t.Fatalf("%d versions; %+v", len(e.Edited), e)
		}
		if first := e.Edited[0].Files[0]; first.Name != "plan.pdf" || first.Missing || !e.Files[0].Missing {
			t.Errorf("the first version has %+v; the newest has come: %v", first, !e.Files[0].Missing)
		}
		w.reads()
		name, _, data, err := w.desk.File(t.Context(), s, thread, e.Edited[0].ID, "f1", false)
		if err != nil || name != "plan.pdf" || string(data) != pdf {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
		if got := w.reads(); !slices.Equal(got, []string{thread + " attachment"}) {
			t.Errorf("audited %v", got)
		}
		// It is as far from others as the newest version.
		other := w.comes(daniel, "t-2", 1, patientSide, "My elbow")
		if _, _, _, err := w.desk.File(t.Context(), s, other, e.Edited[0].ID, "f1", false); !errors.Is(err, connector.ErrNotFound) {
			t.Errorf("under another thread: %v", err)
		}
		marias := w.signed(doctor, maria, "doctor")
		if _, _, _, err := w.desk.File(t.Context(), marias, thread, e.Edited[0].ID, "f1", false); !errors.Is(err, connector.ErrNotFound) {
			t.Errorf("for another patient: %v", err)
		}
	})
}
