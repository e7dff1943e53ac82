package doctor

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/egress"
	"github.com/chartwire/chartwire/fhir/smart"
)

const maxJWKS = 1 << 20

// published looks whether our public keys are where EHRs fetch them, this one among them, without a redirect: vendors follow
// none. ok is false where there is no key.
func (d *Doctor) published(ctx context.Context, secret config.Secret) (f connector.Fact, ok bool) {
	if !secret.IsSet() || secret.Missing() {
		return f, false
	}
	key, err := smart.LoadKey([]byte(secret.Reveal()))
	if err != nil {
		return f, false // the connection was not built, which says it
	}
	at := strings.TrimSuffix(d.PublicURL, "/") + "/.well-known/jwks.json"
	f = connector.Fact{Name: "JWKS", Value: at, Good: connector.NotKnown}
	said := func(who connector.Fixer, format string, args ...any) (connector.Fact, bool) {
		f.Good, f.Gap = connector.KnownNo, lack(who, format, args...)
		return f, true
	}
	status, body, err := d.get(ctx, at)
	switch {
	case err != nil:
		f.Value += ": cannot be seen from this machine (" + egress.Clean(err).Error() + "). Whether the EHR reaches it shows only from outside"
		return f, true
	case status >= 300 && status <= 399:
		return said(connector.FixInterface, "%s answers with a redirect (HTTP %d), and EHRs that fetch keys follow none: the interface engineer must publish the keys at this very address.", at, status)
	case status != http.StatusOK:
		return said(connector.FixInterface, "%s answers HTTP %d: the interface engineer must lead this address to server.listen of a running chartwire serve, or server.public_url in the Chartwire configuration is another.", at, status)
	}
	kids, ok := kidsOf(body)
	switch {
	case !ok:
		return said(connector.FixInterface, "%s answers with something that is no key set: the interface engineer must lead this address to server.listen of a running chartwire serve.", at)
	case !kids[key.ID()]:
		return said(connector.FixConfig, "the key set at %s does not have the key id %s, with which this connection signs: restart chartwire serve with this Chartwire configuration, and see that the address leads to it.", at, key.ID())
	}
	f.Good, f.Value = connector.KnownYes, at+" has key id "+key.ID()
	return f, true
}

func (d *Doctor) get(ctx context.Context, at string) (int, []byte, error) {
	hc, err := d.Guard.Client("jwks", []string{d.PublicURL}, egress.Limits{Connect: 5 * time.Second, Total: 10 * time.Second, Body: maxJWKS})
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := hc.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

func kidsOf(body []byte) (map[string]bool, bool) {
	var set struct {
		Keys []struct {
			Kid string `json:"kid"`
		} `json:"keys"`
	}
	if json.Unmarshal(body, &set) != nil || set.Keys == nil {
		return nil, false
	}
	out := map[string]bool{}
	for _, k := range set.Keys {
		out[k.Kid] = true
	}
	return out, true
}
