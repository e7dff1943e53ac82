package fhir

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
	"github.com/chartwire/chartwire/fhir/r4"
	"github.com/chartwire/chartwire/fhir/smart"
)

// Open learns what the connection can do: the CapabilityStatement, then a token and what it grants. Errors: *Retry where
// the EHR or its token endpoint did not answer; *Refused with Unauthorized where our credentials were refused,
// ScopeMissing where nothing can be filed with what is granted, Unproven where that waits for a probe alone. Detail says what is missing and who must fix it.
func (e *EHR) Open(ctx context.Context) (connector.Traits, error) {
	if err := e.ready(); err != nil {
		return connector.Traits{}, err
	}
	declared, err := e.metadata(ctx)
	if err != nil {
		return connector.Traits{}, err
	}
	a := abilities{known: true, declared: declared, secured: e.auth != nil}
	if e.auth != nil {
		if a.granted, err = e.token(ctx, a); err != nil {
			return connector.Traits{}, err
		}
		a.secured = !e.opts.Quirks.NoScopes || slices.ContainsFunc(a.granted, isResource) // else what is granted shows when it is used
	}
	var proven []string
	if e.opts.Proven != nil {
		if proven, err = e.opts.Proven(ctx); err != nil {
			return connector.Traits{}, &connector.Retry{Reason: connector.EHRUnavailable, Cause: errors.New("what was proven of the connection could not be read")}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.able, e.proven = a, proven
	s := e.strategy()
	if doubted := e.doubted(); s == "" && len(doubted) > 0 {
		return connector.Traits{Missing: e.missing(), Unproven: doubted}, &connector.Refused{Reason: connector.Unproven, Detail: connector.Protect(unproven(e.opts.Name, doubted))}
	}
	if s == "" {
		return connector.Traits{Missing: e.missing()}, &connector.Refused{Reason: connector.ScopeMissing, Detail: connector.Protect(e.why())}
	}
	return e.traits(s), nil
}

// isResource says whether a granted scope is one of FHIR resources: an EHR that is asked for no scope may name none, or name its
// APIs.
func isResource(s smart.Scope) bool { return s.Level != "" }

// metadata reads the CapabilityStatement, without a token where the EHR shows it to everyone, as R4 asks (http §3.1.0.10).
func (e *EHR) metadata(ctx context.Context) (r4.Capability, error) {
	c, err := e.anon.Capability(ctx)
	var failed *client.Error
	if e.auth != nil && errors.As(err, &failed) && (failed.Status == 401 || failed.Status == 403) {
		if _, err := e.token(ctx, abilities{}); err != nil {
			return c, err
		}
		c, err = e.client.Capability(ctx)
	}
	if err != nil {
		return c, readError(err)
	}
	return c, nil
}

// token discovers the token endpoint and gets a token.
func (e *EHR) token(ctx context.Context, a abilities) (smart.Scopes, error) {
	if err := e.auth.discover(ctx, needed(a, e.opts)); err != nil {
		return nil, tokenError(err)
	}
	granted, err := e.auth.granted(ctx)
	if err != nil {
		return nil, tokenError(err)
	}
	return granted, nil
}

// tokenError tells a lasting refusal, which needs a person at the EHR or here, from a passing failure.
func tokenError(err error) error {
	var token *smart.TokenError
	if errors.As(err, &token) {
		if token.Permanent() {
			return &connector.Refused{Reason: connector.Unauthorized, Status: token.Status, Codes: nonEmpty(token.Code),
				Detail: connector.Protect(token.Error() + "; have the EHR administrator check the client id, its public key and its scopes")}
		}
		return &connector.Retry{Reason: connector.EHRUnavailable, Status: token.Status, After: token.After, Cause: errors.New(token.Error())}
	}
	return &connector.Retry{Reason: connector.EHRUnavailable, Cause: errors.New("the SMART configuration or token could not be read")}
}

// why says what keeps the connection from filing, and who can change that. Callers hold e.mu.
func (e *EHR) why() string {
	var parts []string
	for _, s := range e.opts.wanted() {
		if s == connector.AsVendorCall {
			parts = append(parts, "the token was not granted "+joined(e.callMissing()))
		}
		for _, kind := range e.opts.written(s) {
			if why := e.whyNot(kind); why != "" && !slices.Contains(parts, why) {
				parts = append(parts, why)
			}
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "filing.as names no strategy a FHIR connection can do")
	}
	return strings.Join(parts, "; ") + ". The EHR administrator must enable one of them for this client, or filing.as must name another strategy."
}

// unproven says what has to be done before the connection files anything.
func unproven(name string, interactions []string) string {
	return strings.Join(interactions, ", ") + " is declared and granted, and nothing has shown yet that it works here, so nothing is written. " +
		"Name a test patient in probe.patient and run: chartwire doctor --ehr " + name + " --probe. Filing goes on by itself once the probe's entry is on that patient's chart."
}

// whyNot says what keeps entries of a type from being created, "" where nothing does. Callers hold e.mu.
func (e *EHR) whyNot(kind string) string {
	switch {
	case e.can(kind, "create"):
		return ""
	case !e.able.declares(kind, "create"):
		return "the CapabilityStatement does not declare create of " + kind
	case e.opts.Quirks.denies(kind + " create"):
		return "create of " + kind + " is declared, and is not what it seems"
	case !e.able.grants(kind, "create"):
		return "the token was not granted system/" + kind + ".c"
	default:
		return "the EHR answered that it does not know create of " + kind
	}
}

func nonEmpty(list ...string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}
