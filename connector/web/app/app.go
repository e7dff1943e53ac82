// Package app is the clinician's inbox as a browser shows it: the launch from the EHR and the way back, the pages, their
// embedded assets, the session's cookie or header, and the live stream. It decides nothing: a request becomes a call of the
// inbox, and what that gives becomes a page.
//
// Every page works with plain links and forms. Script makes them update in place, and is what a browser needs that keeps no
// cookie in the EHR's frame: the session's handle then lives in the page's memory and goes with each request in a header.
package app

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/inbox"
)

// Desk is what of the inbox the pages call: *inbox.Desk. Every error of a call is turned into a page by trouble.
type Desk interface {
	Begin(ctx context.Context, in inbox.BeginIn) (inbox.Begun, error)
	Finish(ctx context.Context, in inbox.FinishIn) (s *inbox.Session, handle string, err error)
	Session(ctx context.Context, id, handle string) (*inbox.Session, error)
	Peek(ctx context.Context, id, handle string) (*inbox.Session, error)
	SignOut(ctx context.Context, s *inbox.Session) error
	Uncover(ctx context.Context, s *inbox.Session) error

	Patient(ctx context.Context, s *inbox.Session) (inbox.PatientView, error)
	Pool(ctx context.Context, s *inbox.Session, f inbox.PoolFilter) (inbox.PoolView, error)
	Thread(ctx context.Context, s *inbox.Session, thread, draft string) (inbox.ThreadView, error)
	New(ctx context.Context, s *inbox.Session, channel, draft string) (inbox.NewView, error)
	Filed(ctx context.Context, s *inbox.Session, thread, message string) (inbox.FiledPage, error)
	File(ctx context.Context, s *inbox.Session, thread, message, attachment string, thumb bool) (name, contentType string, data []byte, err error)

	Save(ctx context.Context, s *inbox.Session, in inbox.DraftIn) (inbox.DraftView, error)
	Send(ctx context.Context, s *inbox.Session, in inbox.SendIn) (inbox.DraftView, error)
	Undo(ctx context.Context, s *inbox.Session, draft string) (inbox.DraftView, error)
	Discard(ctx context.Context, s *inbox.Session, draft string) error
	Work(ctx context.Context, s *inbox.Session, in inbox.WorkIn) error
	Note(ctx context.Context, s *inbox.Session, thread, text, bind string) error
	Watch(ctx context.Context, s *inbox.Session, threads []string) (<-chan inbox.Change, error)
}

// EHR is one EHR connection as its users' browsers meet it.
type EHR struct {
	Frame []string       // origins whose pages may hold ours in a frame, as https://ehr.example.org; none: nobody's
	Zone  *time.Location // of the clinic; nil is UTC
}

// Options wires the pages.
type Options struct {
	Desk    Desk
	Clock   clock.Clock
	Log     *slog.Logger     // nil discards
	EHRs    map[string]EHR   // by config name: the connections that can be launched from
	Origins []string         // our own public origins, where a proxy in front changes the Host
	MaxBody map[string]int64 // bytes a message with its files may have, by config name of the EHR; 0 is 40 MiB
	Stop    <-chan struct{}  // closed when the process stops: live streams end
	// Refused counts that a request was refused before the inbox was asked, by the caller's address: one without a valid session, of
	// another site's page, too large or unreadable, or a step of a sign-in that cannot be one. It makes one row of an address and a
	// minute. nil counts nothing.
	Refused func(ctx context.Context, source, why string) error
	// Style reads the EHR's colours (smart_style_url); nil: none.
	Style func(ctx context.Context, s *inbox.Session) (Style, error)
}

// maxBody bounds a message with its files where nothing else is configured, as the JSON API does.
const maxBody = 40 << 20

// pages serves what Mount adds, below /launch/, /callback/ and /app/.
type pages struct {
	o      Options
	assets *assets
	cross  *http.CrossOriginProtection
}

// Mount adds the pages to a listener. It panics where an option that cannot do without is missing, or an origin is none:
// that is a mistake of the program, not of a request.
func Mount(e *echo.Echo, o Options) {
	if o.Desk == nil || o.Clock == nil {
		panic("app: desk and clock are needed")
	}
	if o.Refused == nil {
		o.Refused = func(context.Context, string, string) error { return nil }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &pages{o: o, assets: embedded, cross: http.NewCrossOriginProtection()}
	for _, origin := range o.Origins {
		if err := p.cross.AddTrustedOrigin(origin); err != nil {
			panic("app: " + err.Error())
		}
	}
	open := e.Group("", p.guard)
	open.GET("/launch/:ehr", p.launch)
	open.GET("/callback/:ehr", p.callback)
	open.POST("/callback/:ehr", p.finish)
	open.GET("/app/assets/:file", p.asset)
	open.RouteNotFound("/app/*", p.missing)

	in := e.Group("/app/l/:launch", p.guard, p.signedIn)
	in.GET("", p.home)
	in.GET("/pool", p.pool)
	in.GET("/help", p.help)
	in.GET("/live", p.live)
	in.GET("/style.css", p.style)
	in.GET("/new", p.newMessage)
	in.GET("/t/:thread", p.thread)
	in.GET("/t/:thread/m/:message/filed", p.filed)
	in.GET("/t/:thread/m/:message/a/:attachment", p.file)
	in.POST("/out", p.out)
	in.POST("/uncover", p.uncover)
	for _, place := range []string{"/new", "/t/:thread"} {
		in.POST(place+"/reply", p.posts(p.reply, p.again))
		in.POST(place+"/draft", p.posts(p.draft, p.again))
		in.POST(place+"/undo", p.posts(p.undo, nil))
		in.POST(place+"/discard", p.posts(p.discard, nil))
	}
	in.POST("/t/:thread/note", p.posts(p.note, p.noteAgain))
	for _, act := range []string{inbox.Claim, inbox.Release, inbox.Assign, inbox.Hand, inbox.Resolve} {
		in.POST("/t/:thread/"+act, p.posts(func(ctx context.Context, c echo.Context, in *post) error { return p.work(ctx, c, in, act) }, nil))
	}
}
