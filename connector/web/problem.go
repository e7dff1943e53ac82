package web

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector"
)

// Problem is every error answer, as RFC 9457 application/problem+json. Code is stable and names the docs' anchor; Detail
// says what happened and what to do, without PHI.
type Problem struct {
	Status  int    `json:"status"`
	Title   string `json:"title"`
	Code    string `json:"code"`
	Detail  string `json:"detail,omitempty"`
	Pointer string `json:"pointer,omitempty"` // RFC 6901: the place in the request's body
}

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

func problem(status int, code, detail string) *Problem {
	return &Problem{Status: status, Title: http.StatusText(status), Code: code, Detail: detail}
}

// failed writes an error answer. What is not a Problem is not told to the caller.
func (s *Server) failed(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	var p *Problem
	var he *echo.HTTPError
	switch {
	case errors.As(err, &p):
	case errors.Is(err, connector.ErrStore):
		p = unavailable()
	case errors.As(err, &he):
		p = problem(he.Code, "address", "There is no such address here, or it does not take this method.")
	default:
		s.o.Log.Error("a request failed inside Chartwire", "route", c.Path(), "error", err)
		p = problem(http.StatusInternalServerError, "internal", "Chartwire failed on this request; it is in the log.")
	}
	if p.Status == http.StatusServiceUnavailable {
		c.Response().Header().Set("Retry-After", "5")
	}
	if p.Code == "token" {
		c.Response().Header().Set("WWW-Authenticate", `Bearer realm="chartwire"`)
	}
	c.Response().Header().Set("Cache-Control", "no-store") // whatever the route says of its good answers
	c.Response().Header().Set(echo.HeaderContentType, "application/problem+json")
	if err := c.JSON(p.Status, p); err != nil {
		s.o.Log.Warn("an error answer could not be written", "route", c.Path(), "error", err)
	}
}

func unavailable() *Problem {
	return problem(http.StatusServiceUnavailable, "store", "The store cannot commit now, so nothing was taken. Send it again.")
}
