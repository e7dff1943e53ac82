package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
)

// control serves the commands of an operator on this machine: over the Unix socket beside the store while serve runs, or
// in the command's own process when it does not. Who may reach it may act; every act and every reading is audited.
type control struct {
	store connector.Store
	clock clock.Clock
	ehrs  []string // ids
	audit func(ctx context.Context) (any, error)
}

// cliAgent is who acts over the control socket.
const cliAgent = "cli"

// Control is the handler of the control socket. It must not be served anywhere else. ehrs are the ids of the connections,
// audit verifies the audit logs and gives its reports.
func Control(store connector.Store, c clock.Clock, log *slog.Logger, ehrs []string, audit func(ctx context.Context) (any, error)) http.Handler {
	s := &Server{o: Options{Store: store, Clock: c, Log: log}}
	k := &control{store: store, clock: c, ehrs: ehrs, audit: audit}
	e := s.newEcho()
	e.GET("/trace", k.trace)
	e.GET("/parked", k.parked)
	e.POST("/parked/:id/replay", k.decide(deliver.Replay))
	e.POST("/parked/:id/release", k.decide(deliver.Release))
	e.GET("/audit/verify", func(c echo.Context) error {
		reports, err := k.audit(c.Request().Context())
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, reports)
	})
	e.POST("/ehrs/:name/pause", k.pause(connector.EHRPaused))
	e.POST("/ehrs/:name/resume", k.pause(""))
	return e
}

func (k *control) trace(c echo.Context) error {
	var found []deliver.Traced
	err := k.store.Update(c.Request().Context(), "control", func(tx connector.Tx) error {
		var err error
		found, err = deliver.Trace(tx, c.QueryParam("id"), cliAgent, c.QueryParam("bodies") == "true", k.clock.Now())
		return err
	})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return problem(http.StatusNotFound, "thread", "Nothing is known by this id.")
	}
	return c.JSON(http.StatusOK, found)
}

func (k *control) parked(c echo.Context) error {
	var list []deliver.TracedItem
	err := k.store.View(c.Request().Context(), func(tx connector.Tx) error {
		var err error
		list, err = deliver.ParkedList(tx, 10_000)
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, list)
}

// pause stops filing toward an EHR, or lets it go on; what is accepted meanwhile waits.
func (k *control) pause(reason connector.Reason) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := k.store.Update(c.Request().Context(), "control", func(tx connector.Tx) error {
			return deliver.Pause(tx, c.Param("name"), reason, cliAgent, k.clock.Now())
		})
		if errors.Is(err, connector.ErrNotFound) {
			return problem(http.StatusNotFound, "ehr", "No EHR connection has this name.")
		}
		if err != nil {
			return err
		}
		return c.NoContent(http.StatusNoContent)
	}
}

type decision = func(tx connector.Tx, ehrs []string, id, agent string, now time.Time) error

func (k *control) decide(act decision) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := k.store.Update(c.Request().Context(), "control", func(tx connector.Tx) error {
			return act(tx, k.ehrs, c.Param("id"), cliAgent, k.clock.Now())
		})
		switch {
		case errors.Is(err, connector.ErrNotFound):
			return problem(http.StatusNotFound, "address", "There is no item with this id.")
		case errors.Is(err, deliver.ErrNotParked), errors.Is(err, deliver.ErrNoReplay):
			return problem(http.StatusConflict, "address", err.Error())
		case err != nil:
			return err
		}
		return c.NoContent(http.StatusNoContent)
	}
}
