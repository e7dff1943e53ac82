package web_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/connector/web"
)

// holdSecurityHeaders is asked of every answer of every test.
func (w *world) holdSecurityHeaders(h http.Header) {
	w.t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Content-Security-Policy": "frame-ancestors 'none'",
		"Strict-Transport-Security": "max-age=", "Cache-Control": "",
	} {
		if got := h.Get(name); got == "" || !strings.Contains(got, want) {
			w.t.Errorf("%s is %q", name, got)
		}
	}
}

func TestAddressesThatAreNotThere(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/", "/console/", "/metrics", "/healthz", "/readyz", "/api", "/channels/texting", "/ehrs/mercy/notify/x"} {
		w.do(http.MethodGet, path, "").want(t, 404, "address")
	}
	w.do(http.MethodGet, "/channels/texting/events", "").want(t, 405, "address")
	w.do(http.MethodPut, "/.well-known/jwks.json", "").want(t, 405, "address")
}

// TestEveryAPIRouteNeedsAToken walks the routes, so that a route added later is in it.
func TestEveryAPIRouteNeedsAToken(t *testing.T) {
	w := newWorld(t)
	w.post("e-1", said("t-1", "m-1", "u-1", "It itches")).want(t, 202, "")
	routes := 0
	for _, route := range w.server.Routes() {
		method, path, _ := strings.Cut(route, " ")
		if !strings.HasPrefix(path, "/api/v1") {
			continue
		}
		routes++
		path = strings.ReplaceAll(path, ":id", "texting:t-1")
		for _, authorization := range []string{"", "Bearer", "Bearer ", "Bearer nobody", "Basic desk", "Bearer  desk", "desk"} {
			a := w.do(method, path, `{"text":"x"}`, "Authorization", authorization, "Content-Type", "application/json").want(t, 401, "token")
			if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
				t.Error("the caller is not told what is wanted")
			}
		}
	}
	if routes < 3 {
		t.Fatalf("walked %d routes: this test checks nothing", routes)
	}
	if want := 7 * routes; len(w.store.refusals) != want || w.store.refusals[0] != "api 192.0.2.1 token" {
		t.Errorf("counted %d refusals, want %d", len(w.store.refusals), want)
	}
	w.api("desk", http.MethodGet, "/api/v1/threads/texting:t-1", "").want(t, 200, "")
	w.do(http.MethodGet, "/api/v1/threads/texting:t-1", "", "Authorization", "bearer desk").want(t, 200, "") // the scheme has no case
}

// TestPathTricks: no other spelling of an API address gets past its token.
func TestPathTricks(t *testing.T) {
	w := newWorld(t)
	w.post("e-1", said("t-1", "m-1", "u-1", "It itches")).want(t, 202, "")
	for _, path := range []string{
		"/api/v1/threads/texting%3At-1", "/api/v1/threads/texting:t-1%2Fmessages", "/api/v1/threads/..%2F..%2F..%2F.well-known%2Fjwks.json",
		"/api/v1/threads/texting:t-1?x=/.well-known/jwks.json", "/api/v1/nothing/here", "/api/v1/", "/api/v1",
		"/api/v1/threads/%00", "/api/v1/threads/texting:t-1;jsessionid=1",
	} {
		a := w.do(http.MethodGet, path, "")
		if a.status != 401 {
			t.Errorf("%s answered %d without a token", path, a.status)
		}
	}
	for _, path := range []string{
		"/api%2Fv1/threads/texting:t-1", "//api/v1/threads/texting:t-1", "/API/v1/threads/texting:t-1", "/api/v1%2Fthreads/texting:t-1",
		"/./api/v1/threads/texting:t-1", "/x/../api/v1/threads/texting:t-1", "/%61pi/v1/threads/texting:t-1/", "/api/./v1/threads/texting:t-1",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path, r.URL.RawPath = path, path
		rec := httptest.NewRecorder()
		w.server.Public().ServeHTTP(rec, r)
		if rec.Code != 401 && rec.Code != 404 || strings.Contains(rec.Body.String(), "itches") {
			t.Errorf("%s answered %d: %s", path, rec.Code, rec.Body)
		}
	}
	// With the token, the escaped id is the thread it names.
	w.api("desk", http.MethodGet, "/api/v1/threads/texting%3At-1", "").want(t, 200, "")
	w.api("desk", http.MethodGet, "/api/v1/threads/texting:t-1%2Fmessages", "").want(t, 404, "thread")
}

// TestPanic: a panic is a 500 that tells neither the caller nor the log what the value was, since it may be PHI.
func TestPanic(t *testing.T) {
	w := newWorld(t)
	for _, value := range []any{"Theo Whitlock has a rash", errors.New("Theo Whitlock has a rash"), map[string]string{"name": "Theo Whitlock"}} {
		w.channel.fail = value
		a := w.post("e-1", said("t-1", "m-1", "u-1", "It itches")).want(t, 500, "internal")
		if strings.Contains(string(a.body)+w.log.String(), "Whitlock") {
			t.Errorf("the value of a panic of type %T was told: %s %s", value, a.body, w.log)
		}
	}
	if !strings.Contains(w.log.String(), "/channels/:name/events") {
		t.Errorf("the log does not say where: %s", w.log)
	}
	w.channel.fail = nil
	w.post("e-1", said("t-1", "m-1", "u-1", "It itches")).want(t, 202, "")
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := web.New(web.Options{}); err == nil {
		t.Error("a server without a store was made")
	}
}

// TestDefaults: what may be left out of the options does not fail a request.
func TestDefaults(t *testing.T) {
	w := newWorld(t)
	w.serve(func(o *web.Options) { o.JWKS, o.Notify, o.Patient, o.Log, o.Metrics = nil, nil, nil, nil, nil })
	if a := w.do(http.MethodGet, "/.well-known/jwks.json", "").want(t, 200, ""); string(a.body) != `{"keys":[]}` {
		t.Errorf("no keys are %s", a.body)
	}
	w.do(http.MethodPost, "/ehrs/mercy/notify", "", "X-Chartwire-Notify", notifySecret).want(t, 200, "")
	w.api("desk", http.MethodPost, "/api/v1/patients/pt-theo/threads", `{"channel":"texting","text":"x"}`).want(t, 404, "patient")
}
