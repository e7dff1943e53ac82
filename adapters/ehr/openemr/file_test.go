package openemr

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
)

// opened is a lab whose adapter has met its EHR.
func opened(t *testing.T, s setting) *lab {
	t.Helper()
	l := newLab(t, s)
	if _, err := l.adapter.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

// picture is what begins like a PNG; to OpenEMR, that is one.
var picture = []byte("\x89PNG\r\n\x1a\nand the rest")

// writes are those of a message, about Daniel.
func (l *lab) writes(t *testing.T, text string, files ...connector.Attachment) []connector.Write {
	t.Helper()
	at := time.Date(2026, 11, 22, 18, 3, 11, 0, time.UTC)
	all, err := l.adapter.Plan(connector.Exchange{Kind: connector.ItemExchange, Base: testBase, Channel: "texting", Revision: 1, Received: at,
		Thread: connector.ThreadInfo{ID: "t-1"}, Message: connector.Message{ID: "m-1", Direction: connector.FromPatient, SentAt: at, Text: text,
			Sender: connector.Participant{Role: connector.RolePatient}, Attachments: files}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		w := &all[i]
		w.URL, w.Expect.Subject = strings.ReplaceAll(w.URL, connector.SymPatient, "Patient/daniel"), "Patient/daniel"
		if err := l.adapter.Gate(*w); err != nil {
			t.Fatalf("the gate refuses: %v", err)
		}
	}
	return all
}

// refusal holds an error to be a refusal for a reason, whose sentence says what a person must do.
func refusal(t *testing.T, err error, reason connector.Reason, says ...string) {
	t.Helper()
	var refused *connector.Refused
	if !errors.As(err, &refused) || refused.Reason != reason {
		t.Fatalf("want %s, got %v", reason, err)
	}
	for _, want := range says {
		if !strings.Contains(refused.Detail.Reveal(), want) {
			t.Errorf("%q is missing in: %s", want, refused.Detail.Reveal())
		}
	}
}

// TestFiles: each picture is a document beside the note, under the patient's own number, in the category.
func TestFiles(t *testing.T) {
	l := opened(t, setting{})
	for _, w := range l.writes(t, "see the photo", connector.Attachment{ID: "a", Filename: "photo.png", ContentType: "image/png", Data: picture},
		connector.Attachment{ID: "b", Filename: "log.csv", ContentType: "text/csv", Data: []byte("a,b")}) {
		r, err := l.adapter.File(t.Context(), w)
		if err != nil {
			t.Fatalf("File: %v", err)
		}
		if r.Found || r.Status != 200 || r.Echo.Subject != "Patient/daniel" || r.Echo.Status != "current" || r.Echo.Text != w.Expect.Text ||
			strings.Join(r.Echo.Attachments, " ") != strings.Join(w.Expect.Attachments, " ") || !strings.HasPrefix(r.Reference, "DocumentReference/") {
			t.Errorf("receipt: %+v", r)
		}
		again, err := l.adapter.ReadEntry(t.Context(), w, r.Reference)
		if err != nil || again.Reference != r.Reference || again.Echo.Text != r.Echo.Text {
			t.Errorf("ReadEntry: %+v %v", again, err)
		}
	}
	docs := l.API.Documents()
	if len(docs) != 2 {
		t.Fatalf("%d documents, want the note and the picture", len(docs))
	}
	for i, want := range []string{"text/plain", "image/png"} {
		if d := docs[i]; d.Patient != "Patient/daniel" || d.Category != "Chartwire" || d.Type != want || !strings.HasPrefix(d.Name, "chartwire_") {
			t.Errorf("document %d: %+v", i, d)
		}
	}
	if words, ok := filing.Words(docs[0].Data); !ok || string(words) != "see the photo" {
		t.Errorf("the words are %q", words)
	}
	if string(docs[1].Data) != string(picture) {
		t.Error("the picture is altered")
	}
	w := l.writes(t, "see the photo")[0]
	if _, err := l.adapter.ReadEntry(t.Context(), w, "DocumentReference/"+docs[1].UUID); !errors.Is(err, connector.ErrAbsent) {
		t.Errorf("the picture passes for the note: %v", err)
	}
	if _, err := l.adapter.ReadEntry(t.Context(), w, "DocumentReference/none"); !errors.Is(err, connector.ErrAbsent) {
		t.Errorf("an entry that is not there: %v", err)
	}
}

// TestCategoryOfOneLevel: OpenEMR takes a document into a category there is not and answers true. Nobody would find it there, so
// it does not count as filed, and it is not sent again.
func TestCategoryOfOneLevel(t *testing.T) {
	l := opened(t, setting{category: "/chart_wire_texts"})
	w := l.writes(t, "hello")[0]
	_, err := l.adapter.File(t.Context(), w)
	var ambiguous *connector.Ambiguous
	if !errors.As(err, &ambiguous) || len(l.API.Documents()) != 1 {
		t.Fatalf("File: %v", err)
	}
	_, err = l.adapter.Find(t.Context(), w)
	refusal(t, err, connector.EHRRefused, "openemr.category", "move the document")
}

// TestAnotherAnswer: only true says that the document was taken; what became of it then, Find says.
func TestAnotherAnswer(t *testing.T) {
	for _, said := range []string{"false", "null", "[true]", `"true"`, `{"data":true}`, " "} {
		l := opened(t, setting{})
		l.set(func() { l.said = said })
		w := l.writes(t, "hello")[0]
		var ambiguous *connector.Ambiguous
		if _, err := l.adapter.File(t.Context(), w); !errors.As(err, &ambiguous) || ambiguous.Answer.Reveal() != said {
			t.Errorf("%q: %v", said, err)
		}
		if r, err := l.adapter.Find(t.Context(), w); err != nil || !r.Found || r.Echo.Text != w.Expect.Text {
			t.Errorf("%q: then %+v %v", said, r, err)
		}
	}
}

// TestDeclined: what OpenEMR declines is one 404, and the sentence names what it may be.
func TestDeclined(t *testing.T) {
	l := opened(t, setting{category: "/medical_record/none"})
	_, err := l.adapter.File(t.Context(), l.writes(t, "hello")[0])
	refusal(t, err, connector.EHRRefused, "openemr.category", "error log")
	l = opened(t, setting{})
	_, err = l.adapter.File(t.Context(), l.writes(t, "a\x00b")[0])
	refusal(t, err, connector.EHRRefused, "control characters")
	if n := len(l.API.Documents()); n != 0 {
		t.Errorf("%d documents", n)
	}
}

// TestTwice: a document that is there twice is a collision, for a person to look at.
func TestTwice(t *testing.T) {
	l := opened(t, setting{})
	w := l.writes(t, "hello")[0]
	if _, err := l.adapter.File(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	var ambiguous *connector.Ambiguous
	if _, err := l.adapter.File(t.Context(), w); !errors.As(err, &ambiguous) {
		t.Errorf("the second upload: %v", err)
	}
	_, err := l.adapter.Find(t.Context(), w)
	refusal(t, err, connector.IdentityCollision)
}

// TestSearchLag: listed in the category and not shown over FHIR yet: open, and nothing is concluded.
func TestSearchLag(t *testing.T) {
	l := opened(t, setting{lag: time.Hour})
	w := l.writes(t, "hello")[0]
	var ambiguous *connector.Ambiguous
	if _, err := l.adapter.File(t.Context(), w); !errors.As(err, &ambiguous) {
		t.Errorf("File: %v", err)
	}
	if _, err := l.adapter.Find(t.Context(), w); !errors.Is(err, connector.ErrNotSearchable) {
		t.Errorf("Find: %v", err)
	}
	if _, err := l.adapter.List(t.Context(), w); !errors.Is(err, connector.ErrNotSearchable) {
		t.Errorf("List: %v", err)
	}
	other := w
	other.Expect.Subject = "Patient/other"
	if _, err := l.adapter.Find(t.Context(), other); !errors.Is(err, connector.ErrAbsent) {
		t.Errorf("on another chart: %v", err)
	}
}

// TestOpenSays: what is wrong with a client, the sentence says where in OpenEMR to mend it.
func TestOpenSays(t *testing.T) {
	for _, lacking := range Scopes() {
		var left []string
		for _, s := range Scopes() {
			if s != lacking {
				left = append(left, s)
			}
		}
		l := newLab(t, setting{scopes: strings.Join(left, " ")})
		traits, err := l.adapter.Open(t.Context())
		if strings.HasPrefix(lacking, "system/") && lacking[7] >= 'A' && lacking[7] <= 'Z' { // of FHIR: missed, and told
			if err != nil || strings.Join(traits.Missing, " ") != lacking {
				t.Errorf("without %s: missing %v, %v", lacking, traits.Missing, err)
			}
			continue
		}
		refusal(t, err, connector.ScopeMissing, lacking, "register it anew", strings.Join(Scopes(), " "))
	}
	l := newLab(t, setting{})
	l.opts.Credentials.ClientID = "nobody"
	stranger := New(Options{FHIR: l.opts, Category: "/chartwire"})
	_, err := stranger.Open(t.Context())
	refusal(t, err, connector.Unauthorized, "API Clients")
}

// TestPid: the number is taken from the row of that uuid alone.
func TestPid(t *testing.T) {
	for name, body := range map[string]string{
		"another patient": `{"data":{"uuid":"other","pid":7}}`, "no number": `{"data":{"uuid":"daniel"}}`, "no digits": `{"data":{"uuid":"daniel","pid":"7/../8"}}`,
		"zero": `{"data":{"uuid":"daniel","pid":0}}`, "a list": `[]`, "a page": `<html>`,
	} {
		l := opened(t, setting{})
		l.set(func() {
			l.patient = &ehr.Response{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body)}
		})
		_, err := l.adapter.File(t.Context(), l.writes(t, "hello")[0])
		var refused *connector.Refused
		if !errors.As(err, &refused) || refused.Reason != connector.WrongSubject || len(l.API.Documents()) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	l := opened(t, setting{})
	w := l.writes(t, "hello")[0]
	w.Expect.Subject = connector.SymPatient
	_, err := l.adapter.File(t.Context(), w)
	refusal(t, err, connector.GateRefused)
}

func TestRetract(t *testing.T) {
	l := newLab(t, setting{open: true})
	w := l.writes(t, "hello")[0]
	_, err := l.adapter.Retract(w, "DocumentReference/1")
	refusal(t, err, connector.NotExpressible, fileName(w.Identity, ".txt"), "by hand")
}

func TestCategoryPath(t *testing.T) {
	for name, want := range map[string]string{"Chartwire": "/chartwire", "/Medical Record/Letters": "/medical_record/letters", "medical_record": "/medical_record",
		"Ordonnances (été)": "/ordonnances_(été)", "": "", "/": "", "a//b": "", "a/": "", "a?b": "", "a\nb": "", " / ": ""} {
		got, err := CategoryPath(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v, want %q", name, got, err, want)
		}
	}
}

func TestAPIBase(t *testing.T) {
	for base, want := range map[string]string{"https://emr.example/apis/default/fhir": "https://emr.example/apis/default/api",
		"https://emr.example/apis/site2/fhir/": "https://emr.example/apis/site2/api", "https://emr.example/fhir/r4": ""} {
		if got := APIBase(base); got != want {
			t.Errorf("%s: %q, want %q", base, got, want)
		}
	}
}

func TestCalled(t *testing.T) {
	for have, want := range map[string]bool{"chartwire_A.txt": true, "chartwire_A_1.txt": true, "chartwire_A_12.txt": true, "chartwire_A.png": false,
		"chartwire_AB.txt": false, "chartwire_A_.txt": false, "chartwire_A_x.txt": false, "x_chartwire_A.txt": false, "": false} {
		if called(have, "chartwire_A.txt") != want {
			t.Errorf("%q: %v", have, !want)
		}
	}
}

// TestGateComparesContent: a whole and well-made document of another message, or of none, does not leave.
func TestGateComparesContent(t *testing.T) {
	l := newLab(t, setting{open: true})
	photo := connector.Attachment{ID: "a", Filename: "photo.png", ContentType: "image/png", Data: picture}
	one, other := l.writes(t, "one", photo), l.writes(t, "two", connector.Attachment{ID: "a", ContentType: "image/png", Data: append(picture, '!')})
	for i := range one {
		w := one[i]
		w.Body, w.Header = other[i].Body, other[i].Header
		refusal(t, l.adapter.Gate(w), connector.GateRefused, "")
	}
}
