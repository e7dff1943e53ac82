package app

import (
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector/inbox"
)

type patientPage struct {
	base
	Frame *inbox.Frame // base's: a view has one too
	inbox.PatientView
}

type poolPage struct {
	base
	Frame *inbox.Frame // base's: a view has one too
	inbox.PoolView
	Query string // of this list, to come back to it
}

type threadPage struct {
	base
	Frame *inbox.Frame // base's: a view has one too
	inbox.ThreadView
	Form composer
	Note note
}

type newPage struct {
	base
	Frame *inbox.Frame // base's: a view has one too
	inbox.NewView
	Form composer
}

type filedPage struct {
	base
	Thread string
	Back   string
	Filed  []inbox.FiledView
}

// home is the launched patient's page; a session without a patient begins with its pools.
func (p *pages) home(c echo.Context) error {
	s := session(c)
	if s.Patient == "" {
		return goTo(c, below(s.ID, "pool"))
	}
	ctx, cancel := within(c)
	defer cancel()
	v, err := p.o.Desk.Patient(ctx, s)
	if err != nil {
		return err
	}
	page := patientPage{base: p.framed(c, v.Frame), PatientView: v}
	page.Frame = page.base.Frame
	return p.render(c, http.StatusOK, "patient", page)
}

// pool is the work list.
func (p *pages) pool(c echo.Context) error {
	ctx, cancel := within(c)
	defer cancel()
	q := c.QueryParams()
	s := session(c)
	v, err := p.o.Desk.Pool(ctx, s, inbox.PoolFilter{Pool: q.Get("pool"), Mine: q.Get("mine") != "", Free: q.Get("free") != "",
		Late: q.Get("late") != "", After: q.Get("after")})
	if err != nil {
		return err
	}
	page := poolPage{base: p.framed(c, v.Frame), PoolView: v, Query: filterQuery(v.Filter)}
	page.Frame = page.base.Frame
	return p.render(c, http.StatusOK, "pool", page)
}

// filterQuery writes a filter as a query, "" for none.
func filterQuery(f inbox.PoolFilter) string {
	q := url.Values{}
	for name, on := range map[string]bool{"mine": f.Mine, "free": f.Free, "late": f.Late} {
		if on {
			q.Set(name, "1")
		}
	}
	if f.Pool != "" {
		q.Set("pool", f.Pool)
	}
	if f.After != "" {
		q.Set("after", f.After)
	}
	return q.Encode()
}

// More is the address of the list's next page.
func (v poolPage) More() string {
	f := v.Filter
	f.After = v.Next
	return below(v.Launch, "pool") + "?" + filterQuery(f)
}

// thread is one thread's page.
func (p *pages) thread(c echo.Context) error {
	return p.showThread(c, http.StatusOK, composer{}, note{}, c.QueryParam("draft"))
}

// showThread renders a thread with what its composer and the field of its note have to say; draft is the one in the composer, "" the
// newest.
func (p *pages) showThread(c echo.Context, status int, form composer, note note, draft string) error {
	ctx, cancel := within(c)
	defer cancel()
	s, id := session(c), param(c, "thread")
	v, err := p.o.Desk.Thread(ctx, s, id, draft)
	if err != nil {
		return err
	}
	page := threadPage{base: p.framed(c, v.Frame), ThreadView: v, Note: note}
	page.Frame = page.base.Frame
	page.Live += "?" + url.Values{"thread": {id}}.Encode()
	at := below(s.ID, "t", id)
	page.Here = at // also where a post is answered
	if draft != "" && draft == v.Composer.Draft.ID {
		page.Here += draftQuery(draft)
	}
	page.Form = form.of(page.base, v.Composer, at)
	return p.render(c, status, "thread", page)
}

// newMessage is the page of a new message to the launched patient.
func (p *pages) newMessage(c echo.Context) error {
	return p.showNew(c, http.StatusOK, composer{}, c.QueryParam("channel"), c.QueryParam("draft"))
}

// showNew renders the page of a new message: draft is the one to go on with, "" none.
func (p *pages) showNew(c echo.Context, status int, form composer, channel, draft string) error {
	ctx, cancel := within(c)
	defer cancel()
	s := session(c)
	v, err := p.o.Desk.New(ctx, s, channel, draft)
	if err != nil {
		return err
	}
	page := newPage{base: p.framed(c, v.Frame), NewView: v}
	page.Frame = page.base.Frame
	at := below(s.ID, "new")
	page.Here = at + draftQuery(draft)
	page.Form = form.of(page.base, v.Composer, at)
	page.Form.Begins = true
	return p.render(c, status, "new", page)
}

// draftQuery is how an address names the draft its composer shows; "" for none.
func draftQuery(draft string) string {
	if draft == "" {
		return ""
	}
	return "?" + url.Values{"draft": {draft}}.Encode()
}

// filed shows the exact requests that put an exchange on the chart.
func (p *pages) filed(c echo.Context) error {
	ctx, cancel := within(c)
	defer cancel()
	s, thread, message := session(c), param(c, "thread"), param(c, "message")
	v, err := p.o.Desk.Filed(ctx, s, thread, message)
	if err != nil {
		return err
	}
	page := filedPage{base: p.framed(c, v.Frame), Filed: v.Filed,
		Thread: thread, Back: below(s.ID, "t", thread) + "#e-" + url.PathEscape(message)}
	return p.render(c, http.StatusOK, "filed", page)
}

// help lists the keys.
func (p *pages) help(c echo.Context) error {
	return p.render(c, http.StatusOK, "help", p.base(c))
}

// back is where a post of a list or a thread returns to: an address of the same session, nothing else.
func back(c echo.Context, form form, otherwise string) string {
	to, err := url.Parse(form.get("back"))
	root := below(session(c).ID)
	if err != nil || to.IsAbs() || to.Host != "" || path.Clean(to.Path) != to.Path || to.Path != root && !strings.HasPrefix(to.Path, root+"/") {
		return otherwise
	}
	return to.RequestURI()
}
