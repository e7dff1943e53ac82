package smart

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// edit changes members of a JWK; nil removes one.
func edit(t *testing.T, jwk []byte, pairs ...any) []byte {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(jwk, &m); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == nil {
			delete(m, pairs[i].(string))
			continue
		}
		m[pairs[i].(string)] = pairs[i+1]
	}
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func private(t *testing.T, k *Key) []byte {
	t.Helper()
	raw, err := k.PrivateJWK()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func foreign(t *testing.T, key any) []byte {
	t.Helper()
	raw, err := jose.JSONWebKey{Key: key, KeyID: "k"}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestLoadKey(t *testing.T) {
	for _, alg := range []Algorithm{ES384, RS384} {
		raw := private(t, testKey(t, alg))
		for name, doc := range map[string][]byte{
			"as written": raw, "without alg and use": edit(t, raw, "alg", nil, "use", nil), "with key_ops": edit(t, raw, "key_ops", []string{"sign"}),
			"in a set of one": []byte(`{"keys":[` + string(raw) + `]}`),
		} {
			k, err := LoadKey(doc)
			if err != nil || k.Algorithm() != alg || k.ID() != testKey(t, alg).ID() {
				t.Errorf("%s %s: %v", alg, name, err)
			}
		}
	}
}

func TestLoadKeyRefuses(t *testing.T) {
	ec, rs := private(t, testKey(t, ES384)), private(t, testKey(t, RS384))
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GODEBUG", "rsa1024min=0")
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	public, err := PublicJWKS(testKey(t, ES384))
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(ec, &members); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		doc  []byte
		want string
	}{
		"no kid":       {edit(t, ec, "kid", nil), "kid is missing"},
		"P-256":        {foreign(t, p256), "not P-384"},
		"short RSA":    {foreign(t, short), "shorter than 2048"},
		"other alg":    {edit(t, ec, "alg", "RS384"), "alg must be ES384"},
		"RSA as RS256": {edit(t, rs, "alg", "RS256"), "alg must be RS384"},
		"encryption":   {edit(t, ec, "use", "enc"), "use is not sig"},
		"verify only":  {edit(t, ec, "key_ops", []string{"verify"}), "key_ops"},
		"public half":  {public, "public half"},
		"symmetric":    {[]byte(`{"kty":"oct","kid":"k","k":"c2VjcmV0"}`), "no private EC or RSA key"},
		"bad member":   {edit(t, ec, "d", "!!"), "not a readable"},
		"two keys":     {[]byte(`{"keys":[{},{}]}`), "holds 2 keys"},
		"PEM":          {[]byte("-----BEGIN PRIVATE KEY-----"), "not a JSON Web Key"},
		"empty":        {nil, "not a JSON Web Key"},
	} {
		_, err := LoadKey(c.doc)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d, _ := members["d"].(string); strings.Contains(err.Error(), d) {
			t.Errorf("%s: the error holds key material", name)
		}
	}
}

func TestREQ313To315_PublicJWKS(t *testing.T) {
	ec, rs := testKey(t, ES384), testKey(t, RS384)
	raw, err := PublicJWKS(ec, rs)
	if err != nil {
		t.Fatal(err)
	}
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil || len(set.Keys) != 2 {
		t.Fatalf("%s: %v", raw, err)
	}
	for i, k := range []*Key{ec, rs} {
		if set.Keys[i]["kid"] != k.ID() || set.Keys[i]["alg"] != string(k.Algorithm()) || set.Keys[i]["use"] != "sig" {
			t.Errorf("%v", set.Keys[i])
		}
		for _, member := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if _, there := set.Keys[i][member]; there {
				t.Errorf("the private member %s is published", member)
			}
		}
	}
	for _, member := range []string{"crv", "x", "y"} {
		if set.Keys[0][member] == nil {
			t.Errorf("EC without %s", member)
		}
	}
	if set.Keys[1]["n"] == nil || set.Keys[1]["e"] == nil {
		t.Error("RSA without n or e")
	}
	if _, err := PublicJWKS(ec, ec); err == nil {
		t.Error("one kid twice")
	}
	if raw, err := PublicJWKS(); err != nil || !strings.Contains(string(raw), `"keys": []`) {
		t.Errorf("%s %v", raw, err)
	}
}

func TestREQ295_KeyNeverPrintsItself(t *testing.T) {
	k := testKey(t, ES384)
	var members map[string]any
	if err := json.Unmarshal(private(t, k), &members); err != nil {
		t.Fatal(err)
	}
	d, _ := members["d"].(string)
	shown := fmt.Sprintf("%v %+v %#v %s", k, k, k, k)
	if d == "" || strings.Contains(shown, d) || !strings.Contains(shown, k.ID()) {
		t.Error(shown)
	}
	if _, err := GenerateKey("HS256"); err == nil {
		t.Error("a key for HS256")
	}
}
