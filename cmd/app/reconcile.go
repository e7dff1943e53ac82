package app

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/egress"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/web"
)

// operators adds to the control handler what needs the EHR connections.
func operators(control http.Handler, s connector.Store, c clock.Clock, log *slog.Logger, reconcile web.Reconciler,
	restored func(context.Context) (connector.Epoch, error)) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/reconcile", web.Reconcile(s, c, log, reconcile))
	mux.Handle("/restored", web.Restored(s, c, log, restored))
	mux.Handle("/", control)
	return mux
}

// operators is the control handler of a running app. A sweep under way ends when serve does.
func (a *App) operators(serving context.Context, control http.Handler) http.Handler {
	reconcile := func(ctx context.Context, q deliver.ReconcileQuery, found func(deliver.Finding) error) ([]deliver.ReconcileReport, error) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		defer context.AfterFunc(serving, stop)()
		return a.engine.Reconcile(ctx, q, found)
	}
	return operators(control, a.store, a.o.Clock, a.o.Log, reconcile, a.restored)
}

// readers are the EHR connections of a command that works without serve. They are wired when they are first needed: most
// commands need no key and no network.
type readers struct {
	config *config.Config
	store  connector.Store
	keys   *seal.Sealer
	ids    map[string]string
	log    *slog.Logger
}

func (r *readers) reconcile(ctx context.Context, q deliver.ReconcileQuery, found func(deliver.Finding) error) ([]deliver.ReconcileReport, error) {
	guard, err := egress.New(egress.Options{})
	if err != nil {
		return nil, err
	}
	parts := &builder{config: r.config, guard: guard, ids: r.ids, now: clock.System.Now, keys: r.keys}
	conns, err := parts.connections()
	if err != nil {
		return nil, err
	}
	lines, err := parts.lines()
	if err != nil {
		return nil, err
	}
	engine, err := deliver.New(deliver.Options{Store: r.store, Clock: clock.System, Log: r.log, Connections: conns, Lines: lines})
	if err != nil {
		return nil, err
	}
	return engine.Reconcile(ctx, q, found)
}

func (r *readers) restored(ctx context.Context) (connector.Epoch, error) {
	return beginEpoch(ctx, r.store, values(r.ids), clock.System)
}
