package demo

import (
	"fmt"

	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/fhir/smart"
)

const (
	inboxID = "chartwire-inbox"
	// inboxScopes are what the sandbox's administrator granted the inbox.
	inboxScopes = "launch openid fhirUser online_access user/Patient.rs user/Practitioner.rs user/PractitionerRole.rs user/CareTeam.rs user/Appointment.rs user/Encounter.rs user/Organization.rs"
)

// registerInbox does what an administrator does at their EHR before the inbox can be launched there: the client, its key and
// its one redirect address. Then the EHR's own pages have it in a frame. An EHR that is not the sandbox launches nothing.
func (r *run) registerInbox(public string) error {
	if r.sandbox == nil {
		return nil
	}
	var err error
	if r.inbox, err = smart.GenerateKey(smart.ES384); err != nil {
		return err
	}
	keys, err := smart.PublicJWKS(r.inbox)
	if err != nil {
		return err
	}
	err = r.sandbox.Auth.Register(auth.Client{ID: inboxID, JWKS: keys, Scopes: inboxScopes, RedirectURIs: []string{public + "/callback/sandbox"}})
	if err != nil {
		return fmt.Errorf("registering the inbox at the sandbox EHR: %w", err)
	}
	_, err = r.sandbox.OpenShell(public + "/launch/sandbox")
	return err
}

// openInbox says where the EHR's pages are, with the inbox beside the chart; "" where the EHR launches no apps.
func (r *run) openInbox() string {
	if r.inbox == nil {
		return ""
	}
	return fmt.Sprintf(`
  open the EHR, and the inbox in it:  %s/shell/
  (choose a patient: their messages open beside the chart, and what you send shows there when it is filed)

`, r.sandbox.URL())
}
