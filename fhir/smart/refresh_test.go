package smart

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestREQ105To108_Refresh(t *testing.T) {
	a, e, c := app(t)
	g := granted(t, a, e)
	c.forward(299 * time.Second)
	e.token["access_token"], e.token["refresh_token"] = "access-2", "refresh-2"
	e.claims["sub"], e.claims["fhirUser"] = "somebody else", "Practitioner/other" // an id_token of a refresh is not read
	next, err := a.Refresh(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	form := e.to(issuerAt + "/token")[1].form
	if form.Get("grant_type") != "refresh_token" || form.Get("refresh_token") != "refresh-1" || form.Get("client_id") != clientID || len(form) != 3 {
		t.Errorf("%v", form)
	}
	want := g
	want.Access, want.Refresh, want.Expires = "access-2", "refresh-2", c.Now().Add(300*time.Second)
	if text(next) != text(want) {
		t.Errorf("%s\nwant %s", text(next), text(want))
	}
}

func TestREQ117_RotationIsKept(t *testing.T) {
	a, e, _ := app(t)
	g := granted(t, a, e)
	for i, x := range []struct {
		answer any
		want   string
	}{{"refresh-2", "refresh-2"}, {nil, "refresh-2"}, {"", "refresh-2"}, {"refresh-3", "refresh-3"}} {
		if e.token["refresh_token"] = x.answer; x.answer == nil {
			delete(e.token, "refresh_token")
		}
		var err error
		if g, err = a.Refresh(t.Context(), g); err != nil || g.Refresh != x.want {
			t.Errorf("%d: %q %v", i, g.Refresh, err)
		}
	}
}

func TestDuty32_RefreshIsOneFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, e, _ := app(t)
		g := granted(t, a, e)
		e.token["refresh_token"], e.hold = "refresh-2", make(chan struct{})
		var all sync.WaitGroup
		// The first gives up: the call goes on for the others, and its rotated token is not lost.
		ctx, cancel := context.WithCancel(context.Background())
		all.Go(func() {
			if _, err := a.Refresh(ctx, g); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		for range 50 {
			all.Go(func() {
				if next, err := a.Refresh(context.Background(), g); err != nil || next.Refresh != "refresh-2" {
					t.Errorf("%v %v", next, err)
				}
			})
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(e.hold)
		all.Wait()
		if n := len(e.to(issuerAt+"/token")) - 1; n != 1 {
			t.Errorf("%d refreshes", n)
		}
		if len(a.renewals) != 0 {
			t.Error("a finished refresh is kept, with its token")
		}
	})
}

func TestDuty32_WhatEndsASession(t *testing.T) {
	for name, x := range map[string]struct {
		change map[string]any
		status int
		code   string
	}{
		"revoked":         {map[string]any{"error": "invalid_grant"}, 400, Expired},
		"client refused":  {map[string]any{"error": "invalid_client"}, 401, TokenRefused},
		"down":            {nil, 502, Unreachable},
		"another patient": {map[string]any{"patient": "sophie"}, 200, ContextChanged},
		"the same":        {map[string]any{"patient": "daniel"}, 200, ""},
		"none":            {map[string]any{"patient": nil, "scope": nil}, 200, ""},
	} {
		a, e, _ := app(t)
		g := granted(t, a, e)
		for k, v := range x.change {
			if e.token[k] = v; v == nil {
				delete(e.token, k)
			}
		}
		e.status = x.status
		next, err := a.Refresh(t.Context(), g)
		if x.code == "" && (err != nil || next.Patient != "daniel" || len(next.Missing) != 0) || x.code != "" && codeOf(t, err) != x.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	a, e, _ := app(t)
	g := granted(t, a, e)
	g.Refresh = ""
	if _, err := a.Refresh(t.Context(), g); codeOf(t, err) != Expired || len(e.to(issuerAt+"/token")) != 1 {
		t.Errorf("no refresh token: %v", err)
	}
}

func TestREQ147_ARefreshMayNarrow(t *testing.T) {
	a, e, _ := app(t)
	g := granted(t, a, e)
	e.token["scope"] = "openid fhirUser online_access user/Patient.rs"
	if next, err := a.Refresh(t.Context(), g); err != nil || next.Missing.String() != "user/Communication.crus" {
		t.Errorf("%v %v", next.Missing, err)
	}
}

func TestDuty35_Revoke(t *testing.T) {
	a, e, _ := app(t, func(c *AppConfig) { c.Secret = "s" })
	g := granted(t, a, e)
	if err := a.Revoke(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	calls := e.to(issuerAt + "/revoke")
	if len(calls) != 2 {
		t.Fatalf("%d calls", len(calls))
	}
	for i, want := range [][2]string{{"refresh-1", "refresh_token"}, {"access-1", "access_token"}} {
		f := calls[i].form
		if f.Get("token") != want[0] || f.Get("token_type_hint") != want[1] || calls[i].header.Get("Authorization") == "" || calls[i].method != "POST" {
			t.Errorf("%+v", calls[i])
		}
	}
	a, e, _ = app(t)
	delete(e.conf, "revocation_endpoint")
	if err := a.Revoke(t.Context(), granted(t, a, e)); err != nil {
		t.Errorf("no endpoint: %v", err)
	}
	a, e, _ = app(t)
	e.conf["revocation_endpoint"] = "https://ehr.example/revoke"
	e.fhir = answers(503)
	if err := a.Revoke(t.Context(), granted(t, a, e)); codeOf(t, err) != RevocationFails {
		t.Errorf("%v", err)
	}
}

// What came for another patient is used by nobody, so it is ended; who asked does not wait for that.
func TestDuty32_TokensOfAnotherPatientAreRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, e, _ := app(t)
		g := granted(t, a, e)
		e.token["patient"], e.token["access_token"], e.token["refresh_token"] = "sophie", "access-2", "refresh-2"
		if _, err := a.Refresh(t.Context(), g); codeOf(t, err) != ContextChanged {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		var revoked []string
		for _, call := range e.to(issuerAt + "/revoke") {
			revoked = append(revoked, call.form.Get("token"))
		}
		if !slices.Equal(revoked, []string{"refresh-2", "access-2"}) {
			t.Errorf("revoked %q", revoked)
		}
	})
}

// Tokens of a launch that came to nothing are used by nobody either.
func TestTokensOfAFailedLaunchAreRevoked(t *testing.T) {
	for name, spoil := range map[string]func(e *ehrSide){
		"no scope":      func(e *ehrSide) { delete(e.token, "scope") },
		"no id_token":   func(e *ehrSide) { e.claims = nil },
		"other's nonce": func(e *ehrSide) { e.claims["nonce"] = "another" },
		"no patient id": func(e *ehrSide) { e.token["patient"] = "a/b" },
	} {
		a, e, _ := app(t)
		s := begin(t, a, e)
		spoil(e)
		if _, err := a.Exchange(t.Context(), "code-1", s); err == nil {
			t.Errorf("%s: somebody is signed in", name)
		}
		var revoked []string
		for _, call := range e.to(issuerAt + "/revoke") {
			revoked = append(revoked, call.form.Get("token"))
		}
		if !slices.Equal(revoked, []string{"refresh-1", "access-1"}) {
			t.Errorf("%s: revoked %q", name, revoked)
		}
	}
	a, e, _ := app(t)
	e.status, e.token["error"] = 400, "invalid_grant"
	if _, err := exchange(t, a, e); err == nil || len(e.to(issuerAt+"/revoke")) != 0 {
		t.Errorf("%v, and %d calls to end what never came", err, len(e.to(issuerAt+"/revoke")))
	}
}
