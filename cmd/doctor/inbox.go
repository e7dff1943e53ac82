package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/egress"
	"github.com/chartwire/chartwire/fhir/smart"
)

// inbox examines whether the EHR can launch the inbox: what it declares of a launch, whether who signs in can be verified, and
// what its administrator has to register. It reads two documents and the issuer's keys; nobody is signed in.
func (d *Doctor) inbox(ctx context.Context, c Connection) []connector.Fact {
	l := c.Config.Launch
	facts := d.registration(c.Config.Name, l)
	if f, ok := d.published(ctx, l.Key); ok {
		facts = append(facts, f)
	}
	facts = append(facts, d.spoken(ctx))
	hc, err := d.launchClient(c.Config)
	if err != nil {
		return append(facts, bad("sign-in", "cannot be examined", connector.FixConfig,
			"no way to the EHR's sign-in can be made: %v; correct base_url, launch.issuer or launch.origins in the Chartwire configuration.", err))
	}
	conf, err := smart.Discover(ctx, hc, c.Config.BaseURL)
	var unreached *egress.Error
	switch {
	case errors.As(err, &unreached):
		return append(facts, bad("sign-in", "no answer", connector.FixInterface,
			"%s got no answer: %v; the interface engineer must see to name, route, firewall and certificate between this machine and the EHR.",
			smart.WellKnown(c.Config.BaseURL), egress.Clean(err)))
	case err != nil:
		return append(facts, bad("sign-in", "no smart-configuration", connector.FixEHR,
			"%s cannot be read (%s): the EHR administrator must say whether this is the EHR's FHIR base and whether apps can be launched from it.",
			smart.WellKnown(c.Config.BaseURL), err))
	}
	if f, ok := pinned(c, conf); ok {
		facts = append(facts, f)
	}
	facts = append(facts, declared(conf, smart.WellKnown(c.Config.BaseURL), l)...)
	far := farEndpoints(conf, c.Config)
	facts = append(facts, far...)
	if len(conf.LaunchFindings(l.Issuer == "")) > 0 || len(far) > 0 {
		return facts // which say it
	}
	return append(facts, d.issuer(ctx, hc, c.Config))
}

func bad(name, value string, who connector.Fixer, format string, args ...any) connector.Fact {
	return connector.Fact{Name: name, Value: value, Good: connector.KnownNo, Gap: lack(who, format, args...)}
}

// registration is what the EHR administrator pastes. Whether it was, shows only when somebody launches.
func (d *Doctor) registration(name string, l *config.Launch) []connector.Fact {
	public := strings.TrimSuffix(d.PublicURL, "/")
	paste := func(what, value string) connector.Fact {
		return connector.Fact{Name: "register " + what, Value: value, Good: connector.NotKnown}
	}
	out := []connector.Fact{
		paste("client id", l.ClientID), paste("launch URL", public+"/launch/"+name), paste("redirect URL", public+"/callback/"+name),
	}
	if l.Key.IsSet() {
		out = append(out, paste("JWKS URL", public+"/.well-known/jwks.json"))
	}
	return out
}

// launchClient is the guarded way to the EHR's sign-in: its base, the configured issuer, and the configured origins.
func (d *Doctor) launchClient(e config.EHR) (*http.Client, error) {
	return d.Guard.Client("launch "+e.Name, launchOrigins(e), egress.Limits{Connect: 5 * time.Second, Total: 15 * time.Second, Body: 1 << 20})
}

func launchOrigins(e config.EHR) []string {
	out := append([]string{e.BaseURL}, e.Launch.Origins...)
	if e.Launch.Issuer != "" {
		out = append(out, e.Launch.Issuer)
	}
	return out
}

// pinned holds the document read now to the one that launches follow in the serve that runs. ok is false where none runs.
func pinned(c Connection, now *smart.Configuration) (f connector.Fact, ok bool) {
	if c.Pinned == nil {
		return f, false
	}
	kept, name := c.Pinned(), "pinned document"
	if kept == nil {
		return connector.Fact{Name: name, Value: "none yet: the serve that runs tries again at least once a minute", Good: connector.NotKnown}, true
	}
	differs := strings.Join(now.Differs(kept), ", ")
	if differs == "" {
		return connector.Fact{Name: name, Value: "as it is read now", Good: connector.KnownYes}, true
	}
	return bad(name, "another than is read now: "+differs, connector.FixEHR,
		"launches follow the smart-configuration as the serve that runs pinned it, and %s says otherwise now (%s): the EHR administrator must say whether the change is theirs; restart chartwire serve where it is.",
		smart.WellKnown(c.Config.BaseURL), differs), true
}

// declared says of each thing a launch needs whether the smart-configuration declares it.
func declared(conf *smart.Configuration, at string, l *config.Launch) []connector.Fact {
	way, method := "client-public", ""
	switch {
	case l.Key.IsSet():
		way, method = "client-confidential-asymmetric", "private_key_jwt"
	case l.Secret.IsSet():
		way, method = "client-confidential-symmetric", "client_secret_basic"
	}
	const enable = "; the EHR administrator must enable it, or say that the document is wrong."
	needs := []struct {
		name, text string
		there      bool
	}{
		{"launch-ehr", "the smart-configuration does not declare launch-ehr: apps may not be opened from inside the EHR" + enable, conf.Has("launch-ehr")},
		{"sso-openid-connect", "the smart-configuration does not declare sso-openid-connect: nobody's sign-in can be verified, and the inbox lets nobody in without" + enable, conf.Has("sso-openid-connect")},
		{way, fmt.Sprintf("the smart-configuration does not declare %s, as launch in the Chartwire configuration has it", way) +
			"; the EHR administrator must enable it, or the client is registered another way and launch.key, launch.secret or neither is right.",
			conf.Has(way) || method != "" && slices.Contains(conf.AuthMethods, method)},
	}
	var out []connector.Fact
	for _, n := range needs {
		f := connector.Fact{Name: n.name, Value: "declared", Good: connector.KnownYes}
		if !n.there {
			f = bad(n.name, "not declared", connector.FixEHR, "%s", n.text)
		}
		out = append(out, f)
	}
	return append(out, document(conf, at, l)...)
}

// document is one fact for each thing that the standard has the smart-configuration say and that this one does not: no launch
// begins before it does.
func document(conf *smart.Configuration, at string, l *config.Launch) []connector.Fact {
	lacks := conf.LaunchFindings(l.Issuer == "")
	if len(lacks) == 0 {
		return []connector.Fact{{Name: "launch document", Value: "has the fields and endpoints a launch needs, and PKCE S256 alone", Good: connector.KnownYes}}
	}
	var out []connector.Fact
	for _, said := range lacks {
		field, what, _ := strings.Cut(said, " ")
		out = append(out, bad(field, what, connector.FixEHR,
			"the smart-configuration at %s is not fit for a launch, %s: the EHR administrator, or the EHR's vendor, must correct it, and until then nobody opens the inbox.", at, said))
	}
	return out
}

// farEndpoints are those at hosts the configuration does not name: codes, keys and tokens go to none of them. The authorization
// endpoint is for the user's browser and may be anywhere.
func farEndpoints(conf *smart.Configuration, e config.EHR) []connector.Fact {
	near := map[string]bool{}
	for _, raw := range launchOrigins(e) {
		if o, err := egress.Origin(raw); err == nil {
			near[o] = true
		}
	}
	var out []connector.Fact
	for _, at := range []struct{ name, url string }{
		{"token_endpoint", conf.TokenEndpoint}, {"revocation_endpoint", conf.RevocationEndpoint}, {"jwks_uri", conf.JWKSURI}, {"issuer", conf.Issuer},
	} {
		if at.url == "" || at.name == "issuer" && e.Launch.Issuer != "" {
			continue
		}
		if o, err := egress.Origin(at.url); err != nil || !near[o] {
			out = append(out, bad(at.name, at.url, connector.FixConfig,
				"%s is at %s, which is neither base_url's host nor in launch.origins: if the EHR administrator confirms that host, add it to launch.origins in the Chartwire configuration.", at.name, at.url))
		}
	}
	return out
}

// issuer looks whether the keys that id_tokens are verified with can be read.
func (d *Doctor) issuer(ctx context.Context, hc *http.Client, e config.EHR) connector.Fact {
	app, err := smart.NewApp(smart.AppConfig{
		Base: e.BaseURL, ClientID: e.Launch.ClientID, RedirectURI: strings.TrimSuffix(d.PublicURL, "/") + "/callback/" + e.Name,
		Issuer: e.Launch.Issuer, Scopes: smart.ParseScopes("openid fhirUser"), HTTP: hc, Now: d.Clock.Now,
	})
	if err != nil {
		return bad("id_token issuer", "cannot be examined", connector.FixConfig, "the inbox's client cannot be made: %v; correct launch or server.public_url in the Chartwire configuration.", err)
	}
	issuer, keys, err := app.Issuer(ctx)
	switch {
	case err != nil:
		return bad("id_token issuer", e.Launch.Issuer, connector.FixEHR, "%s", err)
	case keys == 0:
		return bad("id_token issuer", issuer, connector.FixEHR, "the issuer %s publishes no key that verifies RS256, RS384, ES256 or ES384: the EHR administrator must have it publish its signing keys.", issuer)
	}
	return connector.Fact{Name: "id_token issuer", Value: fmt.Sprintf("%s (keys: %d)", issuer, keys), Good: connector.KnownYes}
}
