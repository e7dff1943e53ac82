package smart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/fhir/client"
)

const workers = 64

// gather asks with 64 goroutines at once while the endpoint holds its answer, so that all of them
// are waiting for it.
func gather(t *testing.T, b *Backend, e *endpoint) []string {
	t.Helper()
	e.hold = make(chan struct{})
	out := make([]string, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			token, err := b.TokenContext(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			out[i] = token.AccessToken
		})
	}
	synctest.Wait()
	close(e.hold)
	wg.Wait()
	return out
}

func TestOneTokenCallPerExpiry(t *testing.T) {
	testKey(t, ES384) // made outside the bubble
	synctest.Test(t, func(t *testing.T) {
		b, e, c := backend(t, ES384)
		for round := 1; round <= 3; round++ {
			want := fmt.Sprintf("token-%d", round)
			for _, got := range gather(t, b, e) {
				if got != want {
					t.Errorf("%s, want %s", got, want)
				}
			}
			if e.count() != round {
				t.Fatalf("%d calls after %d expiries", e.count(), round)
			}
			c.forward(239 * time.Second) // not yet: renewed 60 s early
			if _, err := b.Token(); err != nil || e.count() != round {
				t.Fatalf("renewed too early (%v)", err)
			}
			c.forward(2 * time.Second)
		}
	})
}

func TestOne401MakesOneNewToken(t *testing.T) {
	testKey(t, ES384)
	synctest.Test(t, func(t *testing.T) {
		b, e, _ := backend(t, ES384)
		old, err := b.Token()
		if err != nil {
			t.Fatal(err)
		}
		for range workers {
			b.Invalidate(old.AccessToken)
		}
		gather(t, b, e)
		for range workers {
			b.Invalidate(old.AccessToken) // late 401s of the old token
		}
		if token, err := b.Token(); err != nil || token.AccessToken != "token-2" || e.count() != 2 {
			t.Errorf("%v after %d calls (%v)", token, e.count(), err)
		}
	})
}

// The whole of it: 64 workers meet a server that has revoked their token.
func Test64WorkersMeetARevokedToken(t *testing.T) {
	b, e, _ := backend(t, ES384)
	if _, err := b.Token(); err != nil {
		t.Fatal(err)
	}
	ehr := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token-2" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `{"resourceType":"Patient","id":"1"}`)
	}))
	defer ehr.Close()
	c, err := client.New(client.Config{HTTP: ehr.Client(), Base: ehr.URL, Auth: b, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			if _, err := c.Read(context.Background(), "Patient/1", "Patient"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if e.count() != 2 {
		t.Errorf("%d token calls, want 2", e.count())
	}
}

func TestREQ147_GrantedScopesAreKept(t *testing.T) {
	b, e, c := backend(t, ES384)
	if b.Granted() != nil {
		t.Error("granted before the first token")
	}
	if _, err := b.Token(); err != nil {
		t.Fatal(err)
	}
	if got := b.Granted().String(); got != "system/Communication.crs" {
		t.Errorf("granted %q", got)
	}
	needed := ParseScopes("system/Communication.crs system/Patient.rs")
	if got := Missing(b.Granted(), needed).String(); got != "system/Patient.rs" {
		t.Errorf("missing %q", got)
	}
	// No scope in the answer means what was asked for.
	e.reply = func(int) (int, http.Header, string) {
		return 200, nil, `{"access_token":"x","token_type":"Bearer","expires_in":"60"}`
	}
	c.forward(time.Hour)
	if _, err := b.Token(); err != nil || len(Missing(b.Granted(), needed)) != 0 {
		t.Errorf("%v %v", b.Granted(), err)
	}
}

func TestTokenLifetimes(t *testing.T) {
	for expires, want := range map[string]time.Duration{
		`300`: 240 * time.Second, `"300"`: 240 * time.Second, `3600`: 3540 * time.Second, `8`: 6 * time.Second, `null`: 240 * time.Second, `-1`: 240 * time.Second,
	} {
		b, e, c := backend(t, ES384)
		e.reply = func(int) (int, http.Header, string) {
			return 200, nil, `{"access_token":"x","token_type":"Bearer","expires_in":` + expires + `}`
		}
		if _, err := b.Token(); err != nil {
			t.Errorf("%s: %v", expires, err)
			continue
		}
		c.forward(want - time.Millisecond)
		_, _ = b.Token()
		early := e.count()
		c.forward(time.Millisecond)
		_, _ = b.Token()
		if early != 1 || e.count() != 2 {
			t.Errorf("expires_in %s: %d calls just before %v, %d at it", expires, early, want, e.count())
		}
	}
}

func TestTokenErrorsKeepOnlyTheCode(t *testing.T) {
	const secret = "Zebra"
	for name, x := range map[string]struct {
		status    int
		header    http.Header
		body      string
		code      string
		permanent bool
		after     time.Duration
	}{
		"invalid_client": {400, nil, `{"error":"invalid_client","error_description":"` + secret + `","error_uri":"https://` + secret + `"}`, "invalid_client", true, 0},
		"invalid_scope":  {400, nil, `{"error":"invalid_scope"}`, "invalid_scope", true, 0},
		"unauthorized":   {401, nil, secret, "", true, 0},
		"odd code":       {400, nil, `{"error":"` + secret + ` said no"}`, "", false, 0},
		"html 500":       {500, nil, `<html>` + secret, "", false, 0},
		"slow down":      {429, http.Header{"Retry-After": {"90"}}, `{}`, "", false, 90 * time.Second},
		"date":           {503, http.Header{"Retry-After": {"Sun, 22 Nov 2026 12:00:10 GMT"}}, ``, "", false, 10 * time.Second},
		"no token":       {200, nil, `{"token_type":"bearer","note":"` + secret + `"}`, "", false, 0},
		"mac token":      {200, nil, `{"access_token":"` + secret + `","token_type":"mac"}`, "", false, 0},
		"not JSON":       {200, nil, secret, "", false, 0},
		"redirect":       {302, http.Header{"Location": {"https://evil.example/" + secret}}, ``, "", false, 0},
	} {
		b, e, _ := backend(t, ES384)
		e.reply = func(int) (int, http.Header, string) { return x.status, x.header, x.body }
		_, err := b.Token()
		var token *TokenError
		if !errors.As(err, &token) || token.Code != x.code || token.Permanent() != x.permanent || token.RetryAfter() != x.after {
			t.Errorf("%s: %+v", name, err)
			continue
		}
		if strings.Contains(fmt.Sprintf("%v %+v", err, token), secret) || errors.Unwrap(token) != nil {
			t.Errorf("%s: the server's words are kept: %+v", name, token)
		}
		if e.count() != 1 {
			t.Errorf("%s: %d calls", name, e.count())
		}
	}
}

func TestARefusingEndpointIsNotHammered(t *testing.T) {
	b, e, c := backend(t, ES384)
	e.reply = func(n int) (int, http.Header, string) {
		if n < 4 {
			return 400, nil, `{"error":"invalid_client"}`
		}
		return 200, nil, `{"access_token":"x","token_type":"Bearer","expires_in":300}`
	}
	for i, hold := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		for range workers {
			if _, err := b.Token(); err == nil {
				t.Fatal("a token from a refusing endpoint")
			}
		}
		if e.count() != i+1 {
			t.Fatalf("%d calls in hold %d", e.count(), i+1)
		}
		c.forward(hold)
	}
	if _, err := b.Token(); err != nil {
		t.Errorf("after the hold: %v", err)
	}
}

func TestAWaiterCanGiveUpWithoutEndingTheCall(t *testing.T) {
	testKey(t, ES384)
	synctest.Test(t, func(t *testing.T) {
		b, e, _ := backend(t, ES384)
		e.hold = make(chan struct{})
		ctx, cancel := context.WithCancel(context.Background())
		gone := make(chan error)
		go func() {
			_, err := b.TokenContext(ctx)
			gone <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(e.hold)
		if token, err := b.Token(); err != nil || token.AccessToken != "token-1" || e.count() != 1 {
			t.Errorf("%v %v", token, err)
		}
	})
}

func TestAHangingEndpointTimesOut(t *testing.T) {
	testKey(t, ES384)
	synctest.Test(t, func(t *testing.T) {
		b, e, _ := backend(t, ES384)
		e.hold = make(chan struct{}) // never closed
		_, err := b.Token()
		var token *TokenError
		if !errors.As(err, &token) || token.Permanent() || !strings.Contains(err.Error(), "in time") {
			t.Error(err)
		}
	})
}

func TestREQ93_AuthorizeSetsBearer(t *testing.T) {
	b, _, _ := backend(t, ES384)
	req, err := http.NewRequest(http.MethodGet, "https://ehr.example/fhir/Patient/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Authorize(context.Background(), req); err != nil || req.Header.Get("Authorization") != "Bearer token-1" {
		t.Errorf("%q %v", req.Header.Get("Authorization"), err)
	}
}
