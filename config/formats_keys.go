package config

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
)

// checkJWK checks a private key as SMART's private_key_jwt needs it. What it returns never holds any of the key.
//
// Source: SMART App Launch 2.2, "Client Authentication: Asymmetric" (RS384 and ES384, kid); RFC 7517 and 7518 §6.
func checkJWK(s, _ string) string {
	// A map, since a struct would take Kid for kid, which the EHR does not.
	var key map[string]any
	const hint = "; write one private JWK, RSA of at least 2048 bits or EC P-384, with kid"
	if strings.HasPrefix(strings.TrimSpace(s), "-----BEGIN") {
		return "is PEM, not a JWK" + hint
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(s)))
	if err := dec.Decode(&key); err != nil || dec.More() {
		return "is no JSON Web Key" + hint
	}
	member := func(name string) string { s, _ := key[name].(string); return s }
	switch {
	case key["keys"] != nil:
		return "is a set of keys" + hint
	case member("kid") == "":
		return "has no kid, so the EHR cannot tell which key signed" + hint
	case member("kty") == "RSA":
		if member("d") == "" {
			return "is a public key" + hint
		}
		return rsaTrouble(member("n"), member("alg"), hint)
	case member("kty") == "EC":
		if member("d") == "" {
			return "is a public key" + hint
		}
		if member("crv") != "P-384" || coordinate(member("x")) != 48 || coordinate(member("y")) != 48 || coordinate(member("d")) != 48 {
			return "is no complete P-384 key" + hint
		}
		return algorithmTrouble(member("alg"), "ES384", hint)
	default:
		return "is of a type SMART does not sign with" + hint
	}
}

func rsaTrouble(n, alg, hint string) string {
	b, err := base64.RawURLEncoding.DecodeString(n)
	if bits := new(big.Int).SetBytes(b).BitLen(); err != nil || bits < 2048 {
		return fmt.Sprintf("is an RSA key of %d bits", bits) + hint
	}
	return algorithmTrouble(alg, "RS384", hint)
}

func algorithmTrouble(alg, must, hint string) string {
	if alg != "" && alg != must {
		return "says another alg than " + must + hint
	}
	return ""
}

// coordinate is the length in bytes of a base64url number, 0 where it is none.
func coordinate(s string) int {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return 0
	}
	return len(b)
}

// checkPEM checks that every block is a certificate or a private key that parses.
func checkPEM(s, _ string) string {
	const hint = "; write a PEM file of certificates, or of one unencrypted private key"
	rest, blocks := []byte(s), 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		blocks++
		switch {
		case block.Type == "CERTIFICATE":
			if _, err := x509.ParseCertificate(block.Bytes); err != nil {
				return "holds a certificate that cannot be read" + hint
			}
		case block.Type == "PRIVATE KEY" || block.Type == "EC PRIVATE KEY" || block.Type == "RSA PRIVATE KEY":
		default:
			return "holds something else" + hint
		}
	}
	if blocks == 0 {
		return "is not PEM" + hint
	}
	return ""
}
