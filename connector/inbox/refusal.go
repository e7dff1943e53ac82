package inbox

import (
	"errors"
	"slices"

	"github.com/chartwire/chartwire/fhir/smart"
)

// Why a launch did not come to a session, beside the codes of a smart.LaunchError.
const (
	EHRUnknown    = "ehr-unknown"    // no connection of this name can be launched from
	StateForeign  = "state-foreign"  // begun by another browser or window
	LaunchTooLate = "launch-expired" // begun more than ten minutes ago
	NotStaff      = "not-staff"      // the user is a patient or a relative
	NoPermission  = "no-role"        // the configuration gives this user no role
	PatientHidden = "patient-hidden" // the user may not open the patient, or there is none
	ScopeMissing  = "scope-missing"  // the EHR did not grant what has to be read first

	TooManyLaunches = "too-many-launches" // from one address in one minute
)

// refused tells the refusals of our own to the person in front of the screen: what happened, what to do, and who.
var refused = map[string]string{
	EHRUnknown:    "This address belongs to no EHR that Chartwire is set up for. Open Messages from the EHR itself; if you did, the EHR administrator has to correct the launch address.",
	StateForeign:  "This sign-in was begun in another browser or window. Open Messages from the EHR again, in the window you want to use.",
	LaunchTooLate: "The sign-in took longer than ten minutes. Open Messages from the EHR again.",
	NotStaff:      "These pages are for the clinic's staff, and the EHR signs you in as somebody else.",
	NoPermission:  "You have no permission to use Messages. If you should have, ask the EHR administrator to give your role in the EHR a role in Chartwire.",
	PatientHidden: "The EHR does not let you open this patient, so their messages are not shown.",

	TooManyLaunches: "More launches came from your network in this minute than Messages takes. Wait a minute, then open Messages from the EHR again; if it stays so, tell your EHR administrator.",
}

// Refusal says that a launch was refused. Neither text holds anything of a patient or a user.
type Refusal struct {
	Code string // one of those above, or of a smart.LaunchError
	Err  error  // what is behind it; nil where the code says all
}

func (e *Refusal) Error() string { return "launch refused: " + e.Code }

func (e *Refusal) Unwrap() error { return e.Err }

// Sentence tells the person in front of the screen what happened, what to do, and who.
func (e *Refusal) Sentence() string {
	if text, ours := refused[e.Code]; ours {
		return text
	}
	if missing := new(ungranted); errors.As(e.Err, missing) {
		return missing.Error()
	}
	var launch *smart.LaunchError
	if !errors.As(e.Err, &launch) {
		launch = &smart.LaunchError{Code: e.Code}
	}
	return launch.Error()
}

// ungranted are the scopes without which a launch cannot go on.
type ungranted smart.Scopes

func (u ungranted) Error() string {
	return "The EHR did not grant this app " + listed(smart.Scopes(u).Spell(false), "and") +
		", which Messages needs to know who you are and to open the patient. The EHR administrator grants it in the app's registration; then open Messages from the EHR again."
}

// lacking gives the scopes that a launch asked for and was not granted, of those that let resources of these types be read. A type
// that may be read by another scope lacks none. nil where nothing is missing.
func lacking(g smart.Grant, types ...string) error {
	var out ungranted
	for _, kind := range types {
		reads := func(s smart.Scope) bool { return s.Can&smart.Read != 0 && (s.Type == kind || s.Type == "*") }
		if slices.ContainsFunc(g.Scopes, reads) {
			continue
		}
		for _, s := range g.Missing {
			if reads(s) && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	if out == nil {
		return nil
	}
	return out
}

// refusal makes a Refusal of what package smart said.
func refusal(err error) *Refusal {
	var launch *smart.LaunchError
	if errors.As(err, &launch) {
		return &Refusal{launch.Code, err}
	}
	return &Refusal{smart.Unreachable, err}
}
