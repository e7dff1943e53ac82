package deliver

import (
	"testing"

	"github.com/chartwire/chartwire/connector"
)

func TestCompareWhatTheChartShows(t *testing.T) {
	id := connector.Identifier{System: "urn:s", Value: "t/m"}
	other := connector.Identifier{System: "urn:s", Value: "t/n"}
	write := connector.Write{Identity: id, Expect: connector.Expect{Subject: "Patient/p", Text: "h1", Attachments: []string{"a", "b"}, Status: "completed"}}
	good := connector.Echo{Shown: true, Subject: "Patient/p", Identities: []connector.Identifier{other, id}, Text: "h1", Attachments: []string{"b", "a"}, Status: "completed"}
	for _, c := range []struct {
		name   string
		write  func(*connector.Write)
		echo   func(*connector.Echo)
		found  bool
		reason connector.Reason
		stop   bool
	}{
		{name: "all as sent"},
		{name: "found, all as sent", found: true},
		{name: "nothing shown", echo: func(e *connector.Echo) { *e = connector.Echo{} }},
		{name: "another patient", echo: func(e *connector.Echo) { e.Subject = "Patient/q" }, reason: connector.WrongSubject, stop: true},
		{name: "no patient", echo: func(e *connector.Echo) { e.Subject = "" }, reason: connector.WrongSubject, stop: true},
		{name: "another identifier", echo: func(e *connector.Echo) { e.Identities = []connector.Identifier{other} }, reason: connector.WrongSubject, stop: true},
		{name: "other words", echo: func(e *connector.Echo) { e.Text = "h2" }, reason: connector.ContentAltered},
		{name: "no words", echo: func(e *connector.Echo) { e.Text = "" }, reason: connector.ContentAltered},
		{name: "a lost attachment", echo: func(e *connector.Echo) { e.Attachments = []string{"a"} }, reason: connector.ContentAltered},
		{name: "another attachment", echo: func(e *connector.Echo) { e.Attachments = []string{"a", "c"} }, reason: connector.ContentAltered},
		{name: "one attachment twice for two", echo: func(e *connector.Echo) { e.Attachments = []string{"a", "a"} }, reason: connector.ContentAltered},
		{name: "other patient and other words", echo: func(e *connector.Echo) { e.Subject, e.Text = "Patient/q", "h2" }, reason: connector.WrongSubject, stop: true},
		{name: "found with another patient", found: true, echo: func(e *connector.Echo) { e.Subject = "Patient/q" }, reason: connector.IdentityCollision},
		{name: "found with other words", found: true, echo: func(e *connector.Echo) { e.Text = "h2" }, reason: connector.IdentityCollision},
		{name: "found under another identifier", found: true, echo: func(e *connector.Echo) { e.Identities = nil }, reason: connector.IdentityCollision},
		{name: "an update says nothing about words", write: func(w *connector.Write) { w.Update, w.Identity = &connector.Update{}, connector.Identifier{} },
			echo: func(e *connector.Echo) { e.Text = "h2" }},
		{name: "an update on another patient's chart", write: func(w *connector.Write) { w.Update, w.Identity = &connector.Update{}, connector.Identifier{} },
			echo: func(e *connector.Echo) { e.Subject = "Patient/q" }, reason: connector.WrongSubject, stop: true},
		{name: "a header has no words", write: func(w *connector.Write) { w.Expect.Text, w.Expect.Attachments = "", nil },
			echo: func(e *connector.Echo) { e.Text, e.Attachments = "", nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, e := write, good
			if c.write != nil {
				c.write(&w)
			}
			if c.echo != nil {
				c.echo(&e)
			}
			got := compare(w, connector.Receipt{Reference: "Communication/1", Found: c.found, Echo: e})
			if got != (verdict{c.reason, c.stop}) {
				t.Errorf("got %+v, want %q, stop %v", got, c.reason, c.stop)
			}
		})
	}
}
