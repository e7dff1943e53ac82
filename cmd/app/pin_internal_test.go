package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/fhir/smart"
)

// slowEHR answers 503 so many times, and then has a smart-configuration.
type slowEHR struct{ down, asked int }

const launchDocument = `{"issuer":"https://ehr.example","jwks_uri":"https://ehr.example/jwks","authorization_endpoint":"https://ehr.example/authorize",
	"token_endpoint":"https://ehr.example/token","grant_types_supported":["authorization_code"],"capabilities":["launch-ehr"],"code_challenge_methods_supported":["S256"]}`

func (e *slowEHR) RoundTrip(r *http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(launchDocument)), Request: r}
	if e.asked++; e.asked <= e.down {
		resp.StatusCode = http.StatusServiceUnavailable
	}
	return resp, nil
}

// TestREQ029And227_PinningIsTriedUntilItIsDone: what stands against it is logged once, and the tries come a minute apart at most.
func TestREQ029And227_PinningIsTriedUntilItIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, said := &slowEHR{down: 10}, &strings.Builder{}
		app, err := smart.NewApp(smart.AppConfig{Base: "https://ehr.example/fhir", ClientID: "inbox", RedirectURI: "https://cw.example/callback/mercy",
			Scopes: inboxScopes, HTTP: &http.Client{Transport: e}, Now: clock.System.Now})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- launches{"mercy": app}.run(ctx, clock.System, slog.New(slog.NewTextHandler(said, nil)))
		}()
		// 1 + 2 + 4 + … + 32 seconds, and a minute for each of the four tries after.
		for _, x := range []struct {
			after  time.Duration
			asked  int
			pinned bool
		}{{0, 1, false}, {time.Second, 2, false}, {62 * time.Second, 7, false}, {3 * time.Minute, 10, false}, {time.Minute, 11, true}, {time.Hour, 11, true}} {
			time.Sleep(x.after)
			synctest.Wait()
			if e.asked != x.asked || (app.Pinned() != nil) != x.pinned {
				t.Errorf("after %s more: asked %d times, want %d; pinned %v", x.after, e.asked, x.asked, app.Pinned() != nil)
			}
		}
		if log := said.String(); strings.Count(log, "not pinned yet") != 1 || strings.Count(log, "pinned until the next start") != 1 {
			t.Error(log)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestREQ029And227_NoPinningAfterTheEnd: a try that waits ends with serve.
func TestREQ029And227_NoPinningAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &slowEHR{down: 1 << 20}
		app, err := smart.NewApp(smart.AppConfig{Base: "https://ehr.example/fhir", ClientID: "inbox", RedirectURI: "https://cw.example/callback/mercy",
			Scopes: inboxScopes, HTTP: &http.Client{Transport: e}, Now: clock.System.Now})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute+time.Second)
		defer stop()
		if err := (launches{"mercy": app}).run(ctx, clock.System, slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
	})
}
