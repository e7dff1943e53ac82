package app

import (
	"testing"

	"github.com/chartwire/chartwire/fhir/smart"
)

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
