package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/openemr"
	"github.com/chartwire/chartwire/connector"
)

var keysOpenEMR = connection(`    type: openemr
    base_url: "{{.EHR}}"
    openemr: {category: Patient Messages}
    identifier_systems:
{{range .Systems}}      {{printf "%q" .}}: {{printf "%q" .}}
{{end}}    backend: {client_id: chartwire-backend, key_file: backend.jwk.json}
    limits: {requests_per_second: 5000, concurrent: 8, search_lag: 5s, deadline: 30s}
`)

// openemrScopes are what the sandbox's administrator registered the client with.
const openemrScopes = "api:fhir api:oemr system/document.crs system/patient.r system/Patient.rs system/DocumentReference.rs system/Binary.r"

// startOpenEMR starts the sandbox's OpenEMR with the one category the messages are for.
func (r *run) startOpenEMR(ctx context.Context, bundle []byte) error {
	if r.o.Traits != "" {
		return errors.New("--traits are of the FHIR server, not of --ehr openemr")
	}
	o, err := r.secured(ehr.Traits{}, auth.Client{Scopes: openemrScopes})
	if err != nil {
		return err
	}
	out, err := sandbox.StartOpenEMR(ctx, o, openemr.Options{Categories: []string{"Medical Record", "Patient Messages"}})
	if err != nil {
		return err
	}
	r.sandbox, r.openemr, r.base = out.EHR, out.API, out.Base()
	return r.sandbox.Seed(bundle)
}

// readOpenEMR reads what the sandbox's OpenEMR keeps, in the category the messages are for.
func (r *run) readOpenEMR(context.Context) (chart, error) {
	r.sandbox.EndFaults()
	return uploadsOf(r.openemr.Documents(), "Patient Messages"), nil
}

// uploads are the documents of an OpenEMR: notes by the message they say they are of, the others by their name.
type uploads struct {
	notes map[string][]openemr.Document
	files map[string][]openemr.Document
	lost  int // that are in another category, or in none
}

func uploadsOf(all []openemr.Document, category string) *uploads {
	u := &uploads{notes: map[string][]openemr.Document{}, files: map[string][]openemr.Document{}}
	for _, d := range all {
		from, value, cited := filing.CitedID(d.Data)
		switch {
		case d.Category != category || cited && from != channel:
			u.lost++
		case cited:
			u.notes[value] = append(u.notes[value], d)
		default:
			u.files[d.Name] = append(u.files[d.Name], d)
		}
	}
	return u
}

// revisionValue is the value of the identifier of a revision of a message (DESIGN §5, Identity).
func revisionValue(thread string, m *entry) string {
	value := thread + "/" + m.ID
	if m.Revision > 1 {
		value += fmt.Sprintf("/r%d", m.Revision)
	}
	return value
}

// fileStem is what the n-th file of a revision of a message is called, without its suffix.
func fileStem(value string, n int) string {
	id := connector.Identifier{System: identityBase + "/" + channel + "/attachment", Value: fmt.Sprintf("%s/%d", value, n)}
	return "chartwire_" + connector.ControlID(id) + "."
}

// entries is chart.
func (u *uploads) entries(thread string, m *entry) []shown {
	var out []shown
	for _, d := range u.notes[revisionValue(thread, m)] {
		out = append(out, uploaded{d, u, revisionValue(thread, m)})
	}
	return out
}

// strays is chart: notes that no message and no failure to deliver accounts for, the second of one of the last, and files that
// are there twice or belong to no message.
func (u *uploads) strays(x expectation) int {
	n, known, files := u.lost, map[string]bool{}, map[string]bool{}
	for _, t := range x.Threads {
		for _, m := range t.Messages {
			value := revisionValue(t.ID, m)
			known[value] = true // compare counts the second
			for i := range m.Attachments {
				files[fileStem(value, i+1)] = true
			}
			failed := t.ID + "/" + m.ID + "/not-delivered"
			if !known[failed] {
				known[failed] = true
				n += max(0, len(u.notes[failed])-1)
			}
		}
	}
	for value, all := range u.notes {
		if !known[value] {
			n += len(all)
		}
	}
	for name, all := range u.files {
		stem, _, _ := strings.Cut(name, ".")
		if !files[stem+"."] {
			n += len(all)
			continue
		}
		n += len(all) - 1
	}
	return n
}

// uploaded is a note among the others.
type uploaded struct {
	openemr.Document
	among *uploads
	value string
}

func (d uploaded) patient() string { return d.Patient }

func (d uploaded) created() time.Time { return d.Created }

// shows compares the words, and each file with the document beside the note, or with what the note says of it. Nothing marks a
// document as retracted.
func (d uploaded) shows(_ context.Context, m *entry) (bool, error) {
	words, ok := filing.Words(d.Data)
	if m.Retracted || !ok || string(words) != m.Text {
		return false, nil
	}
	for i, sum := range m.Attachments {
		beside := slices.ContainsFunc(d.among.beside(fileStem(d.value, i+1)), func(f openemr.Document) bool {
			return f.Patient == d.Patient && hash(f.Data) == sum
		})
		if !beside && !strings.Contains(d.after(), "SHA-256 "+sum) {
			return false, nil
		}
	}
	return true, nil
}

// after is what the note says after the message's words.
func (d uploaded) after() string {
	_, rest, _ := strings.Cut(string(d.Data), "\n\n")
	words, _ := filing.Words(d.Data)
	return rest[len(words):]
}

func (u *uploads) beside(stem string) (out []openemr.Document) {
	for name, all := range u.files {
		if strings.HasPrefix(name, stem) {
			out = append(out, all...)
		}
	}
	return out
}
