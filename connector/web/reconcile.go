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
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
)

// ReconcileLine is one line of the answer to POST /reconcile: a finding as it is made, at last the reports, or what went
// wrong after the answer had begun.
type ReconcileLine struct {
	Finding *deliver.Finding          `json:"finding,omitempty"`
	Reports []deliver.ReconcileReport `json:"reports,omitempty"`
	Error   string                    `json:"error,omitempty"`
}

// Reconciler holds charts against what was filed; deliver.Engine.Reconcile is the one in use.
type Reconciler func(ctx context.Context, q deliver.ReconcileQuery, found func(deliver.Finding) error) ([]deliver.ReconcileReport, error)

// Reconcile is the part of the control socket that reads charts back: POST /reconcile?since=&until=&ehr=, times in RFC
// 3339. It answers NDJSON, a ReconcileLine a line. Like Control it must not be served anywhere else.
func Reconcile(store connector.Store, c clock.Clock, log *slog.Logger, run Reconciler) http.Handler {
	s := &Server{o: Options{Store: store, Clock: c, Log: log}}
	e := s.newEcho()
	e.POST("/reconcile", func(c echo.Context) error {
		q := deliver.ReconcileQuery{EHR: c.QueryParam("ehr"), Agent: agent(c)}
		for name, at := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
			text := c.QueryParam(name)
			if text == "" && name == "until" {
				continue
			}
			var err error
			if *at, err = time.Parse(time.RFC3339Nano, text); err != nil {
				return problem(http.StatusBadRequest, "body", name+" must be a time as of RFC 3339.")
			}
		}
		w := c.Response()
		whole := http.NewResponseController(w) // a sweep takes as long as it takes; in the command's own process it has no connection
		_, _ = whole.SetReadDeadline(time.Time{}), whole.SetWriteDeadline(time.Time{})
		w.Header().Set(echo.HeaderContentType, "application/x-ndjson")
		out := json.NewEncoder(w)
		say := func(l ReconcileLine) error {
			defer w.Flush()
			return out.Encode(l)
		}
		reports, err := run(c.Request().Context(), q, func(f deliver.Finding) error { return say(ReconcileLine{Finding: &f}) })
		if errors.Is(err, deliver.ErrNoConnection) && !w.Committed {
			w.Header().Del(echo.HeaderContentType)
			return problem(http.StatusNotFound, "ehr", "No EHR connection has this name, or it is off.")
		}
		line := ReconcileLine{Reports: reports}
		if err != nil {
			line.Error = err.Error()
		}
		return say(line)
	})
	return e
}
