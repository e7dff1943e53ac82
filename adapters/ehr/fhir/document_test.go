package fhir

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
)

func TestLargeAttachmentIsABinaryAndIsReadBack(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full(), options: func(o *Options) { o.Policy.InlineBytes = 4 }})
	w := l.write(t, message("m-1", "see photo", func(x *connector.Exchange) {
		x.Message.Attachments = []connector.Attachment{{ID: "a", ContentType: "image/png", Data: []byte("larger than four")}}
	}))
	r := l.file(t, w)
	if len(r.Echo.Attachments) != 1 || r.Echo.Attachments[0] != connector.Hash([]byte("larger than four")) || r.Echo.Text != w.Expect.Text {
		t.Errorf("echo: %+v", r.Echo)
	}
	if len(l.All("Binary")) != 1 || len(l.All("Provenance")) != 1 {
		t.Errorf("%d Binaries, %d Provenances", len(l.All("Binary")), len(l.All("Provenance")))
	}
	found, err := l.adapter.Find(t.Context(), w)
	if err != nil || len(found.Echo.Attachments) != 1 || found.Echo.Attachments[0] != r.Echo.Attachments[0] {
		t.Errorf("found: %+v %v", found.Echo, err)
	}
}

// Many EHRs keep a note's text as a Binary and show its address only.
func TestTextBehindAnAddress(t *testing.T) {
	moved := func(target string) func(*http.Request, *ehr.Response) *ehr.Response {
		return func(r *http.Request, resp *ehr.Response) *ehr.Response {
			if r.Method != http.MethodPost || resp.Status != http.StatusCreated {
				return resp
			}
			out := *resp
			out.Body = inlineData.ReplaceAll(resp.Body, []byte(`"url":"`+target+`"`))
			return &out
		}
	}
	text := message("m-1", "words \x07 no FHIR string holds")
	for _, as := range []string{"note", "communication"} {
		traits := ehr.Full()
		traits.Transaction = false
		options := func(o *Options) { o.FilingAs = []string{as} }
		plain := opened(t, setting{traits: traits, options: options})
		w := plain.write(t, text)
		data := base64Data(t, w.Body)
		for _, c := range []struct {
			target string
			shown  bool
		}{{"Binary/b1", true}, {"Binary/none", false}, {"https://elsewhere.example/file", false}} {
			l := opened(t, setting{traits: traits, options: options, after: moved(c.target)})
			l.put(t, `{"resourceType":"Binary","id":"b1","contentType":"text/plain","data":"`+data+`"}`)
			r := l.file(t, w)
			if r.Echo.Shown != c.shown || (c.shown && r.Echo.Text != w.Expect.Text) {
				t.Errorf("%s behind %s: %+v", as, c.target, r.Echo)
			}
		}
	}
}

func base64Data(t *testing.T, body []byte) string {
	t.Helper()
	m := inlineData.FindString(string(body))
	return strings.TrimSuffix(strings.TrimPrefix(m, `"data":"`), `"`)
}

// A document is on the chart with its words and with the very PDF that was sent: a note's text beside another PDF is altered,
// and a rendition the EHR adds to a note of its own is not.
func TestFormsOfADocument(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full(), options: func(o *Options) { o.FilingAs = []string{"document"} }})
	w := l.write(t, message("m-1", "hello"))
	if r := l.file(t, w); r.Echo.Text != w.Expect.Text || len(w.Expect.Attachments) != 1 || !slices.Equal(r.Echo.Attachments, w.Expect.Attachments) {
		t.Errorf("%+v", r.Echo)
	}
	rendition := base64.StdEncoding.EncodeToString([]byte("%PDF-1.4 another"))
	changed := func(w connector.Write, old, now string) connector.Receipt {
		body := strings.Replace(string(sent(w)), old, now, 1)
		if body == string(sent(w)) {
			t.Fatalf("%q is not in the entry", old)
		}
		return l.adapter.ShowEntry(t.Context(), w, connector.ChartEntry{Body: []byte(body)})
	}
	pdf := regexp.MustCompile(`"contentType":"application/pdf"[^}]*`).FindString(string(sent(w)))
	if r := changed(w, pdf, `"contentType":"application/pdf","data":"`+rendition+`"`); slices.Equal(r.Echo.Attachments, w.Expect.Attachments) {
		t.Error("another PDF was taken for the one that was sent")
	}
	note := newLab(t, setting{traits: ehr.Full(), options: func(o *Options) { o.FilingAs = []string{"note"} }})
	w = note.write(t, message("m-2", "hello"))
	if r := changed(w, `"content":[`, `"content":[{"attachment":{"contentType":"application/pdf","data":"`+rendition+`"}},`); r.Echo.Text != w.Expect.Text || len(r.Echo.Attachments) != 0 {
		t.Errorf("beside a rendition: %+v", r.Echo)
	}
}

// The transcript of a thread is compared as a whole: every message's words and what is said around them.
func TestTranscriptOfAThread(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full(), options: func(o *Options) { o.FilingAs = []string{"note"} }})
	x := message("m-1", "hello")
	x.Transcript = &connector.Transcript{Version: 1, Told: []connector.Told{{Message: x.Message}, {Message: message("m-2", "thanks").Message}}}
	w := l.write(t, x)
	r := l.file(t, w)
	if r.Echo.Text != w.Expect.Text || w.Expect.Text == "" {
		t.Errorf("%+v, want the words %s", r.Echo, w.Expect.Text)
	}
	found, err := l.adapter.Find(t.Context(), w)
	if err != nil || found.Reference != r.Reference {
		t.Errorf("found %q, %v", found.Reference, err)
	}
	page, err := l.adapter.ReadChart(t.Context(), connector.ChartQuery{Type: "DocumentReference", Patient: "Patient/daniel", Channels: []string{"texting"}})
	if err != nil || len(page.Entries) != 1 {
		t.Errorf("%d entries of the channel are read back, %v", len(page.Entries), err)
	}
	altered := regexp.MustCompile(`"data":"([^"]*)"`).ReplaceAllStringFunc(string(sent(w)), func(data string) string {
		text, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(strings.TrimPrefix(data, `"data":"`), `"`))
		if err != nil {
			t.Fatal(err)
		}
		return `"data":"` + base64.StdEncoding.EncodeToString([]byte(strings.Replace(string(text), "thanks", "thinks", 1))) + `"`
	})
	if r := l.adapter.ShowEntry(t.Context(), w, connector.ChartEntry{Body: []byte(altered)}); r.Echo.Text == w.Expect.Text {
		t.Error("a word of the second message was changed, and the receipt does not show it")
	}
}
