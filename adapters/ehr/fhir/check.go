package fhir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/smart"
)

var _ connector.Checker = (*EHR)(nil)

const (
	// skewSeen is a difference of clocks worth a word; skewWrong one that spoils assertions, which live for five minutes by
	// both clocks, and makes the times on entries look wrong.
	skewSeen, skewWrong = 5 * time.Second, time.Minute
)

// examination is one Check under way, with an adapter of its own: the token and the abilities of the one at work stay as
// they are.
type examination struct {
	e     *EHR
	saw   *looking
	found connector.Preflight

	baseGap  *connector.Lack // why the CapabilityStatement is not known
	tokenGap *connector.Lack // why there is no token
	refused  bool            // and it was said for good
}

// Check implements connector.Checker: CapabilityStatement, smart-configuration, a token of its own, and a search that finds
// nothing for each type that is searched.
func (e *EHR) Check(ctx context.Context) (connector.Preflight, error) {
	o := e.opts
	if o.Now == nil {
		o.Now = func() time.Time { return time.Time{} }
	}
	var saw *looking
	o.HTTP, saw = lookingAt(o.HTTP, o.Now)
	if o.TokenHTTP != nil {
		o.TokenHTTP, _ = lookingAt(o.TokenHTTP, o.Now)
	}
	x := &examination{e: New(o), saw: saw}
	if o.Proven != nil { // where it cannot be read nothing counts as proven
		x.e.proven, _ = o.Proven(ctx)
	}
	e.mu.RLock()
	maps.Copy(x.e.disproven, e.disproven)
	maps.Copy(x.e.noPost, e.noPost)
	e.mu.RUnlock()
	x.declarations(ctx)
	x.credentials(ctx)
	x.wire()
	x.rows(ctx)
	return x.found, ctx.Err()
}

func (x *examination) fact(name, value string, good connector.Known, gap *connector.Lack) {
	x.found.Facts = append(x.found.Facts, connector.Fact{Name: name, Value: value, Good: good, Gap: gap})
}

func gap(who connector.Fixer, format string, args ...any) *connector.Lack {
	return &connector.Lack{Who: who, Text: fmt.Sprintf(format, args...)}
}

// declarations reads the CapabilityStatement.
func (x *examination) declarations(ctx context.Context) {
	base := x.e.opts.BaseURL
	if err := x.e.ready(); err != nil {
		x.baseGap = gap(connector.FixConfig, "base_url cannot be called (%v): correct it in the Chartwire configuration.", x.e.invalid)
		x.fact("FHIR base", base, connector.KnownNo, x.baseGap)
		return
	}
	declared, err := x.e.metadata(ctx)
	if err != nil {
		x.baseGap = x.unanswered("GET "+base+"/metadata", err)
		x.fact("FHIR base", base, connector.KnownNo, x.baseGap)
		return
	}
	x.e.able = abilities{known: true, declared: declared, secured: x.e.auth != nil}
	value := strings.TrimSpace(fmt.Sprintf("%s: %s %s", base, firstOf(declared.Software.Name, "unnamed software"), declared.Software.Version))
	if !declared.R4() {
		x.fact("FHIR base", value+", FHIR "+declared.FHIRVersion, connector.KnownNo, gap(connector.FixConfig,
			"%s declares FHIR %s, and Chartwire files by R4 (4.0.x): set base_url to the EHR's R4 base in the Chartwire configuration.", base, firstOf(declared.FHIRVersion, "without a version")))
		return
	}
	x.fact("FHIR base", value+", FHIR "+declared.FHIRVersion, connector.KnownYes, nil)
}

// unanswered says why a call brought nothing that can be used, and whose work that is.
func (x *examination) unanswered(call string, err error) *connector.Lack {
	var retry *connector.Retry
	var refused *connector.Refused
	status := 0
	switch {
	case errors.As(err, &retry):
		status = retry.Status
	case errors.As(err, &refused):
		status = refused.Status
	}
	switch why := x.saw.why(); {
	case why != "":
		return gap(connector.FixInterface, "%s got no answer: %s; the interface engineer must see to name, route, firewall and certificate between this machine and the EHR.", call, why)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return gap(connector.FixEHR, "%s was answered HTTP %d: the EHR administrator must let this client read it.", call, status)
	case status >= 500 || status == http.StatusTooManyRequests:
		return gap(connector.FixEHR, "%s was answered HTTP %d: ask the EHR administrator whether the EHR is up, then run doctor again.", call, status)
	case status != 0:
		return gap(connector.FixConfig, "%s was answered HTTP %d and no CapabilityStatement: base_url in the Chartwire configuration is not this EHR's FHIR base.", call, status)
	}
	return gap(connector.FixConfig, "%s was answered with something that is no CapabilityStatement: base_url in the Chartwire configuration is not this EHR's FHIR base.", call)
}

// credentials discovers the token endpoint, gets a token and compares its scopes.
func (x *examination) credentials(ctx context.Context) {
	b := x.e.auth
	if b == nil {
		x.fact("token", "none: this EHR is called without one, as an open server", connector.NotKnown, nil)
		return
	}
	if x.e.invalid != nil {
		return // nothing can be called
	}
	err := b.discover(ctx, needed(x.e.able, x.e.opts))
	if b.found == nil {
		x.tokenGap = x.undiscovered(err)
		x.fact("smart-configuration", smart.WellKnown(b.base), connector.KnownNo, x.tokenGap)
	} else {
		x.discovered(b.found)
	}
	if b.credentials.Key == nil {
		x.tokenGap = gap(connector.FixConfig, "the private key of client %q cannot be read, so no token can be asked for: put the file that backend.key_file in the Chartwire configuration names where it says.", b.credentials.ClientID)
		x.fact("key id (kid)", "the key is not there", connector.KnownNo, x.tokenGap)
		return
	}
	x.fact("key id (kid)", fmt.Sprintf("%s, %s, of client %s", b.credentials.Key.ID(), b.credentials.Key.Algorithm(), b.credentials.ClientID), connector.KnownYes, nil)
	if b.found == nil {
		return
	}
	if err == nil {
		x.e.able.granted, err = b.granted(ctx)
	}
	if err != nil {
		x.tokenGap = x.tokenless(err)
		x.fact("token", "none", connector.KnownNo, x.tokenGap)
		return
	}
	x.fact("token", "given", connector.KnownYes, nil)
	x.scopes()
}

func (x *examination) undiscovered(err error) *connector.Lack {
	call := "GET " + smart.WellKnown(x.e.opts.BaseURL)
	if why := x.saw.why(); why != "" {
		return gap(connector.FixInterface, "%s got no answer: %s; the interface engineer must see to name, route, firewall and certificate between this machine and the EHR.", call, why)
	}
	return gap(connector.FixEHR, "%s gave no smart-configuration (%v), so the token endpoint is not known: the EHR administrator must say which FHIR base has one, for base_url in the Chartwire configuration.", call, err)
}

// discovered tells what the smart-configuration says.
func (x *examination) discovered(c *smart.Configuration) {
	if c.Issuer == "" {
		x.fact("issuer", "not named", connector.NotKnown, nil)
	} else {
		x.fact("issuer", c.Issuer, connector.KnownYes, nil)
	}
	against := c.BackendFindings()
	if len(against) > 0 {
		x.fact("token endpoint", c.TokenEndpoint, connector.NotKnown, gap(connector.FixEHR,
			"the smart-configuration says %s: where no token is given, the EHR administrator must enable SMART Backend Services (private_key_jwt).", strings.Join(against, " and ")))
		return
	}
	x.fact("token endpoint", c.TokenEndpoint, connector.KnownYes, nil)
}

// tokenless says why no token was given.
func (x *examination) tokenless(err error) *connector.Lack {
	b := x.e.auth
	at := b.found.TokenEndpoint
	var token *smart.TokenError
	if !errors.As(err, &token) {
		return gap(connector.FixConfig, "no token could be asked for at %s (%v): correct backend in the Chartwire configuration.", at, err)
	}
	who, kid := b.credentials.ClientID, b.credentials.Key.ID()
	x.refused = token.Permanent()
	said := fmt.Sprintf("HTTP %d", token.Status)
	if token.Code != "" {
		said = token.Code + ", " + said
	}
	why := x.saw.why()
	switch {
	case strings.Contains(why, "origin is not configured"): // the guarded client's words
		return gap(connector.FixConfig, "the token endpoint %s is not on the host of base_url, and keys go nowhere else: add its origin to backend.origins in the Chartwire configuration, after the EHR administrator has confirmed it.", at)
	case why != "":
		return gap(connector.FixInterface, "the token endpoint %s could not be reached: %s; the interface engineer must open the way to it from this machine.", at, why)
	case token.Code == "invalid_scope":
		return gap(connector.FixEHR, "the token endpoint %s refused the scopes asked for (%s): the EHR administrator must allow client %q these: %s.", at, said, who, b.asked)
	case x.refused:
		return gap(connector.FixEHR, "the token endpoint %s refused client %q (%s): the EHR administrator must register this client id with the public key whose kid is %s, and enable it.", at, who, said, kid)
	case token.Status == http.StatusOK || token.Status == 0:
		return gap(connector.FixEHR, "the token endpoint %s gave no usable token: ask the EHR administrator what it answers client %q.", at, who)
	}
	return gap(connector.FixEHR, "the token endpoint %s answered %s: ask the EHR administrator whether it is up, then run doctor again.", at, said)
}

// scopes compares what was asked for, granted and is needed. Servers trim scopes without saying so.
func (x *examination) scopes() {
	b, a := x.e.auth, x.e.able
	asked := smart.ParseScopes(b.asked)
	trimmed, lacking := smart.Missing(a.granted, asked), smart.Missing(a.granted, needed(a, x.e.opts))
	x.fact("scopes asked for", cmp.Or(asked.String(), "none: the EHR grants what its administrator set"), connector.KnownYes, nil)
	x.fact("scopes granted", a.granted.String(), connector.KnownYes, nil)
	switch {
	case len(trimmed) == 0:
		x.fact("scopes trimmed", "none", connector.KnownYes, nil)
	case len(smart.Missing(a.granted, inBoth(trimmed, lacking))) == 0:
		x.fact("scopes trimmed", trimmed.String()+", none of which is needed", connector.NotKnown, nil)
	default:
		x.fact("scopes trimmed", trimmed.String(), connector.KnownNo, gap(connector.FixEHR,
			"client %q asked for %s and was not granted it (v1 spelling: %s): the EHR administrator must grant it where the rows below say what it is for.", b.credentials.ClientID,
			trimmed.String(), strings.Join(trimmed.Spell(true), " ")))
	}
	if len(lacking) > 0 {
		x.fact("scopes lacking", lacking.String(), connector.KnownNo, nil)
	}
}

// inBoth are the parts of needed scopes that are among the trimmed ones.
func inBoth(trimmed, lacking smart.Scopes) smart.Scopes {
	var out smart.Scopes
	for _, n := range lacking {
		if n.Other != "" && smart.Covers(trimmed, n) {
			out = append(out, n)
			continue
		}
		for _, p := range permissions {
			one := n
			if one.Can = n.Can & p; one.Can != 0 && smart.Covers(trimmed, one) {
				out = append(out, one)
			}
		}
	}
	return out
}

// wire tells of certificates and clocks, which every call above has shown.
func (x *examination) wire() {
	x.saw.mu.Lock()
	defer x.saw.mu.Unlock()
	switch u, err := url.Parse(x.e.opts.BaseURL); {
	case err == nil && u.Scheme == "http":
		x.fact("TLS chain", "none: plain http on this machine", connector.NotKnown, nil)
	case x.saw.expires.IsZero():
		x.fact("TLS chain", "not seen", connector.NotKnown, nil)
	default:
		x.found.Facts = append(x.found.Facts, connector.ChainFact(x.saw.expires, x.e.opts.Now(), "the EHR", connector.FixEHR))
	}
	switch skew := x.saw.skew; {
	case !x.saw.dated:
		x.fact("clock", "the EHR does not say its time", connector.NotKnown, nil)
	case skew.Abs() > skewWrong:
		x.fact("clock", sayskew(skew), connector.KnownNo, gap(connector.FixInterface,
			"the EHR's clock and this machine's differ by %s, and tokens are refused for less: the interface engineer must set this machine by NTP, and have the EHR's clock looked at where this one is right.", skew.Abs()))
	case skew.Abs() > skewSeen:
		x.fact("clock", sayskew(skew), connector.NotKnown, nil)
	default:
		x.fact("clock", "as this machine's", connector.KnownYes, nil)
	}
}

func sayskew(skew time.Duration) string {
	if skew < 0 {
		return "the EHR is " + skew.Abs().String() + " behind this machine"
	}
	return "the EHR is " + skew.String() + " ahead of this machine"
}
