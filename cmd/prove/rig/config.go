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
    filing: {as: {{.As}}, per: {{.Per}}, idle: 1m}
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

// writeConfig writes each replica a folder with a configuration and the secrets it names: they share the store and the
// keys, and a machine of its own would have its own files.
func (w *World) writeConfig() error {
	keys := filepath.Join(w.dir, "chartwire.keyset.json")
	if err := seal.Init(keys, w.clock.Now()); err != nil {
		return err
	}
	keyset, err := os.ReadFile(keys)
	if err != nil {
		return err
	}
	for _, r := range w.Replicas {
		if err := os.MkdirAll(r.dir, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.dir, "chartwire.keyset.json"), keyset, 0o600); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.dir, "texting.secret"), []byte(w.Platform.Secret()+"\n"), 0o600); err != nil {
			return err
		}
		if err := w.configure(r); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) configure(r *Replica) error {
	sum := sha256.Sum256([]byte(token))
	f, err := os.OpenFile(r.Config(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	short := func(d time.Duration) string { return d.String() }
	return configuration.Execute(f, map[string]any{
		"Store": w.storeURL, "Lease": short(w.o.Lease), "EHR": w.EHR.Base(), "Organization": w.refs.Organization,
		"System": patientSystem, "As": w.o.As, "Per": w.o.Per, "Rate": w.o.Rate, "Workers": w.o.Workers, "Lag": short(w.o.Lag),
		"Deadline": short(w.o.Deadline), "Send": w.Platform.SendURL(), "Pool": pool, "PoolRef": w.refs.Pools[pool],
		"Staff": staff, "StaffRef": w.refs.People[staff], "GapWait": short(w.o.GapWait), "Token": hex.EncodeToString(sum[:]),
	})
}

// Config is the file the replica reads, for other commands of the binary.
func (r *Replica) Config() string { return filepath.Join(r.dir, "chartwire.yaml") }
