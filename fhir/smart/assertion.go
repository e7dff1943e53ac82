package smart

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// AssertionType is client_assertion_type of private_key_jwt (REQ 333).
const AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Servers refuse exp more than 300 s after their now, and some refuse an iat in their future. A
// clock up to slack ahead of theirs passes both, and one up to lifetime behind.
const (
	assertionSlack    = 60 * time.Second
	assertionLifetime = 240 * time.Second // from now; 300 s from iat
)

type claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"` // one string: some servers do not read a list
	Expires  int64  `json:"exp"`
	IssuedAt int64  `json:"iat"`
	ID       string `json:"jti"`
}

// Assertion signs a client assertion for one token call (REQ 319–332): iss and sub are clientID,
// aud is the token URL byte for byte, jti is used once and never again. It is a credential:
// never log it.
func Assertion(key *Key, clientID, tokenURL, jti string, now time.Time) (string, error) {
	if clientID == "" || tokenURL == "" || jti == "" {
		return "", errors.New("client assertion: client id, token URL and jti are required")
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: key.alg, Key: key.jwk}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("client assertion: %s cannot sign", key)
	}
	payload, err := json.Marshal(claims{
		Issuer: clientID, Subject: clientID, Audience: tokenURL, ID: jti,
		Expires: now.Add(assertionLifetime).Unix(), IssuedAt: now.Add(-assertionSlack).Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("client assertion: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("client assertion: %s cannot sign", key)
	}
	return signed.CompactSerialize()
}
