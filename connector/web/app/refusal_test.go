package app_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
	"github.com/chartwire/chartwire/connector/web/app"
	"github.com/chartwire/chartwire/fhir/smart"
)

// TestEveryErrorHasItsPage: what happened, what to do, who; and nothing of the error itself.
func TestEveryErrorHasItsPage(t *testing.T) {
	const secret = "Theo Whitlock has a rash"
	for name, c := range map[string]struct {
		err    error
		status int
		title  string
		says   string
	}{
		"ended":       {&inbox.Ended{Why: inbox.EndedIdle}, 401, "Your session is over", "15 minutes"},
		"ended by":    {&inbox.Ended{Why: inbox.EndedByAdmin}, 401, "Your session is over", "administrator"},
		"no role":     {&inbox.Refusal{Code: inbox.NoPermission}, 403, "Messages could not be opened", "no permission"},
		"unknown iss": {&inbox.Refusal{Code: smart.IssUnknown}, 403, "Messages could not be opened", "administrator"},
		"unreachable": {&inbox.Refusal{Code: smart.Unreachable}, 503, "Messages could not be opened", ""},
		"forbidden":   {&inbox.Forbidden{Why: "you can read and not write"}, 403, "You may not do this", "You can read and not write"},
		"unbound":     {&inbox.Unbound{}, 403, "Nothing was sent", "open the thread again"},
		"covered":     {&inbox.Covered{}, 409, "Whom is this about?", "check the name"},
		"too late":    {&inbox.TooLate{}, 409, "Too late", "cannot be taken back"},
		"taken":       {&inbox.Taken{Who: sam, When: now}, 409, "Sam Okafor, RN has it", "assign it to yourself"},
		"stale":       {&inbox.Stale{}, 409, "Changed meanwhile", "another window"},
		"wrong":       {&inbox.Wrong{Field: "text", Text: "write something first"}, 422, "Something has to be put right", "Write something first"},
		"not found":   {fmt.Errorf("%s: %w", secret, connector.ErrNotFound), 404, "Nothing to show", "access to the patient"},
		"no match":    {connector.ErrNoMatch, 404, "Nothing to show", ""},
		"slow":        {context.DeadlineExceeded, 504, "The EHR answers slowly", "Try again"},
		"down":        {&connector.Retry{Cause: errors.New(secret)}, 503, "The EHR cannot be reached", "nothing is lost"},
		"unsure":      {&connector.Ambiguous{Cause: errors.New(secret)}, 503, "The EHR cannot be reached", ""},
		"EHR refuses": {&connector.Refused{Detail: connector.Protect(secret)}, 403, "The EHR does not allow this", "administrator"},
		"store":       {fmt.Errorf("%s: %w", secret, connector.ErrStore), 503, "Chartwire cannot save now", "look at the thread before you send anything again"},
		"unforeseen":  {errors.New("no such table"), 500, "Chartwire failed", "log"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.desk.fail["Patient"] = c.err
			a := w.get("/app/l/L1").want(c.status, c.says)
			if a.title() != c.title {
				t.Errorf("the page is titled %q", a.title())
			}
			if strings.Contains(a.body, secret) || strings.Contains(a.body, "Cho") {
				t.Errorf("the page tells of a person: %s", a.body)
			}
			if (a.header.Get("Retry-After") != "") != (c.status == 503) {
				t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
			}
			j := w.do(http.MethodGet, "/app/l/L1", "", append([]string{"Accept", "application/json"}, signedIn...)...).want(c.status, c.title)
			if !strings.HasPrefix(j.header.Get("Content-Type"), "application/json") {
				t.Errorf("a script gets %s", j.header.Get("Content-Type"))
			}
			if logged := w.log.String() != ""; logged != (c.status == 500) {
				t.Errorf("the log holds %q", w.log.String())
			}
		})
	}
}

// TestPanicTellsNothing: a panic is a page, and its value is in neither page nor log.
func TestPanicTellsNothing(t *testing.T) {
	w := newWorld(t)
	w.desk.wait = func(context.Context) { panic("Theo Whitlock has a rash") }
	a := w.get("/app/l/L1").want(500)
	if strings.Contains(a.body+w.log.String(), "Whitlock") || !strings.Contains(w.log.String(), "/app/l/:launch") {
		t.Errorf("told: %s %s", a.body, w.log.String())
	}
}

// TestPatience: a page waits for the EHR 20 s and not longer.
func TestPatience(t *testing.T) {
	w := newWorld(t)
	w.desk.wait = func(ctx context.Context) {
		if _, limited := ctx.Deadline(); !limited {
			t.Error("the page would wait for ever")
		}
	}
	w.get("/app/l/L1").want(200)
}

// TestEveryRouteNeedsASession walks the routes, so that one added later is in it.
func TestEveryRouteNeedsASession(t *testing.T) {
	w := newWorld(t)
	walked := 0
	for _, r := range w.e.Routes() {
		if !strings.HasPrefix(r.Path, "/app/l/:launch") || r.Method == "echo_route_not_found" {
			continue
		}
		walked++
		path := strings.NewReplacer(":launch", "L1", ":thread", "T1", ":message", "M1", ":attachment", "a1").Replace(r.Path)
		for _, header := range [][]string{{}, {"X-Chartwire-Session", "guess"}, {"Cookie", "__Host-cw-L1=guess"}, {"Cookie", "__Host-cw-L2=handle-1"}, {"Cookie", "__Host-cw=handle-1"}} {
			w.desk.said = nil
			a := w.do(r.Method, path, "", header...)
			if a.status != 401 || a.title() != "You are not signed in here" {
				t.Errorf("%s %s with %v answered %d %q", r.Method, path, header, a.status, a.title())
			}
			if rest := strings.Join(w.desk.said, ""); strings.Trim(strings.NewReplacer("Session L1\n", "", "Peek L1\n", "").Replace(rest), "\n") != "" {
				t.Errorf("%s %s reached the inbox: %s", r.Method, path, rest)
			}
		}
	}
	if walked < 20 || len(w.refused) != 5*walked || w.refused[0] != "192.0.2.1 session" {
		t.Fatalf("walked %d routes and counted %d refusals", walked, len(w.refused))
	}
}

// TestRefusalIsCountedOrNotGiven: where the count cannot be kept, the caller is not told that it was a refusal.
func TestRefusalIsCountedOrNotGiven(t *testing.T) {
	w := newWorld(t, func(o *app.Options) {
		o.Refused = func(context.Context, string, string) error { return connector.ErrStore }
	})
	w.do(http.MethodGet, "/app/l/L1", "").want(503)
}

// TestDuty40_OtherSites: a post that another site's page makes does nothing, session or not.
func TestDuty40_OtherSites(t *testing.T) {
	w := newWorld(t)
	walked := 0
	for _, r := range w.e.Routes() {
		if r.Method != http.MethodPost {
			continue
		}
		walked++
		path := strings.NewReplacer(":launch", "L1", ":thread", "T1", ":ehr", "mercy").Replace(r.Path)
		for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
			w.desk.said = nil
			a := w.do(r.Method, path, "", append(header, signedIn...)...)
			if a.status != 403 || a.title() != "The request came from another site" || len(w.desk.said) != 0 {
				t.Errorf("%s with %v answered %d %q, and the inbox heard %q", path, header, a.status, a.title(), w.desk.said)
			}
		}
	}
	if walked < 15 || len(w.refused) != 3*walked {
		t.Fatalf("walked %d routes and counted %d", walked, len(w.refused))
	}
	for _, header := range [][]string{{"Sec-Fetch-Site", "same-origin"}, {"Origin", "http://example.com"}} {
		w.do(http.MethodPost, "/app/l/L1/t/T1/claim", "", append(append(header, "Content-Type", "application/x-www-form-urlencoded"), signedIn...)...).want(303)
	}
}

// TestDuty40_OwnOrigin: a proxy in front that changes the Host is no other site, where it is configured.
func TestDuty40_OwnOrigin(t *testing.T) {
	w := newWorld(t, func(o *app.Options) { o.Origins = []string{"https://messages.mercy.example"} })
	w.do(http.MethodPost, "/app/l/L1/t/T1/claim", "", append([]string{"Origin", "https://messages.mercy.example", "Content-Type", "application/x-www-form-urlencoded"}, signedIn...)...).want(303)
	defer func() {
		if recover() == nil {
			t.Error("an origin that is none was taken")
		}
	}()
	newWorld(t, func(o *app.Options) { o.Origins = []string{"messages"} })
}

func TestAddressesThatAreNotThere(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/app/", "/app/x", "/app/l/L1/t/T1/x", "/app/assets/app.0000000000000000.css", "/app/l/L1/t/T1/m/M1/a/nobody"} {
		w.get(path).want(404)
	}
}
