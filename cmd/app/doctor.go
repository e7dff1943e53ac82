package app

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"

	"github.com/chartwire/chartwire/cmd/doctor"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/egress"
	"github.com/chartwire/chartwire/connector/store"
	"github.com/chartwire/chartwire/connector/web"
	"github.com/chartwire/chartwire/fhir/smart"
)

// asked is the doctor as the control socket asks it.
type asked struct{ *doctor.Doctor }

var _ web.Doctor = asked{}

// Examine is web.Doctor.
func (a asked) Examine(ctx context.Context, ehr, agent string) (any, error) {
	return a.Doctor.Examine(ctx, ehr, agent)
}

// doctor examines the connections of the configuration: those given, which are at work, or else ones of its own, of which
// some may not be possible.
func (b *builder) doctor(s connector.Store, c clock.Clock, at []deliver.Connection) *doctor.Doctor {
	d := &doctor.Doctor{PublicURL: b.config.Server.PublicURL, Base: b.config.Identity.Base, Guard: b.guard, Clock: c, Store: s}
	for n, e := range b.config.EHRs {
		one := doctor.Connection{Config: e, ID: b.ids[e.Name]}
		if at != nil {
			one.EHR = at[n].EHR
			one.Pinned = func() *smart.Configuration {
				if app := b.apps[e.Name]; app != nil {
					return app.Pinned()
				}
				return nil
			}
		} else if adapter, err := b.adapter(e); err != nil {
			one.Err = err
		} else {
			one.EHR = adapter
		}
		d.Connections = append(d.Connections, one)
	}
	return d
}

// OpenDoctor finds the running serve of a configuration, else examines by itself: with the store where there is one that can
// be opened, and without it else. A missing keyset, backend key or store is something it finds. Close it when done.
func OpenDoctor(ctx context.Context, c *config.Config) (*Operator, error) {
	if o := running(c); o != nil {
		return o, nil
	}
	guard, err := egress.New(egress.Options{})
	if err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	parts := &builder{config: c, guard: guard, log: quiet, now: clock.System.Now}
	db, why := openStored(ctx, c)
	var s connector.Store
	if db != nil {
		s, parts.store = db, db
		if parts.ids, err = tenants(ctx, db, c, clock.System.Now()); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	d := parts.doctor(s, clock.System, nil)
	d.NoStore = why
	return &Operator{who: who(), store: s, local: web.Examine(quiet, asked{d})}, nil
}

// openStored opens the store of a configuration where there is one, and says why there is none else.
func openStored(ctx context.Context, c *config.Config) (*store.DB, string) {
	if c.Store.Engine() == config.SQLite {
		if _, err := os.Stat(c.DSN()); errors.Is(err, fs.ErrNotExist) {
			return nil, "there is no store yet"
		}
	}
	keys, err := openKeys(c)
	if err != nil {
		return nil, "the store cannot be opened, because its sealing keys cannot be read (seal.keyset_file)"
	}
	db, err := store.Open(ctx, storeURL(c), store.Options{Sealer: keys, MigrateURL: c.MigrateDSN(), Lease: c.Store.Lease})
	if err != nil {
		return nil, "the store cannot be opened (" + err.Error() + ")"
	}
	return db, ""
}

// Probe is web.Doctor.
func (a asked) Probe(ctx context.Context, ehr, agent string, ask json.RawMessage) (any, error) {
	var q doctor.Ask
	if err := json.Unmarshal(ask, &q); err != nil {
		return nil, &connector.ProbeRefused{Text: "What is asked of the probe cannot be read; use the chartwire of the version that serves."}
	}
	return a.Doctor.Probe(ctx, ehr, agent, q)
}
