package app

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
	"github.com/chartwire/chartwire/fhir/smart"
)

// plain is a page that says what happened, what to do and who can do it. Again offers the same address once more.
type plain struct {
	base
	Status int
	Title  string
	Window string // what the window is called where Title names somebody
	What   string // what happened
	Do     string // what to do, and who
	Again  bool
	Over   bool   // nothing of the session may stay on the screen
	Kept   string // what the user had written and is kept nowhere else: text to copy
}

// The pages of requests that do not reach the inbox. None holds anything of the request.
var (
	noSession = plain{Status: http.StatusUnauthorized, Title: "You are not signed in here", Over: true,
		What: "This window has no session for this page: it was closed, or the page was opened outside the EHR.",
		Do:   "Open Messages from the EHR again. What you had written is kept."}
	reopened = plain{Status: http.StatusBadRequest, Title: "Open Messages from the EHR", Over: true,
		What: "This page is one step of the sign-in and cannot be opened or reloaded by itself.",
		Do:   "Open Messages from the EHR again. What you had written is kept."}
	noCookies = plain{Status: http.StatusForbidden, Title: "This browser keeps no cookie here", Over: true,
		What: "It takes neither cookies in the EHR's frame nor scripts, and Messages needs one of the two to know who you are.",
		Do:   "Allow scripts for this address, or ask your EHR administrator to; then open Messages from the EHR again."}
	signedOut = plain{Status: http.StatusOK, Title: "You have signed out", Over: true,
		What: "Your session is over on every page of this patient.",
		Do:   "To go on, open Messages from the EHR again."}
	foreign = plain{Status: http.StatusForbidden, Title: "The request came from another site",
		What: "A page that is not Chartwire's asked for this, so nothing was done.",
		Do:   "Open Messages from the EHR and do it there. If you did, tell your EHR administrator."}
	notOurs = plain{Status: http.StatusBadRequest, Title: "The request cannot be read",
		What: "It is not what Chartwire's own pages send, so nothing was done.",
		Do:   "Open Messages from the EHR again."}
	nothingHere = plain{Status: http.StatusNotFound, Title: "There is nothing here",
		What: "This address does not exist, or not any more.",
		Do:   "Go back to the messages, or open Messages from the EHR again."}
	hidden = plain{Status: http.StatusNotFound, Title: "Nothing to show",
		What: "There is no such thread or message, or the EHR does not let you open its patient.",
		Do:   "If you need to see it, ask your EHR administrator for access to the patient's chart."}
	slow = plain{Status: http.StatusGatewayTimeout, Title: "The EHR answers slowly", Again: true,
		What: "The EHR did not answer in 20 seconds, so this page cannot be shown yet. Nothing was lost.",
		Do:   "Try again. If it stays so, tell your EHR administrator."}
	ehrDown = plain{Status: http.StatusServiceUnavailable, Title: "The EHR cannot be reached", Again: true,
		What: "Chartwire asks the EHR whether you may see this patient, and the EHR does not answer now. Messages keep coming in and nothing is lost.",
		Do:   "Try again in a few minutes. If it is urgent, call the patient. If it stays so, tell your EHR administrator."}
	ehrRefuses = plain{Status: http.StatusForbidden, Title: "The EHR does not allow this",
		What: "The EHR refused to show this with your sign-in.",
		Do:   "Ask your EHR administrator for access, then open Messages from the EHR again."}
	storeDown = plain{Status: http.StatusServiceUnavailable, Title: "Chartwire cannot save now", Again: true,
		What: "Chartwire's own store does not answer. What you did may not have been kept.",
		Do:   "Try again in a minute, and look at the thread before you send anything again. If it stays so, tell whoever runs Chartwire."}
	failed = plain{Status: http.StatusInternalServerError, Title: "Chartwire failed", Again: true,
		What: "Chartwire could not do this; the reason is in its log.",
		Do:   "Look at the thread before you do it again. If it fails again, tell whoever runs Chartwire."}
	tooLarge = plain{Status: http.StatusRequestEntityTooLarge, Title: "The message is too large",
		What: "The message with its files is larger than Chartwire takes, or has more than 10 files. Nothing was sent.",
		Do:   "Go back and send fewer or smaller files."}
)

// refused is a page with a sentence of the inbox's own.
func refused(status int, title, sentence string) plain {
	return plain{Status: status, Title: title, What: sentence}
}

// trouble finds the page for an error.
func (p *pages) trouble(c echo.Context, err error) plain {
	if at, ok := stated(err); ok {
		return at
	}
	var (
		retry     *connector.Retry
		ambiguous *connector.Ambiguous
		no        *connector.Refused
		large     *http.MaxBytesError
		he        *echo.HTTPError
	)
	switch {
	case errors.Is(err, connector.ErrNotFound), errors.Is(err, connector.ErrNoMatch):
		return hidden
	case errors.Is(err, context.DeadlineExceeded):
		return slow
	case errors.As(err, &retry), errors.As(err, &ambiguous):
		return ehrDown
	case errors.As(err, &no):
		return ehrRefuses
	case errors.Is(err, connector.ErrStore):
		return storeDown
	case errors.As(err, &large), errors.Is(err, errTooMany):
		return tooLarge
	case errors.Is(err, errForm):
		return notOurs
	case errors.As(err, &he):
		return nothingHere
	}
	return p.broken(c, err)
}

// stated finds the page for an error that the inbox words itself.
func stated(err error) (plain, bool) {
	var (
		ended     *inbox.Ended
		launch    *inbox.Refusal
		forbidden *inbox.Forbidden
		unbound   *inbox.Unbound
		covered   *inbox.Covered
		late      *inbox.TooLate
		stale     *inbox.Stale
		gone      *inbox.Gone
		wrong     *inbox.Wrong
		notSent   *inbox.NotSent
		newer     *inbox.Newer
		taken     *inbox.Taken
	)
	switch {
	case errors.As(err, &ended):
		at := refused(http.StatusUnauthorized, "Your session is over", ended.Sentence())
		at.Over = true
		return at, true
	case errors.As(err, &launch):
		at := refused(http.StatusForbidden, "Messages could not be opened", launch.Sentence())
		switch launch.Code {
		case smart.Unreachable:
			at.Status = http.StatusServiceUnavailable
		case inbox.TooManyLaunches:
			at.Status = http.StatusTooManyRequests
		}
		return at, true
	case errors.As(err, &forbidden):
		return refused(http.StatusForbidden, "You may not do this", capital(forbidden.Why)), true
	case errors.As(err, &unbound):
		return refused(http.StatusForbidden, "Nothing was sent", capital(unbound.Error())+"."), true
	case errors.As(err, &covered):
		return refused(http.StatusConflict, "Whom is this about?", capital(covered.Error())+"."), true
	case errors.As(err, &late):
		return refused(http.StatusConflict, "Too late", capital(late.Error())+"."), true
	case errors.As(err, &stale):
		return refused(http.StatusConflict, "Changed meanwhile", capital(stale.Error())+"."), true
	case errors.As(err, &gone):
		return refused(http.StatusGone, "The draft is not there any more", capital(gone.Error())+"."), true
	case errors.As(err, &wrong):
		return refused(http.StatusUnprocessableEntity, "Something has to be put right", capital(wrong.Text)), true
	case errors.As(err, &newer):
		return refused(http.StatusConflict, "Something new came in", capital(newer.Error())+"."), true
	case errors.As(err, &taken):
		at := refused(http.StatusConflict, capital(who(taken.Who))+" has it", "")
		at.Window = "A colleague has it"
		at.What = capital(taken.Error()) + "."
		return at, true
	case errors.As(err, &notSent):
		return refused(http.StatusUnprocessableEntity, "Nothing was sent", because(notSent)), true
	}
	return plain{}, false
}

// broken is the page of an error that nobody foresaw. Its words stay in the log, which holds no PHI by the rule for errors.
func (p *pages) broken(c echo.Context, err error) plain {
	if c.Request().Context().Err() == nil {
		p.o.Log.Error("a page of the inbox failed", "route", c.Path(), "error", err)
	}
	return failed
}

// show renders a page of trouble. A script that asked for JSON gets its sentences so.
func (p *pages) show(c echo.Context, at plain) error {
	if c.Response().Committed {
		return nil // a stream that was under way: it ends
	}
	c.Response().Header().Set("Cache-Control", "no-store") // whatever the route says of its good answers
	switch at.Status {
	case http.StatusServiceUnavailable:
		c.Response().Header().Set("Retry-After", "5")
	case http.StatusTooManyRequests:
		c.Response().Header().Set("Retry-After", "60")
	}
	if strings.Contains(c.Request().Header.Get("Accept"), "application/json") {
		return c.JSON(at.Status, map[string]string{"title": at.Title, "text": strings.TrimSpace(at.What + " " + at.Do)})
	}
	at.base = p.base(c)
	if at.Over {
		at.Live, at.Launch = "", "" // nothing of the session is left on the page
	}
	if c.Request().Method != http.MethodGet {
		at.Again = false // the browser's own way back is safer than a second post
		at.Here = below(at.Launch)
	}
	return p.render(c, at.Status, "plain", at)
}

func (p *pages) missing(echo.Context) error { return echo.ErrNotFound }

// because says why a message may not go, and what can be done.
func because(n *inbox.NotSent) string {
	return capital(n.Reason.Sentence()) + ". " + capital(n.Reason.Next()) + "."
}

// capital begins a sentence of an error's text.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
