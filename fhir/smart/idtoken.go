package smart

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// idAlgorithms are those an id_token may be signed with. none and HMAC are not among them: the first proves nothing, and the
// second would make the public key, or a client secret, a signing key (REQ 201).
var idAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.ES256, jose.ES384}

const (
	idSkew   = time.Minute // how far the EHR's clock may be off ours for exp, iat and nbf
	keysLive = time.Hour   // how long an issuer's keys are used before they are read again
)

// identity is what a verified id_token says.
type identity struct {
	Issuer, Subject, Name string
	User                  string // fhirUser as Type/id, "" where there is none
}

type idClaims struct {
	Issuer    string          `json:"iss"`
	Subject   string          `json:"sub"`
	Audience  json.RawMessage `json:"aud"`
	Party     *string         `json:"azp"`
	Expires   *float64        `json:"exp"`
	IssuedAt  *float64        `json:"iat"`
	NotBefore *float64        `json:"nbf"`
	Nonce     string          `json:"nonce"`
	FHIRUser  string          `json:"fhirUser"`
	Name      string          `json:"name"`
}

// issuerKeys are the signing keys of an OpenID issuer.
type issuerKeys struct {
	keys []jose.JSONWebKey
	read time.Time
}

func badToken(detail string) *LaunchError { return &LaunchError{Code: IDToken, Detail: detail} }

// Issuer is the issuer an id_token has to be of, with how many keys it has that could verify one, read now. It is for looking
// whether sign-in can work before anybody tries. The error is a [*LaunchError].
func (a *App) Issuer(ctx context.Context) (issuer string, keys int, err error) {
	conf, err := a.Pin(ctx)
	if err != nil {
		return "", 0, err
	}
	issuer = a.issuerOf(conf)
	all, _, err := a.keysOf(ctx, conf, issuer, true)
	return issuer, len(all), err
}

func (a *App) issuerOf(conf *Configuration) string {
	if a.cfg.Issuer != "" {
		return a.cfg.Issuer
	}
	return conf.Issuer
}

// verify holds an id_token to OpenID Connect Core §3.1.3.7 (REQ 201, 218): signature by a key of the issuer, then the claims.
func (a *App) verify(ctx context.Context, conf *Configuration, raw, nonce string) (identity, error) {
	signed, err := jose.ParseSignedCompact(raw, idAlgorithms)
	if err != nil {
		return identity{}, badToken("the id_token is not signed with RS256, RS384, ES256 or ES384")
	}
	issuer := a.issuerOf(conf)
	payload, err := a.signature(ctx, conf, issuer, signed)
	if err != nil {
		return identity{}, err
	}
	return a.claims(payload, issuer, nonce)
}

// signature gives the payload once a key of the issuer verifies it. Where our copy of the keys has none that could, the keys
// are read again, once: issuers change them.
func (a *App) signature(ctx context.Context, conf *Configuration, issuer string, signed *jose.JSONWebSignature) ([]byte, error) {
	head := signed.Signatures[0].Protected
	keys, fresh, err := a.keysOf(ctx, conf, issuer, false)
	if err != nil {
		return nil, err
	}
	for {
		fitting := candidates(keys, head.Algorithm, head.KeyID)
		for _, k := range fitting {
			if payload, err := signed.Verify(k.Key); err == nil {
				return payload, nil
			}
		}
		switch {
		case !fresh && (len(fitting) == 0 || head.KeyID == ""):
			if keys, fresh, err = a.keysOf(ctx, conf, issuer, true); err != nil {
				return nil, err
			}
		case len(fitting) == 0:
			return nil, badToken("no single key of the issuer fits the id_token's key id and algorithm")
		default:
			return nil, badToken("the id_token's signature does not verify")
		}
	}
}

// candidates are the keys that may have signed: the one of the key id, or, where the token names none, the only one that fits
// its algorithm.
func candidates(keys []jose.JSONWebKey, alg, kid string) []jose.JSONWebKey {
	fitting := slices.DeleteFunc(slices.Clone(keys), func(k jose.JSONWebKey) bool {
		return !fits(k, alg) || kid != "" && k.KeyID != kid
	})
	if kid == "" && len(fitting) != 1 {
		return nil
	}
	return fitting
}

func fits(k jose.JSONWebKey, alg string) bool {
	if k.Algorithm != "" && k.Algorithm != alg {
		return false
	}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		return alg == string(jose.RS256) || alg == string(jose.RS384)
	case *ecdsa.PublicKey:
		return key.Curve == elliptic.P256() && alg == string(jose.ES256) || key.Curve == elliptic.P384() && alg == string(jose.ES384)
	}
	return false
}

// parseKeys reads a JWK set, leaving out what verifies no signature of ours: private and symmetric keys, keys for encryption,
// RSA below 2048 bits, and kinds we do not know.
func parseKeys(document []byte) ([]jose.JSONWebKey, bool) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(document, &set) != nil || set.Keys == nil {
		return nil, false
	}
	out := []jose.JSONWebKey{}
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if json.Unmarshal(raw, &k) != nil || !k.Valid() || !k.IsPublic() || k.Use != "" && k.Use != "sig" {
			continue
		}
		if r, ok := k.Key.(*rsa.PublicKey); ok && r.N.BitLen() < minRSABits {
			continue
		}
		out = append(out, k)
	}
	return out, true
}

// keysOf gives the issuer's keys: our copy, or, where it is old or again is set, those read now; fresh says which.
func (a *App) keysOf(ctx context.Context, conf *Configuration, issuer string, again bool) (keys []jose.JSONWebKey, fresh bool, err error) {
	now := a.cfg.Now()
	a.mu.Lock()
	have := a.issuer
	a.mu.Unlock()
	if have != nil && !again && now.Before(have.read.Add(keysLive)) {
		return have.keys, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	at, err := a.keysURL(ctx, conf, issuer)
	if err != nil {
		return nil, false, err
	}
	status, body, err := document(ctx, a.cfg.HTTP, at)
	if err != nil || status != http.StatusOK {
		return nil, false, &LaunchError{Code: Unreachable, Status: status, Detail: "the issuer's keys could not be read", cause: err}
	}
	keys, ok := parseKeys(body)
	if !ok {
		return nil, false, badToken("the issuer's jwks_uri gives no key set")
	}
	a.mu.Lock()
	a.issuer = &issuerKeys{keys: keys, read: now}
	a.mu.Unlock()
	return keys, true, nil
}

// keysURL is the jwks_uri of the issuer's OpenID configuration. Where the issuer has none (404) and is the one the
// smart-configuration names, it is the jwks_uri beside it there.
func (a *App) keysURL(ctx context.Context, conf *Configuration, issuer string) (string, error) {
	status, body, err := document(ctx, a.cfg.HTTP, strings.TrimRight(issuer, "/")+"/.well-known/openid-configuration")
	if err == nil && status == http.StatusNotFound && conf.JWKSURI != "" && issuer == conf.Issuer {
		return conf.JWKSURI, nil
	}
	if err != nil || status != http.StatusOK {
		return "", &LaunchError{Code: Unreachable, Status: status, Detail: "the issuer's OpenID configuration could not be read", cause: err}
	}
	var open struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if json.Unmarshal(body, &open) != nil || open.Issuer != issuer {
		return "", badToken("the OpenID configuration found at the issuer is not that issuer's")
	}
	if u, err := url.Parse(open.JWKSURI); err != nil || !secure(u) {
		return "", badToken("jwks_uri of the OpenID configuration is not https")
	}
	return open.JWKSURI, nil
}

// claims holds the claims of a verified payload to the connection, the client, the clock and the launch.
func (a *App) claims(payload []byte, issuer, nonce string) (identity, error) {
	var c idClaims
	if json.Unmarshal(payload, &c) != nil {
		return identity{}, badToken("the id_token's claims cannot be read")
	}
	aud, err := audience(c.Audience)
	now := a.cfg.Now()
	switch {
	case c.Issuer != issuer:
		return identity{}, badToken("the id_token is another issuer's")
	case err != nil || !slices.Contains(aud, a.cfg.ClientID):
		return identity{}, badToken("the id_token is not for this client")
	case len(aud) > 1 && c.Party == nil, c.Party != nil && *c.Party != a.cfg.ClientID:
		return identity{}, badToken("the id_token was issued to another client (azp)")
	case c.Expires == nil || !instant(*c.Expires).After(now.Add(-idSkew)):
		return identity{}, badToken("the id_token has expired: compare the clocks of both machines")
	case c.IssuedAt == nil || instant(*c.IssuedAt).After(now.Add(idSkew)), c.NotBefore != nil && instant(*c.NotBefore).After(now.Add(idSkew)):
		return identity{}, badToken("the id_token is from the future: compare the clocks of both machines")
	case c.Nonce != nonce:
		return identity{}, badToken("the id_token belongs to another launch (nonce)")
	case c.Subject == "":
		return identity{}, badToken("the id_token has no sub")
	}
	who := identity{Issuer: c.Issuer, Subject: c.Subject, Name: c.Name}
	if c.FHIRUser != "" {
		if who.User, err = fhirUser(c.FHIRUser, a.cfg.Base); err != nil {
			return identity{}, err
		}
	}
	return who, nil
}

var userTypes = []string{"Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person"}

// fhirUser gives the claim as Type/id below the base (REQ 202).
func fhirUser(claim, base string) (string, error) {
	ref, ok := relative(claim, base)
	if !ok {
		return "", badToken("fhirUser is not a resource of this EHR")
	}
	if kind, _, _ := strings.Cut(ref, "/"); !slices.Contains(userTypes, kind) {
		return "", badToken("fhirUser is none of " + strings.Join(userTypes, ", "))
	}
	return ref, nil
}

// audience reads aud: a string, or a list of them (RFC 7519 §4.1.3).
func audience(raw json.RawMessage) ([]string, error) {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		return nil, errors.New("aud is neither a string nor a list")
	}
	return list, nil
}

// instant is a NumericDate (RFC 7519 §2). One outside the years a clock can show is the beginning or end of them.
func instant(seconds float64) time.Time {
	const most = 1 << 40
	return time.Unix(int64(math.Max(-most, math.Min(seconds, most))), 0)
}
