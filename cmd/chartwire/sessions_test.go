package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/cmd/cmdtest"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/inbox"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store"
	"github.com/chartwire/chartwire/fhir/smart"
)

const okafor = "Practitioner/okafor"

// letsIn is an EHR that signs one doctor in, for no patient.
type letsIn struct{ smart.Start }

func (l letsIn) Authorize(context.Context, string) (smart.Start, error) { return l.Start, nil }
func (letsIn) Exchange(context.Context, string, smart.Start) (smart.Grant, error) {
	return smart.Grant{Access: "a", User: okafor}, nil
}
func (letsIn) Refresh(context.Context, smart.Grant) (smart.Grant, error) { return smart.Grant{}, nil }
func (letsIn) Revoke(context.Context, smart.Grant) error                 { return nil }

func (letsIn) Patient(context.Context, string, string) (connector.Patient, error) {
	return connector.Patient{}, connector.ErrNoMatch
}
func (letsIn) User(context.Context, string, string) (inbox.User, error) {
	return inbox.User{Codes: []string{"doctor"}}, nil
}
func (letsIn) Name(context.Context, string, string) (string, error)       { return "", nil }
func (letsIn) Facts(context.Context, string, string) (inbox.Facts, error) { return inbox.Facts{}, nil }

// TestSessions lists and ends a user's session in the store that a demo left behind.
func TestSessions(t *testing.T) {
	dir := cmdtest.ShortDir(t)
	if code, _, errs := chartwire(t, "demo", "--once", "--json", "--dir", dir, "--events", "../../testdata/threads-contract/proxy-with-photo.ndjson"); code != 0 {
		t.Fatalf("demo: exit %d: %s", code, errs)
	}
	keys, err := seal.Load(filepath.Join(dir, "chartwire.keyset.json"))
	if err != nil {
		t.Fatal(err)
	}
	open := func(do func(d *inbox.Desk)) {
		t.Helper()
		db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "chartwire.db"), store.Options{Sealer: keys, Clock: clock.System})
		if err != nil {
			t.Fatal(err)
		}
		e := inbox.EHR{Name: "sandbox", App: letsIn{smart.Start{State: "s"}}, Chart: letsIn{}, Roles: inbox.Roles{Clinician: []string{"doctor"}}, Zone: time.UTC}
		err = db.View(t.Context(), func(tx connector.Tx) error {
			row, err := tx.EHRByName("sandbox")
			e.ID = row.ID
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		d, err := inbox.New(inbox.Options{Store: db, Clock: clock.System, Key: keys.Derive("inbox"), EHRs: map[string]inbox.EHR{"sandbox": e}})
		if err != nil {
			t.Fatal(err)
		}
		do(d)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var id, handle string
	open(func(d *inbox.Desk) {
		if _, err := d.Begin(t.Context(), inbox.BeginIn{EHR: "sandbox", Browser: "b"}); err != nil {
			t.Fatal(err)
		}
		s, secret, err := d.Finish(t.Context(), inbox.FinishIn{EHR: "sandbox", State: "s", Code: "c", Browser: "b"})
		if err != nil {
			t.Fatal(err)
		}
		id, handle = s.ID, secret
	})
	config := filepath.Join(dir, "chartwire.yaml")
	says := func(code int, want string, args ...string) {
		t.Helper()
		got, out, errs := chartwire(t, append([]string{"sessions", args[0], "--config", config}, args[1:]...)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("sessions %v: exit %d: %s%s; want %d and %q", args, got, out, errs, code, want)
		}
	}
	says(0, id+"  sandbox  clinician", "list", okafor)
	says(0, `"id": "`+id+`"`, "list", okafor, "--json")
	says(0, "0 open", "list", "Practitioner/lee")
	says(exitProblem, "No EHR connection", "end", okafor, "--ehr", "nobody")
	says(exitProblem, "Practitioner/ID", "end", "okafor")
	says(0, "0 ended", "end", "Practitioner/lee")
	says(0, "1 ended", "end", okafor, "--ehr", "sandbox")
	says(0, "0 open", "list", okafor)
	says(0, `"ended": 0`, "end", okafor, "--json")
	open(func(d *inbox.Desk) {
		if _, err := d.Session(t.Context(), id, handle); err == nil || !strings.Contains(err.Error(), string(inbox.EndedByAdmin)) {
			t.Errorf("the session: %v", err)
		}
	})
}
