package fhir

import (
	"errors"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
)

// What a person says is on the chart is read by its reference, and shows what Find would show.
func TestReadEntry(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full()})
	w := l.write(t, message("m-1", "see photo"))
	filed := l.file(t, w)
	r, err := l.adapter.ReadEntry(t.Context(), w, filed.Reference)
	if err != nil || !r.Echo.Shown || r.Echo.Text != w.Expect.Text || r.Echo.Subject != "Patient/daniel" || r.Reference != filed.Reference || r.Version == "" {
		t.Errorf("read %+v, %v", r, err)
	}
	if _, err := l.adapter.ReadEntry(t.Context(), w, "Communication/nowhere"); !errors.Is(err, connector.ErrAbsent) {
		t.Errorf("an entry that is not there: %v", err)
	}
}

// An entry is marked as entered in error in whosever chart it is, and only where the EHR takes updates.
func TestRetract(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full()})
	w := l.write(t, message("m-1", "see photo"))
	filed := l.file(t, w)
	mark, err := l.adapter.Retract(w, filed.Reference)
	if err != nil || mark.Expect.Subject != "" {
		t.Fatalf("%+v, %v", mark, err)
	}
	final, done, err := l.adapter.Prepare(t.Context(), mark)
	if err != nil || done != nil {
		t.Fatalf("prepared %v, %v", done, err)
	}
	l.file(t, final)
	if r, err := l.adapter.ReadEntry(t.Context(), w, filed.Reference); err != nil || r.Echo.Status != "entered-in-error" || r.Echo.Text != w.Expect.Text {
		t.Errorf("the chart shows %+v, %v", r.Echo, err)
	}
	notes := opened(t, setting{traits: ehr.NoteOnly()})
	var refused *connector.Refused
	if _, err := notes.adapter.Retract(connector.Write{Type: "DocumentReference"}, "DocumentReference/1"); !errors.As(err, &refused) || refused.Reason != connector.NotExpressible {
		t.Errorf("an EHR without updates: %v", err)
	}
}
