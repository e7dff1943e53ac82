package inbox

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/smart"
)

// An iss that is not the configured one is refused before a packet leaves.
func TestDuty04_LaunchFromAnUnknownEHR(t *testing.T) {
	for name, tc := range map[string]struct {
		in   BeginIn
		code string
	}{
		"another server":       {BeginIn{EHR: "mercy", Iss: "https://fhir.evil.example/r4", Launch: "abc"}, smart.IssUnknown},
		"a longer path":        {BeginIn{EHR: "mercy", Iss: base + "/../admin", Launch: "abc"}, smart.IssUnknown},
		"the host in the user": {BeginIn{EHR: "mercy", Iss: "https://fhir.mercy.example@evil.example/r4", Launch: "abc"}, smart.IssUnknown},
		"no URL":               {BeginIn{EHR: "mercy", Iss: "169.254.169.254", Launch: "abc"}, smart.IssUnknown},
		"a launch without iss": {BeginIn{EHR: "mercy", Launch: "abc"}, smart.IssUnknown},
		"no such connection":   {BeginIn{EHR: "other", Iss: base, Launch: "abc"}, EHRUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				tc.in.Source = "10.0.0.1"
				_, err := w.desk.Begin(t.Context(), tc.in)
				wantRefusal(t, err, tc.code)
				if len(w.app.calls) != 0 {
					t.Errorf("the EHR was asked: %v", w.app.calls)
				}
				if len(w.store.counted) != 1 || !strings.HasSuffix(w.store.counted[0], " 10.0.0.1 "+tc.code) || strings.Contains(w.store.counted[0], "other") {
					t.Errorf("counted %v", w.store.counted)
				}
			})
		})
	}
}

func wantRefusal(t *testing.T, err error, code string) {
	t.Helper()
	var bad *Refusal
	if !errors.As(err, &bad) || bad.Code != code {
		t.Fatalf("error %v, want the refusal %s", err, code)
	}
	if len(bad.Sentence()) < 40 {
		t.Errorf("the sentence says nothing: %q", bad.Sentence())
	}
	wantNoPHI(t, err)
}

func TestLaunchSignsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.chart.user.Teams = []string{"CareTeam/nurses"}
		w.app.grant.Missing = smart.ParseScopes("user/Task.c")
		s, handle := w.launch(daniel)
		want := Session{ID: s.ID, EHR: "mercy", EHRID: w.ehr.ID, User: w.chart.user, Role: connector.RoleClinician, Pools: []string{"nurses"}, Patient: daniel,
			Encounter: "Encounter/e1", Banner: true, Missing: []string{"user/Task.c"}, Created: time.Now().UTC(), Ends: time.Now().UTC().Add(15 * time.Minute)}
		again, err := w.desk.Session(t.Context(), s.ID, handle)
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range []*Session{s, again} {
			if !sameSession(got, &want) {
				t.Errorf("got  %#v\nwant %#v", *got, want)
			}
		}
		if len(handle) != 43 || strings.Contains(string(w.row(s.ID).row.Body)+w.row(s.ID).row.Handle, handle) {
			t.Errorf("handle of %d characters, or it is in the row", len(handle))
		}
		w.wantSaid("login 0 user for " + doctor + " how=ehr-launch patient=" + daniel + " scope=openid fhirUser user/Patient.rs")
		if !s.Write() || !s.InPool("nurses") || s.InPool("front") {
			t.Error("the doctor may write, and is a nurse")
		}
	})
}

func sameSession(a, b *Session) bool {
	return a.ID == b.ID && a.EHR == b.EHR && a.EHRID == b.EHRID && a.User.Reference == b.User.Reference && a.User.Name == b.User.Name && a.Role == b.Role &&
		slices.Equal(a.Pools, b.Pools) && a.Patient == b.Patient && a.Encounter == b.Encounter && a.Banner == b.Banner && slices.Equal(a.Missing, b.Missing) &&
		a.Covered == b.Covered && a.Created.Equal(b.Created) && a.Ends.Equal(b.Ends)
}

// The window's secret binds as the cookie does, for browsers that take no cookie.
func TestREQ004_060_061_LaunchIsBoundToBrowserOrWindow(t *testing.T) {
	for name, tc := range map[string]struct {
		began, browser string
		secret         func(string) string
		ok             bool
	}{
		"the cookie":                      {"cookie", "cookie", nil, true},
		"the window's secret":             {"", "", func(s string) string { return s }, true},
		"a lost cookie and the secret":    {"cookie", "", func(s string) string { return s }, true},
		"another cookie":                  {"cookie", "other", nil, false},
		"no cookie and no secret":         {"cookie", "", nil, false},
		"nothing where no cookie was":     {"", "", nil, false},
		"a cookie where none was":         {"", "cookie", nil, false},
		"another secret":                  {"", "", func(string) string { return "other" }, false},
		"the secret as if it were cookie": {"cookie", "", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				b, in := w.begin(tc.began)
				in.Browser = tc.browser
				if tc.secret != nil {
					in.Secret = tc.secret(b.Secret)
				}
				_, _, err := w.desk.Finish(t.Context(), in)
				if tc.ok {
					if err != nil {
						t.Error(err)
					}
					return
				}
				wantRefusal(t, err, StateForeign)
				if w.app.count("exchange") != 0 {
					t.Error("the code of a foreign state was redeemed")
				}
				w.wantSaid("login 4 user how=ehr-launch why=state-foreign")
				in.Browser, in.Secret = tc.began, b.Secret // it was taken: not even its owner has it any more
				_, _, err = w.desk.Finish(t.Context(), in)
				wantRefusal(t, err, smart.StateUnknown)
			})
		})
	}
}

// Whatever is wrong with a launch: nobody is signed in, it is audited, what the EHR gave is ended, and the text is for a person.
func TestLaunchRefused(t *testing.T) {
	unreachable := &connector.Retry{Reason: connector.EHRUnavailable}
	for name, tc := range map[string]struct {
		change func(w *world, in *FinishIn)
		code   string
		gave   bool // the EHR gave tokens, and a user
	}{
		"never begun":            {func(_ *world, in *FinishIn) { in.State = "guess" }, smart.StateUnknown, false},
		"no state":               {func(_ *world, in *FinishIn) { in.State = "" }, smart.StateUnknown, false},
		"too late":               {func(_ *world, _ *FinishIn) { time.Sleep(10 * time.Minute) }, LaunchTooLate, false},
		"denied by the EHR":      {func(_ *world, in *FinishIn) { in.Error, in.Code = "access_denied", "" }, smart.Denied, false},
		"an error beside a code": {func(_ *world, in *FinishIn) { in.Error = "server_error" }, smart.Denied, false},
		"no code":                {func(_ *world, in *FinishIn) { in.Code = "" }, smart.Denied, false},
		"the code refused":       {func(_ *world, in *FinishIn) { in.Code = "other" }, smart.TokenRefused, false},
		"id_token not verified": {func(w *world, _ *FinishIn) {
			w.app.fails(map[string]error{"exchange": &smart.LaunchError{Code: smart.IDToken}})
		}, smart.IDToken, false},
		"the EHR does not answer":   {func(w *world, _ *FinishIn) { w.app.fails(map[string]error{"exchange": errors.New("reset")}) }, smart.Unreachable, false},
		"nobody named":              {func(w *world, _ *FinishIn) { w.app.grant.User = "" }, smart.NoUser, true},
		"a patient signs in":        {func(w *world, _ *FinishIn) { w.app.grant.User = daniel }, NotStaff, true},
		"no role":                   {func(w *world, _ *FinishIn) { w.chart.user.Codes = nil; w.roles(Roles{Default: NoRole}) }, NoPermission, true},
		"a role nobody has":         {func(w *world, _ *FinishIn) { w.chart.user.Codes = nil; w.roles(Roles{Default: "owner"}) }, NoPermission, true},
		"the chart does not answer": {func(w *world, _ *FinishIn) { w.chart.fails(unreachable) }, smart.Unreachable, true},
		"no right to the patient":   {func(w *world, _ *FinishIn) { w.chart.may[daniel] = false }, PatientHidden, true},
		"another patient is given":  {func(w *world, _ *FinishIn) { w.chart.wrong = true }, PatientHidden, true},
		"no patient, nothing to do": {func(w *world, _ *FinishIn) { w.app.grant.Patient, w.chart.user.Codes = "", nil }, smart.NoPatient, true},
		"no such connection":        {func(_ *world, in *FinishIn) { in.EHR = "other" }, EHRUnknown, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				_, in := w.begin("cookie")
				tc.change(w, &in)
				_, _, err := w.desk.Finish(t.Context(), in)
				wantRefusal(t, err, tc.code)
				said := w.said()
				counted := tc.code == smart.StateUnknown || tc.code == EHRUnknown
				switch {
				case counted && (len(said) != 0 || len(w.store.counted) != 1):
					t.Errorf("audited %v, counted %v", said, w.store.counted)
				case !counted && (!strings.HasPrefix(said[0], "login 4 user") || !strings.Contains(said[0], "why="+tc.code)):
					t.Errorf("audited %v", said)
				}
				if revoked := w.app.count("revoke refresh-1") == 1; revoked != tc.gave {
					t.Errorf("revoked %v, tokens were given %v", revoked, tc.gave)
				}
				w.update(func(tx connector.Tx) error {
					if open, err := tx.SessionsOf(w.ehr.ID, doctor); err != nil || len(open) != 0 {
						t.Errorf("%d sessions, %v", len(open), err)
					}
					return nil
				})
			})
		})
	}
}

// A launch from outside the EHR opens the work of pools; where the EHR names a patient all the same, that is whom it is about.
func TestStandaloneLaunch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for given, want := range map[string]string{"": "", "daniel": daniel} {
			w.app.grant.Patient = given
			b, err := w.desk.Begin(t.Context(), BeginIn{EHR: "mercy", Source: "10.0.0.1"})
			if err != nil {
				t.Fatal(err)
			}
			s, _, err := w.desk.Finish(t.Context(), FinishIn{EHR: "mercy", State: w.app.last().State, Code: "code", Secret: b.Secret, Source: "10.0.0.1"})
			if err != nil || s.Patient != want {
				t.Fatalf("the EHR gives %q: %v", given, err)
			}
			if _, err := w.desk.Pool(t.Context(), s, PoolFilter{}); (err == nil) != (want == "") {
				t.Errorf("the EHR gives %q: the work of pools, %v", given, err)
			}
		}
	})
}

// A launch that fails for want of a scope names it on the screen and in the audit log, and one that has the scope does not.
func TestLaunchNamesTheScopeThatIsMissing(t *testing.T) {
	for name, tc := range map[string]struct {
		granted, missing string
		nobody           bool // the user has no role that could be read
		code             string
		names            string
	}{
		"the patient":                       {"openid fhirUser", "user/Patient.rs", false, ScopeMissing, "user/Patient.rs"},
		"the patient, and what is not read": {"openid fhirUser", "user/Patient.rs user/Appointment.rs", false, ScopeMissing, "user/Patient.rs"},
		"all that was asked for":            {"openid fhirUser", "user/*.rs", false, ScopeMissing, "user/*.rs"},
		"the patient by another scope":      {"openid fhirUser patient/Patient.r", "user/Patient.rs", false, PatientHidden, ""},
		"searching alone":                   {"openid fhirUser user/Patient.r", "user/Patient.s", false, PatientHidden, ""},
		"nothing":                           {"openid fhirUser user/Patient.rs", "", false, PatientHidden, ""},
		"who the user is":                   {"openid fhirUser user/Patient.rs", "user/Practitioner.rs user/PractitionerRole.rs", true, ScopeMissing, "user/Practitioner.rs and user/PractitionerRole.rs"},
		"nothing of a user without a role":  {"openid fhirUser user/Patient.rs", "user/Appointment.rs", true, NoPermission, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.app.grant.Scopes, w.app.grant.Missing = smart.ParseScopes(tc.granted), smart.ParseScopes(tc.missing)
				w.chart.may[daniel] = false // as a 403
				if tc.nobody {
					w.chart.user.Codes = nil
					w.roles(Roles{Default: NoRole})
				}
				_, in := w.begin("cookie")
				_, _, err := w.desk.Finish(t.Context(), in)
				wantRefusal(t, err, tc.code)
				var bad *Refusal
				if errors.As(err, &bad) && strings.Contains(bad.Sentence(), "grant this app "+tc.names+",") != (tc.names != "") {
					t.Errorf("it says %q", bad.Sentence())
				}
				said := w.said()
				if scope := strings.ReplaceAll(tc.names, " and", ""); strings.Contains(said[0], "scope="+scope+" why=") != (scope != "") {
					t.Errorf("audited %v", said)
				}
			})
		})
	}
}

// roles gives the connection other roles.
func (w *world) roles(r Roles) {
	w.ehr.Roles = r
	w.desk.o.EHRs["mercy"] = w.ehr
}

func TestREQ004_060_LaunchStateIsTakenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, in := w.begin("cookie")
		if _, _, err := w.desk.Finish(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		_, _, err := w.desk.Finish(t.Context(), in)
		wantRefusal(t, err, smart.StateUnknown)
		if n := w.app.count("exchange"); n != 1 {
			t.Errorf("%d exchanges", n)
		}
	})
}

// A launch without a patient is the pools' work, never a guessed patient.
func TestLaunchWithoutAPatient(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"a clinician":   func(*world) {},
		"a pool member": func(w *world) { w.chart.user.Codes, w.chart.user.Teams = nil, []string{"CareTeam/nurses"} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				change(w)
				s, _ := w.launch("")
				if s.Patient != "" || w.chart.read() != 0 {
					t.Errorf("patient %q, %d reads", s.Patient, w.chart.read())
				}
			})
		})
	}
}

// A user whose own resource is not for them to read has the default role and the name of the id_token.
func TestLaunchOfAUserWhoCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.chart.user.Reference, w.app.grant.Name = "Practitioner/other", "Ada Okafor"
		if s, _ := w.launch(daniel); s.Role != ReadOnly || s.User.Name != "Ada Okafor" || s.User.Reference != doctor || s.Write() {
			t.Errorf("%+v, role %s", s.User.Name, s.Role)
		}
	})
}

func TestRoles(t *testing.T) {
	r := Roles{Clinician: []string{"doctor", "http://x|nurse"}, Staff: []string{"administrator"}}
	for _, tc := range []struct {
		codes []string
		deflt connector.Role
		want  connector.Role
	}{
		{[]string{"doctor"}, "", connector.RoleClinician},
		{[]string{"nurse", "http://x|nurse"}, "", connector.RoleClinician},
		{[]string{"nurse", "http://y|nurse"}, "", ReadOnly},
		{[]string{"administrator"}, "", connector.RoleStaff},
		{[]string{"administrator", "doctor"}, "", connector.RoleClinician},
		{nil, "", ReadOnly},
		{nil, NoRole, NoRole},
		{nil, connector.RoleStaff, connector.RoleStaff},
	} {
		r.Default = tc.deflt
		if got := r.of(User{Codes: tc.codes}); got != tc.want {
			t.Errorf("%v with default %q: %s, want %s", tc.codes, tc.deflt, got, tc.want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		e := newWorld(t).ehr
		for _, tc := range []struct {
			user User
			want []string
		}{
			{User{Reference: "Practitioner/lee"}, []string{"front"}},
			{User{Reference: doctor, Also: []string{"PractitionerRole/r7"}}, []string{"front"}},
			{User{Reference: doctor, Teams: []string{"CareTeam/nurses"}}, []string{"nurses"}},
			{User{Reference: doctor, Teams: []string{"CareTeam/other"}}, nil},
		} {
			if got := e.poolsOf(tc.user); !slices.Equal(got, tc.want) {
				t.Errorf("%v, want %v", got, tc.want)
			}
		}
	})
}
