package auth_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/auth"
)

// idToken gives header and claims of the id_token of a launch, unverified.
func (w *world) idToken() (header, claims map[string]any) {
	w.t.Helper()
	parts := strings.Split(w.post("/token", w.exchangeForm("public", w.launched("public"))).str("id_token"), ".")
	if len(parts) != 3 {
		return nil, nil
	}
	for i, into := range []*map[string]any{&header, &claims} {
		if err := json.Unmarshal(must(base64.RawURLEncoding.DecodeString(parts[i])), into); err != nil {
			w.t.Fatal(err)
		}
	}
	return header, claims
}

// A forgery is wrong in what its name says and in nothing else: a client that refuses it for another reason proves nothing.
func TestForgeriesAreWrongInOneWay(t *testing.T) {
	w := start(t)
	rightHeader, right := w.idToken()
	for forgery, wrong := range map[auth.Forgery][]string{
		auth.AlgNone: {"alg"}, auth.HMAC: {"alg"}, auth.WrongKey: nil, auth.WrongAud: {"aud"}, auth.WrongNonce: {"nonce"}, auth.WrongIssuer: {"iss"},
		auth.Stale: {"iat", "exp"}, auth.ForeignUser: {"fhirUser"}, auth.WithoutUser: {"fhirUser"},
	} {
		w.Forge(forgery)
		header, claims := w.idToken()
		differs := map[string]bool{}
		for _, name := range wrong {
			differs[name] = true
		}
		for name, value := range right {
			if (claims[name] != value) != differs[name] {
				t.Errorf("%s: %s is %v, %v in a right one", forgery, name, claims[name], value)
			}
		}
		if (header["alg"] != rightHeader["alg"]) != differs["alg"] {
			t.Errorf("%s: %v", forgery, header)
		}
	}
	w.Forge(auth.WithoutToken)
	if header, _ := w.idToken(); header != nil {
		t.Errorf("%v", header)
	}
	w.Forge(auth.Genuine)
	w.verifyIDToken(w.post("/token", w.exchangeForm("public", w.launched("public"))).str("id_token"))
}

func TestIDTokensOfOtherKinds(t *testing.T) {
	if header, _ := start(t).idToken(); header["kid"] == nil {
		t.Errorf("%v", header)
	}
	w := start(t, func(o *auth.Options) { o.NoKeyID, o.OpenID = true, "/realms/clinic" })
	header, claims := w.idToken()
	if _, named := header["kid"]; named || claims["iss"] != w.web.URL+"/auth/realms/clinic" {
		t.Errorf("%v %v", header, claims)
	}
}
