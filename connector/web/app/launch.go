package app

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector/inbox"
)

// field is a hidden field of a form.
type field struct{ Name, Value string }

// launchPage sends the frame on to the EHR's sign-in. Its script keeps Secret in the frame's name, where the callback page
// finds it in a browser that keeps no cookie.
type launchPage struct {
	base
	Action string // address of the EHR's authorization endpoint, whole where there is no form
	Fields []field
	Post   bool
	Secret string
}

// launch takes a launch from the EHR, or a standalone one. Whether the EHR is one of ours is the inbox's to say, and to count.
func (p *pages) launch(c echo.Context) error {
	ehr := param(c, "ehr")
	browser := value(c, browserCookie)
	if browser == "" {
		browser = rand.Text() + rand.Text()
	}
	ctx, cancel := within(c)
	defer cancel()
	begun, err := p.o.Desk.Begin(ctx, inbox.BeginIn{EHR: ehr, Iss: c.QueryParam("iss"), Launch: c.QueryParam("launch"), Browser: browser, Source: source(c)})
	if err != nil {
		return err
	}
	to, err := url.Parse(begun.URL)
	if err != nil || to.Scheme != "https" && to.Scheme != "http" {
		return errors.New("the authorization endpoint is not a web address")
	}
	c.SetCookie(cookie(browserCookie, browser))
	page := launchPage{base: p.base(c), Action: begun.URL, Secret: begun.Secret, Post: begun.Form != nil}
	for name, values := range begun.Form {
		for _, v := range values {
			page.Fields = append(page.Fields, field{name, v})
		}
	}
	if page.Post {
		// What answers a form may send the browser on, to a login on another host: browsers hold that to form-action too.
		c.Response().Header().Set("Content-Security-Policy", policy(p.frames(c), to.Scheme+":"))
	}
	return p.render(c, http.StatusOK, "launch", page)
}

// callbackPage finishes a launch by script, and without one by Next.
type callbackPage struct {
	base
	Next string
}

// callback is where the EHR's sign-in sends the browser back to. The page's script finishes the launch, because only it knows
// what this window showed before and keeps the secret of a browser without cookies. Without script the page asks once more
// with plain set, and the cookie alone has to bind.
func (p *pages) callback(c echo.Context) error {
	q := c.QueryParams()
	if q.Get("state") == "" {
		return p.refuse(c, "no-state", reopened)
	}
	if !q.Has("plain") {
		next := url.Values{"plain": {"1"}}
		for _, name := range []string{"state", "code", "error"} {
			if q.Has(name) {
				next.Set(name, q.Get(name))
			}
		}
		return p.render(c, http.StatusOK, "callback", callbackPage{base: p.base(c), Next: "/callback" + under(param(c, "ehr")) + "?" + next.Encode()})
	}
	browser := value(c, browserCookie)
	if browser == "" {
		return p.refuse(c, "no-cookie", noCookies)
	}
	s, err := p.end(c, inbox.FinishIn{State: q.Get("state"), Code: q.Get("code"), Error: q.Get("error"), Browser: browser})
	if err != nil {
		return err
	}
	return goTo(c, below(s.ID))
}

// end finishes a launch; where the browser keeps cookies the session's handle becomes one.
func (p *pages) end(c echo.Context, in inbox.FinishIn) (finished, error) {
	ctx, cancel := within(c)
	defer cancel()
	in.EHR, in.Source = param(c, "ehr"), source(c)
	s, handle, err := p.o.Desk.Finish(ctx, in)
	if err != nil {
		return finished{}, err
	}
	if in.Browser == "" {
		return finished{ID: s.ID, Handle: handle}, nil
	}
	p.dropEnded(ctx, c)
	c.SetCookie(ofSession(sessionCookie(s.ID), handle))
	return finished{ID: s.ID}, nil
}

// finishing is what the callback page's script sends. Previous is the launch that this window showed before, and Proof that
// it did.
type finishing struct {
	State    string `json:"state"`
	Code     string `json:"code"`
	Error    string `json:"error"`
	Secret   string `json:"secret"`
	Previous string `json:"previous"`
	Proof    string `json:"proof"`
}

// finished answers it. Handle is set where there is no cookie: it stays in the page's memory.
type finished struct {
	ID     string `json:"launch"`
	Handle string `json:"handle,omitempty"`
}

// finish ends a launch for the callback page's script. JSON, because a form of another site cannot send it.
func (p *pages) finish(c echo.Context) error {
	if bare(c.Request().Header.Get("Content-Type")) != "application/json" {
		return p.refuse(c, "unreadable", notOurs)
	}
	var in finishing
	d := json.NewDecoder(http.MaxBytesReader(c.Response(), c.Request().Body, maxField))
	if err := d.Decode(&in); err != nil {
		return p.refuse(c, "unreadable", notOurs)
	}
	browser := value(c, browserCookie)
	if _, err := d.Token(); !errors.Is(err, io.EOF) || in.State == "" || in.Secret == "" && browser == "" {
		return p.refuse(c, "unreadable", notOurs)
	}
	done, err := p.end(c, inbox.FinishIn{State: in.State, Code: in.Code, Error: in.Error, Browser: browser, Secret: in.Secret,
		Previous: in.Previous, Proof: in.Proof})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, done)
}

// value is a cookie's, "" where there is none.
func value(c echo.Context, name string) string {
	k, err := c.Cookie(name)
	if err != nil {
		return ""
	}
	return k.Value
}

// out signs out: the session is over on every page of it.
func (p *pages) out(c echo.Context) error {
	ctx, cancel := within(c)
	defer cancel()
	s := session(c)
	if err := p.o.Desk.SignOut(ctx, s); err != nil {
		return err
	}
	c.SetCookie(ofSession(sessionCookie(s.ID), ""))
	return p.show(c, signedOut)
}

// uncover notes that the user has seen whose page this is, after another patient was opened elsewhere.
func (p *pages) uncover(c echo.Context) error {
	in, err := p.readForm(c)
	if err != nil {
		return err
	}
	ctx, cancel := within(c)
	defer cancel()
	if err := p.o.Desk.Uncover(ctx, session(c)); err != nil {
		return err
	}
	return goTo(c, back(c, in, below(session(c).ID)))
}
