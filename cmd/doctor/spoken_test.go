package doctor_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/cmd/doctor"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/egress"
)

// TestBrowsersAreOfferedHTTP2: an inbox behind a proxy of HTTP/1.1 alone has a gap that says what users would meet.
func TestBrowsersAreOfferedHTTP2(t *testing.T) {
	serve := func(two bool) *httptest.Server {
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.EnableHTTP2 = two
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	modern, old := serve(true), serve(false)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: modern.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := egress.New(egress.Options{CAFile: ca})
	if err != nil {
		t.Fatal(err)
	}
	gone := serve(true)
	gone.Close()
	for name, c := range map[string]struct {
		public string
		good   connector.Known
		says   string
	}{
		"both":     {modern.URL, connector.KnownYes, "offers it to browsers"},
		"one":      {old.URL, connector.KnownNo, "a seventh page does not load"},
		"no TLS":   {"http://127.0.0.1:8080", connector.NotKnown, "six pages"},
		"nobody":   {gone.URL, connector.NotKnown, "cannot be seen from this machine"},
		"untaught": {strings.Replace(modern.URL, "127.0.0.1", "localhost", 1), connector.NotKnown, "cannot be seen from this machine"},
	} {
		t.Run(name, func(t *testing.T) {
			d := doctor.Doctor{PublicURL: c.public, Guard: g, Connections: []doctor.Connection{{Config: config.EHR{Name: "mercy", BaseURL: "https://127.0.0.1:1", Launch: &config.Launch{}}}}}
			all, err := d.Examine(t.Context(), "", "test")
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(all[0].Inbox, func(f connector.Fact) bool { return f.Name == "HTTP/2" })
			if i < 0 {
				t.Fatalf("nothing is said of HTTP/2: %+v", all[0].Inbox)
			}
			f := all[0].Inbox[i]
			said := f.Value
			if f.Gap != nil {
				said = f.Gap.Text
			}
			if f.Good != c.good || !strings.Contains(said, c.says) || (f.Gap != nil) != (c.good == connector.KnownNo) {
				t.Errorf("%+v %+v", f, f.Gap)
			}
		})
	}
}
