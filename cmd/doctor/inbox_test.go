package doctor_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/cmd/doctor"
	"github.com/chartwire/chartwire/connector"
)

// declaring answers for the smart-configuration with the sandbox's own, but for the changes; nil deletes.
func declaring(change map[string]any) func(*http.Request, *ehr.Response) *ehr.Response {
	return func(r *http.Request, resp *ehr.Response) *ehr.Response {
		if !strings.HasSuffix(r.URL.Path, "/.well-known/smart-configuration") {
			return resp
		}
		var doc map[string]any
		if err := json.Unmarshal(resp.Body, &doc); err != nil {
			panic(err)
		}
		for k, v := range change {
			if doc[k] = v; v == nil {
				delete(doc, k)
			}
		}
		out := *resp
		out.Body, _ = json.Marshal(doc)
		return &out
	}
}

// TestDuty03_InboxIsExamined: whether the inbox can be launched, and what is to be registered, is one block of the report.
func TestDuty03_InboxIsExamined(t *testing.T) {
	type facts map[string]connector.Fixer // those with a gap
	for name, x := range map[string]struct {
		launch string
		change map[string]any
		gaps   facts
		good   []string
	}{
		"asymmetric": {"client_id: inbox, key_file: backend.jwk.json", nil, nil,
			[]string{"launch-ehr", "sso-openid-connect", "client-confidential-asymmetric", "launch document", "id_token issuer"}},
		"public": {"client_id: inbox", nil, nil, []string{"client-public"}},
		"nothing declared": {"client_id: inbox, key_file: backend.jwk.json", map[string]any{"capabilities": []string{}, "token_endpoint_auth_methods_supported": []string{}},
			facts{"launch-ehr": connector.FixEHR, "sso-openid-connect": connector.FixEHR, "client-confidential-asymmetric": connector.FixEHR, "capabilities": connector.FixEHR}, nil},
		"method listed, capability not": {"client_id: inbox, key_file: backend.jwk.json", map[string]any{"capabilities": []string{"launch-ehr", "sso-openid-connect"}}, nil,
			[]string{"client-confidential-asymmetric"}},
		"no S256":          {"client_id: inbox", map[string]any{"code_challenge_methods_supported": []string{}}, facts{"code_challenge_methods_supported": connector.FixEHR}, nil},
		"plain too":        {"client_id: inbox", map[string]any{"code_challenge_methods_supported": []string{"S256", "plain"}}, facts{"code_challenge_methods_supported": connector.FixEHR}, nil},
		"no authorization": {"client_id: inbox", map[string]any{"authorization_endpoint": nil}, facts{"authorization_endpoint": connector.FixEHR}, nil},
		"no code grant":    {"client_id: inbox", map[string]any{"grant_types_supported": []string{"client_credentials"}}, facts{"grant_types_supported": connector.FixEHR}, nil},
		"much missing": {"client_id: inbox", map[string]any{"grant_types_supported": nil, "jwks_uri": nil, "authorization_endpoint": "http://login.ehr.example/authorize"},
			facts{"grant_types_supported": connector.FixEHR, "jwks_uri": connector.FixEHR, "authorization_endpoint": connector.FixEHR}, nil},
		"no keys, another issuer": {`client_id: inbox, issuer: "https://login.ehr.example"`, map[string]any{"jwks_uri": nil}, facts{"id_token issuer": connector.FixEHR}, []string{"launch document"}},
		"keys elsewhere":          {"client_id: inbox", map[string]any{"jwks_uri": "https://login.ehr.example/jwks"}, facts{"jwks_uri": connector.FixConfig}, nil},
		"elsewhere, named":        {`client_id: inbox, origins: ["https://login.ehr.example"]`, map[string]any{"revocation_endpoint": "https://login.ehr.example/revoke"}, nil, []string{"id_token issuer"}},
		"another issuer":          {"client_id: inbox", map[string]any{"issuer": "ISSUER"}, facts{"id_token issuer": connector.FixEHR}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := setting{traits: ehr.Full(), scopes: allScopes, more: "\n    launch: {" + x.launch + ", frame_ancestors: [\"https://ehr.example\"]}", public: "https://cw.example"}
			s.after = func(r *http.Request, resp *ehr.Response) *ehr.Response {
				if x.change["issuer"] == "ISSUER" { // one whose OpenID configuration is that of an issuer without the slash
					x.change["issuer"] = "http://" + r.Host + "/auth/"
				}
				return declaring(x.change)(r, resp)
			}
			r := open(t, s).examine()
			got := map[string]connector.Fact{}
			for _, f := range r.Inbox {
				got[f.Name] = f
				if f.Name == "JWKS" {
					continue // of the public address, which nobody serves here
				}
				if who := x.gaps[f.Name]; (f.Gap != nil) != (who != "") || f.Gap != nil && f.Gap.Who != who || (f.Gap != nil) != (f.Good == connector.KnownNo) {
					t.Errorf("%s: %+v %+v", f.Name, f, f.Gap)
				}
			}
			for gap := range x.gaps {
				if got[gap].Gap == nil {
					t.Errorf("no gap of %s in %+v", gap, r.Inbox)
				}
			}
			for _, f := range x.good {
				if got[f].Good != connector.KnownYes {
					t.Errorf("%s: %+v", f, got[f])
				}
			}
			if !r.Good {
				t.Error("a gap of the inbox is one of filing")
			}
		})
	}
}

func TestInboxPrintsWhatToRegister(t *testing.T) {
	s := setting{traits: ehr.Full(), scopes: allScopes, public: "https://cw.example", after: declaring(map[string]any{"capabilities": []string{"launch-ehr"}, "grant_types_supported": nil}),
		more: "\n    launch: {client_id: inbox-7, key_file: backend.jwk.json, frame_ancestors: [\"https://ehr.example\"]}"}
	var said bytes.Buffer
	doctor.Print(&said, []doctor.Report{open(t, s).examine()})
	for _, want := range []string{
		"The inbox inside the EHR:\n", "inbox-7\n", "https://cw.example/launch/mercy\n", "https://cw.example/callback/mercy\n", "https://cw.example/.well-known/jwks.json\n",
		"The inbox lacks:\n  - sso-openid-connect: ", "[EHR administrator]\n",
		"  - grant_types_supported: the smart-configuration at http://", "/.well-known/smart-configuration is not fit for a launch, grant_types_supported does not list authorization_code: the EHR administrator, or",
	} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("%q is not in\n%s", want, said.String())
		}
	}
	if open(t, setting{traits: ehr.Full(), scopes: allScopes}).examine().Inbox != nil {
		t.Error("an inbox nobody configured was examined")
	}
	c := open(t, s)
	c.ehr.Close()
	r := c.examine()
	if f := r.Inbox[len(r.Inbox)-1]; f.Name != "sign-in" || f.Gap == nil || f.Gap.Who != connector.FixInterface {
		t.Errorf("%+v %+v", f, f.Gap)
	}
}
