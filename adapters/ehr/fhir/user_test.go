package fhir

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/inbox"
	"github.com/chartwire/chartwire/fhir/smart"
)

const (
	callback   = "https://chartwire.clinic.example/callback/lab"
	userScopes = "user/Patient.rs user/Practitioner.rs user/PractitionerRole.rs user/CareTeam.rs user/Appointment.rs user/Location.rs"
)

// signIn launches the inbox at the lab's EHR and gives its chart and the user's token.
func (l *lab) signIn(t *testing.T, scopes string) (*UserChart, smart.Grant) {
	t.Helper()
	if err := l.Auth.Register(auth.Client{ID: "inbox", Scopes: "openid fhirUser launch " + scopes, RedirectURIs: []string{callback}}); err != nil {
		t.Fatal(err)
	}
	app := l.app(t, scopes)
	start, err := app.Authorize(t.Context(), l.Auth.NewLaunch(auth.Launch{Patient: "daniel", User: "Practitioner/okafor", UserName: "Ada Okafor"}))
	if err != nil {
		t.Fatal(err)
	}
	grant, err := app.Exchange(t.Context(), agree(t, start.URL).Get("code"), start)
	if err != nil {
		t.Fatal(err)
	}
	return NewUserChart(app, func() time.Time { return chartNow }), grant
}

// noRedirect is a client that follows nothing.
var noRedirect = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// app is the inbox as the lab's EHR knows it.
func (l *lab) app(t *testing.T, scopes string) *smart.App {
	t.Helper()
	app, err := smart.NewApp(smart.AppConfig{Base: l.Base(), ClientID: "inbox", RedirectURI: callback,
		Scopes: smart.ParseScopes("openid fhirUser " + scopes), HTTP: noRedirect, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// agree sends a browser to the EHR's authorization, whose user agrees, and gives what comes back to the callback.
func agree(t *testing.T, to string) url.Values {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := noRedirect.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || back.Query().Get("code") == "" {
		t.Fatalf("no code: %s", resp.Header.Get("Location"))
	}
	return back.Query()
}

// chartNow is when the charts of these tests are read.
var chartNow = time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)

// staff puts the people of these tests into the EHR.
func (l *lab) staff(t *testing.T) {
	t.Helper()
	role := func(id, more, code string) string {
		return `{"resourceType":"PractitionerRole","id":"` + id + `","practitioner":{"reference":"Practitioner/okafor"}` + more +
			`,"code":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/practitioner-role","code":"` + code + `"}]}]}`
	}
	team := func(id, status, member, more string) string {
		return `{"resourceType":"CareTeam","id":"` + id + `","status":"` + status + `","participant":[{"member":{"reference":"` + member + `"}` + more + `}]}`
	}
	for _, resource := range []string{
		`{"resourceType":"Practitioner","id":"okafor","name":[{"use":"old","family":"Nwosu"},{"use":"official","family":"Okafor","given":["Ada"],"prefix":["Dr."]}]}`,
		`{"resourceType":"Practitioner","id":"lee","name":[{"text":"Sam Lee, RN"}]}`,
		role("r-doctor", "", "doctor"),
		role("r-left", `,"active":false`, "nurse"),
		role("r-over", `,"period":{"end":"2025-12-31"}`, "teacher"),
		role("r-today", `,"active":true,"period":{"start":"2026-11-22","end":"2026-11-22"}`, "researcher"),
		team("triage", "active", "Practitioner/okafor", ""),
		team("by-role", "active", "PractitionerRole/r-doctor", ""),
		team("over", "active", "Practitioner/okafor", `,"period":{"end":"2026-01-01T00:00:00Z"}`),
		team("proposed", "proposed", "Practitioner/okafor", ""),
		team("others", "active", "Practitioner/lee", ""),
	} {
		l.put(t, resource)
	}
}

func newUserLab(t *testing.T, standalone ...auth.Launch) *lab {
	t.Helper()
	l := newLab(t, setting{traits: ehr.Full(), scopes: allScopes, user: append(standalone, auth.Launch{})[0]})
	l.staff(t)
	return l
}

func TestUserChartReadsThePatient(t *testing.T) {
	l := newUserLab(t)
	c, grant := l.signIn(t, userScopes)
	p, err := c.Patient(t.Context(), grant.Access, "Patient/daniel")
	if err != nil {
		t.Fatal(err)
	}
	if p.Reference != "Patient/daniel" || !p.Active || p.BirthDate != "2015-07-04" || len(p.Names) != 1 || p.Names[0].Family != "Cho" ||
		len(p.Identifiers) != 1 || !p.ReadAt.Equal(chartNow) {
		t.Errorf("patient %+v", struct{ R, B string }{p.Reference, p.BirthDate})
	}
	for _, ref := range []string{"Patient/nobody", "Patient/daniel/_history/1", "Practitioner/okafor", "Patient/", "", "https://evil.example/Patient/daniel"} {
		if _, err := c.Patient(t.Context(), grant.Access, ref); !errors.Is(err, connector.ErrNoMatch) {
			t.Errorf("%s: %v", ref, err)
		}
	}
	var refused *connector.Refused
	if _, err := c.Patient(t.Context(), "worn out", "Patient/daniel"); !errors.As(err, &refused) || refused.Reason != connector.Unauthorized {
		t.Errorf("with another token: %v", err)
	}
}

// A user sees of the EHR what their own token opens, whatever Chartwire itself may see there.
func TestUserChartSeesNoMoreThanTheUser(t *testing.T) {
	l := newUserLab(t)
	c, grant := l.signIn(t, "patient/Patient.rs")
	if _, err := c.Patient(t.Context(), grant.Access, "Patient/daniel"); err != nil {
		t.Error(err)
	}
	if _, err := c.Patient(t.Context(), grant.Access, "Patient/other"); !errors.Is(err, connector.ErrNoMatch) {
		t.Errorf("another patient: %v", err)
	}
	if _, err := c.User(t.Context(), grant.Access, "Practitioner/okafor"); !errors.Is(err, connector.ErrNoMatch) {
		t.Errorf("the user themself: %v", err)
	}
}

func TestUserChartReadsTheUser(t *testing.T) {
	l := newUserLab(t)
	const system = "http://terminology.hl7.org/CodeSystem/practitioner-role"
	full := inbox.User{Reference: "Practitioner/okafor", Name: "Dr. Ada Okafor", Also: []string{"PractitionerRole/r-doctor", "PractitionerRole/r-today"},
		Codes: []string{"doctor", system + "|doctor", "researcher", system + "|researcher"}, Teams: []string{"CareTeam/by-role", "CareTeam/triage"}}
	for name, tc := range map[string]struct {
		scopes, reference string
		want              inbox.User
	}{
		"a practitioner": {userScopes, "Practitioner/okafor", full},
		"another one":    {userScopes, "Practitioner/lee", inbox.User{Reference: "Practitioner/lee", Name: "Sam Lee, RN", Teams: []string{"CareTeam/others"}}},
		"one of their roles": {userScopes, "PractitionerRole/r-doctor", inbox.User{Reference: "PractitionerRole/r-doctor", Name: "Dr. Ada Okafor",
			Also: []string{"Practitioner/okafor"}, Codes: []string{"doctor", system + "|doctor"}, Teams: full.Teams}},
		"a role that is over": {userScopes, "PractitionerRole/r-left", inbox.User{Reference: "PractitionerRole/r-left", Name: "Dr. Ada Okafor",
			Also: []string{"Practitioner/okafor"}, Teams: []string{"CareTeam/triage"}}},
		"roles not to be read": {"user/Practitioner.rs", "Practitioner/okafor", inbox.User{Reference: "Practitioner/okafor", Name: "Dr. Ada Okafor"}},
		"the person not to be read": {"user/PractitionerRole.rs", "PractitionerRole/r-doctor", inbox.User{Reference: "PractitionerRole/r-doctor",
			Also: []string{"Practitioner/okafor"}, Codes: []string{"doctor", system + "|doctor"}}},
	} {
		t.Run(name, func(t *testing.T) {
			c, grant := l.signIn(t, tc.scopes)
			got, err := c.User(t.Context(), grant.Access, tc.reference)
			if err != nil {
				t.Fatal(err)
			}
			for _, list := range [][]string{got.Also, got.Teams, tc.want.Teams} {
				slices.Sort(list)
			}
			if !reflect.DeepEqual(userText(got), userText(tc.want)) {
				t.Errorf("got  %v\nwant %v", userText(got), userText(tc.want))
			}
		})
	}
	c, grant := l.signIn(t, userScopes)
	if _, err := c.User(t.Context(), grant.Access, "Patient/daniel"); !errors.Is(err, connector.ErrNoMatch) {
		t.Errorf("a patient: %v", err)
	}
}

// userText is a user that prints, its codes sorted.
func userText(u inbox.User) []string {
	codes := slices.Sorted(slices.Values(u.Codes))
	return []string{u.Reference, u.Name, strings.Join(u.Also, " "), strings.Join(codes, " "), strings.Join(u.Teams, " ")}
}

func TestUserChartReadsFacts(t *testing.T) {
	l := newUserLab(t)
	l.put(t, `{"resourceType":"Patient","id":"maria","active":true,"name":[{"use":"maiden","family":"Ruiz","given":["María"]},{"family":"Cho","given":["María","Elena"]}],
		"communication":[{"language":{"coding":[{"code":"en"}]}},{"preferred":true,"language":{"coding":[{"code":"es-US"}]}}]}`)
	l.put(t, `{"resourceType":"Location","id":"north","name":"North Clinic"}`)
	visit := func(id, status, start, patient, answer, place string) {
		l.put(t, `{"resourceType":"Appointment","id":"`+id+`","status":"`+status+`","start":"`+start+`","end":"2026-12-31T00:00:00Z","participant":[
			{"actor":{"reference":"Patient/`+patient+`"},"status":"`+answer+`"},{"actor":{"reference":"Location/north"`+place+`},"status":"accepted"}]}`)
	}
	visit("past", "booked", "2026-11-22T12:00:00-05:00", "maria", "accepted", "")
	visit("cancelled", "cancelled", "2026-11-23T09:00:00-05:00", "maria", "accepted", "")
	visit("declined", "booked", "2026-11-23T10:00:00-05:00", "maria", "declined", "")
	visit("other", "booked", "2026-11-23T11:00:00-05:00", "daniel", "accepted", `,"display":"Room 4"`)
	visit("later", "booked", "2026-12-02T09:00:00-05:00", "maria", "accepted", "")
	visit("next", "booked", "2026-12-01T14:30:00-05:00", "maria", "accepted", "")
	next := inbox.Appointment{Start: time.Date(2026, 12, 1, 14, 30, 0, 0, time.FixedZone("", -5*3600)), Place: "North Clinic"}
	noPlace := inbox.Appointment{Start: next.Start}
	for name, tc := range map[string]struct {
		scopes, patient string
		want            inbox.Facts
	}{
		"everything":         {userScopes, "Patient/maria", inbox.Facts{Given: "María", Family: "Cho", Language: "es-US", Next: next}},
		"no appointments":    {"user/Patient.rs", "Patient/maria", inbox.Facts{Given: "María", Family: "Cho", Language: "es-US"}},
		"no locations":       {"user/Patient.rs user/Appointment.rs", "Patient/maria", inbox.Facts{Given: "María", Family: "Cho", Language: "es-US", Next: noPlace}},
		"nothing":            {"user/Practitioner.rs", "Patient/maria", inbox.Facts{}},
		"a place by display": {userScopes, "Patient/daniel", inbox.Facts{Given: "Daniel", Family: "Cho", Next: inbox.Appointment{Start: next.Start.Add(-195*time.Hour - 30*time.Minute), Place: "Room 4"}}},
		"nobody":             {userScopes, "Patient/nobody", inbox.Facts{}},
	} {
		t.Run(name, func(t *testing.T) {
			c, grant := l.signIn(t, tc.scopes)
			got, err := c.Facts(t.Context(), grant.Access, tc.patient)
			if err != nil {
				t.Fatal(err)
			}
			if got.Given != tc.want.Given || got.Family != tc.want.Family || got.Language != tc.want.Language || got.Next.Place != tc.want.Next.Place ||
				!got.Next.Start.Equal(tc.want.Next.Start) {
				t.Errorf("got %q %q %q %v, want %v", got.Given, got.Family, got.Language, got.Next, tc.want.Next)
			}
			if _, offset := got.Next.Start.Zone(); !got.Next.Start.IsZero() && offset != -5*3600 {
				t.Errorf("the offset of the clinic is lost: %v", got.Next.Start)
			}
		})
	}
}

// answers is a Getter with fixed answers.
type answers map[string]any

func (a answers) Get(_ context.Context, _, ref string) ([]byte, error) {
	path, _, _ := strings.Cut(ref, "?")
	switch v := a[path].(type) {
	case string:
		return []byte(v), nil
	case int:
		return nil, &smart.GetError{Status: v, Why: "status " + fmt.Sprint(v)}
	}
	return nil, &smart.GetError{Status: http.StatusNotFound, Why: "not there"}
}

// What an EHR answers to a user's reads, and what follows: refused questions leave something out, an EHR that cannot be asked
// is an error, and somebody else's resource is nobody's.
func TestUserChartClassifiesAnswers(t *testing.T) {
	const person = `{"resourceType":"Practitioner","id":"okafor","name":[{"text":"Ada"}]}`
	someoneElse := `{"resourceType":"Patient","id":"other","name":[{"family":"Cho","given":["Dana"]}]}`
	ok, hidden, later, signIn := "ok", "hidden", "later", "sign in"
	of := func(err error) string {
		var retry *connector.Retry
		var refused *connector.Refused
		switch {
		case err == nil:
			return ok
		case errors.Is(err, connector.ErrNoMatch):
			return hidden
		case errors.As(err, &retry) && retry.Reason == connector.EHRUnavailable:
			return later
		case errors.As(err, &refused) && refused.Reason == connector.Unauthorized:
			return signIn
		}
		return err.Error()
	}
	for status, want := range map[int][3]string{ // patient, user whose roles are so answered, facts
		400: {later, ok, later}, 401: {signIn, signIn, signIn}, 403: {hidden, ok, ok}, 404: {hidden, ok, ok}, 410: {hidden, ok, ok},
		500: {later, later, later}, 503: {later, later, later}, 501: {later, ok, later}, 0: {later, later, later},
	} {
		_, patient := NewUserChart(answers{"Patient/daniel": status}, time.Now).Patient(t.Context(), "x", "Patient/daniel")
		_, user := NewUserChart(answers{"Practitioner/okafor": person, "PractitionerRole": status}, time.Now).User(t.Context(), "x", "Practitioner/okafor")
		_, facts := NewUserChart(answers{"Patient/daniel": status}, time.Now).Facts(t.Context(), "x", "Patient/daniel")
		if got := [3]string{of(patient), of(user), of(facts)}; got != want {
			t.Errorf("status %d: %v, want %v", status, got, want)
		}
	}
	for _, wrong := range []string{someoneElse, `{"resourceType":"OperationOutcome"}`, `not JSON`, ``} {
		c := NewUserChart(answers{"Patient/daniel": wrong}, time.Now)
		if _, err := c.Patient(t.Context(), "x", "Patient/daniel"); of(err) != hidden {
			t.Errorf("%s: %v", wrong, err)
		}
		if f, err := c.Facts(t.Context(), "x", "Patient/daniel"); err != nil || f != (inbox.Facts{}) {
			t.Errorf("%s: facts, %v", wrong, err)
		}
	}
}

// found is a page of a search.
func found(next string, resources ...string) string {
	entries := make([]string, len(resources))
	for i, r := range resources {
		entries[i] = `{"resource":` + r + `,"search":{"mode":"match"}}`
	}
	return `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"` + next + `"}],"entry":[` + strings.Join(entries, ",") + `]}`
}

// A server may answer more than it was asked, or on several pages: what does not belong to the question is left out.
func TestUserChartLooksAtWhatASearchFinds(t *testing.T) {
	at := func() time.Time { return chartNow }
	role := func(id, who, code string) string {
		return `{"resourceType":"PractitionerRole","id":"` + id + `","practitioner":{"reference":"Practitioner/` + who + `"},"code":[{"coding":[{"code":"` + code + `"}]}]}`
	}
	team := func(id, status, who string) string {
		return `{"resourceType":"CareTeam","id":"` + id + `","status":"` + status + `","participant":[{"member":{"reference":"Practitioner/` + who + `"}}]}`
	}
	visit := func(status, start string) string {
		return `{"resourceType":"Appointment","id":"a","status":"` + status + `","start":"` + start + `","participant":[{"actor":{"reference":"Patient/daniel"},"status":"accepted"}]}`
	}
	c := NewUserChart(answers{
		"Practitioner/okafor": `{"resourceType":"Practitioner","id":"okafor","name":[{"family":"Adichie"},{"use":"nickname","text":"Ada"},{"use":"official","given":["Ada"],"family":"Okafor"}]}`,
		"PractitionerRole":    found("more-roles", role("r1", "okafor", "nurse"), role("r2", "lee", "doctor"), `{"resourceType":"Practitioner","id":"x"}`),
		"more-roles":          found("", role("r3", "okafor", "teacher")),
		"CareTeam":            found("", team("t1", "active", "okafor"), team("t2", "inactive", "okafor"), team("t3", "active", "lee")),
		"PractitionerRole/r1": role("r2", "okafor", "doctor"),
		"Patient/daniel":      `{"resourceType":"Patient","id":"daniel"}`,
		"Appointment":         found("", visit("cancelled", "2026-11-23T09:00:00Z"), visit("booked", "2026-11-25T09:00:00Z"), visit("booked", "2026-11-24T09:00:00Z")),
	}, at)
	u, err := c.User(t.Context(), "x", "Practitioner/okafor")
	want := []string{"Practitioner/okafor", "Ada Okafor", "PractitionerRole/r1 PractitionerRole/r3", "nurse teacher", "CareTeam/t1"}
	if got := userText(u); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if _, err := c.User(t.Context(), "x", "PractitionerRole/r1"); !errors.Is(err, connector.ErrNoMatch) {
		t.Errorf("another role than the one asked for: %v", err)
	}
	f, err := c.Facts(t.Context(), "x", "Patient/daniel")
	if err != nil || !f.Next.Start.Equal(time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)) {
		t.Errorf("next appointment %v, %v", f.Next.Start, err)
	}
	c = NewUserChart(answers{"Practitioner/okafor": `{"resourceType":"Practitioner","id":"okafor"}`, "PractitionerRole": found("PractitionerRole", role("r1", "okafor", "nurse"))}, at)
	// A search that does not end is not followed for ever.
	if u, err := c.User(t.Context(), "x", "Practitioner/okafor"); err != nil || len(u.Codes) != pagesRead {
		t.Errorf("%d codes, %v", len(u.Codes), err)
	}
}

// TestUserChartNamesColleagues by their own resource or by a role of theirs; with a token that does not open them, nobody.
func TestUserChartNamesColleagues(t *testing.T) {
	l := newUserLab(t)
	chart, grant := l.signIn(t, userScopes)
	for ref, want := range map[string]string{"Practitioner/okafor": "Dr. Ada Okafor", "Practitioner/lee": "Sam Lee, RN", "PractitionerRole/r-doctor": "Dr. Ada Okafor"} {
		if got, err := chart.Name(t.Context(), grant.Access, ref); err != nil || got != want {
			t.Errorf("%s is called %q, %v", ref, got, err)
		}
	}
	for _, ref := range []string{"Practitioner/none", "Patient/daniel", "", "Practitioner/okafor?x=1", "Practitioner/../Patient/daniel"} {
		if got, err := chart.Name(t.Context(), grant.Access, ref); !errors.Is(err, connector.ErrNoMatch) || got != "" {
			t.Errorf("%q is called %q, %v", ref, got, err)
		}
	}
	chart.get = answering(`{"resourceType":"Practitioner","id":"other","name":[{"text":"Somebody Else"}]}`)
	if got, err := chart.Name(t.Context(), grant.Access, "Practitioner/lee"); err != nil || got != "" {
		t.Errorf("an answer about another gives %q, %v", got, err)
	}
	narrow, few := newUserLab(t).signIn(t, "user/Patient.rs")
	if got, err := narrow.Name(t.Context(), few.Access, "Practitioner/lee"); !errors.Is(err, connector.ErrNoMatch) || got != "" {
		t.Errorf("without the scope it is %q, %v", got, err)
	}
}

// answering is an EHR that says the same to everything.
type answering string

func (a answering) Get(context.Context, string, string) ([]byte, error) { return []byte(a), nil }

// A right is given by no period that cannot be read.
func TestPeriodThatCannotBeRead(t *testing.T) {
	for _, c := range []struct {
		start, end string
		want       bool
	}{
		{"", "", true}, {"2026-11-22", "2026-11-22", true}, {"2026-11-01T00:00:00Z", "", true}, {"", "2026-11-22T18:00:01Z", true},
		{"", "2026-11-20", false}, {"2026-12-01", "", false},
		{"", "31.12.2027", false}, {"", "2027-02-30", false}, {"", " ", false}, {"soon", "", false}, {"soon", "2027-12-31", false},
	} {
		if got := (period{c.start, c.end}).at(chartNow); got != c.want {
			t.Errorf("from %q to %q: %v, want %v", c.start, c.end, got, c.want)
		}
	}
}
