package app_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
	"github.com/chartwire/chartwire/connector/web/app"
)

// stream is a live stream as a browser reads it.
type stream struct {
	t *testing.T
	r *http.Response
	s *bufio.Scanner
}

func (w *world) follow(query string) stream {
	w.t.Helper()
	server := httptest.NewServer(w.e)
	w.t.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, server.URL+"/app/l/L1/live"+query, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("X-Chartwire-Session", "handle-1")
	got, err := server.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = got.Body.Close() })
	s := stream{w.t, got, bufio.NewScanner(got.Body)}
	s.want(": open", "")
	return s
}

// want reads lines.
func (s stream) want(lines ...string) {
	s.t.Helper()
	for _, want := range lines {
		if !s.s.Scan() {
			s.t.Fatalf("the stream ended before %q (%v)", want, s.s.Err())
		}
		if got := s.s.Text(); got != want {
			s.t.Fatalf("the stream says %q, want %q", got, want)
		}
	}
}

func (s stream) ends() {
	s.t.Helper()
	if s.s.Scan() {
		s.t.Fatalf("the stream goes on with %q", s.s.Text())
	}
}

// TestLive: a stream says which thread changed and no word of what, covers the page, and ends with the session.
func TestLive(t *testing.T) {
	w := newWorld(t)
	s := w.follow("?thread=T1&thread=T2")
	if got := s.r.Header.Get("Content-Type"); got != "text/event-stream" || s.r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the stream is %s", got)
	}
	if w.heard("Peek") == "" {
		t.Error("a stream keeps its user signed in")
	}
	if got := w.heard("Watch"); got != "[T1 T2]" {
		t.Errorf("watches %s", got)
	}
	w.desk.changes <- inbox.Change{Thread: "T1", Version: 8}
	s.want("event: changed", `data: {"thread":"T1","version":8}`, "")
	w.desk.changes <- inbox.Change{Cover: "L9"}
	s.want("event: covered", "data: {}", "")
	w.clock.Waiting(1)
	w.clock.Advance(20 * time.Second)
	s.want(": here", "")
	w.desk.changes <- inbox.Change{Ended: "You have signed out, Daniel Cho."}
	s.want("event: ended", "data: {}", "")
	s.ends()
}

// TestLiveEndsWithTheInbox and with the process.
func TestLiveEndsWithTheInbox(t *testing.T) {
	w := newWorld(t)
	s := w.follow("")
	close(w.desk.changes)
	s.ends()

	stop := make(chan struct{})
	w = newWorld(t, func(o *app.Options) { o.Stop = stop })
	s = w.follow("")
	close(stop)
	s.ends()
}

// TestLiveIsRefused as any page is, and follows no more threads than a page shows.
func TestLiveIsRefused(t *testing.T) {
	w := newWorld(t)
	w.desk.fail["Watch"] = connector.ErrNotFound
	w.do(http.MethodGet, "/app/l/L1/live?thread=T9", "", append([]string{"Accept", "text/event-stream"}, signedIn...)...).want(404)
	w = newWorld(t)
	w.follow("?" + strings.Repeat("thread=T&", 300))
	if got := strings.Count(w.heard("Watch"), "T"); got != 200 {
		t.Errorf("watches %d threads", got)
	}
}

// TestWhenTheSessionEnds: a page knows how long its session lasts if nothing is done, and when it ends whatever is done.
func TestWhenTheSessionEnds(t *testing.T) {
	for since, want := range map[time.Duration][2]string{time.Hour: {"900", ""}, inbox.Life - inbox.Idle - time.Second: {"900", ""}, inbox.Life - inbox.Idle: {"900", "09:45"},
		inbox.Life - time.Minute: {"60", "09:31"}} {
		w := newWorld(t)
		w.desk.since = since
		page := w.get("/app/l/L1/t/T1").want(200).find("page")
		if got := [2]string{attr(page, "data-left"), attr(page, "data-last")}; got != want {
			t.Errorf("%v after the sign-in it knows %q, want %q", since, got, want)
		}
	}
}
