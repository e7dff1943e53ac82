package app

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/chartwire/chartwire/adapters/ehr/fhir"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/egress"
	"github.com/chartwire/chartwire/connector/inbox"
	"github.com/chartwire/chartwire/connector/ingest"
	webapp "github.com/chartwire/chartwire/connector/web/app"
	"github.com/chartwire/chartwire/fhir/smart"
)

// inboxScopes are what the inbox asks for where launch.scopes does not say: who the user is and what they do, the patient, and
// what templates fill in. It writes nothing with a user's token: what is filed, the backend client files.
var inboxScopes = smart.ParseScopes("openid fhirUser online_access user/Patient.rs user/Practitioner.rs user/PractitionerRole.rs user/CareTeam.rs user/Appointment.rs")

// patients asks an EHR who a patient is, with the connection's own rights: deliver.Engine.Patient.
type patients func(ctx context.Context, ehr, reference string) (connector.PatientKey, error)

// desk builds the clinicians' inbox of every EHR that launches it. Where none does nobody signs in, and sessions of before can
// still be looked at and ended.
func (b *builder) desk(events *ingest.Ingest, c clock.Clock, ask patients) (*inbox.Desk, error) {
	ehrs := map[string]inbox.EHR{}
	for _, e := range b.config.EHRs {
		if e.Launch == nil || e.Mode == config.ModeOff {
			continue
		}
		one, err := b.launched(e)
		if err != nil {
			return nil, fmt.Errorf("EHR %q: launch: %w", e.Name, err)
		}
		ehrs[e.Name] = one
	}
	if len(ehrs) == 0 {
		return sessionDesk(b.store, b.keys, b.ids, c)
	}
	return inbox.New(inbox.Options{Store: b.store, Ingest: events, Clock: c, Log: b.log, Key: b.keys.Derive("inbox"), EHRs: ehrs,
		Channels: b.channels(), Patient: ask})
}

// pages are the inbox in a browser; nil where no EHR launches it.
func (b *builder) pages(desk *inbox.Desk, c clock.Clock, stop <-chan struct{}) (*webapp.Options, error) {
	o := &webapp.Options{Desk: desk, Clock: c, Log: b.log, EHRs: map[string]webapp.EHR{}, Origins: []string{b.config.Server.PublicURL}, Stop: stop}
	styles := map[string]*styles{}
	for _, e := range b.config.EHRs {
		if e.Launch == nil || e.Mode == config.ModeOff {
			continue
		}
		zone, err := time.LoadLocation(e.Timezone)
		if err != nil {
			return nil, fmt.Errorf("EHR %q: timezone: %w", e.Name, err)
		}
		o.EHRs[e.Name] = webapp.EHR{Frame: e.Launch.FrameAncestors, Zone: zone}
		hc, err := b.inboxClient(e)
		if err != nil {
			return nil, err
		}
		styles[e.Name] = newStyles(hc, c)
	}
	if len(o.EHRs) == 0 {
		return nil, nil
	}
	o.Style = func(ctx context.Context, s *inbox.Session) (webapp.Style, error) {
		return styles[s.EHR].of(ctx, s.StyleURL)
	}
	return o, nil
}

// inboxClient is the guarded way of one EHR's inbox: to the FHIR base, the issuer of its id_tokens and the origins that
// launch.origins names.
func (b *builder) inboxClient(e config.EHR) (*http.Client, error) {
	origins := append([]string{e.BaseURL}, e.Launch.Origins...)
	if e.Launch.Issuer != "" {
		origins = append(origins, e.Launch.Issuer)
	}
	return b.guard.Client("inbox "+e.Name, origins, egress.Limits{Total: 20 * time.Second, Body: 4 << 20})
}

// launched is one EHR as its users launch the inbox from it.
func (b *builder) launched(e config.EHR) (inbox.EHR, error) {
	out := inbox.EHR{ID: b.ids[e.Name], Name: e.Name, Base: e.BaseURL, Frame: e.Launch.FrameAncestors, Clinic: e.Launch.Clinic, People: platformIDs(b.config, e.Name),
		Roles: inbox.Roles{Clinician: e.Roles.Clinician, Staff: e.Roles.Staff, Default: connector.Role(e.Roles.Default)}}
	app, err := b.launchApp(e)
	if err != nil {
		return out, err
	}
	if b.apps == nil {
		b.apps = launches{}
	}
	b.apps[e.Name] = app
	out.App, out.Chart = app, fhir.NewUserChart(app, b.now, slices.Sorted(maps.Values(e.IdentifierSystems))...)
	if out.Zone, err = time.LoadLocation(e.Timezone); err != nil {
		return out, fmt.Errorf("timezone: %w", err)
	}
	for _, p := range b.config.Pools {
		if p.EHR == e.Name {
			out.Pools = append(out.Pools, inbox.Pool{ID: p.ID, Name: p.Name, Reference: p.Reference, Members: p.Members, SLA: p.SLA})
		}
	}
	for _, c := range b.config.Channels {
		if c.EHR == e.Name {
			out.Channels = append(out.Channels, c.Name)
		}
	}
	for _, t := range b.config.Templates {
		if t.EHR == e.Name {
			for _, language := range slices.Sorted(maps.Keys(t.Texts)) {
				// Each language is a template of its own to choose: by the configured id alone the first would always be taken.
				out.Templates = append(out.Templates, inbox.Template{ID: t.ID + "/" + language, Name: t.Name, Language: language, Text: t.Texts[language]})
			}
		}
	}
	return out, nil
}

// launchApp is the SMART client of one EHR's inbox. Its codes, keys and tokens go to the FHIR base and the origins that
// launch.origins names, and nowhere else.
func (b *builder) launchApp(e config.EHR) (*smart.App, error) {
	hc, err := b.inboxClient(e)
	if err != nil {
		return nil, err
	}
	cfg := smart.AppConfig{Base: e.BaseURL, ClientID: e.Launch.ClientID, RedirectURI: b.config.Server.PublicURL + "/callback/" + e.Name,
		Issuer: e.Launch.Issuer, Scopes: inboxScopes, HTTP: hc, Now: b.now}
	if len(e.Launch.Scopes) > 0 {
		cfg.Scopes = nil
		for _, s := range append([]string{"openid", "fhirUser"}, e.Launch.Scopes...) {
			cfg.Scopes = append(cfg.Scopes, smart.ParseScope(s))
		}
	}
	switch {
	case e.Launch.Key.IsSet():
		cfg.Key, err = smart.LoadKey([]byte(e.Launch.Key.Reveal()))
	case e.Launch.Secret.IsSet():
		cfg.Secret = e.Launch.Secret.Reveal()
	}
	if err != nil {
		return nil, err
	}
	return smart.NewApp(cfg)
}
