package web

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// Restored is the part of the control socket by which an operator says that the database is a restored backup: POST
// /restored answers the epoch that began. Like Control it must not be served anywhere else.
func Restored(store connector.Store, c clock.Clock, log *slog.Logger, begin func(ctx context.Context, agent string) (connector.Epoch, error)) http.Handler {
	s := &Server{o: Options{Store: store, Clock: c, Log: log}}
	e := s.newEcho()
	e.POST("/restored", func(c echo.Context) error {
		epoch, err := begin(c.Request().Context(), agent(c))
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, epoch)
	})
	return e
}
