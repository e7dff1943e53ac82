package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
)

// patience is how long a page waits for the inbox, and so for the EHR behind it, before it says that the EHR is slow.
const patience = 20 * time.Second

// handleHeader carries the session's handle where the browser keeps no cookie for us.
const handleHeader = "X-Chartwire-Session"

// quietHeader marks what a script asks for by itself.
const quietHeader = "X-Chartwire-Quiet"

// guard is around every route: the headers of a page, the refusal of requests from other sites' pages, the time limit, and a
// page of its own for every error. An error's text is shown only where it is one of the inbox's own sentences.
func (p *pages) guard(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		p.headers(c, p.frames(c))
		if err := p.cross.Check(c.Request()); err != nil {
			return p.refuse(c, "cross-origin", foreign)
		}
		defer func() {
			if r := recover(); r != nil {
				// A panic's value may hold PHI; its type and the route say enough to find the place.
				err = p.show(c, p.broken(c, fmt.Errorf("panic: %T", r)))
			}
		}()
		if err := next(c); err != nil {
			return p.show(c, p.trouble(c, err))
		}
		return nil
	}
}

// frames are the origins whose pages may hold the answer to a request: of the EHR that its address names. The address of a session
// names none before the session is found, and what is shown until then, such as that it has ended, holds nothing of anybody: that
// is for the frame of every EHR, whose users would see their browser's own page of trouble instead.
func (p *pages) frames(c echo.Context) []string {
	if c.Param("launch") == "" {
		return p.o.EHRs[param(c, "ehr")].Frame
	}
	var all []string
	for _, e := range p.o.EHRs {
		all = append(all, e.Frame...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// headers are those of a page that pages of these origins may hold.
func (p *pages) headers(c echo.Context, frames []string) {
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("Content-Security-Policy", policy(frames, "'self'"))
}

// policy is the Content-Security-Policy of a page that these origins' pages may hold. form is where its forms may go.
func policy(frames []string, form string) string {
	frame := "'none'"
	if len(frames) > 0 {
		frame = "'self' " + strings.Join(frames, " ")
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action " +
		form + "; frame-ancestors " + frame
}

// Keys of what signedIn puts into a request.
const (
	keySession = "session"
	keyHeaded  = "headed" // the handle came by header: the page's pictures and links have to be fetched by script
)

// signedIn finds the session of a request. Without one there is a page that says how to come back.
func (p *pages) signedIn(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		launch := param(c, "launch")
		handle, headed := c.Request().Header.Get(handleHeader), true
		if handle == "" {
			headed = false
			if cookie, err := c.Cookie(sessionCookie(launch)); err == nil {
				handle = cookie.Value
			}
		}
		if handle == "" {
			return p.refuse(c, "session", noSession)
		}
		open := p.o.Desk.Session
		if quiet(c) {
			open = p.o.Desk.Peek
		}
		s, err := open(c.Request().Context(), launch, handle)
		if errors.Is(err, connector.ErrNotFound) {
			// A handle that opens nothing is somebody's guess or a browser's old cookie: counted, and not told apart.
			return p.refuse(c, "session", noSession)
		}
		if err != nil {
			return err
		}
		p.headers(c, p.o.EHRs[s.EHR].Frame)
		c.Set(keySession, s)
		c.Set(keyHeaded, headed)
		return next(c)
	}
}

// quiet says whether a request is the page's own doing, which does not keep its user signed in: a script's look at what
// changed, and what a page fetches beside itself.
func quiet(c echo.Context) bool {
	path := c.Path()
	return c.Request().Header.Get(quietHeader) != "" || strings.HasSuffix(path, "/live") || strings.HasSuffix(path, "/style.css") || strings.HasSuffix(path, "/:attachment")
}

// refuse counts that somebody unknown was refused, and shows why.
func (p *pages) refuse(c echo.Context, why string, at plain) error {
	if err := p.o.Refused(c.Request().Context(), source(c), why); err != nil {
		return p.show(c, p.trouble(c, err))
	}
	return p.show(c, at)
}

// source is the caller's address, for the count of refusals.
func source(c echo.Context) string {
	host, _, err := net.SplitHostPort(c.Request().RemoteAddr)
	if err != nil {
		return c.Request().RemoteAddr
	}
	return host
}

func session(c echo.Context) *inbox.Session {
	s, _ := c.Get(keySession).(*inbox.Session)
	return s
}

func headed(c echo.Context) bool { h, _ := c.Get(keyHeaded).(bool); return h }

// within gives a request's context with the page's patience.
func within(c echo.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.Request().Context(), patience)
}

// browserCookie holds the random value that binds a launch to the browser that began it.
const browserCookie = "__Host-cw"

// sessionCookie names the cookie that holds the handle of one launch: each has its own, so that two patients in two tabs
// never share a session.
func sessionCookie(launch string) string { return browserCookie + "-" + url.PathEscape(launch) }

// ofSession makes the cookie of a session, which a browser keeps for no longer than one can last; handle "" takes it away.
func ofSession(name, handle string) *http.Cookie {
	k := cookie(name, handle)
	k.MaxAge = int(inbox.Life / time.Second)
	if handle == "" {
		k.MaxAge = -1
	}
	return k
}

// How many cookies of sessions a browser keeps for us before those of sessions that are over go, and how many are looked at then.
const (
	fewCookies = 20
	maxCookies = 50
)

// dropEnded takes away the cookies of sessions that are over where there are many, which the browser would send along until they
// expire: a day's launches make a header that a server may refuse. Where there are few they stay, since a page of theirs that is
// still open can say by them why its session is over.
func (p *pages) dropEnded(ctx context.Context, c echo.Context) {
	all := slices.DeleteFunc(c.Cookies(), func(k *http.Cookie) bool { return !strings.HasPrefix(k.Name, browserCookie+"-") })
	if len(all) < fewCookies {
		return
	}
	for _, k := range all[:min(len(all), maxCookies)] {
		id, err := url.PathUnescape(strings.TrimPrefix(k.Name, browserCookie+"-"))
		if err == nil {
			_, err = p.o.Desk.Peek(ctx, id, k.Value)
		}
		if errors.As(err, new(*inbox.Ended)) || errors.Is(err, connector.ErrNotFound) {
			c.SetCookie(ofSession(k.Name, ""))
		}
	}
}

// cookie makes a cookie that a browser keeps for our page within one EHR's frame and shows to nothing else.
func cookie(name, value string) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode, Partitioned: true}
}

// below is the address of a place in a session.
func below(launch string, rest ...string) string {
	return "/app/l/" + url.PathEscape(launch) + under(rest...)
}

// under joins parts of an address, each after a slash.
func under(parts ...string) string {
	at := ""
	for _, p := range parts {
		at += "/" + url.PathEscape(p)
	}
	return at
}

// param is a part of the address, its escapes undone: the router leaves them where there are any.
func param(c echo.Context, name string) string {
	v := c.Param(name)
	if c.Request().URL.RawPath == "" {
		return v
	}
	if plain, err := url.PathUnescape(v); err == nil {
		return plain
	}
	return v
}
