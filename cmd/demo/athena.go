package demo

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/athena"
	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/seed"
)

// The practice of the demonstration; the configuration of keysAthena names it.
const (
	athenaPractice   = 195900
	athenaDepartment = 1
)

var keysAthena = connection(`    type: athena
    base_url: "{{.EHR}}"
    identifier_systems:
{{range .Systems}}      {{printf "%q" .}}: {{printf "%q" .}}
{{end}}    backend: {client_id: chartwire-backend, key_file: backend.jwk.json}
    athena: {practice: 195900, department: 1}
    limits: {requests_per_second: 5000, concurrent: 8, search_lag: 5s, deadline: 30s}
`)

// startAthena starts a sandbox athenaOne whose patients have the ids of its practice.
func (r *run) startAthena(ctx context.Context, _ []byte) error {
	if r.o.Traits != "" {
		return errors.New("--traits are of the FHIR server, not of --ehr athena")
	}
	var bundle []byte
	bundle, r.refs = seed.BundleAs(r.people, athena.PatientIDs(athenaPractice))
	o, err := r.secured(ehr.Traits{}, auth.Client{Scopes: "system/Patient.rs " + athena.Scope})
	if err != nil {
		return err
	}
	a, err := sandbox.StartAthena(ctx, o, athena.Options{Practice: athenaPractice, Departments: []int{athenaDepartment}})
	if err != nil {
		return err
	}
	r.sandbox, r.athena, r.base = a.EHR, a.API, a.Base()
	return r.sandbox.Seed(bundle)
}

// readAthena reads the documents the API took.
func (r *run) readAthena(context.Context) (chart, error) {
	r.sandbox.EndFaults()
	return papersOf(r.athena.Documents()), nil
}

// papers are documents by the message their text says they are of; those that say none are under "".
type papers map[string][]athena.Document

func papersOf(all []athena.Document) papers {
	p := papers{}
	for _, d := range all {
		of, value, ok := filing.CitedID([]byte(d.Text))
		if !ok || of != channel {
			value = ""
		}
		p[value] = append(p[value], d)
	}
	return p
}

// entries is chart.
func (p papers) entries(thread string, m *entry) []shown {
	var out []shown
	for _, d := range p[revisionValue(thread, m)] {
		out = append(out, paper{d})
	}
	return out
}

// strays is chart: documents that no message or failure to deliver accounts for, and the second of the latter.
func (p papers) strays(x expectation) int {
	most := map[string]int{}
	for _, t := range x.Threads {
		for _, m := range t.Messages {
			most[revisionValue(t.ID, m)] = len(p[revisionValue(t.ID, m)]) // compare looks at them
			most[t.ID+"/"+m.ID+"/not-delivered"] = 1
		}
	}
	n := 0
	for value, all := range p {
		n += max(0, len(all)-most[value])
	}
	return n
}

type paper struct{ athena.Document }

func (p paper) patient() string { return p.Patient }

func (p paper) created() time.Time { return p.Created }

// shows: a file is there where the document names it by its hash, and nothing here can stand as retracted.
func (p paper) shows(_ context.Context, m *entry) (bool, error) {
	words, ok := filing.Words([]byte(p.Text))
	for _, sum := range m.Attachments {
		ok = ok && strings.Contains(p.Text, sum)
	}
	return ok && !m.Retracted && string(words) == m.Text, nil
}
