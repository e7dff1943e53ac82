package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/chartwire/chartwire/adapters"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/egress"
	"github.com/chartwire/chartwire/connector/ingest"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/web"
	"github.com/chartwire/chartwire/fhir/smart"
)

// notifyHeader carries the secret of an EHR's rest-hook.
const notifyHeader = "X-Chartwire-Notify"

// builder turns the configuration into the parts of the rooms.
type builder struct {
	config *config.Config
	guard  *egress.Guard
	keys   *seal.Sealer
	ids    map[string]string // EHR name → ehr_id
	now    func() time.Time
	log    *slog.Logger
	store  connector.Store // nil where there is none
	apps   launches        // once desk has built them
}

// connections builds the adapter of every EHR.
func (b *builder) connections() ([]deliver.Connection, error) {
	var out []deliver.Connection
	for _, e := range b.config.EHRs {
		adapter, err := b.adapter(e)
		if err != nil {
			return nil, err
		}
		concurrent := e.Limits.Concurrent
		if !e.SpeaksFHIR() {
			concurrent = 1 // one message at a time is under way on an MLLP connection
		}
		out = append(out, deliver.Connection{ID: b.ids[e.Name], Name: e.Name, EHR: adapter, Base: b.config.Identity.Base,
			Mode: string(e.Mode), Concurrent: concurrent, PerSecond: e.Limits.RequestsPerSecond, Deadline: e.Limits.Deadline,
			SearchLag: e.Limits.SearchLag, Poll: e.Watch.Poll, NotBefore: e.Watch.NotBefore, Systems: e.IdentifierSystems,
			TrustIDs: e.Match == config.MatchTrustIdentifiers, HoldFor: e.Filing.HoldFor, Encounters: Encounters(e.Filing.Encounter),
			PerThread: e.Filing.Per == config.PerThread, Idle: e.Filing.Idle,
			NotifyURL: b.config.Server.PublicURL + "/ehrs/" + e.Name + "/notify", NotifyWith: notifyHeader + ": " + b.notifySecret(e)})
	}
	return out, nil
}

// adapter builds the adapter of one EHR.
func (b *builder) adapter(e config.EHR) (connector.EHR, error) {
	parts := adapters.EHRParts{Config: e, Base: b.config.Identity.Base, People: People(b.config, e.Name), Now: b.now,
		ID: b.ids[e.Name], Store: b.store, OnSkew: skewLog(b.log, b.now, e.Name), Proven: b.proven(e.Name)}
	var err error
	if e.SpeaksFHIR() {
		parts.HTTP, err = b.ehrClient(e)
	} else {
		parts.Fence = egress.CheckFence
		parts.Dial, err = b.engineDial(e)
	}
	if err != nil {
		return nil, err
	}
	return adapters.EHR(parts)
}

// proven gives what the last probe of a connection has seen to work; nil where there is no store to know it from.
func (b *builder) proven(ehr string) func(context.Context) ([]string, error) {
	if b.store == nil {
		return nil
	}
	return func(ctx context.Context) (out []string, err error) {
		err = b.store.View(ctx, func(tx connector.Tx) error {
			out = nil
			probe, err := tx.LastProbe(b.ids[ehr])
			if errors.Is(err, connector.ErrNotFound) {
				return nil
			}
			for _, o := range probe.Outcomes {
				if o.Known == connector.KnownYes {
					out = append(out, o.Capability)
				}
			}
			return err
		})
		return out, err
	}
}

// Encounters is the encounter policy as deliver knows it.
func Encounters(e config.Encounter) deliver.Encounters {
	return deliver.Encounters{Policy: string(e.Policy), Within: e.Within(), Departments: e.Departments}
}

// ehrClient is the guarded way to one EHR: its FHIR base, and the origins the configuration names for its tokens and for an
// API of the vendor's own. A token endpoint that discovery finds elsewhere is refused.
func (b *builder) ehrClient(e config.EHR) (*http.Client, error) {
	origins := []string{e.BaseURL}
	if e.Backend != nil {
		origins = append(origins, e.Backend.Origins...)
	}
	if own, ok := e.Own.(interface{ Origins() []string }); ok { // of another API of the vendor's
		origins = append(origins, own.Origins()...)
	}
	return b.guard.Client("ehr "+e.Name, origins, egress.Limits{Total: e.Limits.Deadline, Conns: 2 * e.Limits.Concurrent, Body: 64 << 20})
}

// engineDial is the guarded way to an interface engine. Plaintext, which config allows toward this machine and networks that
// somebody has named, is said aloud at each start.
func (b *builder) engineDial(e config.EHR) (func(context.Context) (net.Conn, error), error) {
	u, err := url.Parse(e.Address)
	if err != nil {
		return nil, fmt.Errorf("EHR %q: address is no interface engine's address", e.Name)
	}
	to := egress.Endpoint{Host: u.Hostname(), Port: u.Port(), Connect: min(e.Limits.Deadline, 10*time.Second)}
	if u.Scheme == "mllps" {
		to.TLS = &egress.TLS{}
		if t := e.TLS; t != nil {
			to.TLS.CA, to.TLS.Cert, to.TLS.Key = t.CA.Bytes(), t.Cert.Bytes(), []byte(t.Key.Reveal())
		}
		return b.guard.Stream("ehr "+e.Name, to)
	}
	for _, s := range e.PlaintextTo {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("EHR %q: plaintext_to: %w", e.Name, err)
		}
		to.Plaintext = append(to.Plaintext, p)
	}
	if len(to.Plaintext) > 0 { // config takes it for no host of this machine
		b.log.Warn("PLAINTEXT: this EHR connection sends patients' data UNENCRYPTED to another machine; anybody on the way can read and change them",
			"ehr", e.Name, "engine", u.Host, "plaintext_to", e.PlaintextTo, "next", "have the interface engine speak TLS, write mllps:// and remove plaintext_to")
	} else {
		b.log.Warn("PLAINTEXT: this EHR connection sends patients' data unencrypted to a port of this machine; whatever listens there must encrypt it before it leaves",
			"ehr", e.Name, "next", "use mllps:// where the engine speaks TLS itself")
	}
	return b.guard.Stream("ehr "+e.Name, to)
}

// notifySecret is the configured one, or one of our own that survives restarts: it is derived from the keyset.
func (b *builder) notifySecret(e config.EHR) string {
	if e.Watch.NotifySecret.IsSet() {
		return e.Watch.NotifySecret.Reveal()
	}
	return hex.EncodeToString(b.keys.Derive("notify " + b.ids[e.Name]))
}

// lines builds the adapter of every channel.
func (b *builder) lines() ([]deliver.Line, error) {
	var out []deliver.Line
	for _, c := range b.config.Channels {
		origins := append([]string{}, c.Media.Origins...)
		if c.SendURL != "" {
			origins = append(origins, c.SendURL)
		}
		var hc *http.Client // none for a channel that nothing is sent to nor fetched from
		if len(origins) > 0 {
			var err error
			if hc, err = b.guard.Client("channel "+c.Name, origins, egress.Limits{Body: int64(c.Media.MaxBytes) + 1<<20}); err != nil {
				return nil, err
			}
		}
		adapter, err := adapters.Channel(adapters.ChannelParts{Config: c, HTTP: hc, Now: b.now})
		if err != nil {
			return nil, err
		}
		out = append(out, deliver.Line{Name: c.Name, EHR: b.ids[c.EHR], Channel: adapter, Receipts: string(c.Receipts),
			SendIdempotent: c.SendIdempotent, TrustIDs: c.TrustIdentifiers, ConsentNeeded: c.Consent == config.ConsentRequired,
			DefaultPool: c.DefaultPool, OrderWindow: c.OrderWindow, GapWait: c.GapWait, MediaWithin: c.Media.Within})
	}
	return out, nil
}

// pools are the ids of an EHR connection's pools.
func (b *builder) pools(ehr string) []string {
	var out []string
	for _, p := range b.config.Pools {
		if p.EHR == ehr {
			out = append(out, p.ID)
		}
	}
	return out
}

// channels are the channels as ingest knows them, by name.
func (b *builder) channels() map[string]ingest.Channel {
	out := map[string]ingest.Channel{}
	for _, c := range b.config.Channels {
		out[c.Name] = ingest.Channel{Name: c.Name, EHR: b.ids[c.EHR], DefaultPool: c.DefaultPool, Pools: b.pools(c.EHR), Consent: string(c.Consent), Receipts: string(c.Receipts)}
	}
	return out
}

func (b *builder) webChannels(lines []deliver.Line) map[string]web.Channel {
	out := map[string]web.Channel{}
	known := b.channels()
	for n, c := range b.config.Channels {
		out[c.Name] = web.Channel{Ingest: known[c.Name], Decoder: lines[n].Channel, MaxBody: int64(c.MaxEventBytes)}
	}
	return out
}

func (b *builder) webEHRs() map[string]web.EHR {
	out := map[string]web.EHR{}
	for _, e := range b.config.EHRs {
		out[e.Name] = web.EHR{ID: b.ids[e.Name], Name: e.Name, Header: notifyHeader, Secret: b.notifySecret(e)}
	}
	return out
}

// tokens are the API's callers. A token's hash is all that is kept.
func (b *builder) tokens() []web.Token {
	var out []web.Token
	for _, t := range b.config.API.Tokens {
		w := web.Token{Name: t.Name, EHR: b.ids[t.EHR], Role: connector.RoleStaff, Write: t.Role == config.RoleClinician || t.Role == config.RoleStaff, ActAs: t.ActAs, People: platformIDs(b.config, t.EHR)}
		if t.Role == config.RoleClinician {
			w.Role = connector.RoleClinician
		}
		raw, err := hex.DecodeString(t.SHA256)
		if err != nil || len(raw) != len(w.Hash) {
			continue // config has refused it
		}
		copy(w.Hash[:], raw)
		out = append(out, w)
	}
	return out
}

// jwks is the public key set of every SMART client key in the configuration.
func (b *builder) jwks() ([]byte, error) {
	var keys []*smart.Key
	add := func(s config.Secret, where string) error {
		if !s.IsSet() || s.Missing() {
			return nil
		}
		k, err := smart.LoadKey([]byte(s.Reveal()))
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		keys = append(keys, k)
		return nil
	}
	for _, e := range b.config.EHRs {
		if e.Backend != nil {
			if err := add(e.Backend.Key, "EHR "+e.Name+": backend.key"); err != nil {
				return nil, err
			}
		}
		if e.Launch != nil {
			if err := add(e.Launch.Key, "EHR "+e.Name+": launch.key"); err != nil {
				return nil, err
			}
		}
	}
	return smart.PublicJWKS(keys...)
}

// People maps the channels' ids of people and pools of one EHR to their EHR references.
func People(c *config.Config, ehr string) map[string]string {
	out := map[string]string{}
	for _, p := range c.People {
		if p.EHR == ehr {
			out[p.ID] = p.Reference
		}
	}
	for _, p := range c.Pools {
		if p.EHR == ehr {
			out[p.ID] = p.Reference
		}
	}
	return out
}

// platformIDs is the way back: what the channels call the people and pools of an EHR. The first of several names counts.
func platformIDs(c *config.Config, ehr string) map[string]string {
	out := map[string]string{}
	add := func(of, reference, id string) {
		if of == ehr && out[reference] == "" {
			out[reference] = id
		}
	}
	for _, p := range c.People {
		add(p.EHR, p.Reference, p.ID)
	}
	for _, p := range c.Pools {
		add(p.EHR, p.Reference, p.ID)
	}
	return out
}

// nameOf is the config's label of an ehr_id.
func (b *builder) nameOf(id string) string {
	for name, known := range b.ids {
		if known == id {
			return name
		}
	}
	return id
}
