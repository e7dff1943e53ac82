package app

import (
	"maps"
	"slices"
	"testing"

	"github.com/chartwire/chartwire/fhir/smart"
)

// TestREQ046And148_OnlyWhatTheInboxReads: each scope is there for something, and none is wider than that. A scope that is to be asked
// for gets its reason here.
func TestREQ046And148_OnlyWhatTheInboxReads(t *testing.T) {
	why := map[string]string{
		"openid": "who signs in", "fhirUser": "as whom", "online_access": "longer than a token lives, and no longer than the session at the EHR",
		"user/Patient.rs":          "whether the user may open a patient, and the banner",
		"user/Practitioner.rs":     "what the user and their colleagues are called",
		"user/PractitionerRole.rs": "what the user may do",
		"user/CareTeam.rs":         "which pools the user is in",
		"user/Appointment.rs":      "what templates say of the next appointment",
	}
	if got, want := slices.Sorted(slices.Values(inboxScopes.Spell(false))), slices.Sorted(maps.Keys(why)); !slices.Equal(got, want) {
		t.Errorf("the inbox asks for %q, and there is a reason for %q", got, want)
	}
	for _, s := range inboxScopes {
		if s.Type == "*" || s.Level != "" && s.Level != "user" || s.Can&^(smart.Read|smart.Search) != 0 {
			t.Errorf("%s is wider than what the inbox reads", s)
		}
	}
}

// TestREQ215And216_OnlineAccessAlone: the inbox asks for tokens that end with their user's session at the EHR. What is filed
// without anybody there, the backend client files.
func TestREQ215And216_OnlineAccessAlone(t *testing.T) {
	for word, want := range map[string]bool{"online_access": true, "offline_access": false, "openid": true, "fhirUser": true} {
		if got := smart.Covers(inboxScopes, smart.ParseScope(word)); got != want {
			t.Errorf("%s is asked for: %v", word, got)
		}
	}
	for _, s := range inboxScopes {
		if s.Can&(smart.Create|smart.Update|smart.Delete) != 0 {
			t.Errorf("%s lets a user's token write", s)
		}
	}
}
