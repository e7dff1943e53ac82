package rig

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"github.com/chartwire/chartwire/connector/seal"
)

const (
	// Channel is the platform's name in the configuration; IdentityBase the root of what is filed.
	Channel      = "texting"
	IdentityBase = "https://proof.chartwire.example/sid"
	// EHRName is the connection's.
	EHRName = "sandbox"

	token = "a token of the proof" // it opens nothing but the rig's own processes
)

var configuration = template.Must(template.New("config").Parse(`# Written by prove.
server: {public_url: "http://127.0.0.1:1", listen: "127.0.0.1:0", console_listen: "127.0.0.1:0"}
identity: {base: "` + IdentityBase + `"}
store: {url: "{{.Store}}", lease: {{.Lease}}}
seal: {keyset_file: chartwire.keyset.json}
ehrs:
  - name: ` + EHRName + `
    type: fhir
    base_url: "{{.EHR}}"
    timezone: America/Chicago
    organization: {{.Organization}}
    identifier_systems: {"{{.System}}": "{{.System}}"}
    filing: {as: {{.As}}}
    limits: {requests_per_second: {{.Rate}}, concurrent: {{.Workers}}, search_lag: {{.Lag}}, deadline: {{.Deadline}}}
channels:
  - name: ` + Channel + `
    type: webhook
    class: secure
    ehr: ` + EHRName + `
    secret_file: texting.secret
    send_url: "{{.Send}}"
    send_idempotent: true
    receipts: none
    default_pool: {{.Pool}}
    consent: assumed
    order_window: 2s
    gap_wait: {{.GapWait}}
pools: [{id: {{.Pool}}, ehr: ` + EHRName + `, reference: {{.PoolRef}}}]
people: [{id: {{.Staff}}, ehr: ` + EHRName + `, reference: {{.StaffRef}}}]
api:
  tokens:
    - {name: proof, sha256: {{.Token}}, ehr: ` + EHRName + `, role: clinician, act_as: [{{.StaffRef}}]}
`))

// writeConfig writes a configuration, with the secrets it names, into a folder for one replica or several.
func (w *World) writeConfig() error {
	sum := sha256.Sum256([]byte(token))
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		return err
	}
	if err := seal.Init(filepath.Join(w.dir, "chartwire.keyset.json"), w.clock.Now()); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.dir, "texting.secret"), []byte(w.Platform.Secret()+"\n"), 0o600); err != nil {
		return err
	}
	f, err := os.OpenFile(w.config(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	short := func(d time.Duration) string { return d.String() }
	return configuration.Execute(f, map[string]any{
		"Store": w.storeURL, "Lease": short(w.o.Lease), "EHR": w.EHR.Base(), "Organization": w.refs.Organization,
		"System": patientSystem, "As": w.o.As, "Rate": w.o.Rate, "Workers": w.o.Workers, "Lag": short(w.o.Lag),
		"Deadline": short(w.o.Deadline), "Send": w.Platform.SendURL(), "Pool": pool, "PoolRef": w.refs.Pools[pool],
		"Staff": staff, "StaffRef": w.refs.People[staff], "GapWait": short(w.o.GapWait), "Token": hex.EncodeToString(sum[:]),
	})
}

func (w *World) config() string { return filepath.Join(w.dir, "chartwire.yaml") }
