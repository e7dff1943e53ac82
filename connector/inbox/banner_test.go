package inbox

import (
	"testing"
	"testing/synctest"
)

// The patient as the head of every page has them, and Send.
func TestBanner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for mrn, why := range map[string]string{"884-213": "of several identifiers", "": "the EHR names none"} {
			w := newWorld(t)
			w.chart.mrn = mrn
			s := w.signed(doctor, daniel, "doctor")
			v := w.opened(s, w.comes(daniel, "t-1", 1, patientSide, "My knee hurts"))
			want := Banner{Reference: daniel, Name: "Cho", MRN: mrn, Show: true}
			if got := v.Frame.Banner; got != want {
				t.Errorf("%s: %+v, want %+v", why, got, want)
			}
			if v.Composer.ReadBy != "to Cho" {
				t.Errorf("it is read by %q", v.Composer.ReadBy)
			}
		}
	})
}
