package demo

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/chartwire/chartwire/fhir/smart"
)

const (
	channel      = "texting"
	identityBase = "https://demo.chartwire.example/sid"
)

// demoConfig is the configuration of the demonstration, the way an administrator writes one.
var demoConfig = template.Must(template.New("config").Parse(`# Written by chartwire demo.
server: {public_url: "{{.Public}}", listen: "127.0.0.1:0", console_listen: "127.0.0.1:0"}
identity: {base: "{{.Base}}"}
store: {url: "{{.Store}}", lease: 10s}
seal: {keyset_file: chartwire.keyset.json}
ehrs:
  - name: sandbox
    timezone: America/Chicago
    organization: {{.Organization}}
{{.Connection}}{{if .Launch}}    launch: {client_id: chartwire-inbox, clinic: Riverbend Family Clinic, key_file: inbox.jwk.json, frame_ancestors: ["{{.Shell}}"]}
    roles: {clinician: [doctor, nurse], staff: [administrator], default: read_only}
{{end}}channels:
  - name: texting
    type: webhook
    class: secure
    ehr: sandbox
    secret_file: texting.secret
    send_url: "{{.Send}}"
    send_idempotent: true
    receipts: read
{{if .DefaultPool}}    default_pool: {{.DefaultPool}}
{{end}}    consent: assumed
    order_window: 2s
    gap_wait: 60s
    max_event_bytes: 40MB
    media: {origins: ["{{.Media}}"], max_bytes: 25MB}
pools:
{{range .Pools}}  - {id: {{printf "%q" .ID}}, ehr: sandbox, name: {{printf "%q" .Name}}, reference: {{.Ref}}, members: {{$.Members}}}
{{else}}  []
{{end}}people:
{{range .People}}  - {id: {{printf "%q" .ID}}, ehr: sandbox, reference: {{.Ref}}}
{{else}}  []
{{end}}{{if .Launch}}templates:
  - {id: received, ehr: sandbox, name: We have your message, texts: {en: "Hello {{"{{patient.given}}"}}, we have your message and will answer today. {{"{{user.name}}"}}", es: "Hola {{"{{patient.given}}"}}, recibimos su mensaje y le contestaremos hoy. {{"{{user.name}}"}}"}}
  - {id: appointment, ehr: sandbox, name: Your appointment, texts: {en: "Your appointment is on {{"{{appointment.date}}"}} at {{"{{appointment.time}}"}}.", es: "Su cita es el {{"{{appointment.date}}"}} a las {{"{{appointment.time}}"}}."}}
  - {id: call, ehr: sandbox, name: Please call us, texts: {en: "Please call the clinic, {{"{{patient.given}}"}}: we would like to talk with you. If it is an emergency, call 911.", es: "Por favor llame a la clínica, {{"{{patient.given}}"}}: queremos hablar con usted. Si es una emergencia, llame al 911."}}
{{end}}api:
  tokens:
    - {name: demo, sha256: {{.TokenHash}}, ehr: sandbox, role: clinician, act_as: [{{.ActAs}}]}
`))

type named struct{ ID, Ref, Name string }

// writeConfig writes the configuration and the secrets it names.
func (r *run) writeConfig(public string) error {
	var token [32]byte
	_, _ = rand.Read(token[:]) // never fails
	r.api = hex.EncodeToString(token[:])
	hash := sha256.Sum256([]byte(r.api))
	values := map[string]any{
		"Public": public, "Base": identityBase, "Store": or(r.o.Store, "sqlite:chartwire.db"), "EHR": r.base,
		"Organization": r.refs.Organization, "Systems": r.systems(), "Key": r.backend != nil, "Send": r.platform.SendURL(),
		"Media": r.platform.URL(), "Pools": r.pools(), "People": refsOf(r.refs.People, r.staffIDs()),
		"TokenHash": hex.EncodeToString(hash[:]), "ActAs": r.actAs(), "DefaultPool": "", "Authorities": r.people.Authorities(), "As": or(r.o.As, "auto"), "Per": or(r.o.Per, "exchange"),
		"Launch": r.inbox != nil, "Shell": "", "Members": "[" + strings.Join(r.staff(), ", ") + "]",
	}
	if r.sandbox != nil {
		values["Shell"] = r.sandbox.URL()
	}
	var keys strings.Builder
	if err := r.kind.keys.Execute(&keys, values); err != nil {
		return err
	}
	values["Connection"] = keys.String()
	if pools := refsOf(r.refs.Pools, nil); len(pools) > 0 {
		values["DefaultPool"] = pools[0].ID
	}
	for name, key := range map[string]*smart.Key{"backend.jwk.json": r.backend, "inbox.jwk.json": r.inbox} {
		if key == nil {
			continue
		}
		jwk, err := key.PrivateJWK()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.dir, name), jwk, 0o600); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(r.dir, "texting.secret"), []byte(r.platform.Secret()+"\n"), 0o600); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(r.dir, "chartwire.yaml"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	return demoConfig.Execute(f, values)
}

// pools are the pools by their names, as far as the events tell them.
func (r *run) pools() []named {
	out := refsOf(r.refs.Pools, nil)
	for n := range out {
		out[n].Name = out[n].ID
		for _, p := range r.people.Pools {
			if p.ID == out[n].ID && p.Name != "" {
				out[n].Name = p.Name
			}
		}
	}
	return out
}

// staff are the practitioners, each once: in a small clinic everybody is in every pool.
func (r *run) staff() []string {
	set := map[string]bool{}
	for _, ref := range r.refs.People {
		set[ref] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// systems are the identifier systems the events use; the sandbox EHR uses the same.
func (r *run) systems() []string {
	set := map[string]bool{}
	for _, p := range r.people.Patients {
		for _, id := range p.Identifiers {
			set[id.System] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// staffIDs are the platform's ids of staff: the references are also kept under system|value, which is no id.
func (r *run) staffIDs() map[string]bool {
	ids := map[string]bool{}
	for _, p := range r.people.Staff {
		ids[p.ID] = p.ID != ""
	}
	return ids
}

func refsOf(refs map[string]string, only map[string]bool) []named {
	var out []named
	for _, id := range slices.Sorted(maps.Keys(refs)) {
		if only == nil || only[id] {
			out = append(out, named{ID: id, Ref: refs[id]})
		}
	}
	return out
}

// actAs is in whose name the demonstration replies: the first member of staff, or the clinic.
func (r *run) actAs() string {
	for _, p := range r.people.Staff {
		if ref := r.refs.People[p.ID]; ref != "" {
			return ref
		}
	}
	return r.refs.Organization
}
