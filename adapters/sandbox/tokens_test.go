package sandbox_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

// TestEveryTokenFault exercises the group "tokens" of the vocabulary; the others are exercised in package ehr.
func TestEveryTokenFault(t *testing.T) {
	refused := func(want int, code string) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			resp, err := http.PostForm(w.Auth.TokenURL(), url.Values{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			var body map[string]any
			if decode(resp, &body); resp.StatusCode != want || body["error"] != code {
				t.Errorf("%d %v", resp.StatusCode, body)
			}
			w.token("filer", "system/*.cruds") // the next is well
		}
	}
	cases := map[string]struct {
		on   string
		does func(t *testing.T, w *world)
	}{
		"invalid-client": {"POST token #1", refused(401, "invalid_client")},
		"invalid-grant":  {"POST token #1", refused(400, "invalid_grant")},
		"expire-tokens": {"GET Patient #2", func(t *testing.T, w *world) {
			token := w.token("filer", "system/*.cruds")
			for i, want := range []int{200, 401, 401} {
				if status, _ := w.do("GET", "/Patient?active=true", token, ""); status != want {
					t.Errorf("request %d: %d, want %d", i+1, status, want)
				}
			}
			if status, _ := w.do("GET", "/Patient?active=true", w.token("filer", "system/*.cruds"), ""); status != 200 {
				t.Errorf("a new token: %d", status)
			}
		}},
		"swap-keys": {"GET jwks #2", func(t *testing.T, w *world) {
			var kids []string
			for range 3 {
				_, set := w.do("GET", w.URL()+"/auth/jwks", "", "")
				key, _ := set["keys"].([]any)[0].(map[string]any)
				kids = append(kids, key["kid"].(string))
			}
			if kids[0] == kids[1] || kids[1] != kids[2] {
				t.Errorf("%v", kids)
			}
		}},
	}
	for _, f := range ehr.Faults() {
		if f.Group != "tokens" {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			c, ok := cases[f.Name]
			if !ok {
				t.Fatal("it is not exercised")
			}
			c.does(t, startEHR(t, map[string]string{"filer": "system/*.cruds"}, c.on+" "+f.Name))
		})
	}
}

// The other faults meet the token endpoint as they meet the EHR.
func TestTokenEndpointMeetsFaults(t *testing.T) {
	w := startEHR(t, map[string]string{"filer": "system/*.cruds"}, "POST token #1 503 retry-after=3", "POST token #2 commit-then-reset")
	resp, err := http.PostForm(w.Auth.TokenURL(), url.Values{})
	if err != nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "3" {
		t.Fatalf("%v %v", resp, err)
	}
	_ = resp.Body.Close()
	if resp, err = http.PostForm(w.Auth.TokenURL(), url.Values{"grant_type": {"client_credentials"}}); err == nil {
		_ = resp.Body.Close() // a refusal stays what it is
	}
	if a := w.Arrivals(); len(a) != 2 || a[0].Kind != "token" || a[1].Fault != "commit-then-reset" {
		t.Errorf("%+v", a)
	}
}
