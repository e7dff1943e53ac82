// Package web is everything Chartwire serves over HTTP, and the only package that knows Echo: the channels' events, the
// EHRs' notifications, the JSON API and the public keys on the public listener; health, metrics and the console's first
// page on the console listener, which is never public.
//
// It decides nothing about exchanges: it authenticates, limits, decodes, hands over, and turns answers into status codes.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/alert"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/ingest"
	"github.com/chartwire/chartwire/connector/web/app"
)

// Channel is one channel as web serves it.
type Channel struct {
	Ingest  ingest.Channel
	Decoder connector.Channel
	MaxBody int64 // bytes; a larger event gets 413
}

// EHR is one EHR as web serves it.
type EHR struct {
	ID     string
	Name   string
	Header string // of the notification, such as X-Chartwire-Notify
	Secret string // its value, compared in constant time
}

// Token is one API token: who it is, which EHR it opens and whom it may act as.
type Token struct {
	Name   string
	Hash   [32]byte // SHA-256 of the token
	EHR    string   // ehr_id
	Role   connector.Role
	Write  bool
	ActAs  []string          // EHR references
	People map[string]string // EHR reference → the platforms' participant id, where people and pools have one
}

// Options wires the listeners.
type Options struct {
	Store    connector.Store
	Ingest   *ingest.Ingest
	Clock    clock.Clock
	Log      *slog.Logger
	Channels map[string]Channel
	EHRs     map[string]EHR // by config name
	Tokens   []Token
	JWKS     []byte // the public key set
	Notify   func(ehr string)
	Alarm    func(ehr string, r connector.Reason, item string) // something was parked on arrival; nil tells nobody
	// Patient reads an active patient by reference and names them in the channels' terms; ErrNoMatch where there is none.
	// nil knows nobody.
	Patient func(ctx context.Context, ehr, reference string) (connector.PatientKey, error)
	Metrics http.Handler         // GET /metrics on the console listener
	Notes   func() []string      // what a ready Chartwire wants looked at, no PHI; nil has none
	Overdue func() alert.Overdue // what is parked and how late; nil knows nothing
	App     *app.Options         // the clinician's inbox on the public listener; nil: there is none
	Version string
}

// Server holds the two handlers. Use Public and Console, or Serve.
type Server struct {
	o       Options
	public  *echo.Echo
	console *echo.Echo
	pages   []string // "METHOD /path" of the inbox
}

// New builds the routes.
func New(o Options) (*Server, error) {
	if o.Store == nil || o.Ingest == nil || o.Clock == nil {
		return nil, errors.New("web: store, ingest and clock are needed")
	}
	if o.Patient == nil {
		o.Patient = func(context.Context, string, string) (connector.PatientKey, error) {
			return connector.PatientKey{}, connector.ErrNoMatch
		}
	}
	if o.Alarm == nil {
		o.Alarm = func(string, connector.Reason, string) {}
	}
	if o.Notes == nil {
		o.Notes = func() []string { return nil }
	}
	if o.Overdue == nil {
		o.Overdue = func() alert.Overdue { return alert.Overdue{} }
	}
	if o.Notify == nil {
		o.Notify = func(string) {}
	}
	if len(o.JWKS) == 0 {
		o.JWKS = []byte(`{"keys":[]}`)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{o: o}
	s.public = s.newEcho()
	s.public.POST("/channels/:name/events", s.events)
	s.public.POST("/ehrs/:name/notify", s.notify)
	s.public.GET("/.well-known/jwks.json", s.jwks)
	s.public.GET("/api/openapi.yaml", s.openapi)
	api := s.public.Group("/api/v1", s.authenticate)
	api.POST("/threads/:id/messages", s.postMessage)
	api.POST("/patients/:id/threads", s.postThread)
	api.GET("/threads/:id", s.getThread)
	if o.App != nil {
		others, pages := s.routes(), *o.App
		if pages.Refused == nil {
			pages.Refused = func(ctx context.Context, source, why string) error {
				return o.Ingest.Refused(ctx, "inbox", source, why)
			}
		}
		app.Mount(s.public, pages)
		s.pages = slices.DeleteFunc(s.routes(), func(r string) bool { return slices.Contains(others, r) })
	}

	s.console = s.newEcho()
	s.console.GET("/healthz", s.healthz)
	s.console.GET("/readyz", s.readyz)
	s.console.GET("/", func(c echo.Context) error { return c.Redirect(http.StatusFound, "/console/") })
	s.console.GET("/console/", s.home)
	if o.Metrics != nil {
		s.console.GET("/metrics", echo.WrapHandler(o.Metrics))
	}
	return s, nil
}

// Public is the handler of the public listener.
func (s *Server) Public() http.Handler { return s.public }

// Console is the handler of the console listener.
func (s *Server) Console() http.Handler { return s.console }

// Routes lists every route of the public listener as "METHOD /path", sorted, but for the inbox's pages: for the test that
// holds the OpenAPI document to the server.
func (s *Server) Routes() []string {
	return slices.DeleteFunc(s.routes(), func(r string) bool { return slices.Contains(s.pages, r) })
}

// Pages lists the routes of the inbox in the same way. They are for browsers and no part of the API.
func (s *Server) Pages() []string { return s.pages }

func (s *Server) routes() []string {
	var out []string
	for _, r := range s.public.Routes() {
		if r.Method != echo.RouteNotFound { // Echo's own, which keeps a group's middleware in front of what is not there
			out = append(out, r.Method+" "+r.Path)
		}
	}
	slices.Sort(out)
	return out
}

func (s *Server) newEcho() *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = s.failed
	e.Use(s.headers, s.recover)
	return e
}

// headers are on every answer: nothing here may be cached, sniffed or framed.
func (s *Server) headers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("Strict-Transport-Security", "max-age=31536000")
		return next(c)
	}
}

// recover turns a panic into a 500 whose cause is logged by type and place only: a panic value may hold PHI.
func (s *Server) recover(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if r := recover(); r != nil {
				s.o.Log.Error("a request failed inside Chartwire", "route", c.Path(), "panic", fmt.Sprintf("%T", r))
				err = problem(http.StatusInternalServerError, "internal", "Chartwire failed on this request; it is in the log.")
			}
		}()
		return next(c)
	}
}

// Serve answers on a listener until ctx ends, then lets requests under way finish for up to 30 s.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second,
		WriteTimeout: 90 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err := srv.Shutdown(stop)
	<-done
	return err
}
