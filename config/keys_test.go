package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// keyFiles are fresh keys and certificates under the names the example gives them; none is worth keeping.
func keyFiles(t *testing.T) map[string][]byte {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := certificate(t, ec)
	return map[string][]byte{
		"chartwire.keyset.json":  []byte("{}"),
		"mercy-backend.jwk.json": ecJWK(t, ec),
		"mercy-launch.jwk.json":  rsaJWK(t, r),
		"county-ca.pem":          cert,
		"cw.pem":                 cert,
		"cw.key":                 key,
		"texting.secret":         []byte("whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 24)) + "\n"),
	}
}

// number is a base64url number of a fixed length.
func number(b []byte, size int) string {
	return base64.RawURLEncoding.EncodeToString(new(big.Int).SetBytes(b).FillBytes(make([]byte, size)))
}

func ecJWK(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	d, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]any{"kty": "EC", "crv": "P-384", "kid": "backend-1", "alg": "ES384", "key_ops": []string{"sign"},
		"x": number(point[1:49], 48), "y": number(point[49:], 48), "d": number(d, 48)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func rsaJWK(t *testing.T, key *rsa.PrivateKey) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]string{"kty": "RSA", "kid": "launch-1", "e": "AQAB",
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "d": base64.RawURLEncoding.EncodeToString(key.D.Bytes())})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func certificate(t *testing.T, key *ecdsa.PrivateKey) (cert, private []byte) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// reader serves files from a map by their base name.
func reader(files map[string][]byte) func(string) ([]byte, error) {
	return func(path string) ([]byte, error) {
		if b, ok := files[filepath.Base(path)]; ok {
			return b, nil
		}
		return nil, os.ErrNotExist
	}
}

// TestExampleWithItsFiles gives the example every file it names: then nothing is wrong with it.
func TestExampleWithItsFiles(t *testing.T) {
	files := keyFiles(t)
	cfg, problems := Parse("chartwire.example.yaml", Example, Options{ReadFile: reader(files)})
	for _, p := range problems {
		t.Error(p)
	}
	if cfg == nil || Fatal(problems, true) {
		t.FailNow()
	}
	if got := cfg.EHR("mercy").Backend.Key.Reveal(); got != string(files["mercy-backend.jwk.json"]) {
		t.Error("the backend key is not what its file holds")
	}
	if got := cfg.EHR("county").TLS.CA.Bytes(); string(got) != string(files["county-ca.pem"]) {
		t.Error("the authority is not what its file holds")
	}
}

func TestKeyThatIsNotTheCertificates(t *testing.T) {
	files, others := keyFiles(t), keyFiles(t)
	files["cw.key"] = others["cw.key"]
	_, problems := Parse("chartwire.example.yaml", Example, Options{ReadFile: reader(files)})
	if len(problems) != 1 || problems[0].Path != "$.ehrs[1].tls" || !strings.Contains(problems[0].Text, "do not belong together") {
		t.Errorf("problems are %v", problems)
	}
}

func TestBrokenKeys(t *testing.T) {
	good := keyFiles(t)
	for name, tc := range map[string]struct{ file, content, want string }{
		"certificate":        {"cw.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"},
		"encrypted":          {"cw.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "something else"},
		"two keys":           {"mercy-backend.jwk.json", string(good["mercy-backend.jwk.json"]) + "{}", "no JSON Web Key"},
		"algorithm":          {"mercy-backend.jwk.json", strings.Replace(string(good["mercy-backend.jwk.json"]), "ES384", "ES256", 1), "another alg"},
		"coordinate":         {"mercy-backend.jwk.json", strings.Replace(string(good["mercy-backend.jwk.json"]), `"y":"`, `"y":"AA`, 1), "complete P-384"},
		"not base64":         {"mercy-launch.jwk.json", strings.Replace(string(good["mercy-launch.jwk.json"]), `"n":"`, `"n":"*`, 1), "RSA key"},
		"upper-case kid key": {"mercy-launch.jwk.json", strings.Replace(string(good["mercy-launch.jwk.json"]), `"kid"`, `"Kid"`, 1), "no kid"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string][]byte{}
			for k, v := range good {
				files[k] = v
			}
			files[tc.file] = []byte(tc.content)
			_, problems := Parse("chartwire.example.yaml", Example, Options{ReadFile: reader(files)})
			if len(problems) == 0 || !strings.Contains(problems[0].Text, tc.want) {
				t.Errorf("problems are %v, want %q", problems, tc.want)
			}
		})
	}
}
