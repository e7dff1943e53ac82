package fhir

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
)

// auto = declared ∧ granted ∧ not disproven (DESIGN §5).
func TestOpenChooses(t *testing.T) {
	communication := "system/Patient.rs system/Communication.crus system/DocumentReference.crus"
	for _, c := range []struct {
		name    string
		traits  ehr.Traits
		scopes  string
		as      []string
		want    connector.Strategy // "" is refused
		detail  string
		missing string
	}{
		{"open", ehr.Full(), "", nil, connector.AsCommunication, "", ""},
		{"all granted", ehr.Full(), allScopes, nil, connector.AsCommunication, "", ""},
		{"granted by name", ehr.Full(), communication, []string{"auto"}, connector.AsCommunication, "", "system/RelatedPerson.crs"},
		{"Communication not granted", ehr.Full(), "system/Patient.rs system/DocumentReference.crus", nil, connector.AsNote, "", "system/Communication.crus"},
		{"Communication not declared", ehr.NoteOnly(), "", nil, connector.AsNote, "", ""},
		{"note wanted", ehr.Full(), "", []string{"note"}, connector.AsNote, "", ""},
		{"document wanted", ehr.Full(), "", []string{"document"}, connector.AsDocument, "", ""},
		{"in order", ehr.Full(), "", []string{"note", "communication"}, connector.AsNote, "", ""},
		{"nothing granted", ehr.Full(), "system/Patient.rs", nil, "", "system/Communication.c", "system/DocumentReference.crus"},
		{"wanted one is not declared", ehr.NoteOnly(), "", []string{"communication"}, "", "does not declare create of Communication", ""},
		{"wanted one is not ours", ehr.Full(), "", []string{"mdm"}, "", "names no strategy", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, setting{traits: c.traits, scopes: c.scopes, options: func(o *Options) { o.FilingAs = c.as }})
			traits, err := l.adapter.Open(t.Context())
			if c.missing != "" && !slices.Contains(traits.Missing, c.missing) {
				t.Errorf("missing scopes: %v", traits.Missing)
			}
			if c.want != "" {
				if err != nil || traits.Strategy != c.want {
					t.Errorf("got %q, %v", traits.Strategy, err)
				}
				return
			}
			var refused *connector.Refused
			if !errors.As(err, &refused) || refused.Reason != connector.ScopeMissing || !strings.Contains(refused.Detail.Reveal(), c.detail) {
				t.Errorf("got %v", err)
			} else if !strings.Contains(refused.Detail.Reveal(), "EHR administrator") {
				t.Errorf("it does not say who must act: %s", refused.Detail.Reveal())
			}
		})
	}
}

func TestOpenLearnsFromDisproof(t *testing.T) {
	l := newLab(t, setting{traits: ehr.Full()})
	r := l.rig()
	if _, err := l.adapter.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.Answer(http.StatusMethodNotAllowed, nil, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-supported"}]}`)
	w := connector.Write{Method: "POST", URL: "Communication", Type: "Communication", Body: []byte(`{"resourceType":"Communication","status":"completed"}`)}
	var refused *connector.Refused
	if _, err := l.adapter.File(t.Context(), w); !errors.As(err, &refused) {
		t.Fatalf("405: %v", err)
	}
	r.Answer(0, nil, "")
	traits, err := l.adapter.Open(t.Context())
	if err != nil || traits.Strategy != connector.AsNote {
		t.Errorf("the EHR declared what it does not do; now it files as %q (%v)", traits.Strategy, err)
	}
}

func TestOpenFailures(t *testing.T) {
	var refused *connector.Refused
	var retry *connector.Retry
	t.Run("unreachable", func(t *testing.T) {
		e := New(Options{BaseURL: "http://127.0.0.1:1/fhir", HTTP: http.DefaultClient, Now: time.Now})
		if _, err := e.Open(t.Context()); !errors.As(err, &retry) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("options", func(t *testing.T) {
		e := New(Options{BaseURL: "not a url", HTTP: http.DefaultClient, Now: time.Now})
		if _, err := e.Open(t.Context()); !errors.As(err, &refused) || refused.Reason != connector.Internals {
			t.Errorf("got %v", err)
		}
	})
	t.Run("wrong key", func(t *testing.T) {
		l := newLab(t, setting{traits: ehr.Full(), scopes: allScopes, options: func(o *Options) { o.Credentials.ClientID = "somebody-else" }})
		if _, err := l.adapter.Open(t.Context()); !errors.As(err, &refused) || refused.Reason != connector.Unauthorized {
			t.Errorf("got %v", err)
		}
	})
}

func TestScopesToAskFor(t *testing.T) {
	got := Scopes(Options{Policy: testPolicy(), FilingAs: []string{"note"}})
	for _, want := range []string{"system/Patient.rs", "system/DocumentReference.crus", "system/RelatedPerson.crs", "system/CommunicationRequest.crus"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not asked for: %v", want, got)
		}
	}
	if strings.Contains(strings.Join(got, " "), "system/Communication.") || strings.Contains(strings.Join(got, " "), ".d") {
		t.Errorf("more is asked for than is needed: %v", got)
	}
}

// map plans before anything was opened.
func TestPlanOffline(t *testing.T) {
	e := New(Options{Base: testBase, Policy: testPolicy()})
	writes, err := e.Plan(connector.Exchange{Kind: connector.ItemHeader, Base: testBase, Channel: "texting", Thread: connector.ThreadInfo{ID: "t-1"}})
	if err != nil || len(writes) != 1 || writes[0].Type != "Communication" {
		t.Errorf("%v %v", writes, err)
	}
}

// Whoever wants paper says so: auto never comes to a document, whatever else a vendor's chart has a use for.
func TestAutoFilesNoDocuments(t *testing.T) {
	o := Options{Policy: testPolicy(), Quirks: Quirks{Strategies: []connector.Strategy{connector.AsDocument, connector.AsNote}}}
	if got := New(o).Planned().Strategy; got != connector.AsNote {
		t.Errorf("auto files as %s", got)
	}
	o.FilingAs = []string{"document"}
	if got := New(o).Planned().Strategy; got != connector.AsDocument {
		t.Errorf("document is filed as %s", got)
	}
	if got := len(Options{}.wanted()); got != 2 {
		t.Errorf("auto wants %d strategies", got)
	}
}
