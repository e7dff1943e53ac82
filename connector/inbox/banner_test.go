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

// An EHR that shows the patient's banner itself can do without ours, where it knows the patient: not around the work of pools.
func TestBannerIsShownWhereTheEHRShowsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			wants   bool
			patient string
			shown   bool
		}{{true, daniel, true}, {false, daniel, false}, {true, "", true}, {false, "", true}} {
			w := newWorld(t)
			w.app.grant.Banner = c.wants
			s := w.signed(doctor, c.patient, "doctor")
			v := w.opened(s, w.comes(daniel, "t-1", 1, patientSide, "My knee hurts"))
			if v.Frame.Banner.Reference != daniel || v.Frame.Banner.Show != c.shown {
				t.Errorf("launched for %q, the EHR wants ours %v: shown %v", c.patient, c.wants, v.Frame.Banner.Show)
			}
		}
	})
}
