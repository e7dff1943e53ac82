package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
)

// Doctor examines EHR connections, for agent. What it gives is answered as JSON.
type Doctor interface {
	Examine(ctx context.Context, ehr, agent string) (any, error)
	// Probe takes the next step of a probe, as the JSON body asks.
	Probe(ctx context.Context, ehr, agent string, ask json.RawMessage) (any, error)
}

// maxAsk is the largest body of a probe's step.
const maxAsk = 64 << 10

// Examine is the part of the control socket that examines EHR connections: POST /doctor?ehr= and POST /doctor/probe?ehr=.
// Like Control it must not be served anywhere else.
func Examine(log *slog.Logger, d Doctor) http.Handler {
	s := &Server{o: Options{Log: log}}
	e := s.newEcho()
	answer := func(run func(c echo.Context) (any, error)) echo.HandlerFunc {
		return func(c echo.Context) error {
			whole := http.NewResponseController(c.Response()) // EHRs take their time; in the command's own process there is no connection
			_, _ = whole.SetReadDeadline(time.Time{}), whole.SetWriteDeadline(time.Time{})
			found, err := run(c)
			var not *connector.ProbeRefused
			switch {
			case errors.Is(err, deliver.ErrNoConnection):
				return problem(http.StatusNotFound, "ehr", "No EHR connection has this name.")
			case errors.As(err, &not):
				return problem(http.StatusConflict, "ehr", not.Text)
			case err != nil:
				return err
			}
			return c.JSON(http.StatusOK, found)
		}
	}
	e.POST("/doctor", answer(func(c echo.Context) (any, error) {
		return d.Examine(c.Request().Context(), c.QueryParam("ehr"), agent(c))
	}))
	e.POST("/doctor/probe", answer(func(c echo.Context) (any, error) {
		var ask json.RawMessage
		if err := json.NewDecoder(http.MaxBytesReader(c.Response(), c.Request().Body, maxAsk)).Decode(&ask); err != nil {
			return nil, problem(http.StatusBadRequest, "body", "The body must be the JSON of a probe's step.")
		}
		return d.Probe(c.Request().Context(), c.QueryParam("ehr"), agent(c), ask)
	}))
	return e
}
