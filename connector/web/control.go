package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
)

// control serves the commands of an operator on this machine: over the Unix socket beside the store while serve runs, or
// in the command's own process when it does not. Who may reach it may act; every act and every reading is audited.
type control struct {
	Operator
}

// Operator is what the control socket's handler works with.
type Operator struct {
	Store  connector.Store
	Clock  clock.Clock
	Log    *slog.Logger
	Engine *deliver.Engine
	EHRs   []string                               // ids of the connections
	Lines  map[string]string                      // channel → id of its EHR
	Audit  func(ctx context.Context) (any, error) // verifies the audit logs and gives its reports
}

// operatorHeader names the person at the command line, as their machine knows them.
const operatorHeader = "Chartwire-Operator"

// operatorName is what may stand in the audit log as such a name.
var operatorName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// agent is who acts over the control socket. The socket is its user's alone; the name says which person that was.
func agent(c echo.Context) string {
	if name := c.Request().Header.Get(operatorHeader); operatorName.MatchString(name) {
		return "cli:" + name
	}
	return "cli"
}

// Control is the handler of the control socket. It must not be served anywhere else.
func Control(o Operator) http.Handler {
	s := &Server{o: Options{Store: o.Store, Clock: o.Clock, Log: o.Log}}
	k := &control{o}
	e := s.newEcho()
	e.GET("/trace", k.trace)
	e.GET("/parked", k.parked)
	e.POST("/parked", k.decide)
	e.POST("/relink", k.relink)
	e.GET("/audit/verify", func(c echo.Context) error {
		reports, err := k.Audit(c.Request().Context())
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, reports)
	})
	e.POST("/ehrs/:name/pause", k.pause(connector.EHRPaused)) // or a channel
	e.POST("/ehrs/:name/resume", k.pause(""))
	return e
}

func (k *control) trace(c echo.Context) error {
	var found []deliver.Traced
	err := k.Store.Update(c.Request().Context(), "control", func(tx connector.Tx) error {
		var err error
		found, err = deliver.Trace(tx, c.QueryParam("id"), agent(c), c.QueryParam("show") == "true", k.Clock.Now())
		return err
	})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return problem(http.StatusNotFound, "thread", "Nothing is known by this id: it is no thread's, message's or item's, no webhook-id, no EHR reference (Type/id) and no MSH-10. An event that got no 2xx was not taken: its sender has to send it again.")
	}
	return c.JSON(http.StatusOK, found)
}

// pause stops filing toward an EHR, or sending to a channel where no EHR has the name, or lets it go on; what is accepted
// meanwhile waits.
func (k *control) pause(reason connector.Reason) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := k.Store.Update(c.Request().Context(), "control", func(tx connector.Tx) error {
			name := c.Param("name")
			err := deliver.Pause(tx, name, reason, agent(c), k.Clock.Now())
			if ehr, channel := k.Lines[name]; channel && errors.Is(err, connector.ErrNotFound) {
				err = deliver.PauseChannel(tx, ehr, name, reason != "", agent(c), k.Clock.Now())
			}
			return err
		})
		if errors.Is(err, connector.ErrNotFound) {
			return problem(http.StatusNotFound, "ehr", "No EHR connection and no channel has this name.")
		}
		if err != nil {
			return err
		}
		return c.NoContent(http.StatusNoContent)
	}
}
