package app

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector/inbox"
)

// composer is where something is written, with what the page has to say about the last attempt to send it.
type composer struct {
	inbox.Composer
	base
	Action    string // its posts go below
	Begins    bool   // a new thread
	Problem   string // what has to be put right, a sentence
	Field     string // of the problem
	Collision *inbox.Collision
	Whose     *inbox.Covered // another patient was opened since: the user has to say that this one is meant
	typed     *inbox.DraftIn // what the user had written when it did not go through
	seen      string         // which messages the page had shown before
}

// of fills a composer from a view; what the user had typed stands where the last attempt failed.
func (f composer) of(b base, v inbox.Composer, action string) composer {
	f.base, f.Composer, f.Action = b, v, action
	if t := f.typed; t != nil {
		if t.ID != f.Draft.ID { // another one of theirs: what was typed does not become part of it
			if f.Draft.ID != "" {
				f.More = append([]inbox.DraftView{f.Draft}, f.More...)
			}
			f.Draft = inbox.DraftView{}
		}
		f.Draft.Text, f.Draft.To, f.Draft.Urgent, f.Draft.Topic, f.Draft.Template = t.Text, t.To, t.Urgent, t.Topic, t.Template
		if t.Channel != "" {
			f.Draft.Channel = t.Channel
		}
	}
	if f.seen != "" && f.Draft.Text != "" && f.Collision == nil {
		f.Seen = f.seen // what came meanwhile was not read before this was written: Send asks
	}
	return f
}

// Chosen says whether a recipient of the draft is key.
func (f composer) Chosen(key string) bool {
	for _, k := range f.Draft.To {
		if k == key {
			return true
		}
	}
	return false
}

// Open lists what the draft's template wanted and the chart did not give.
func (f composer) Open() []string {
	for _, t := range f.Templates {
		if t.ID == f.Draft.Template {
			return t.Open
		}
	}
	return nil
}

// post is a form that a signed-in user sent.
type post struct {
	form
	s      *inbox.Session
	thread string        // "" of a new message
	draft  inbox.DraftIn // what its composer held, where it is one's
}

// posts makes a route of what it does with a form, which has the page's patience. failed, where it is set, turns what keeps that
// from being done, and a form that could not be read whole, into a page.
func (p *pages) posts(do func(ctx context.Context, c echo.Context, in *post) error, failed func(c echo.Context, in *post, err error) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		f, err := p.readForm(c)
		in := &post{form: f, s: session(c), thread: param(c, "thread")}
		in.draft = f.draft(in.thread)
		if err == nil {
			ctx, cancel := within(c)
			defer cancel()
			err = do(ctx, c, in)
		}
		if err != nil && failed != nil {
			return failed(c, in, err)
		}
		return err
	}
}

// reply sends what a composer holds: it can be taken back for some seconds.
func (p *pages) reply(ctx context.Context, c echo.Context, in *post) error {
	if len(in.draft.AddFiles) > 0 {
		// Files are kept first, so that they are not lost where the message does not go.
		kept, err := p.o.Desk.Save(ctx, in.s, in.draft)
		if err != nil {
			return err
		}
		in.draft.ID, in.draft.Version, in.draft.AddFiles, in.draft.DropFiles = kept.ID, kept.Version, nil, nil
	}
	if err := p.lookedAt(ctx, in); err != nil {
		return err
	}
	sent, err := p.o.Desk.Send(ctx, in.s, inbox.SendIn{DraftIn: in.draft, Seen: in.get("seen"), Anyway: in.get("anyway") != ""})
	if err != nil {
		in.draft.ID = cmp.Or(sent.ID, in.draft.ID) // it was kept, though it was not sent
		return err
	}
	if sent.Thread != "" {
		return goTo(c, below(in.s.ID, "t", sent.Thread)+"#e-"+sent.ID)
	}
	return goTo(c, below(in.s.ID))
}

// lookedAt notes that the user has seen whom a post is about, where its button says so.
func (p *pages) lookedAt(ctx context.Context, in *post) error {
	if in.get("uncover") == "" {
		return nil
	}
	return p.o.Desk.Uncover(ctx, in.s)
}

// again shows a composer once more with what was written and why it did not go. Where the inbox gives no such reason there
// is a page of its own.
func (p *pages) again(c echo.Context, in *post, err error) error {
	if jsonWanted(c) {
		return err
	}
	f := composer{typed: &in.draft, seen: in.get("seen")}
	status := http.StatusUnprocessableEntity
	var (
		wrong   *inbox.Wrong
		notSent *inbox.NotSent
		stale   *inbox.Stale
		gone    *inbox.Gone
		large   *http.MaxBytesError
	)
	switch {
	case errors.As(err, &f.Collision), errors.As(err, &f.Whose):
		status = http.StatusConflict
	case errors.As(err, &wrong):
		f.Problem, f.Field = capital(wrong.Text), wrong.Field
	case errors.As(err, &notSent):
		f.Problem = because(notSent)
	case errors.As(err, &stale):
		f.Problem, status, in.draft.ID = capital(stale.Error())+".", http.StatusConflict, "" // what is in either window is kept
	case errors.As(err, &gone):
		f.Problem, status, in.draft.ID = capital(gone.Error())+".", http.StatusConflict, ""
	case errors.As(err, &large), errors.Is(err, errTooMany):
		f.Problem, f.Field, status = tooLarge.What+" Choose fewer or smaller files.", "files", http.StatusRequestEntityTooLarge
	default:
		return err
	}
	return p.showComposer(c, status, f, in.draft)
}

// showComposer renders the page that a post came from.
func (p *pages) showComposer(c echo.Context, status int, f composer, draft inbox.DraftIn) error {
	if draft.Thread == "" {
		return p.showNew(c, status, f, draft.Channel, draft.ID)
	}
	return p.showThread(c, status, f, note{}, draft.ID)
}

// savedDraft answers a script that keeps a draft.
type savedDraft struct {
	ID      string    `json:"id"`
	Version int64     `json:"version"`
	Saved   time.Time `json:"saved"`
}

// draft keeps what a composer holds, and puts a template's text into it where that was asked for.
func (p *pages) draft(ctx context.Context, c echo.Context, in *post) error {
	if in.get("insert") != "" {
		if err := p.insert(ctx, in); err != nil {
			return err
		}
	}
	kept, err := p.o.Desk.Save(ctx, in.s, in.draft)
	if err != nil {
		return err
	}
	if jsonWanted(c) {
		return c.JSON(http.StatusOK, savedDraft{ID: kept.ID, Version: kept.Version, Saved: kept.Saved})
	}
	in.draft.ID = kept.ID
	return p.showComposer(c, http.StatusOK, composer{seen: in.get("seen")}, in.draft)
}

// insert adds the chosen template, filled from the chart, to the end of the text.
func (p *pages) insert(ctx context.Context, in *post) error {
	var of inbox.Composer
	if in.thread == "" {
		v, err := p.o.Desk.New(ctx, in.s, in.draft.Channel, "")
		if err != nil {
			return err
		}
		of = v.Composer
	} else {
		v, err := p.o.Desk.Thread(ctx, in.s, in.thread, "")
		if err != nil {
			return err
		}
		of = v.Composer
	}
	for _, t := range of.Templates {
		if t.ID == in.draft.Template {
			in.draft.Text = strings.TrimLeft(strings.TrimRight(in.draft.Text, "\n")+"\n\n"+t.Text, "\n")
			return nil
		}
	}
	return &inbox.Wrong{Field: "template", Text: "Choose a template first."}
}

func jsonWanted(c echo.Context) bool {
	return strings.Contains(c.Request().Header.Get("Accept"), "application/json")
}

// undo takes back what was sent a moment ago: it is a draft again.
func (p *pages) undo(ctx context.Context, c echo.Context, in *post) error {
	d, err := p.o.Desk.Undo(ctx, in.s, in.get("draft"))
	switch {
	case err != nil:
		return err
	case d.Stray != "":
		return goTo(c, below(in.s.ID)) // where its user finds it
	case d.Thread == "":
		return goTo(c, below(in.s.ID, "new")+draftQuery(d.ID))
	}
	return goTo(c, below(in.s.ID, "t", d.Thread)+"#text")
}

// discard drops a draft.
func (p *pages) discard(ctx context.Context, c echo.Context, in *post) error {
	if err := p.o.Desk.Discard(ctx, in.s, in.get("draft")); err != nil {
		return err
	}
	home := below(in.s.ID)
	if in.thread != "" {
		home = below(in.s.ID, "t", in.thread)
	}
	return goTo(c, back(c, in.form, home))
}

// work does one of the acts with a thread.
func (p *pages) work(ctx context.Context, c echo.Context, in *post, act string) error {
	if err := p.o.Desk.Work(ctx, in.s, in.work(in.thread, act)); err != nil {
		return err
	}
	return goTo(c, back(c, in.form, below(in.s.ID, "t", in.thread)))
}
