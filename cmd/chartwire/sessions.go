package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/chartwire/chartwire/connector/inbox"
	"github.com/chartwire/chartwire/connector/web"
)

type sessionsCmd struct {
	List sessionsListCmd `cmd:"" help:"List the open sessions of one user."`
	End  sessionsEndCmd  `cmd:"" help:"End every session of one user at once, at every replica, and their tokens at the EHR."`
}

// userFlags name a user of the inbox.
type userFlags struct {
	configFlag
	User string `arg:"" help:"The user as the EHR names them: Practitioner/ID or PractitionerRole/ID."`
	EHR  string `name:"ehr" help:"Only at this EHR connection; all of them where it is not given."`
	JSON bool   `help:"Print JSON."`
}

func (u userFlags) path() string {
	return "/sessions?" + url.Values{"user": {u.User}, "ehr": {u.EHR}}.Encode()
}

type sessionsListCmd struct{ userFlags }

func (c sessionsListCmd) Run(ctx context.Context, s streams) error {
	var list []inbox.SignedIn
	if err := c.operate(ctx, s, http.MethodGet, c.path(), &list); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s, list)
	}
	for _, l := range list {
		fmt.Fprintf(s.out, "%s  %s  %s  since %s, last seen %s\n", l.ID, l.EHR, l.Role, l.Since.UTC().Format(time.RFC3339), l.Seen.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(s.out, "%d open\n", len(list))
	return nil
}

type sessionsEndCmd struct{ userFlags }

func (c sessionsEndCmd) Run(ctx context.Context, s streams) error {
	var answer web.SessionsEnded
	if err := c.operate(ctx, s, http.MethodDelete, c.path(), &answer); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s, answer)
	}
	fmt.Fprintf(s.out, "%d ended\n", answer.Ended)
	return nil
}
