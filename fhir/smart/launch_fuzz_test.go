package smart

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// FuzzTokenResponse: whatever a token endpoint answers ends in a grant that keeps the rules, or in a LaunchError.
func FuzzTokenResponse(f *testing.F) {
	for _, s := range []string{
		`{"access_token":"a","token_type":"Bearer","scope":"user/Patient.rs","patient":"p","expires_in":"300"}`,
		`{"access_token":"a","token_type":"bearer","scope":"launch","fhirContext":[{"reference":"Patient/1"},{"canonical":"x","role":"y"}],"need_patient_banner":null}`,
		`{"access_token":"a","token_type":"bearer","scope":"x","patient":"Patient/1","smart_style_url":"//x"}`,
		`{"error":"invalid_grant"}`, `[]`, `null`, `access_token=a&token_type=bearer&scope=x&patient=17`, ``,
	} {
		f.Add([]byte(s), 200)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		a, e, _ := app(t, func(c *AppConfig) { c.Scopes = ParseScopes("user/Patient.rs") })
		e.raw, e.status = append([]byte{}, body...), status
		g, err := a.Exchange(t.Context(), "c", begin(t, a, e))
		if err != nil {
			var failed *LaunchError
			if !errors.As(err, &failed) || sentences[failed.Code] == "" || g.Access != "" {
				t.Fatalf("%T %v %s", err, err, g)
			}
			return
		}
		if status < 200 || status > 299 || g.Access == "" || len(g.Scopes) == 0 || !g.Expires.After(fixedNow) {
			t.Fatalf("%d gave %s", status, text(g))
		}
		for _, id := range []string{g.Patient, g.Encounter} {
			if id != "" && !isID(id) {
				t.Fatalf("%q is no id", id)
			}
		}
		if g.StyleURL != "" && !strings.Contains(strings.ToLower(g.StyleURL), "://") {
			t.Fatalf("style %q", g.StyleURL)
		}
		for _, c := range g.Context {
			if c.Role == "" || c.Role == "launch" && (c.Type == "Patient" || c.Type == "Encounter") || c.Reference+c.Canonical+c.Value == "" {
				t.Fatalf("%+v", c)
			}
		}
	})
}

// FuzzIDToken: no id_token gets through but with the payload that a key of the issuer signed, and no key set makes one of
// another kind of key.
func FuzzIDToken(f *testing.F) {
	good := newEHRSide(f, fixedClock)
	good.claims["nonce"] = "n"
	keys := text(jose.JSONWebKeySet{Keys: good.keys})
	signed := good.sign(good.claims)
	parts := strings.Split(signed, ".")
	f.Add(signed, []byte(keys))
	f.Add("eyJhbGciOiJub25lIn0."+parts[1]+".", []byte(`{"keys":[{"kty":"oct","k":"AAAA","kid":"k1"}]}`))
	f.Add(signToken(jose.HS256, []byte(strings.Repeat("s", 32)), "k1", good.claims), []byte(`{"keys":[{}]}`))
	f.Add(signToken(jose.RS256, otherSigner(), "k1", good.claims), []byte(`{"keys":null}`))
	f.Add("..", []byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, raw string, set []byte) {
		parsed, _ := parseKeys(set)
		for _, k := range parsed {
			if !k.IsPublic() || !k.Valid() {
				t.Fatalf("a key that is not public was taken: %T", k.Key)
			}
		}
		a, _, _ := app(t)
		who, err := a.verify(t.Context(), must(a.Pin(t.Context())), raw, "n")
		if err != nil {
			if who != (identity{}) {
				t.Fatalf("%+v came with %v", who, err)
			}
			return
		}
		// The last character of the signature has bits that mean nothing.
		if got := strings.Split(raw, "."); got[0] != parts[0] || got[1] != parts[1] || who.Subject != "u-1" || who.User != "Practitioner/ana" {
			t.Fatalf("%q was taken for %+v", raw, who)
		}
	})
}
