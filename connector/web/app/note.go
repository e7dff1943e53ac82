package app

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector/inbox"
)

// note is the field of an internal note, with what the page has to say where it was not kept. No draft is kept of it.
type note struct {
	Text    string
	Problem string         // a sentence; "" none
	Whose   *inbox.Covered // another patient was opened since: the user has to say that this one is meant
}

// note keeps an internal note of the thread.
func (p *pages) note(ctx context.Context, c echo.Context, in *post) error {
	if err := p.lookedAt(ctx, in); err != nil {
		return err
	}
	if err := p.o.Desk.Note(ctx, in.s, in.thread, in.note(), in.get("bind")); err != nil {
		return err
	}
	return goTo(c, below(in.s.ID, "t", in.thread))
}

func (p *post) note() string { return newlines.Replace(p.get("text")) }

// noteAgain shows the thread once more with the words of a note that was not kept, and why. Where the thread cannot be shown either, or
// nothing be written in it any more, the page that says so has the words as text to copy; one that ends the session has nothing.
func (p *pages) noteAgain(c echo.Context, in *post, err error) error {
	at := p.trouble(c, err)
	if jsonWanted(c) || at.Over || in.note() == "" {
		return p.show(c, at)
	}
	again := note{Text: in.note(), Problem: strings.TrimSpace(at.What + " " + at.Do)}
	errors.As(err, &again.Whose)
	useless := errors.As(err, new(*inbox.Forbidden)) || at.Status == http.StatusGatewayTimeout // the EHR was waited for already
	if !useless && p.showThread(c, at.Status, composer{}, again, "") == nil {
		return nil
	}
	at.Kept = again.Text
	return p.show(c, at)
}
