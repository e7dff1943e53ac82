package auth_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/fhir/smart"
	"github.com/go-jose/go-jose/v4"
)

// appNeeds is what the inbox asks for.
const appNeeds = "openid fhirUser online_access user/Patient.rs user/Communication.crus"

var practitioner = auth.Launch{Patient: "daniel", Encounter: "visit", User: "Practitioner/ana", UserName: "Ana Rivera", Intent: "reply"}

// app is a client of fhir/smart at this server, which then serves FHIR's discovery and one resource too.
func (w *world) app(client string, change ...func(*smart.AppConfig)) *smart.App {
	w.t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/auth/", w.Server)
	mux.HandleFunc("/fhir/.well-known/smart-configuration", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(w.SMARTConfiguration()) })
	mux.HandleFunc("/fhir/Practitioner/ana", func(rw http.ResponseWriter, r *http.Request) {
		if _, err := w.Authenticate(r); err != nil {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = rw.Write([]byte(`{"resourceType":"Practitioner","id":"ana"}`))
	})
	w.serve = mux
	cfg := smart.AppConfig{
		Base: w.web.URL + "/fhir", ClientID: client, RedirectURI: redirect, Scopes: smart.ParseScopes(appNeeds), HTTP: w.web.Client(), Now: w.clock.Now,
	}
	for _, f := range change {
		f(&cfg)
	}
	return must(smart.NewApp(cfg))
}

func signsWith(key any, kid string) func(*smart.AppConfig) {
	return func(c *smart.AppConfig) {
		c.Key = must(smart.LoadKey(must(jose.JSONWebKey{Key: key, KeyID: kid}.MarshalJSON())))
	}
}

// browse does what the browser does with a Start, and gives what the callback got.
func (w *world) browse(s smart.Start) url.Values {
	w.t.Helper()
	var a answer
	if s.Form != nil {
		req := must(http.NewRequestWithContext(w.t.Context(), "POST", s.URL, strings.NewReader(s.Form.Encode())))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		a = w.do(req)
	} else {
		a = w.do(must(http.NewRequestWithContext(w.t.Context(), "GET", s.URL, nil)))
	}
	location := a.header.Get("Location")
	if a.status != http.StatusFound || !strings.HasPrefix(location, redirect+"?") {
		w.t.Fatalf("%d %v %s", a.status, a.body, location)
	}
	got := must(url.Parse(location)).Query()
	if got.Get("state") != s.State {
		w.t.Errorf("REQ#59: state %q", got.Get("state"))
	}
	return got
}

// launch runs an EHR launch to the code, and says how to exchange it.
func (w *world) launch(a *smart.App, l auth.Launch) (code string, s smart.Start) {
	w.t.Helper()
	s = must(a.Authorize(w.t.Context(), w.NewLaunch(l)))
	got := w.browse(s)
	if got.Get("code") == "" {
		w.t.Fatalf("%v", got)
	}
	return got.Get("code"), s
}

func (w *world) signIn(a *smart.App) smart.Grant {
	w.t.Helper()
	code, s := w.launch(a, practitioner)
	g, err := a.Exchange(w.t.Context(), code, s)
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

func failedAs(t *testing.T, err error, code string) {
	t.Helper()
	var e *smart.LaunchError
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("%v, want %s", err, code)
	}
}

func TestAppLaunches(t *testing.T) {
	for name, x := range map[string]struct {
		client string
		change func(*smart.AppConfig)
	}{
		"asymmetric ES384": {"inbox", signsWith(ecKey(), "ec-1")},
		"asymmetric RS384": {"inbox", signsWith(rsaKey(), "rsa-1")},
		"symmetric":        {"symmetric", func(c *smart.AppConfig) { c.Secret = "s3cret" }},
		"public":           {"public", func(*smart.AppConfig) {}},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			a := w.app(x.client, x.change)
			g := w.signIn(a)
			if g.Patient != "daniel" || g.Encounter != "visit" || g.Intent != "reply" || g.User != "Practitioner/ana" || g.Name != "Ana Rivera" || !g.Banner || len(g.Missing) != 0 {
				t.Errorf("%+v", fields(g))
			}
			if body, err := a.Get(t.Context(), g.Access, g.User); err != nil || !strings.Contains(string(body), `"ana"`) {
				t.Errorf("%s %v", body, err)
			}
			next, err := a.Refresh(t.Context(), g)
			if err != nil || next.Refresh == g.Refresh || next.Access == g.Access || next.User != g.User || next.Patient != "daniel" {
				t.Errorf("%+v %v", fields(next), err)
			}
			if err := a.Revoke(t.Context(), next); err != nil {
				t.Error(err)
			}
			_, err = a.Get(t.Context(), next.Access, g.User)
			var refused *smart.GetError
			if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized {
				t.Errorf("a revoked token: %v", err)
			}
			_, err = a.Refresh(t.Context(), next)
			failedAs(t, err, smart.Expired)
		})
	}
}

// fields are a grant's for a failing test; a Grant itself prints nothing.
func fields(g smart.Grant) string {
	return fmt.Sprint(g.Patient, g.Encounter, g.Intent, g.User, g.Name, g.Banner, g.Scopes, g.Missing)
}

// The EHR would have its user choose a patient, and the app does not ask for one.
func TestAppStandsAlone(t *testing.T) {
	w := start(t)
	a := w.app("public")
	s := must(a.Authorize(t.Context(), ""))
	g, err := a.Exchange(t.Context(), w.browse(s).Get("code"), s)
	if err != nil || g.Patient != "" || g.Encounter != "" || g.User != "Practitioner/ana" || len(g.Missing) != 0 {
		t.Errorf("%s %v", fields(g), err)
	}
}

func TestAppWithoutAPatient(t *testing.T) {
	w := start(t)
	a := w.app("public")
	code, s := w.launch(a, auth.Launch{User: "Practitioner/ana"})
	if g, err := a.Exchange(t.Context(), code, s); err != nil || g.Patient != "" || g.User != "Practitioner/ana" {
		t.Errorf("%s %v", fields(g), err)
	}
}

func TestAppExchangesACodeOnceAndInTime(t *testing.T) {
	w := start(t)
	a := w.app("inbox", signsWith(ecKey(), "ec-1"))
	code, s := w.launch(a, practitioner)
	w.clock.Add(60 * time.Second)
	_, err := a.Exchange(t.Context(), code, s)
	failedAs(t, err, smart.Expired)

	code, s = w.launch(a, practitioner)
	g, err := a.Exchange(t.Context(), code, s)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Exchange(t.Context(), code, s)
	failedAs(t, err, smart.Expired)
	if _, err := a.Get(t.Context(), g.Access, "Practitioner/ana"); err == nil {
		t.Error("the token of a replayed code still works")
	}
	// A code with another launch's verifier.
	code, _ = w.launch(a, practitioner)
	_, other := w.launch(a, practitioner)
	_, err = a.Exchange(t.Context(), code, other)
	failedAs(t, err, smart.Expired)
}

func TestAppRefreshTokens(t *testing.T) {
	t.Run("a spent one ends the session", func(t *testing.T) {
		w := start(t)
		a := w.app("symmetric", func(c *smart.AppConfig) { c.Secret = "s3cret" })
		first := w.signIn(a)
		second := must(a.Refresh(t.Context(), first))
		third := must(a.Refresh(t.Context(), second))
		_, err := a.Refresh(t.Context(), first)
		failedAs(t, err, smart.Expired)
		_, err = a.Refresh(t.Context(), third)
		failedAs(t, err, smart.Expired)
	})
	t.Run("revoked by the EHR", func(t *testing.T) {
		w := start(t)
		a := w.app("public")
		g := w.signIn(a)
		w.RevokeRefreshTokens()
		_, err := a.Refresh(t.Context(), g)
		failedAs(t, err, smart.Expired)
	})
	t.Run("not rotated", func(t *testing.T) {
		w := start(t, func(o *auth.Options) { o.KeepRefresh = true })
		a := w.app("public")
		g := w.signIn(a)
		for range 3 {
			next, err := a.Refresh(t.Context(), g)
			if err != nil || next.Refresh != g.Refresh || next.Access == g.Access {
				t.Fatal(err)
			}
			g = next
		}
	})
}

func TestAppSeesForgedIDTokens(t *testing.T) {
	for _, f := range []auth.Forgery{
		auth.AlgNone, auth.HMAC, auth.WrongKey, auth.WrongAud, auth.WrongNonce, auth.WrongIssuer, auth.Stale, auth.ForeignUser, auth.WithoutToken,
	} {
		t.Run(string(f), func(t *testing.T) {
			w := start(t)
			a := w.app("public")
			w.Forge(f)
			code, s := w.launch(a, practitioner)
			_, err := a.Exchange(t.Context(), code, s)
			failedAs(t, err, smart.IDToken)
			w.Forge(auth.Genuine)
			w.signIn(a)
		})
	}
	w := start(t)
	a := w.app("public")
	w.Forge(auth.WithoutUser)
	if g := w.signIn(a); g.User != "" || g.Missing != nil || g.Subject == "" {
		t.Errorf("%s", fields(g)) // fhirUser was granted by name: the caller sees that nobody is named
	}
}

func TestAppAtIssuersOfOtherKinds(t *testing.T) {
	for name, change := range map[string]func(*auth.Options){
		"key ids left out": func(o *auth.Options) { o.NoKeyID = true },
		"its own issuer":   func(o *auth.Options) { o.OpenID = "/realms/clinic" },
	} {
		t.Run(name, func(t *testing.T) {
			var issuer string
			w := start(t, change, func(o *auth.Options) {
				if o.OpenID != "" {
					issuer = o.Issuer + o.OpenID
				}
			})
			a := w.app("public", func(c *smart.AppConfig) { c.Issuer = issuer })
			w.signIn(a)
			w.SwapKeys() // our copy of the keys is of no use any more
			w.signIn(a)
			if issuer == "" {
				return
			}
			other := w.app("public") // not told of it
			code, s := w.launch(other, practitioner)
			_, err := other.Exchange(t.Context(), code, s)
			failedAs(t, err, smart.IDToken)
		})
	}
}

func TestAppIsDenied(t *testing.T) {
	w := start(t)
	a := w.app("public")
	w.Deny("access_denied")
	got := w.browse(must(a.Authorize(t.Context(), w.NewLaunch(practitioner))))
	if got.Get("error") != "access_denied" || got.Has("code") {
		t.Fatalf("%v", got)
	}
	failedAs(t, smart.DeniedBy(got.Get("error")), smart.Denied)
	w.Deny("")
	w.signIn(a)
	// aud is not the base byte for byte: the server says so, and the app would have to be configured otherwise.
	slash := w.app("public", func(c *smart.AppConfig) { c.Base += "/" })
	got = w.browse(must(slash.Authorize(t.Context(), w.NewLaunch(practitioner))))
	if !strings.Contains(got.Get("error_description"), "REQ#41") {
		t.Errorf("%v", got)
	}
}

func TestAppPostsLongScopes(t *testing.T) {
	long := appNeeds
	for i := range 60 {
		long += fmt.Sprintf(" user/Observation.rs?code=http://loinc.org|%d-1", 10000+i)
	}
	w := start(t)
	if err := w.Register(auth.Client{ID: "long", Scopes: appScopes + " user/Observation.rs", RedirectURIs: []string{redirect}}); err != nil {
		t.Fatal(err)
	}
	a := w.app("long", func(c *smart.AppConfig) { c.Scopes = smart.ParseScopes(long) })
	if s := must(a.Authorize(t.Context(), "x")); s.Form == nil {
		t.Fatal("not posted")
	}
	if g := w.signIn(a); len(g.Missing) != 0 {
		t.Errorf("%s", fields(g))
	}
}

func TestAppNamesWhatWasTrimmed(t *testing.T) {
	w := start(t)
	a := w.app("public", func(c *smart.AppConfig) { c.Scopes = smart.ParseScopes(appNeeds + " user/Task.cru") })
	if g := w.signIn(a); g.Missing.String() != "user/Task.cru" {
		t.Errorf("%s", fields(g))
	}
}
