package fhir

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
)

// An EHR that loses identifiers is searched by content.
func TestListByContent(t *testing.T) {
	for name, o := range map[string]func(*Options){"communication": nil, "note": func(o *Options) { o.FilingAs = []string{"note"} },
		"document": func(o *Options) { o.FilingAs = []string{"document"} }} {
		t.Run(name, func(t *testing.T) {
			l := opened(t, setting{traits: ehr.Full(), options: o})
			w := l.write(t, message("m-1", "hello"))
			l.file(t, l.write(t, message("m-2", "hello"))) // the same words, another message
			if _, err := l.adapter.List(t.Context(), w); !errors.Is(err, connector.ErrAbsent) {
				t.Errorf("another message with the same words was taken for it: %v", err)
			}
			anonymous := strings.ReplaceAll(string(sent(w)), testBase+"/texting/message", "urn:lost")
			reference := l.put(t, anonymous)
			r, err := l.adapter.List(t.Context(), w)
			if err != nil || r.Reference != reference || r.Echo.Text != w.Expect.Text {
				t.Errorf("listed %q, %v; it is %s", r.Reference, err, reference)
			}
			moved := w
			moved.Expect.Subject = "Patient/other"
			if _, err := l.adapter.List(t.Context(), moved); !errors.Is(err, connector.ErrAbsent) {
				t.Errorf("found on another chart: %v", err)
			}
		})
	}
}

// lost is a write's entry as an EHR has it that loses identifiers.
func lost(w connector.Write) string {
	return strings.ReplaceAll(string(sent(w)), testBase+"/texting/message", "urn:lost")
}

var dataMember = regexp.MustCompile(`"data":"([^"]*)"`)

// keptAsBinary puts the content of a lost entry where an EHR keeps it: behind the address of a Binary.
func (l *lab) keptAsBinary(t *testing.T, body string) string {
	t.Helper()
	data := dataMember.FindStringSubmatch(body)
	if data == nil {
		t.Fatal("the entry holds no data")
	}
	at := l.put(t, `{"resourceType":"Binary","contentType":"text/plain","data":"`+data[1]+`"}`)
	return regexp.MustCompile(`"hash":"[^"]*",?`).ReplaceAllString(strings.Replace(body, data[0], `"url":"`+at+`"`, 1), "")
}

// What an EHR keeps as a Binary is got before it is compared; what cannot be got may be the write.
func TestListOfContentKeptAsBinary(t *testing.T) {
	withFile := func(x *connector.Exchange) {
		x.Message.Attachments = []connector.Attachment{{ID: "f", ContentType: "image/png", Data: []byte("a photo")}}
	}
	for _, as := range []string{"note", "communication"} {
		t.Run(as, func(t *testing.T) {
			start := func() (*lab, connector.Write, string) {
				l := opened(t, setting{traits: ehr.Full(), options: func(o *Options) { o.FilingAs = []string{as} }})
				w := l.write(t, message("m-1", "hello", withFile))
				return l, w, l.keptAsBinary(t, lost(w))
			}
			l, w, body := start()
			reference := l.put(t, body)
			if r, err := l.adapter.List(t.Context(), w); err != nil || r.Reference != reference {
				t.Errorf("listed %q, %v; it is %s", r.Reference, err, reference)
			}
			l, w, body = start()
			l.put(t, regexp.MustCompile(`"url":"Binary/[^"]*"`).ReplaceAllString(body, `"url":"https://elsewhere.example/file"`))
			if _, err := l.adapter.List(t.Context(), w); !errors.Is(err, connector.ErrNotSearchable) {
				t.Errorf("content that is not to be had: %v", err)
			}
		})
	}
}

// An EHR may write a moment otherwise, or give an entry its own. Where that leaves it open which of two messages with the same
// words an entry is, nothing is concluded.
func TestListOfOtherMoments(t *testing.T) {
	at := message("", "").Message.SentAt.Add(123 * time.Millisecond)
	sentAt := func(m time.Time) string { return m.UTC().Format(time.RFC3339) }
	for name, c := range map[string]struct {
		sent, words string
		want        error // nil is found
	}{
		"without fractions":       {sent: sentAt(at)},
		"rounded up":              {sent: sentAt(at.Add(800 * time.Millisecond))},
		"another message, before": {sent: sentAt(at.Add(-time.Hour)), want: connector.ErrAbsent},
		"to the minute":           {sent: sentAt(at.Add(-30 * time.Second)), want: connector.ErrNotSearchable},
		"days later":              {sent: sentAt(at.AddDate(0, 0, 5)), want: connector.ErrNotSearchable},
		"not told":                {want: connector.ErrNotSearchable},
		"other words, later":      {sent: sentAt(at.Add(time.Hour)), words: "good bye", want: connector.ErrAbsent},
		"other words, then":       {sent: sentAt(at), words: "hello.", want: connector.ErrNotSearchable},
	} {
		t.Run(name, func(t *testing.T) {
			l := opened(t, setting{traits: ehr.Full(), options: func(o *Options) { o.Quirks.NoParams = []string{"Communication sent"} }})
			w := l.write(t, message("m-1", "hello", func(x *connector.Exchange) { x.Message.SentAt = at }))
			member := ""
			if c.sent != "" {
				member = `"sent":"` + c.sent + `",`
			}
			body := regexp.MustCompile(`"sent":"[^"]*",`).ReplaceAllString(lost(w), member)
			if c.words != "" {
				body = strings.Replace(body, `"hello"`, `"`+c.words+`"`, 1)
			}
			reference := l.put(t, body)
			r, err := l.adapter.List(t.Context(), w)
			if !errors.Is(err, c.want) || c.want == nil && r.Reference != reference {
				t.Errorf("%q, %v; want %v", r.Reference, err, c.want)
			}
		})
	}
}

// A note's date may be that of its coming, days after the message was received: its text says which message it is.
func TestListOfANoteDatedByTheEHR(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full(), options: func(o *Options) { o.FilingAs = []string{"note"} }})
	w := l.write(t, message("m-1", "hello"))
	reference := l.put(t, regexp.MustCompile(`"date":"[^"]*"`).ReplaceAllString(lost(w), `"date":"2026-11-27T09:00:00Z"`))
	if r, err := l.adapter.List(t.Context(), w); err != nil || r.Reference != reference {
		t.Errorf("listed %q, %v; it is %s", r.Reference, err, reference)
	}
}

// Every request of a search takes its turn, and none leaves without: a busy chart is asked no faster than the rest.
func TestEachRequestOfASearchTakesItsTurn(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full(), options: func(o *Options) { o.FilingAs = []string{"note"} }})
	w := l.write(t, message("m-1", "hello"))
	for _, id := range []string{"m-2", "m-3", "m-4"} {
		l.put(t, l.keptAsBinary(t, lost(l.write(t, message(id, "hello")))))
	}
	l.wire.urls()
	turns, least := 0, 1+3 // the page, and the text of each note
	next := func(context.Context) error {
		if turns++; turns > least {
			return connector.ErrFenced
		}
		return nil
	}
	if _, err := l.adapter.List(connector.WithTurns(t.Context(), next), w); !errors.Is(err, connector.ErrAbsent) {
		t.Errorf("%v", err)
	}
	if asked := l.wire.urls(); turns != least || len(asked) != turns {
		t.Errorf("%d turns for %d requests", turns, len(asked))
	}
	turns = 2
	var retry *connector.Retry
	if _, err := l.adapter.List(connector.WithTurns(t.Context(), next), w); !errors.As(err, &retry) || len(l.wire.urls()) != 2 {
		t.Errorf("a search that may not go on: %v", err)
	}
}

// TestListOfNothing: where a patient has no entry of a type there is nothing to compare, whatever is known of how to.
func TestListOfNothing(t *testing.T) {
	l := opened(t, setting{traits: ehr.Full()})
	w := connector.Write{Type: "RelatedPerson", Method: http.MethodPost, Identity: connector.Identifier{System: testBase + "/texting/participant", Value: "x-1"},
		Body:   []byte(`{"resourceType":"RelatedPerson","patient":{"reference":"Patient/daniel"}}`),
		Expect: connector.Expect{Subject: "Patient/daniel"}}
	if _, err := l.adapter.List(t.Context(), w); !errors.Is(err, connector.ErrAbsent) {
		t.Errorf("nothing is there, and the listing says %v", err)
	}
}
