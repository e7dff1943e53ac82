package demo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"

	"github.com/chartwire/chartwire/adapters/sandbox/auth"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

// kind is how the demonstration stages one EHR type: what stands for it, what an administrator writes for it, and how its
// chart is read back.
type kind struct {
	// start starts what stands for the EHR, seeds it with the bundle and sets r.base.
	start func(r *run, ctx context.Context, bundle []byte) error
	// keys are those of the connection beside name, timezone and organization, indented by four. A template of configValues.
	keys *template.Template
	// read reads the chart, with nothing going wrong at the EHR any more.
	read func(r *run, ctx context.Context) (chart, error)
	// asks says that a clinician can ask for a message from inside the EHR (CommunicationRequest).
	asks bool
}

var kinds = map[string]kind{
	"fhir":     overFHIR(ehr.Full(), keysFHIR),
	"note":     overFHIR(ehr.NoteOnly(), keysFHIR),
	"epic":     overFHIR(profile("epic"), keysEpic),
	"meditech": {start: (*run).startMeditech, keys: keysMeditech, read: (*run).readMeditech},
	"oracle":   {start: (*run).startOracle, keys: keysOracle, read: (*run).readOracle},
	"hl7v2":    {start: (*run).startEngine, keys: keysHL7, read: (*run).readEngine},
	"athena":   {start: (*run).startAthena, keys: keysAthena, read: (*run).readAthena},
	"openemr":  {start: (*run).startOpenEMR, keys: keysOpenEMR, read: (*run).readOpenEMR},
}

// Types lists the EHR types there is a demonstration of.
func Types() []string { return slices.Sorted(maps.Keys(kinds)) }

// kindOf gives the kind of --ehr.
func kindOf(name string) (kind, error) {
	k, ok := kinds[or(name, "fhir")]
	if !ok {
		return k, fmt.Errorf("--ehr %s: this version has %s", name, strings.Join(Types(), ", "))
	}
	return k, nil
}

// overFHIR is a kind the sandbox's FHIR server stands for.
func overFHIR(traits ehr.Traits, keys *template.Template) kind {
	return kind{
		start: func(r *run, ctx context.Context, bundle []byte) error { return r.startFHIR(ctx, traits, bundle) },
		keys:  keys,
		read:  (*run).readSandbox,
		asks:  traits.AcceptCommunicationRequest,
	}
}

// registration is what an administrator of that vendor's EHR registers for Chartwire, with reading what the run is judged by.
func registration(vendor string) auth.Client {
	c := auth.Client{Scopes: backendScopes}
	if vendor == "epic" { // APIs are chosen, no scope is asked for, and the token says them in the older spelling
		c.Registered = true
		c.Scopes = "system/Patient.read system/Encounter.read system/Practitioner.read system/RelatedPerson.read system/Communication.read system/DocumentReference.read system/DocumentReference.write system/Binary.read"
	}
	return c
}

// profile are the traits of the sandbox's FHIR server as one vendor's.
func profile(vendor string) ehr.Traits {
	t, err := ehr.Profile(vendor)
	if err != nil {
		panic(err) // it is one of the sandbox's own
	}
	return t
}

func connection(keys string) *template.Template {
	return template.Must(template.New("keys").Parse(keys))
}

// keysFHIR are the keys of an EHR that speaks FHIR as it should, and of a server at EHRURL.
var keysFHIR = connection(`    type: fhir
    base_url: "{{.EHR}}"
    identifier_systems:
{{range .Systems}}      {{printf "%q" .}}: {{printf "%q" .}}
{{end}}{{if .Key}}    backend: {client_id: chartwire-backend, key_file: backend.jwk.json}
{{end}}    filing: {as: {{.As}}, per: {{.Per}}, idle: 1m, proxies: create}
    watch: {poll: 20s, not_before: 24h}
    limits: {requests_per_second: 5000, concurrent: 8, search_lag: 5s, deadline: 30s}
`)

// keysEpic are those of a connection to Epic: who signs is said, and every note belongs to the patient's open encounter.
var keysEpic = connection(`    type: epic
    base_url: "{{.EHR}}"
    identifier_systems:
{{range .Systems}}      {{printf "%q" .}}: {{printf "%q" .}}
{{end}}    backend: {client_id: chartwire-backend, key_file: backend.jwk.json}
    filing: {as: note, per: {{.Per}}, idle: 1m, doc_status: final, encounter: {policy: open}}
    limits: {requests_per_second: 5000, concurrent: 8, search_lag: 5s, deadline: 30s}
`)

// startMeditech starts the sandbox with MEDITECH's rules.
func (r *run) startMeditech(ctx context.Context, bundle []byte) error {
	return r.startFHIR(ctx, profile("meditech"), bundle)
}

// keysMeditech are those of a connection to MEDITECH, which no probe has proven: everything is held.
var keysMeditech = connection(`    type: meditech
    base_url: "{{.EHR}}"
    identifier_systems:
{{range .Systems}}      {{printf "%q" .}}: {{printf "%q" .}}
{{end}}    backend: {client_id: chartwire-backend, key_file: backend.jwk.json}
    filing: {as: auto, per: exchange}
    limits: {requests_per_second: 5000, concurrent: 8, search_lag: 5s, deadline: 30s}
`)

var keysHL7 = connection(`    type: hl7v2
    address: "{{.EHR}}"
    match: trust-identifiers
    hl7:
      sending: CHARTWIRE^DEMO
      receiving: ENGINE^RIVERBEND
      resend: same-id
      echo: NMQ^N01
      authorities:
{{range $system, $namespace := .Authorities}}        {{printf "%q" $system}}: {namespace: {{$namespace}}, type: MR}
{{end}}    filing: {as: mdm, per: {{.Per}}, idle: 1m}
    limits: {requests_per_second: 5000, search_lag: 5s, deadline: 30s}
`)
