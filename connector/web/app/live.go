package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/inbox"
)

const (
	// maxWatched bounds the threads one page names.
	maxWatched = 200

	pulse     = 20 * time.Second // between signs of life, so that no proxy takes the stream for dead
	sendLimit = 30 * time.Second // for one event; a browser that does not read loses the stream
)

// event is what a live stream carries: no word of what changed, only where. The page fetches that with its own session.
type event struct {
	Thread  string `json:"thread,omitempty"`
	Version int64  `json:"version,omitempty"`
}

// live is the stream of changes to the threads a page names, or else to those of the session's list. It ends with the session, with the event ended.
func (p *pages) live(c echo.Context) error {
	threads := c.QueryParams()["thread"]
	if len(threads) > maxWatched {
		threads = threads[:maxWatched]
	}
	ctx := c.Request().Context()
	changes, err := p.o.Desk.Watch(ctx, session(c), threads)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	c.Response().WriteHeader(http.StatusOK)
	out := stream{c}
	if err := out.send(": open"); err != nil {
		return nil // the browser has gone
	}
	beat := p.o.Clock.NewTimer(pulse)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-p.o.Stop:
			return nil
		case <-beat.C():
			beat.Reset(pulse)
			err = out.send(": here")
		case change, open := <-changes:
			if !open {
				return nil
			}
			err = out.change(change)
			if change.Ended != "" {
				return nil
			}
		}
		if err != nil {
			return nil // the browser has gone
		}
	}
}

// stream writes events to a browser.
type stream struct{ c echo.Context }

func (s stream) change(ch inbox.Change) error {
	name, of := "changed", event{Thread: ch.Thread, Version: ch.Version}
	switch {
	case ch.Ended != "":
		name, of = "ended", event{}
	case ch.Thread == "":
		name, of = "covered", event{}
	}
	data, err := json.Marshal(of)
	if err != nil {
		return err
	}
	return s.send("event: " + name + "\ndata: " + string(data))
}

func (s stream) send(text string) error {
	w := http.NewResponseController(s.c.Response())
	// The listener's limit for a whole answer does not suit a stream: each event has its own, by the wall clock of the socket.
	if err := w.SetWriteDeadline(clock.System.Now().Add(sendLimit)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := fmt.Fprint(s.c.Response(), text+"\n\n"); err != nil {
		return err
	}
	return w.Flush()
}
