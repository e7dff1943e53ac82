package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/sandbox/engine"
	"github.com/chartwire/chartwire/connector"
)

// documents are the documents an interface engine keeps, by number (TXA-12).
type documents map[string][]engine.Document

func documentsOf(all []engine.Document) documents {
	d := documents{}
	for _, one := range all {
		d[one.Number] = append(d[one.Number], one)
	}
	return d
}

// number is what the documents of a message are numbered by (DESIGN §5, Identity).
func number(value string) string {
	return connector.ControlID(connector.Identifier{System: identityBase + "/" + channel + "/message", Value: value})
}

// revisionNumber is TXA-12 of a revision of a message.
func revisionNumber(thread, message string, revision int) string {
	return fmt.Sprintf("%s-v%d", number(thread+"/"+message), revision)
}

// entries is chart.
func (d documents) entries(thread string, m *entry) []shown {
	var out []shown
	for _, one := range d[revisionNumber(thread, m.ID, m.Revision)] {
		out = append(out, document{one, d})
	}
	return append(out, d.told(thread, m)...)
}

// told finds what the transcripts of a thread that were not replaced say of a message revision.
func (d documents) told(thread string, m *entry) []shown {
	var out []shown
	for no, all := range d {
		if !strings.HasPrefix(no, transcriptNumber(thread)) {
			continue
		}
		for _, one := range all {
			if one.ReplacedBy == "" {
				o := &onChart{created: one.Created}
				o.Subject.Reference = one.Patient
				out = append(out, tellings(o, one.Text, m)...)
			}
		}
	}
	return out
}

// transcripts counts those that stand.
func (d documents) transcripts() int {
	n := 0
	for _, all := range d {
		for _, one := range all {
			if one.ReplacedBy == "" && strings.HasPrefix(one.Text, "Secure message thread\n") {
				n++
			}
		}
	}
	return n
}

// transcriptNumber is what the numbers of a thread's transcripts begin with.
func transcriptNumber(thread string) string {
	return connector.ControlID(connector.Identifier{System: identityBase + "/" + channel + "/transcript", Value: thread + "/v1"}) + "-v"
}

// strays is chart: documents that no message, retraction or failure to deliver accounts for, and the second of one of the
// last two.
func (d documents) strays(x expectation) int {
	most := map[string]int{} // how many of a number compare looks at, or may be there
	for _, t := range x.Threads {
		for _, m := range t.Messages {
			most[revisionNumber(t.ID, m.ID, m.Revision)] = len(d[revisionNumber(t.ID, m.ID, m.Revision)])
			most[number(t.ID+"/"+m.ID)+"-retracted"] = 1
			most[fmt.Sprintf("%s-v%d-taken", number(t.ID+"/"+m.ID), m.Revision)] = 1
			most[number(t.ID+"/"+m.ID+"/not-delivered")+"-v1"] = 1
		}
	}
	n := 0
	for no, all := range d {
		if slices.ContainsFunc(x.Threads, func(t *thread) bool { return strings.HasPrefix(no, transcriptNumber(t.ID)) }) {
			most[no] = 1
		}
		n += max(0, len(all)-most[no])
	}
	return n
}

// document is a document among the others.
type document struct {
	engine.Document
	among documents
}

func (d document) patient() string { return d.Patient }

func (d document) created() time.Time { return d.Created }

// shows looks at the document as the chart shows it now: one that was replaced shows its replacement.
func (d document) shows(_ context.Context, m *entry) (bool, error) {
	if m.Retracted {
		now := d.Document
		for now.ReplacedBy != "" {
			next := d.among[now.ReplacedBy]
			if len(next) == 0 {
				return false, nil
			}
			now = next[len(next)-1]
		}
		return now.Event == "T10" && strings.HasPrefix(now.Text, "Retracted"), nil
	}
	words, ok := filing.Words([]byte(d.Text))
	files := []string{}
	for _, f := range d.Files {
		files = append(files, hash(f.Data))
	}
	replaces := m.Revision == 1 || d.Event == "T10"
	return ok && d.ReplacedBy == "" && replaces && string(words) == m.Text && slices.Equal(files, m.Attachments), nil
}
