package stage

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Presented is everything that has gone to the EHR to prove who asks: access tokens, and the assertions and secrets that they were
// got with. No error may hold one.
func (s *Stage) Presented() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.presented...)
}

// proofs are the members of a token request that prove who asks (RFC 7521 4.2, RFC 6749 2.3.1 and 6).
var proofs = []string{"client_assertion", "client_secret", "refresh_token", "code"}

// keep remembers what a request presents, and gives it back as it was.
func (s *Stage) keep(r *http.Request) (*http.Request, error) {
	var found []string
	if _, credentials, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
		found = append(found, credentials)
	}
	if strings.HasSuffix(r.URL.Path, "/token") && r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
		form, _ := url.ParseQuery(string(body))
		for _, name := range proofs {
			found = append(found, form.Get(name))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range found {
		if f != "" {
			s.presented = append(s.presented, f)
		}
	}
	return r, nil
}
