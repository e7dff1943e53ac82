package fhir

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/inbox"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store"
	"github.com/chartwire/chartwire/fhir/smart"
)

// newDesk is a desk on an empty store, at which the lab's users sign in.
func (l *lab) newDesk(t *testing.T, scopes string) *inbox.Desk {
	t.Helper()
	if err := l.Auth.Register(auth.Client{ID: "inbox", Scopes: "openid fhirUser launch launch/patient " + scopes, RedirectURIs: []string{callback}}); err != nil {
		t.Fatal(err)
	}
	keys, err := seal.Generate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), "sqlite::memory:", store.Options{Sealer: keys, Clock: clock.System})
	if err != nil {
		t.Fatal(err)
	}
	app := l.app(t, scopes)
	id := connector.NewID(time.Now())
	d, err := inbox.New(inbox.Options{Store: db, Clock: clock.System, Key: keys.Derive("inbox"), EHRs: map[string]inbox.EHR{"lab": {ID: id, Name: "lab", Base: l.Base(),
		App: app, Chart: NewUserChart(app, time.Now), Roles: inbox.Roles{Clinician: []string{"doctor"}}, Pools: []inbox.Pool{{ID: "triage", Reference: "CareTeam/triage"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-ran // and with it whatever was under way
		_ = db.Close()
	})
	return d
}

// TestInboxAtTheSandbox: a user signs in from the EHR, sees what the EHR lets them see, goes on when their token is worn out,
// and is gone, tokens and all, when they sign out.
func TestInboxAtTheSandbox(t *testing.T) {
	l := newUserLab(t)
	d := l.newDesk(t, userScopes+" online_access")
	launch := func(iss, value string) (url string, err error) {
		b, err := d.Begin(t.Context(), inbox.BeginIn{EHR: "lab", Iss: iss, Launch: value, Browser: "cookie"})
		return b.URL, err
	}
	var bad *inbox.Refusal
	if _, err := launch("https://other.example/fhir", "x"); !errors.As(err, &bad) || bad.Code != smart.IssUnknown {
		t.Errorf("another iss: %v", err)
	}
	to, err := launch(l.Base()+"/", l.Auth.NewLaunch(auth.Launch{Patient: "daniel", User: "Practitioner/okafor"}))
	if err != nil {
		t.Fatal(err)
	}
	back := agree(t, to)
	s, handle, err := d.Finish(t.Context(), inbox.FinishIn{EHR: "lab", State: back.Get("state"), Code: back.Get("code"), Browser: "cookie"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Patient != "Patient/daniel" || s.User.Reference != "Practitioner/okafor" || s.User.Name != "Dr. Ada Okafor" || s.Role != connector.RoleClinician ||
		!s.InPool("triage") || len(s.Missing) != 0 || !s.Banner {
		t.Errorf("signed in as %s in %v, missing %v", s.Role, s.Pools, s.Missing)
	}
	l.Auth.RevokeTokens() // as when the EHR restarts: the next read is answered 401
	seen, err := d.Rights(t.Context(), s, []string{"Patient/daniel", "Patient/twin-1", "Patient/nobody"})
	if got := slices.Sorted(maps.Keys(seen)); err != nil || strings.Join(got, " ") != "Patient/daniel Patient/twin-1" || seen["Patient/twin-1"].Names[0].Family != "Lee" {
		t.Errorf("seen %d, %v", len(got), err)
	}
	refreshed := 0
	for _, c := range l.Auth.TokenCalls() {
		if c.Grant == "refresh_token" && c.Refusal == "" {
			refreshed++
		}
	}
	if refreshed != 1 {
		t.Errorf("%d refreshes", refreshed)
	}
	if err := d.SignOut(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	var ended *inbox.Ended
	if _, err := d.Session(t.Context(), s.ID, handle); !errors.As(err, &ended) || ended.Why != inbox.EndedSignOut {
		t.Errorf("after sign-out: %v", err)
	}
	if _, err := d.Rights(t.Context(), s, []string{"Patient/twin-2"}); !errors.As(err, &ended) {
		t.Errorf("rights after sign-out: %v", err)
	}
}

// A launch from outside the EHR makes nobody choose a patient, in an EHR that would have them choose one: it is the pools' work.
func TestInboxStandaloneAtTheSandbox(t *testing.T) {
	for _, patient := range []string{"", "daniel"} { // whom it would give
		l := newUserLab(t, auth.Launch{User: "Practitioner/okafor", Patient: patient})
		d := l.newDesk(t, userScopes)
		b, err := d.Begin(t.Context(), inbox.BeginIn{EHR: "lab"})
		if err != nil {
			t.Fatal(err)
		}
		back := agree(t, b.URL)
		s, _, err := d.Finish(t.Context(), inbox.FinishIn{EHR: "lab", State: back.Get("state"), Code: back.Get("code"), Secret: b.Secret})
		if err != nil {
			t.Fatal(err)
		}
		if s.Patient != "" || !s.InPool("triage") {
			t.Errorf("patient %v, pools %v", s.Patient != "", s.Pools)
		}
	}
}
