package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector"
)

// events takes one event of a channel: 202 taken, 200 a repeat, 400 undecodable (and parked), 401 not signed, 404 no such
// channel, 413 too large, 503 not stored. A 2xx is given after the commit and never before it.
func (s *Server) events(c echo.Context) error {
	ch, ok := s.o.Channels[param(c, "name")]
	if !ok {
		return s.refused(c, "unknown", "channel", problem(http.StatusNotFound, "channel", "No channel of this name is configured."))
	}
	body, err := readBody(c, ch.MaxBody)
	var large *Problem
	if errors.As(err, &large) && large.Status == http.StatusRequestEntityTooLarge {
		return s.refused(c, ch.Ingest.Name, "size", large)
	}
	if err != nil {
		return err
	}
	in := connector.Inbound{Header: c.Request().Header, Body: body, At: s.o.Clock.Now()}
	events, err := ch.Decoder.Decode(in)
	var unsigned *connector.SignatureError
	var unread *connector.DecodeError
	ctx := c.Request().Context()
	switch {
	case errors.As(err, &unsigned):
		return s.refused(c, ch.Ingest.Name, "signature", problem(http.StatusUnauthorized, "signature", "The event was not taken: "+unsigned.Text+"."))
	case errors.As(err, &unread):
		if err := s.o.Ingest.Undecodable(ctx, ch.Ingest, c.Request().Header.Get("webhook-id"), body, unread); err != nil {
			return unavailable()
		}
		s.o.Alarm(ch.Ingest.EHR, connector.Undecodable, "")
		p := problem(http.StatusBadRequest, "undecodable", "The event was signed but cannot be read: "+unread.Text+". It is parked; send it corrected under a new webhook-id.")
		p.Pointer = unread.Pointer
		return p
	case err != nil:
		return err
	}
	status := http.StatusOK
	for _, ev := range events {
		r, err := s.o.Ingest.Accept(ctx, ch.Ingest, ev)
		if err != nil {
			s.o.Log.Error("an event could not be stored; the platform was told to send it again", "channel", ch.Ingest.Name, "error", err)
			return unavailable()
		}
		if !r.Repeat {
			status = http.StatusAccepted
		}
		if r.Conflict {
			s.o.Alarm(ch.Ingest.EHR, connector.Conflict, r.Item)
		}
	}
	return c.NoContent(status)
}

// readBody reads at most limit bytes.
func readBody(c echo.Context, limit int64) ([]byte, error) {
	if c.Request().ContentLength > limit {
		return nil, tooLarge()
	}
	body, err := io.ReadAll(io.LimitReader(c.Request().Body, limit+1))
	if err != nil {
		return nil, problem(http.StatusBadRequest, "body", "The body could not be read to its end.")
	}
	if int64(len(body)) > limit {
		return nil, tooLarge()
	}
	return body, nil
}

func tooLarge() *Problem {
	return problem(http.StatusRequestEntityTooLarge, "size", "The body is larger than this address takes; give large attachments by url.")
}

// source is the peer's address without its port, for the count of refusals.
func source(c echo.Context) string {
	host, _, err := net.SplitHostPort(c.Request().RemoteAddr)
	if err != nil {
		return "unknown"
	}
	return host
}

// notify takes an EHR's R4 rest-hook: something changed; what, the watcher reads itself.
func (s *Server) notify(c echo.Context) error {
	e, ok := s.o.EHRs[param(c, "name")]
	if !ok {
		return s.refused(c, "unknown", "ehr", problem(http.StatusNotFound, "ehr", "No EHR connection of this name is configured."))
	}
	given := sha256.Sum256([]byte(c.Request().Header.Get(e.Header)))
	want := sha256.Sum256([]byte(e.Secret))
	if e.Secret == "" || subtle.ConstantTimeCompare(given[:], want[:]) != 1 {
		return s.refused(c, "ehr:"+e.Name, "notify", problem(http.StatusUnauthorized, "notify", "The notification did not carry this connection's secret header."))
	}
	s.o.Notify(e.ID)
	return c.NoContent(http.StatusOK)
}

// jwks publishes the public keys of our SMART clients. They may be cached: rotation publishes the new key beside the old.
func (s *Server) jwks(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "public, max-age=300")
	return c.Blob(http.StatusOK, "application/json", s.o.JWKS)
}
