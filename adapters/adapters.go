// Package adapters is the one map of name → adapter. Adding an adapter means its own package, its test, its docs page and
// one line here.
package adapters

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	ehrfhir "github.com/chartwire/chartwire/adapters/ehr/fhir"
	"github.com/chartwire/chartwire/adapters/filing"

	"github.com/chartwire/chartwire/adapters/channel/webhook"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
	"github.com/chartwire/chartwire/fhir/smart"
)

// EHRParts is what an EHR adapter is built from. HTTP and Dial are nil where nothing may be called (map, config check).
type EHRParts struct {
	Config config.EHR
	Base   string            // identity.base
	People map[string]string // the channels' ids of people and pools → EHR reference
	HTTP   *http.Client
	Now    func() time.Time
	// Proven gives the interactions a probe has seen to work on this connection, "Communication create"; nil is none.
	Proven func(context.Context) ([]string, error)
	// Dial connects to the engine of a type that speaks no HTTP, and Fence is asked before each message's first byte.
	Dial  func(ctx context.Context) (net.Conn, error)
	Fence func(ctx context.Context) error
	// ID and Store are the ehr_id and where a type that is told of its patients keeps them.
	ID     string
	Store  connector.Store
	OnSkew func(time.Duration) // told how far the EHR's clock is ahead of ours, when by two seconds or more; may be nil
}

// ChannelParts is what a channel adapter is built from.
type ChannelParts struct {
	Config config.Channel
	HTTP   *http.Client
	Now    func() time.Time
}

var ehrs = map[config.EHRType]func(EHRParts) (connector.EHR, error){
	config.Athena:   newAthena,
	config.FHIR:     newFHIR,
	config.Epic:     newEpic,
	config.HL7v2:    newHL7v2,
	config.Meditech: newMeditech,
	config.Oracle:   newOracle,
	config.OpenEMR:  newOpenEMR,
}

// tellsThreads are the types whose adapters plan the transcript of a thread. With another one all but the last message of a
// thread would be lost.
var tellsThreads = map[config.EHRType]bool{config.FHIR: true, config.HL7v2: true, config.Epic: true, config.Oracle: true}

var channels = map[config.ChannelType]func(ChannelParts) (connector.Channel, error){
	config.Webhook: newWebhook,
}

// EHR builds the adapter of a connection. The error names a type this version does not have, or what is wrong with it.
func EHR(p EHRParts) (connector.EHR, error) {
	build, ok := ehrs[p.Config.Type]
	if !ok {
		return nil, fmt.Errorf("EHR %q: this version has no adapter of type %s; it has %v", p.Config.Name, p.Config.Type, EHRTypes())
	}
	if p.Config.Filing.Per == config.PerThread && !tellsThreads[p.Config.Type] {
		return nil, fmt.Errorf("EHR %q: filing.per thread is not available for type %s in this version; write exchange", p.Config.Name, p.Config.Type)
	}
	return build(p)
}

// Channel builds the adapter of a channel.
func Channel(p ChannelParts) (connector.Channel, error) {
	build, ok := channels[p.Config.Type]
	if !ok {
		return nil, fmt.Errorf("channel %q: this version has no adapter of type %s", p.Config.Name, p.Config.Type)
	}
	return build(p)
}

// EHRTypes lists the EHR types there is an adapter for.
func EHRTypes() []config.EHRType { return slices.Sorted(maps.Keys(ehrs)) }

func newFHIR(p EHRParts) (connector.EHR, error) {
	o, err := fhirOptions(p)
	if err != nil {
		return nil, err
	}
	return ehrfhir.New(o), nil
}

// fhirOptions are those of an EHR that speaks FHIR, whosever it is.
func fhirOptions(p EHRParts) (ehrfhir.Options, error) {
	c := p.Config
	o := ehrfhir.Options{
		Name: c.Name, BaseURL: c.BaseURL, Base: p.Base, HTTP: p.HTTP, Now: p.Now, OnSkew: p.OnSkew, Deadline: c.Limits.Deadline,
		Encounters: c.Filing.Encounter.Policy != config.EncounterNever,
		Policy: filing.Policy{
			Organization: c.Organization, Location: c.Location(),
			NoteType:      r4.NewCoding(c.Filing.NoteType.System, c.Filing.NoteType.Code, c.Filing.NoteType.Display),
			DocStatus:     docStatus(c.Filing.DocStatus),
			CreateProxies: c.Filing.Proxies == config.ProxiesCreate,
			Internal:      c.Filing.Internal == config.InternalAuto,
			InlineBytes:   int64(c.Limits.InlineBytes),
			People:        p.People, Systems: c.IdentifierSystems,
		},
	}
	for _, s := range c.Filing.As {
		if s == config.StrategyMDM {
			return o, fmt.Errorf("EHR %q: filing.as %s is not available for type %s; write auto, communication, note or document", c.Name, s, c.Type)
		}
		o.FilingAs = append(o.FilingAs, string(s))
	}
	if b := c.Backend; b != nil {
		o.Credentials = &ehrfhir.Credentials{ClientID: b.ClientID, Scopes: b.Scopes}
		if !b.Key.Missing() {
			key, err := smart.LoadKey([]byte(b.Key.Reveal()))
			if err != nil {
				return o, fmt.Errorf("EHR %q: backend.key: %w", c.Name, err)
			}
			o.Credentials.Key = key
		}
	}
	return o, nil
}

func docStatus(s config.DocStatus) r4.DocStatus {
	if s == config.DocPreliminary {
		return r4.DocPreliminary
	}
	return r4.DocFinal
}

func newWebhook(p ChannelParts) (connector.Channel, error) {
	c := p.Config
	if c.Class == config.Plain {
		return nil, fmt.Errorf("channel %q: class plain is not available in this version: replies would carry PHI over it; write secure, for a platform that is", c.Name)
	}
	return webhook.New(webhook.Options{Name: c.Name, Secrets: c.Secret.Secrets(), Now: p.Now, HTTP: p.HTTP, SendURL: c.SendURL,
		SendIdempotent: c.SendIdempotent, UnknownFields: string(c.UnknownFields), MediaOrigins: c.Media.Origins,
		MediaMaxBytes: int64(c.Media.MaxBytes), MaxBody: int64(c.MaxEventBytes)})
}
