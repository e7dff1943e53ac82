package smart

import (
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestREQ201_IDTokenClaims(t *testing.T) {
	now := fixedNow.Unix()
	for name, x := range map[string]struct {
		change map[string]any // nil deletes
		ok     bool
	}{
		"right":                     {nil, true},
		"aud a list of one":         {map[string]any{"aud": []string{clientID}}, true},
		"two aud with azp":          {map[string]any{"aud": []string{"x", clientID}, "azp": clientID}, true},
		"one aud with azp":          {map[string]any{"azp": clientID}, true},
		"two aud without azp":       {map[string]any{"aud": []string{"x", clientID}}, false},
		"azp another":               {map[string]any{"azp": "x"}, false},
		"azp empty":                 {map[string]any{"azp": ""}, false},
		"aud another":               {map[string]any{"aud": "x"}, false},
		"aud missing":               {map[string]any{"aud": nil}, false},
		"aud an object":             {map[string]any{"aud": map[string]any{"x": clientID}}, false},
		"aud begins alike":          {map[string]any{"aud": clientID + "x"}, false},
		"iss another":               {map[string]any{"iss": "https://evil.example"}, false},
		"iss with a slash":          {map[string]any{"iss": issuerAt + "/"}, false},
		"iss missing":               {map[string]any{"iss": nil}, false},
		"expired within the skew":   {map[string]any{"exp": now - 59}, true},
		"expired":                   {map[string]any{"exp": now - 60}, false},
		"exp missing":               {map[string]any{"exp": nil}, false},
		"exp as text":               {map[string]any{"exp": "9999999999"}, false},
		"exp beyond all years":      {map[string]any{"exp": 1e300}, true},
		"from the future, a little": {map[string]any{"iat": now + 60}, true},
		"from the future":           {map[string]any{"iat": now + 61}, false},
		"iat missing":               {map[string]any{"iat": nil}, false},
		"not yet":                   {map[string]any{"nbf": now + 61}, false},
		"nonce another":             {map[string]any{"nonce": "x"}, false},
		"nonce missing":             {map[string]any{"nonce": nil}, false},
		"sub missing":               {map[string]any{"sub": nil}, false},
		"no name":                   {map[string]any{"name": nil}, true},
	} {
		a, e, _ := app(t)
		s := begin(t, a, e)
		for k, v := range x.change {
			if e.claims[k] = v; v == nil {
				delete(e.claims, k)
			}
		}
		g, err := a.Exchange(t.Context(), "c", s)
		if x.ok && err != nil || !x.ok && codeOf(t, err) != IDToken || !x.ok && g.Access != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestREQ201_IDTokenSignatures(t *testing.T) {
	public := func(key any, kid, alg string) jose.JSONWebKey {
		return jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: alg, Use: "sig"}
	}
	none := func(c map[string]any) string {
		// {"alg":"none"}
		signed := signToken(jose.RS256, rsaSigner(), "k1", c)
		return "eyJhbGciOiJub25lIn0." + strings.Split(signed, ".")[1] + "."
	}
	for name, x := range map[string]struct {
		keys []jose.JSONWebKey
		sign func(map[string]any) string
		ok   bool
	}{
		"RS256":             {nil, nil, true},
		"RS384":             {[]jose.JSONWebKey{public(rsaSigner().Public(), "k1", "")}, func(c map[string]any) string { return signToken(jose.RS384, rsaSigner(), "k1", c) }, true},
		"ES256":             {[]jose.JSONWebKey{public(p256Signer().Public(), "e1", "ES256")}, func(c map[string]any) string { return signToken(jose.ES256, p256Signer(), "e1", c) }, true},
		"ES384":             {[]jose.JSONWebKey{public(p384Signer().Public(), "e2", "")}, func(c map[string]any) string { return signToken(jose.ES384, p384Signer(), "e2", c) }, true},
		"alg none":          {nil, none, false},
		"HMAC":              {nil, func(c map[string]any) string { return signToken(jose.HS256, []byte(strings.Repeat("s", 32)), "k1", c) }, false},
		"RS512":             {nil, func(c map[string]any) string { return signToken(jose.RS512, rsaSigner(), "k1", c) }, false},
		"wrong key":         {nil, func(c map[string]any) string { return signToken(jose.RS256, otherSigner(), "k1", c) }, false},
		"alg not the key's": {nil, func(c map[string]any) string { return signToken(jose.RS384, rsaSigner(), "k1", c) }, false},
		"key of the token itself": {nil, func(c map[string]any) string {
			opts := (&jose.SignerOptions{EmbedJWK: true}).WithType("JWT")
			signer := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: otherSigner()}, opts))
			return must(must(signer.Sign([]byte(text(c)))).CompactSerialize())
		}, false},
		"kid absent, one key": {nil, func(c map[string]any) string { return signToken(jose.RS256, rsaSigner(), "", c) }, true},
		"kid absent, one of each kind": {[]jose.JSONWebKey{public(p256Signer().Public(), "e1", ""), public(rsaSigner().Public(), "k1", ""), public(p384Signer().Public(), "e2", "")},
			func(c map[string]any) string { return signToken(jose.ES384, p384Signer(), "", c) }, true},
		"kid absent, two that fit": {[]jose.JSONWebKey{public(rsaSigner().Public(), "k1", ""), public(otherSigner().Public(), "k2", "")},
			func(c map[string]any) string { return signToken(jose.RS256, rsaSigner(), "", c) }, false},
		"kid absent, wrong key": {nil, func(c map[string]any) string { return signToken(jose.RS256, otherSigner(), "", c) }, false},
		"a key for encryption":  {[]jose.JSONWebKey{{Key: rsaSigner().Public(), KeyID: "k1", Use: "enc"}}, nil, false},
		"a symmetric key":       {[]jose.JSONWebKey{{Key: []byte(strings.Repeat("s", 32)), KeyID: "k1"}}, func(c map[string]any) string { return signToken(jose.HS256, []byte(strings.Repeat("s", 32)), "k1", c) }, false},
		"no JWT":                {nil, func(map[string]any) string { return "Zebra" }, false},
		"cut":                   {nil, func(c map[string]any) string { s := signToken(jose.RS256, rsaSigner(), "k1", c); return s[:len(s)-8] }, false},
	} {
		a, e, _ := app(t)
		if x.keys != nil {
			e.keys = x.keys
		}
		if x.sign != nil {
			e.sign = x.sign
		}
		_, err := exchange(t, a, e)
		if x.ok && err != nil || !x.ok && codeOf(t, err) != IDToken {
			t.Errorf("%s: %v", name, err)
		}
		if unsafe := name == "alg none" || name == "HMAC" || name == "RS512" || name == "a symmetric key"; unsafe && len(e.to(issuerAt+"/jwks")) != 0 {
			t.Errorf("%s: a key was looked for, though no key makes this good", name)
		}
	}
}

func TestREQ218_KeysComeFromTheIssuersConfiguration(t *testing.T) {
	a, e, _ := app(t)
	e.conf["jwks_uri"] = issuerAt + "/another" // asking it fails the test
	granted(t, a, e)
	if len(e.to(issuerAt+"/.well-known/openid-configuration")) != 1 || len(e.to(issuerAt+"/jwks")) != 1 {
		t.Errorf("%v", e.asked)
	}
	for name, x := range map[string]struct {
		open map[string]any
		code string
	}{
		"none: that of the smart-configuration": {nil, ""},
		"another issuer's":                      {map[string]any{"issuer": "https://evil.example", "jwks_uri": issuerAt + "/jwks"}, IDToken},
		"keys in the clear":                     {map[string]any{"issuer": issuerAt, "jwks_uri": "http://auth.ehr.example/jwks"}, IDToken},
		"no keys":                               {map[string]any{"issuer": issuerAt}, IDToken},
	} {
		a, e, _ := app(t)
		e.open = x.open
		_, err := exchange(t, a, e)
		if x.code == "" && err != nil || x.code != "" && codeOf(t, err) != x.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDuty29_IssuerOfTheConnectionMayDiffer(t *testing.T) {
	const other = "https://login.health.example/realms/x"
	differs := func(c *AppConfig) { c.Issuer = other }
	a, e, _ := app(t, differs)
	e.open = map[string]any{"issuer": other, "jwks_uri": issuerAt + "/jwks"}
	e.claims["iss"] = other
	delete(e.conf, "issuer")
	if g := granted(t, a, e); g.Issuer != other || len(e.to(other+"/.well-known/openid-configuration")) != 1 {
		t.Errorf("%v", e.asked)
	}
	a, e, _ = app(t, differs) // an id_token of the issuer the smart-configuration names is then another's
	e.open = map[string]any{"issuer": other, "jwks_uri": issuerAt + "/jwks"}
	if _, err := exchange(t, a, e); codeOf(t, err) != IDToken {
		t.Error(err)
	}
	a, e, _ = app(t, differs) // and its keys are not taken for the missing ones of the configured
	e.claims["iss"], e.open = other, nil
	if _, err := exchange(t, a, e); codeOf(t, err) != Unreachable {
		t.Error(err)
	}
}

func TestDuty29_UnknownKeyIDReadsTheKeysOnceMore(t *testing.T) {
	a, e, c := app(t)
	granted(t, a, e)
	reads := func() int { return len(e.to(issuerAt + "/jwks")) }
	granted2 := func() error {
		s, err := a.Authorize(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		e.claims["nonce"] = s.Nonce
		_, err = a.Exchange(t.Context(), "c", s)
		return err
	}
	if err := granted2(); err != nil || reads() != 1 {
		t.Errorf("%v, %d reads: known keys were read again", err, reads())
	}
	// The issuer changes its key.
	e.keys = []jose.JSONWebKey{{Key: otherSigner().Public(), KeyID: "k2", Use: "sig"}}
	e.sign = func(c map[string]any) string { return signToken(jose.RS256, otherSigner(), "k2", c) }
	if err := granted2(); err != nil || reads() != 2 {
		t.Errorf("after a change: %v, %d reads", err, reads())
	}
	e.sign = func(c map[string]any) string { return signToken(jose.RS256, otherSigner(), "k9", c) }
	if err := granted2(); codeOf(t, err) != IDToken || reads() != 3 {
		t.Errorf("a key id nobody knows: %v, %d reads", err, reads())
	}
	// It changes it again and its tokens name no key.
	e.keys = []jose.JSONWebKey{{Key: rsaSigner().Public(), KeyID: "k3", Use: "sig"}}
	e.sign = func(c map[string]any) string { return signToken(jose.RS256, rsaSigner(), "", c) }
	if err := granted2(); err != nil || reads() != 4 {
		t.Errorf("after a change without key ids: %v, %d reads", err, reads())
	}
	c.forward(keysLive)
	e.claims["iat"], e.claims["exp"] = c.Now().Unix(), c.Now().Unix()+300
	if err := granted2(); err != nil || reads() != 5 {
		t.Errorf("old keys: %v, %d reads", err, reads())
	}
}

func TestREQ195And196_NoOpenIDNoUser(t *testing.T) {
	a, e, _ := app(t, func(c *AppConfig) { c.Scopes = ParseScopes("user/Patient.rs") })
	e.claims["aud"] = "somebody else"
	if s := begin(t, a, e); s.Nonce != "" {
		t.Error("a nonce without openid")
	}
	if g := granted(t, a, e); g.User != "" || len(e.to(issuerAt+"/jwks")) != 0 {
		t.Errorf("an id_token nobody asked for was read: %s", text(g))
	}
	a, e, _ = app(t)
	e.claims = nil
	if _, err := exchange(t, a, e); codeOf(t, err) != IDToken {
		t.Errorf("openid granted, no id_token: %v", err)
	}
}

func TestREQ202_FHIRUser(t *testing.T) {
	for claim, want := range map[string]string{
		fhirBase + "/Practitioner/ana":                        "Practitioner/ana",
		"HTTPS://EHR.example:443/api/fhir/r4/Practitioner/an": "Practitioner/an",
		"Practitioner/ana":                                    "Practitioner/ana",
		"PractitionerRole/r.1":                                "PractitionerRole/r.1", "Patient/p": "Patient/p", "RelatedPerson/p": "RelatedPerson/p", "Person/p": "Person/p",
		"https://evil.example/api/fhir/r4/Practitioner/ana": "!", "https://ehr.example/other/Practitioner/ana": "!", "http://ehr.example/api/fhir/r4/Practitioner/ana": "!",
		"https://ehr.example@evil.example/api/fhir/r4/Practitioner/ana": "!", "//evil.example/Practitioner/ana": "!", "Practitioner": "!", "Practitioner/": "!", "Practitioner/a/b": "!",
		"Organization/o": "!", "Practitioner/..": "!", "Practitioner/a?b": "!", "x/Practitioner/ana": "!", "": "",
	} {
		a, e, _ := app(t)
		e.claims["fhirUser"] = claim
		g, err := exchange(t, a, e)
		if want == "!" && codeOf(t, err) != IDToken || want != "!" && (err != nil || g.User != want) {
			t.Errorf("%q: %q %v", claim, g.User, err)
		}
	}
}

func TestIDTokenErrorsKeepNothingOfTheServer(t *testing.T) {
	for _, k := range []string{"iss", "aud", "azp", "fhirUser", "nonce", "exp"} {
		a, e, _ := app(t)
		s := begin(t, a, e)
		e.claims[k] = "Zebra"
		if _, err := a.Exchange(t.Context(), "c", s); codeOf(t, err) != IDToken || strings.Contains(err.Error(), "Zebra") {
			t.Errorf("%s: %v", k, err)
		}
	}
}

func TestUnreachableIssuerLeavesNobodySignedIn(t *testing.T) {
	a, e, _ := app(t)
	s := begin(t, a, e)
	e.open = map[string]any{"issuer": issuerAt, "jwks_uri": "https://ehr.example/jwks"}
	e.fhir = answers(503)
	g, err := a.Exchange(t.Context(), "c", s)
	if codeOf(t, err) != Unreachable || g.Access != "" || !strings.Contains(err.Error(), "HTTP 503") {
		t.Errorf("%v", err)
	}
	e.open["jwks_uri"] = issuerAt + "/jwks" // a failure is not kept
	s = begin(t, a, e)
	e.claims["nonce"] = s.Nonce
	if _, err := a.Exchange(t.Context(), "c", s); err != nil {
		t.Error(err)
	}
}

func TestIssuerCanBeLookedAtBeforeAnybodySignsIn(t *testing.T) {
	a, e, _ := app(t)
	e.keys = append(e.keys, jose.JSONWebKey{Key: p384Signer().Public(), KeyID: "e2"}, jose.JSONWebKey{Key: []byte("s"), KeyID: "s"})
	if issuer, n, err := a.Issuer(t.Context()); issuer != issuerAt || n != 2 || err != nil {
		t.Errorf("%s %d %v", issuer, n, err)
	}
	e.open["issuer"] = "https://evil.example"
	if _, n, err := a.Issuer(t.Context()); n != 0 || codeOf(t, err) != IDToken {
		t.Errorf("%d %v", n, err)
	}
}
