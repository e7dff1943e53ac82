package smart

import (
	"context"
	"net/url"
)

// renewal is a refresh under way; done is closed when grant or err is set.
type renewal struct {
	done  chan struct{}
	grant Grant
	err   error
}

// Refresh renews a Grant by its refresh token (REQ 105–117). The new Grant replaces the old one whole: where the EHR rotates,
// the old refresh token is spent, and using it again can end the sign-in. Calls with the same refresh token at the same time
// are one; that a session's later calls use the newer Grant is the caller's to see to. Who signed in and in which context does
// not change by a refresh, so the answer's id_token is not read; another patient is refused, and what came for them is revoked. ctx bounds the wait, not the
// call: an answer that nobody waited for would be a rotated token lost. Errors: a [*LaunchError], Expired where only a new
// launch helps, or ctx's.
func (a *App) Refresh(ctx context.Context, g Grant) (Grant, error) {
	if g.Refresh == "" {
		return Grant{}, &LaunchError{Code: Expired, Detail: "the EHR gave no refresh token"}
	}
	a.mu.Lock()
	r := a.renewals[g.Refresh]
	if r == nil {
		r = &renewal{done: make(chan struct{})}
		a.renewals[g.Refresh] = r
		go a.renew(context.WithoutCancel(ctx), g, r)
	}
	a.mu.Unlock()
	select {
	case <-r.done:
		return r.grant, r.err
	case <-ctx.Done():
		return Grant{}, ctx.Err()
	}
}

// renew makes the call and says what came of it. Tokens that nobody will use are ended at the EHR after that, so that nobody
// waits for it; where the EHR does not do it they end by themselves.
func (a *App) renew(ctx context.Context, g Grant, r *renewal) {
	var unused Grant
	r.grant, unused, r.err = a.refresh(ctx, g)
	a.mu.Lock()
	delete(a.renewals, g.Refresh)
	close(r.done)
	a.mu.Unlock()
	if unused.Access != "" {
		_ = a.Revoke(ctx, unused)
	}
}

// refresh gives the new Grant, or the tokens that came and are not to be used.
func (a *App) refresh(ctx context.Context, g Grant) (renewed, unused Grant, err error) {
	conf, err := a.Pin(ctx)
	if err != nil {
		return Grant{}, Grant{}, err
	}
	token, err := a.call(ctx, conf, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {g.Refresh}})
	if err != nil {
		return Grant{}, Grant{}, err
	}
	if patient, told := token.Extra("patient").(string); told && patient != "" && patient != g.Patient {
		return Grant{}, Grant{Access: token.AccessToken, Refresh: token.RefreshToken}, &LaunchError{Code: ContextChanged}
	}
	g.Access, g.Expires = token.AccessToken, token.Expiry.UTC()
	g.Refresh = token.RefreshToken // x/oauth2 gives the one we sent where the answer has none
	if scopes, told := scopeOf(token); told {
		g.Scopes = scopes
	}
	g.Missing = g.missing(a.cfg.Scopes)
	return g, Grant{}, nil
}

// Revoke ends a Grant at the EHR (RFC 7009), the refresh token first: whatever comes of it the caller's session is over. nil
// where the EHR has no revocation_endpoint. The error is a [*LaunchError].
func (a *App) Revoke(ctx context.Context, g Grant) error {
	conf, err := a.Pin(ctx)
	if err != nil {
		return err
	}
	if conf.RevocationEndpoint == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	for _, t := range []struct{ token, hint string }{{g.Refresh, "refresh_token"}, {g.Access, "access_token"}} {
		if t.token == "" {
			continue
		}
		form := url.Values{"token": {t.token}, "token_type_hint": {t.hint}}
		if err := a.credentials().post(ctx, a.cfg.HTTP, conf.RevocationEndpoint, conf.TokenEndpoint, form); err != nil {
			failed := launchError(err)
			failed.Code = RevocationFails
			return failed
		}
	}
	return nil
}
