package athena

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
)

// message plans one message of the lab's patient, ready to leave.
func (l *lab) message(t *testing.T, id, text string, changes ...func(*connector.Exchange)) connector.Write {
	t.Helper()
	x := connector.Exchange{Kind: connector.ItemExchange, Base: testBase, Channel: "texting", Revision: 1, Received: time.Date(2026, 11, 22, 18, 3, 12, 0, time.UTC),
		Thread: connector.ThreadInfo{ID: "t-1"}, Message: connector.Message{ID: id, Direction: connector.FromPatient, Text: text,
			SentAt: time.Date(2026, 11, 22, 18, 3, 11, 0, time.UTC), Sender: connector.Participant{Role: connector.RolePatient}}}
	for _, c := range changes {
		c(&x)
	}
	writes, err := l.adapter.Plan(x)
	if err != nil || len(writes) != 1 {
		t.Fatalf("%d writes: %v", len(writes), err)
	}
	return at(writes[0], "Patient/a-195900.E-60178")
}

// at puts a patient in the place of the symbol.
func at(w connector.Write, patient string) connector.Write {
	before, _, _ := strings.Cut(w.URL, "/patients/")
	_, after, _ := strings.Cut(w.URL, "/documents/")
	w.URL = before + "/patients/" + patient + "/documents/" + after
	w.Expect.Subject = patient
	return w
}

func (l *lab) file(t *testing.T, w connector.Write) connector.Receipt {
	t.Helper()
	if err := l.adapter.Gate(w); err != nil {
		t.Fatalf("the gate: %s", detail(err))
	}
	r, err := l.adapter.File(t.Context(), w)
	if err != nil {
		t.Fatalf("File: %v (%s)", err, detail(err))
	}
	return r
}

func detail(err error) string {
	var refused *connector.Refused
	if errors.As(err, &refused) {
		return refused.Detail.Reveal()
	}
	return ""
}

func opened(t *testing.T, s setting) *lab {
	t.Helper()
	l := newLab(t, s)
	if _, err := l.adapter.Open(t.Context()); err != nil {
		t.Fatalf("Open: %v (%s)", err, detail(err))
	}
	return l
}

// TestWhatIsAsked: the numbers of the configuration, and nothing else.
func TestWhatIsAsked(t *testing.T) {
	l := opened(t, setting{config: func(c *Config) { c.Attachment = "pdf" }})
	l.file(t, l.message(t, "m-1", "hello", func(x *connector.Exchange) { x.Message.Priority = connector.Urgent }))
	f := l.form(t)
	if f.Get("departmentid") != "1" || f.Get("documentsubclass") != "CLINICALDOCUMENT" || f.Get("autoclose") != "false" || f.Get("priority") != "1" ||
		f.Get("observationdate") != "11/22/2026" || f.Get("observationtime") != "18:03" || f.Get("attachmenttype") != "PDF" || f.Has("providerid") {
		t.Errorf("%v", f)
	}
	if d := l.API.Documents()[0]; !strings.HasPrefix(string(d.PDF), "%PDF-") || d.Patient != "Patient/a-195900.E-60178" {
		t.Errorf("%+v", d)
	}
	l = opened(t, setting{config: func(c *Config) { c.File, c.CaseSource, c.CaseSubclass = PatientCase, "PATIENT", "CLINICALQUESTION" }})
	l.file(t, l.message(t, "m-1", "hello"))
	l.file(t, l.message(t, "m-2", "hello", func(x *connector.Exchange) {
		x.Message.Direction, x.Message.Sender.Role = connector.ToPatient, connector.RoleClinician
	}))
	if all := l.API.Documents(); len(all) != 2 || all[0].Class != "PATIENTCASE" || all[1].Class != "CLINICALDOCUMENT" || all[0].Form.Get("subject") != untitled {
		t.Errorf("%+v", all)
	}
}

// TestListed: what is open is settled by the text of the documents, whether the list shows it or not.
func TestListed(t *testing.T) {
	for name, s := range map[string]setting{"shown": {listsText: true}, "read singly": {}} {
		t.Run(name, func(t *testing.T) {
			l := opened(t, s)
			w := l.message(t, "m-1", "hello")
			if _, err := l.adapter.List(t.Context(), w); !errors.Is(err, connector.ErrAbsent) {
				t.Fatalf("before it is filed: %v", err)
			}
			for n := range pageSize + 3 { // others, of another day, before and after
				l.file(t, l.message(t, fmt.Sprint("o-", n), "other", func(x *connector.Exchange) { x.Message.SentAt = x.Message.SentAt.AddDate(0, 0, -2) }))
			}
			first := l.file(t, w)
			l.file(t, l.message(t, "m-11", "hello"))
			r, err := l.adapter.List(t.Context(), w)
			if err != nil || r.Reference != first.Reference || !r.Found || r.Echo.Text != w.Expect.Text || r.Echo.Subject != w.Expect.Subject {
				t.Fatalf("%+v, %v", r, err)
			}
			if _, err := l.adapter.List(t.Context(), at(w, "Patient/a-195900.E-60179")); !errors.Is(err, connector.ErrAbsent) {
				t.Errorf("of another patient: %v", err)
			}
			l.file(t, w)
			var refused *connector.Refused
			if _, err := l.adapter.List(t.Context(), w); !errors.As(err, &refused) || refused.Reason != connector.IdentityCollision {
				t.Errorf("of two: %v", err)
			}
			there, err := l.adapter.ReadEntry(t.Context(), w, first.Reference)
			if err != nil || there.Reference != first.Reference || len(there.Echo.Identities) != 1 {
				t.Errorf("ReadEntry: %+v, %v", there, err)
			}
			for _, nowhere := range []string{"ClinicalDocument/1", "PatientCase/200001", "ClinicalDocument/", "ClinicalDocument/../x"} {
				if _, err := l.adapter.ReadEntry(t.Context(), w, nowhere); !errors.Is(err, connector.ErrAbsent) {
					t.Errorf("ReadEntry %s: %v", nowhere, err)
				}
			}
		})
	}
}

// TestListedAsTheEHRSpells: a document is the write whatever date and class the EHR shows of it.
func TestListedAsTheEHRSpells(t *testing.T) {
	l := opened(t, setting{})
	w := l.message(t, "m-1", "hello")
	made := l.file(t, w)
	l.set(func() { l.spells = true })
	if r, err := l.adapter.List(t.Context(), w); err != nil || r.Reference != made.Reference {
		t.Errorf("%q, %v; it is %s", r.Reference, err, made.Reference)
	}
}

// TestAnswers: what an answer of the API says besides its status.
func TestAnswers(t *testing.T) {
	l := opened(t, setting{})
	w, rig := l.message(t, "m-1", "hello"), l.rig()
	var refused *connector.Refused
	var open *connector.Ambiguous
	for body, want := range map[string]any{
		`{"success":false,"errormessage":"no room"}`: &refused, `{"success":"false","errormessage":"no room"}`: &refused,
		`{"success":"false","clinicaldocumentid":7}`: &open, `{"clinicaldocumentid":"x"}`: &open, `{"clinicaldocumentid":[7]}`: &open,
		`{"patientcaseid":7}`: &open, `{"clinicaldocumentid":7}`: &open, // the last names one that is not there
	} {
		rig.Answer(200, nil, body)
		if _, err := l.adapter.File(t.Context(), w); !errors.As(err, want) {
			t.Errorf("%s: %v", body, err)
		}
	}
	rig.Answer(400, nil, `{"error":"Additional fields are required.","detailedmessage":"private words"}`)
	if _, err := l.adapter.File(t.Context(), w); !strings.Contains(detail(err), "Additional fields are required. private words") || strings.Contains(err.Error(), "private") {
		t.Errorf("%v: %s", err, detail(err))
	}
}

// TestScopes: a token that does not open both APIs is refused with what is missing.
func TestScopes(t *testing.T) {
	for missing, s := range map[string]setting{service: {scopes: "athena/service/Another.MDP.* system/Patient.rs"}, "system/Patient.read": {scopes: service + " system/Patient.r"}} {
		var refused *connector.Refused
		if _, err := newLab(t, s).adapter.Open(t.Context()); !errors.As(err, &refused) || refused.Reason != connector.ScopeMissing || !strings.Contains(refused.Detail.Reveal(), missing) {
			t.Errorf("without %s: %v (%s)", missing, err, detail(err))
		}
	}
}

// TestOneApp: an app that was given one part of the v1 API asks for that, by backend.scopes.
func TestOneApp(t *testing.T) {
	part := []string{"athena/service/Athenanet.MDP.195900", "system/Patient.rs"}
	if _, err := newLab(t, setting{scopes: strings.Join(part, " "), asks: part}).adapter.Open(t.Context()); err != nil {
		t.Errorf("%v (%s)", err, detail(err))
	}
}

// TestAddress: the patient of a document stands in its address alone, so the gate holds it to the write's. A plan that is only
// looked at has the symbol in both places.
func TestAddress(t *testing.T) {
	l := opened(t, setting{})
	good := l.message(t, "m-1", "hello")
	for name, patient := range map[string]string{"unresolved symbol": connector.SymPatient, "nobody": "", "another form of id": "Patient/../x",
		"another type": "Practitioner/1", "another patient": "Patient/a-195900.E-60179", "another practice's": "Patient/a-195901.E-60178"} {
		bad := good
		bad.URL = at(good, patient).URL
		var refused *connector.Refused
		if err := l.adapter.Gate(bad); !errors.As(err, &refused) || refused.Reason != connector.GateRefused || refused.Detail.Reveal() == "" {
			t.Errorf("%s in the address passes the gate: %v", name, err)
		}
	}
	planned := at(good, connector.SymPatient)
	if err := l.adapter.Gate(planned); err != nil {
		t.Errorf("a plan: %s", detail(err))
	}
	bad := good
	bad.Expect.Subject = connector.SymPatient
	if err := l.adapter.Gate(bad); err == nil {
		t.Error("a patient in the address of a plan passes the gate")
	}
	var refused *connector.Refused
	if _, err := l.adapter.File(t.Context(), planned); !errors.As(err, &refused) || refused.Reason != connector.GateRefused || len(l.API.Documents()) != 0 {
		t.Errorf("a plan is filed: %v", err)
	}
}

// TestPatients: the number of the v1 API is the FHIR id's, of our practice alone.
func TestPatients(t *testing.T) {
	c := Config{Practice: practice}
	for reference, want := range map[string]string{
		"Patient/a-195900.E-60178": "60178", "Patient/a-195901.E-60178": "", "Patient/a-195900.E-": "", "Patient/a-195900.E-1/../2": "",
		"Patient/60178": "", "Patient/a-195900.E-abc": "", "Encounter/a-195900.E-1": "", "": "", "{patient}": "",
	} {
		if got, err := c.number(reference); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", reference, got, err)
		}
	}
}

// TestOnlyOwnOrigins: the v1 API is at the host of the FHIR base, or where the configuration says.
func TestOnlyOwnOrigins(t *testing.T) {
	for _, c := range []struct {
		apiURL, want string
		origins      int
	}{{"", "https://api.harbor.example", 0}, {"https://v1.harbor.example:8443", "https://v1.harbor.example:8443", 1}} {
		own := &Config{APIURL: c.apiURL}
		if got := own.API("https://api.harbor.example/fhir/r4"); got != c.want || len(own.Origins()) != c.origins {
			t.Errorf("%q: %s, %v", c.apiURL, got, own.Origins())
		}
	}
}

// TestTokenOpensBoth: one token is asked for, and it goes to both APIs.
func TestTokenOpensBoth(t *testing.T) {
	l := opened(t, setting{})
	if _, err := l.adapter.Match(t.Context(), keyOf("MRN123")); err != nil {
		t.Fatal(err)
	}
	l.file(t, l.message(t, "m-1", "hello"))
	calls := l.Auth.TokenCalls()
	if len(calls) != 1 || calls[0].Scope == "" {
		t.Errorf("%+v", calls)
	}
	if got := l.take(); len(got) != 2 || got[0] != http.MethodPost+" /v1/195900/patients/60178/documents/clinicaldocument" || !strings.HasPrefix(got[1], "GET ") {
		t.Errorf("%q", got)
	}
	if words, ok := filing.Words([]byte(l.API.Documents()[0].Text)); !ok || string(words) != "hello" {
		t.Errorf("%q", words)
	}
}
