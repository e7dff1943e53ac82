package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chartwire/chartwire/adapters"
	"github.com/chartwire/chartwire/cmd/app"
	"github.com/chartwire/chartwire/cmd/doctor"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
)

// signIn is an EHR that has a smart-configuration and nothing else; tokens is the path of its token endpoint.
func signIn(t *testing.T, tokens *atomic.Value) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/fhir/.well-known/smart-configuration" {
			http.NotFound(w, r)
			return
		}
		root := "http://" + r.Host
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": root, "jwks_uri": root + "/jwks", "authorization_endpoint": root + "/authorize",
			"token_endpoint": root + tokens.Load().(string), "grant_types_supported": []string{"authorization_code"},
			"capabilities": []string{"launch-ehr", "sso-openid-connect", "client-public"}, "code_challenge_methods_supported": []string{"S256"}})
	}))
	t.Cleanup(s.Close)
	return s.URL + "/fhir"
}

// inboxFact asks the doctor of the serve that runs for one fact of the inbox.
func (h *house) inboxFact(name string) connector.Fact {
	h.t.Helper()
	c, problems := config.Load(filepath.Join(h.dir, "chartwire.yaml"), adapters.Sections()...)
	if c == nil {
		h.t.Fatal(problems)
	}
	o, err := app.OpenDoctor(h.t.Context(), c)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = o.Close() }()
	resp, err := o.Do(h.t.Context(), http.MethodPost, "/doctor?ehr=mercy", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	var reports []doctor.Report
	if err := json.NewDecoder(resp.Body).Decode(&reports); err != nil || len(reports) != 1 {
		h.t.Fatalf("HTTP %d, %v", resp.StatusCode, err)
	}
	for _, f := range reports[0].Inbox {
		if f.Name == name {
			return f
		}
	}
	h.t.Fatalf("no fact %q in %+v", name, reports[0].Inbox)
	return connector.Fact{}
}

func (h *house) configureLaunch() {
	h.t.Helper()
	h.write("chartwire.yaml", fmt.Sprintf(`
server: {public_url: "https://connector.clinic.example"}
identity: {base: %q}
seal: {keyset_file: keyset.json}
store: {url: "sqlite:chartwire.db"}
ehrs:
  - name: mercy
    type: fhir
    base_url: %q
    timezone: America/Chicago
    organization: Organization/clinic
    launch: {client_id: inbox, frame_ancestors: ["https://ehr.example"]}
`, base, h.ehr))
}

// TestREQ029And227_DiscoveryIsPinnedAtTheStart: the smart-configuration is read when serve starts and before anybody launches, and
// doctor tells when the EHR says otherwise later.
func TestREQ029And227_DiscoveryIsPinnedAtTheStart(t *testing.T) {
	h := newHouse(t)
	var tokens atomic.Value
	tokens.Store("/token")
	h.ehr = signIn(t, &tokens)
	h.configureLaunch()
	h.run()
	h.log.Await(t, regexp.MustCompile("smart-configuration is pinned until the next start"), nil)
	if f := h.inboxFact("pinned document"); f.Good != connector.KnownYes {
		t.Errorf("%+v %+v", f, f.Gap)
	}
	tokens.Store("/other")
	f := h.inboxFact("pinned document")
	if f.Gap == nil || f.Gap.Who != connector.FixEHR || !strings.Contains(f.Gap.Text, "(token_endpoint)") {
		t.Errorf("%+v %+v", f, f.Gap)
	}
	if _, body := h.ask(http.MethodGet, h.app.Console()+"/metrics", ""); !strings.Contains(body, `chartwire_launch_pinned{ehr="mercy"} 1`) {
		t.Error("the metric does not say that it is pinned")
	}
}

// TestREQ029And227_DownAtTheStart: an EHR that is down keeps nothing from starting, and log and metric say that it is not pinned.
func TestREQ029And227_DownAtTheStart(t *testing.T) {
	h := newHouse(t) // whose EHR answers 503
	h.configureLaunch()
	h.run()
	h.log.Await(t, regexp.MustCompile("smart-configuration is not pinned yet"), nil)
	if !strings.Contains(h.log.String(), "code=unreachable") {
		t.Error(h.log.String())
	}
	if status, _ := h.ask(http.MethodGet, h.app.Console()+"/healthz", ""); status != http.StatusOK {
		t.Errorf("not alive: %d", status)
	}
	if _, body := h.ask(http.MethodGet, h.app.Console()+"/metrics", ""); !strings.Contains(body, `chartwire_launch_pinned{ehr="mercy"} 0`) {
		t.Error("the metric does not say that it is not pinned")
	}
}
