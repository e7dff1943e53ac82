package smart

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// Algorithm is how assertions are signed. SMART requires a client to support both (REQ 308, 309).
type Algorithm = jose.SignatureAlgorithm

// The algorithms of SMART asymmetric client authentication.
const (
	ES384 = jose.ES384
	RS384 = jose.RS384
)

// minRSABits is the smallest RSA modulus accepted.
const minRSABits = 2048

// Key is a private signing key with its key id. It prints as its kid only.
type Key struct {
	jwk jose.JSONWebKey
	alg Algorithm
}

// LoadKey reads a private JWK: EC P-384 (ES384) or RSA of at least 2048 bits (RS384), with kid.
// A JWK set holding exactly one key is taken too. Errors say what is wrong, never what the key is.
func LoadKey(document []byte) (*Key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, errors.New("private key: not a JSON Web Key; want a JSON object with kty, kid and the private members")
	}
	if set.Keys != nil {
		if len(set.Keys) != 1 {
			return nil, fmt.Errorf("private key: the set holds %d keys; want exactly one", len(set.Keys))
		}
		document = set.Keys[0]
	}
	var hints struct {
		Kty    string   `json:"kty"`
		Alg    string   `json:"alg"`
		Use    string   `json:"use"`
		KeyOps []string `json:"key_ops"`
	}
	var jwk jose.JSONWebKey
	if json.Unmarshal(document, &hints) != nil || json.Unmarshal(document, &jwk) != nil {
		return nil, errors.New("private key: not a readable JSON Web Key; want kty EC (P-384) or RSA with all its members in base64url")
	}
	if hints.Use != "" && hints.Use != "sig" {
		return nil, errors.New("private key: use is not sig")
	}
	if hints.KeyOps != nil && !slices.Contains(hints.KeyOps, "sign") {
		return nil, errors.New("private key: key_ops does not allow sign")
	}
	return newKey(jwk, hints.Alg)
}

func newKey(jwk jose.JSONWebKey, wantAlg string) (*Key, error) {
	if jwk.KeyID == "" {
		return nil, errors.New("private key: kid is missing; give it the kid registered at the EHR")
	}
	var alg Algorithm
	switch k := jwk.Key.(type) {
	case *ecdsa.PrivateKey:
		if k.Curve != elliptic.P384() {
			return nil, errors.New("private key: the EC curve is not P-384, which ES384 needs")
		}
		alg = ES384
	case *rsa.PrivateKey:
		if k.N.BitLen() < minRSABits {
			return nil, fmt.Errorf("private key: the RSA key is shorter than %d bits", minRSABits)
		}
		alg = RS384
	default:
		return nil, errors.New("private key: holds no private EC or RSA key; is this the public half?")
	}
	if wantAlg != "" && wantAlg != string(alg) {
		return nil, fmt.Errorf("private key: alg must be %s for this key type, or left out", alg)
	}
	if !jwk.Valid() {
		return nil, errors.New("private key: its members do not fit together")
	}
	return &Key{jwk: jose.JSONWebKey{Key: jwk.Key, KeyID: jwk.KeyID, Algorithm: string(alg), Use: "sig"}, alg: alg}, nil
}

// GenerateKey makes a fresh key for ES384 or RS384. Its kid is the RFC 7638 thumbprint.
func GenerateKey(alg Algorithm) (*Key, error) {
	var private any
	var err error
	switch alg {
	case ES384:
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case RS384:
		private, err = rsa.GenerateKey(rand.Reader, 3072)
	default:
		return nil, errors.New("private key: the algorithm must be ES384 or RS384")
	}
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	jwk := jose.JSONWebKey{Key: private}
	thumb, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(thumb)
	return newKey(jwk, "")
}

// ID is the kid.
func (k *Key) ID() string { return k.jwk.KeyID }

// Algorithm is the one this key signs with.
func (k *Key) Algorithm() Algorithm { return k.alg }

// String is the kid: a Key never prints its private members.
func (k *Key) String() string { return "key " + k.jwk.KeyID }

// GoString is [Key.String].
func (k *Key) GoString() string { return k.String() }

// PrivateJWK is the key with its private members, for writing it to a protected file once.
func (k *Key) PrivateJWK() ([]byte, error) { return json.MarshalIndent(k.jwk, "", "  ") }

// PublicJWKS is the JWK set for /.well-known/jwks.json: the public halves of keys in the given
// order (REQ 313–315). Publish the next key beside the current one before using it. A kid that
// is there twice is an error.
func PublicJWKS(keys ...*Key) ([]byte, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	seen := map[string]bool{}
	for _, k := range keys {
		if seen[k.ID()] {
			return nil, fmt.Errorf("public keys: kid %s is there twice", k.ID())
		}
		seen[k.ID()] = true
		set.Keys = append(set.Keys, k.jwk.Public())
	}
	return json.MarshalIndent(set, "", "  ")
}
