package app

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/chartwire/chartwire/cmd/doctor"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/web"
)

// operators adds to the control handler what needs the EHR connections.
func operators(control http.Handler, s connector.Store, c clock.Clock, log *slog.Logger, reconcile web.Reconciler,
	restored func(ctx context.Context, agent string) (connector.Epoch, error), d *doctor.Doctor, desk web.UserSessions) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/reconcile", web.Reconcile(s, c, log, reconcile))
	mux.Handle("/restored", web.Restored(s, c, log, restored))
	mux.Handle("/sessions", web.Sessions(log, desk))
	examine := web.Examine(log, asked{d})
	mux.Handle("/doctor", examine)
	mux.Handle("/doctor/", examine)
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
	return operators(control, a.store, a.o.Clock, a.o.Log, reconcile, a.restored, a.doctor, a.desk)
}
