package web

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/audit"
)

type tokenKey struct{}

// authenticate lets only configured bearer tokens through; there is no anonymous route under /api/v1.
func (s *Server) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		t, ok := s.tokenOf(c.Request())
		if !ok {
			return s.refused(c, "api", "token", problem(http.StatusUnauthorized, "token", "The call needs a bearer token that is in api.tokens."))
		}
		c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), tokenKey{}, t)))
		return next(c)
	}
}

func (s *Server) tokenOf(r *http.Request) (Token, bool) {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || given == "" {
		return Token{}, false
	}
	hash := sha256.Sum256([]byte(given))
	var found Token
	ok := false
	for _, t := range s.o.Tokens { // every one is compared, so that time tells nothing
		if subtle.ConstantTimeCompare(hash[:], t.Hash[:]) == 1 {
			found, ok = t, true
		}
	}
	return found, ok
}

func caller(c echo.Context) Token {
	t, _ := c.Request().Context().Value(tokenKey{}).(Token)
	return t
}

// sender says in whose name a call sends, as the platform names participants, and which EHR reference that is.
func (t Token) sender(actAs string) (connector.Participant, string, bool) {
	if actAs == "" && len(t.ActAs) == 1 {
		actAs = t.ActAs[0]
	}
	if !slices.Contains(t.ActAs, actAs) {
		return connector.Participant{}, "", false
	}
	return connector.Participant{Role: t.Role, ID: cmp.Or(t.People[actAs], actAs)}, actAs, true
}

// denied audits that a known caller was refused, and gives the answer.
func (s *Server) denied(c echo.Context, t Token, p *Problem) error {
	now := s.o.Clock.Now()
	err := s.o.Store.Update(c.Request().Context(), "deny|"+t.EHR, func(tx connector.Tx) error {
		return tx.Audit(connector.AuditEntry{ID: connector.NewID(now), EHR: t.EHR, At: now, Kind: string(audit.Deny), Action: string(audit.Execute),
			Outcome: int(audit.MinorFailure), Agent: "api:" + t.Name, Detail: map[string]string{"why": p.Code}})
	})
	if err != nil {
		return unavailable()
	}
	return p
}

// refused counts that somebody unknown was refused, and gives the answer. where is a channel's name, ehr:NAME or api.
func (s *Server) refused(c echo.Context, where, why string, p *Problem) error {
	if err := s.o.Ingest.Refused(c.Request().Context(), where, source(c), why); err != nil {
		return unavailable()
	}
	return p
}
