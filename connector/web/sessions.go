package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
)

// SessionsEnded is the answer to DELETE /sessions.
type SessionsEnded struct {
	Ended int `json:"ended"`
}

// UserSessions is what an administrator can see of the inbox's users and do about them: *inbox.Desk.
type UserSessions interface {
	UserSessions(ctx context.Context, ehr, user, by string) ([]inbox.SignedIn, error)
	EndUser(ctx context.Context, ehr, user, by string) (int, error)
}

// staffReference is a user of the inbox as the EHR names them.
var staffReference = regexp.MustCompile(`^(Practitioner|PractitionerRole)/[A-Za-z0-9.-]{1,64}$`)

// Sessions is the part of the control socket that shows and ends the sessions of one user of the inbox: GET and DELETE
// /sessions?user=&ehr=, no ehr for every connection. Like Control it must not be served anywhere else.
func Sessions(log *slog.Logger, desk UserSessions) http.Handler {
	s := &Server{o: Options{Log: log}}
	e := s.newEcho()
	e.GET("/sessions", ofUser(func(c echo.Context, ehr, user string) (any, error) {
		return desk.UserSessions(c.Request().Context(), ehr, user, agent(c))
	}))
	e.DELETE("/sessions", ofUser(func(c echo.Context, ehr, user string) (any, error) {
		n, err := desk.EndUser(c.Request().Context(), ehr, user, agent(c))
		return SessionsEnded{n}, err
	}))
	return e
}

// ofUser answers with what do gives for the user and EHR connection of the query.
func ofUser(do func(c echo.Context, ehr, user string) (any, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		user := c.QueryParam("user")
		if !staffReference.MatchString(user) {
			return problem(http.StatusBadRequest, "body", "The user is named as the EHR names them: Practitioner/ID or PractitionerRole/ID.")
		}
		answer, err := do(c, c.QueryParam("ehr"), user)
		if errors.Is(err, connector.ErrNotFound) {
			return problem(http.StatusNotFound, "ehr", "No EHR connection from which the inbox can be launched has this name.")
		}
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, answer)
	}
}
