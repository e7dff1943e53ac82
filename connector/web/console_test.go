package web_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/alert"
	"github.com/chartwire/chartwire/connector/web"
)

// console asks the console listener.
func (w *world) console(method, path string) answer {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.server.Console().ServeHTTP(rec, httptest.NewRequest(method, path, nil))
	a := answer{status: rec.Code, header: rec.Header(), body: rec.Body.Bytes()}
	if a.status >= 400 {
		a.into(w.t, &a.problem)
	}
	w.holdSecurityHeaders(a.header)
	return a
}

func TestHealth(t *testing.T) {
	w := newWorld(t)
	w.console(http.MethodGet, "/healthz").want(t, 200, "")
	w.console(http.MethodGet, "/readyz").want(t, 200, "")
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	w.console(http.MethodGet, "/healthz").want(t, 200, "") // the process runs
	a := w.console(http.MethodGet, "/readyz").want(t, 503, "store")
	if a.header.Get("Retry-After") == "" {
		t.Error("without Retry-After")
	}
	w.console(http.MethodGet, "/console/").want(t, 503, "store")
}

// TestConsoleHome: the first page shows the equation and who has to act, and nothing a platform has said.
func TestConsoleHome(t *testing.T) {
	w := newWorld(t)
	if a := w.console(http.MethodGet, "/console/").want(t, 200, ""); !strings.Contains(string(a.body), "Nothing has been accepted yet.") {
		t.Errorf("an empty page is %s", a.body)
	}
	w.post("e-1", said("t-1", "m-1", "u-1", "It itches")).want(t, 202, "")
	w.post("e-2", said("t-2", "m-1", "u-2", "Nor this")).want(t, 202, "")
	w.post("e-3", said("t-2", "m-1", "u-2", "Nor that")).want(t, 202, "") // a conflict
	w.post("e-4", `{`).want(t, 400, "undecodable")
	page := string(w.console(http.MethodGet, "/console/").want(t, 200, "").body)
	row := regexp.MustCompile(`<tr><td data-of="EHR"><span>mercy</span></td><td data-of="channel"><span>texting</span></td>` +
		`<td class="n" data-of="accepted"><span>2</span></td>(<td class="n" data-of="\w+"><span>\d+</span></td>){7}</tr>`)
	if !row.MatchString(page) {
		t.Errorf("no line of the equation: %s", page)
	}
	for _, want := range []string{connector.Conflict.Sentence(), connector.Undecodable.Next(), `<td data-of="state"><span>parked</span></td>`, "<p>2 parked.",
		"chartwire parked release " + w.parked()[0].ID} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, phi := range []string{"itches", "Nor", "u-1", "t-1", "Rash", "MRN1"} {
		if strings.Contains(page, phi) {
			t.Errorf("the page shows %q", phi)
		}
	}
}

// TestConsoleSaysWhatToTypeAboutWhatIsHeld: each row has a command, with the name the configuration has for the connection.
func TestConsoleSaysWhatToTypeAboutWhatIsHeld(t *testing.T) {
	w := newWorld(t)
	w.post("e-1", said("t-1", "m-1", "u-1", "It itches")).want(t, 202, "")
	var held string
	w.update(func(tx connector.Tx) error {
		all, err := tx.OpenItems("", []connector.ItemState{connector.Waiting}, 0)
		if err != nil {
			return err
		}
		i := all[0]
		held, i.State, i.Reason = i.ID, connector.Held, connector.EHRPaused
		return tx.PutItem(&i)
	})
	page := string(w.console(http.MethodGet, "/console/").want(t, 200, "").body)
	for _, want := range []string{"<code>chartwire resume mercy</code>", "<code>chartwire trace " + held + "</code>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// TestReadyThoughPeopleAreLate: the intake stays, and says what is wrong.
func TestReadyThoughPeopleAreLate(t *testing.T) {
	w := newWorld(t)
	if a := w.console(http.MethodGet, "/readyz").want(t, 200, ""); string(a.body) != "ready\n" {
		t.Errorf("ready is %q", a.body)
	}
	w.serve(func(o *web.Options) {
		o.Overdue = func() alert.Overdue { return alert.Overdue{Parked: 5, Late: 2, Oldest: 26 * time.Hour} }
	})
	a := w.console(http.MethodGet, "/readyz").want(t, 200, "")
	if want := "degraded: 2 of 5 parked items are past their SLA, the oldest for 26h0m0s; see /console/\n"; string(a.body) != want {
		t.Errorf("late is %q", a.body)
	}
	if page := w.console(http.MethodGet, "/console/").want(t, 200, ""); !strings.Contains(string(page.body), "2 past their SLA") {
		t.Errorf("the page is %s", page.body)
	}
}

func TestConsoleRoutes(t *testing.T) {
	w := newWorld(t)
	if a := w.console(http.MethodGet, "/").want(t, 302, ""); a.header.Get("Location") != "/console/" {
		t.Errorf("sent to %q", a.header.Get("Location"))
	}
	if a := w.console(http.MethodGet, "/metrics").want(t, 200, ""); !strings.Contains(string(a.body), "chartwire_exchanges") {
		t.Errorf("metrics are %s", a.body)
	}
	for _, path := range []string{"/api/v1/threads/x", "/channels/texting/events", "/.well-known/jwks.json"} { // not here
		w.console(http.MethodGet, path).want(t, 404, "address")
	}
	w.serve(func(o *web.Options) { o.Metrics = nil })
	w.console(http.MethodGet, "/metrics").want(t, 404, "address")
}

// TestServe: a request under way is finished when the server is told to end, and nothing new is taken then.
func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	begun, finish := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-finish
		fmt.Fprint(w, "done")
	})
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(ctx, l, h) }()
	answered := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		answered <- string(b)
	}()
	<-begun
	stop()
	for { // the listener is closed before the request under way is waited for
		c, err := net.DialTimeout("tcp", l.Addr().String(), time.Second)
		if err != nil {
			break
		}
		_ = c.Close()
	}
	close(finish)
	if got := <-answered; got != "done" {
		t.Errorf("the request under way was answered %q", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestServeWithoutListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := web.Serve(t.Context(), l, http.NotFoundHandler()); err == nil {
		t.Error("served on a closed listener")
	}
}
