// Package doctor examines EHR connections: what each EHR declares, what it grants and what is proven, as one table, with a
// sentence for each gap that says what is missing, where, and who must act. It reads; only a probe writes, to the configured
// test patient and after its name was confirmed.
package doctor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/egress"
	"github.com/chartwire/chartwire/fhir/smart"
)

// Connection is one EHR connection to examine.
type Connection struct {
	Config config.EHR
	ID     string        // ehr_id; "" where there is no store
	EHR    connector.EHR // nil where it could not be built
	Err    error         // why not
	// Pinned is the smart-configuration that launches follow in the serve that runs, nil while none is pinned; it is nil itself
	// where no serve runs.
	Pinned func() *smart.Configuration
}

// Doctor examines the connections of one configuration.
type Doctor struct {
	Connections []Connection
	PublicURL   string // where our public keys are to be
	Base        string // identity.base
	Guard       *egress.Guard
	Clock       clock.Clock
	Store       connector.Store // nil where there is none, or it cannot be opened
	NoStore     string          // why not, for people
}

// Report is what was found out about one connection.
type Report struct {
	EHR          string                 `json:"ehr"`
	Type         config.EHRType         `json:"type"`
	Good         bool                   `json:"good"` // nothing that filing needs has a gap
	Facts        []connector.Fact       `json:"facts"`
	Capabilities []connector.Capability `json:"capabilities"`
	Inbox        []connector.Fact       `json:"inbox,omitempty"` // whether the inbox can be launched; Good is not about it
	Probe        *connector.Probe       `json:"probe,omitempty"` // the last one
}

// Examine examines a connection by name, or all where it is "". agent is who asks, for the audit log. Errors:
// deliver.ErrNoConnection where none has the name, connector.ErrStore where what is asked cannot be audited, and ctx's.
func (d *Doctor) Examine(ctx context.Context, name, agent string) ([]Report, error) {
	var out []Report
	for _, c := range d.Connections {
		if name != "" && c.Config.Name != name {
			continue
		}
		r, err := d.examine(ctx, c, agent)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	if len(out) == 0 {
		return nil, deliver.ErrNoConnection
	}
	return out, nil
}

func (d *Doctor) examine(ctx context.Context, c Connection, agent string) (Report, error) {
	r := Report{EHR: c.Config.Name, Type: c.Config.Type}
	known, err := d.consult(ctx, c, agent)
	if err != nil {
		return r, err
	}
	r.Facts = append(missingFiles(c.Config), d.storeFact(c))
	if c.Config.Launch != nil {
		r.Inbox = d.inbox(ctx, c)
	}
	if c.EHR == nil {
		r.Facts = append(r.Facts, connector.Fact{Name: "connection", Value: "cannot be made", Good: connector.KnownNo,
			Gap: lack(connector.FixConfig, "the connection cannot be made: %v; correct it in the Chartwire configuration.", c.Err)})
		return r, nil
	}
	var found connector.Preflight
	if checker, ok := c.EHR.(connector.Checker); ok {
		if found, err = checker.Check(ctx); err != nil {
			return r, err
		}
	} else {
		r.Facts = append(r.Facts, connector.Fact{Name: "connection", Value: "this type cannot be examined; what is proven is below", Good: connector.NotKnown})
	}
	r.Facts = append(r.Facts, found.Facts...)
	if b := c.Config.Backend; b != nil {
		if f, ok := d.published(ctx, b.Key); ok {
			r.Facts = append(r.Facts, f)
		}
	}
	r.Probe, r.Capabilities = known.probe, known.applied(found.Capabilities)
	r.Good = !slices.ContainsFunc(r.Capabilities, func(c connector.Capability) bool { return c.Needed && c.Gap != nil })
	return r, nil
}

func lack(who connector.Fixer, format string, args ...any) *connector.Lack {
	return &connector.Lack{Who: who, Text: fmt.Sprintf(format, args...)}
}

// storeFact says where proofs come from.
func (d *Doctor) storeFact(c Connection) connector.Fact {
	if d.Store != nil && c.ID != "" {
		return connector.Fact{Name: "store", Value: "read for what was filed", Good: connector.KnownYes}
	}
	why := d.NoStore
	if why == "" {
		why = "this connection is not in it yet"
	}
	return connector.Fact{Name: "store", Value: why + ": what was filed is not known", Good: connector.NotKnown}
}

// missingFiles are the secrets a connection names that are not there. serve does not start without them.
func missingFiles(e config.EHR) []connector.Fact {
	var out []connector.Fact
	add := func(key, file string, missing bool) {
		if missing {
			out = append(out, connector.Fact{Name: key, Value: file + " cannot be read", Good: connector.KnownNo, Gap: lack(connector.FixConfig,
				"%s of %q in the Chartwire configuration names %s, which cannot be read here: put the file there, readable by Chartwire, or correct its name.", key, e.Name, file)})
		}
	}
	if b := e.Backend; b != nil {
		add("backend.key_file", b.Key.File, b.Key.Missing())
	}
	if l := e.Launch; l != nil {
		add("launch.key_file", l.Key.File, l.Key.Missing())
		add("launch.secret_file", l.Secret.File, l.Secret.Missing())
	}
	add("watch.notify_secret_file", e.Watch.NotifySecret.File, e.Watch.NotifySecret.Missing())
	if t := e.TLS; t != nil {
		add("tls.ca_file", t.CA.Path, t.CA.IsSet() && t.CA.Bytes() == nil)
		add("tls.cert_file", t.Cert.Path, t.Cert.IsSet() && t.Cert.Bytes() == nil)
		add("tls.key_file", t.Key.File, t.Key.Missing())
	}
	return out
}

// consult writes down that a connection is examined, and gathers what the store knows of it.
func (d *Doctor) consult(ctx context.Context, c Connection, agent string) (evidence, error) {
	known := evidence{of: map[string]proof{}}
	if d.Store == nil || c.ID == "" {
		return known, nil
	}
	now := d.Clock.Now()
	err := d.Store.Update(ctx, "doctor", func(tx connector.Tx) error {
		known = evidence{of: map[string]proof{}}
		if err := known.gather(tx, c.ID); err != nil {
			return err
		}
		return d.audit(tx, c, agent, "doctor", now, nil)
	})
	return known, err
}

func (d *Doctor) audit(tx connector.Tx, c Connection, agent, act string, now time.Time, detail map[string]string) error {
	all := map[string]string{"act": act, "ehr": c.Config.Name}
	for k, v := range detail {
		all[k] = v
	}
	return tx.Audit(connector.AuditEntry{ID: connector.NewID(now), EHR: c.ID, At: now, Kind: "admin", Action: "E", Agent: agent, Detail: all})
}
