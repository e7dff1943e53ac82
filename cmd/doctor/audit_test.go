package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chartwire/chartwire/cmd/doctor"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store"
)

// auditing is a store whose audit entries are seen, and which can stop committing.
type auditing struct {
	connector.Store
	acts []string
	down bool
}

type auditingTx struct {
	connector.Tx
	to *auditing
}

func (t auditingTx) Audit(a connector.AuditEntry) error {
	t.to.acts = append(t.to.acts, fmt.Sprintf("%s %s by %s on %s", a.Kind, a.Detail["act"], a.Agent, a.Detail["ehr"]))
	return t.Tx.Audit(a)
}

func (s *auditing) Update(ctx context.Context, shard string, fn func(connector.Tx) error) error {
	if s.down {
		return connector.ErrStore
	}
	return s.Store.Update(ctx, shard, func(tx connector.Tx) error { return fn(auditingTx{tx, s}) })
}

// asking is an EHR that counts what it is asked.
type asking struct {
	connector.EHR
	n int
}

func (a *asking) Check(context.Context) (connector.Preflight, error) {
	a.n++
	return connector.Preflight{Capabilities: []connector.Capability{{Resource: "MDM", Interaction: "send", Needed: true}}}, nil
}

// TestEveryRunIsAudited: in the commit that reads the store, before the EHR is asked anything; where that cannot be, nothing is
// asked. What was filed is proof.
func TestEveryRunIsAudited(t *testing.T) {
	file := t.TempDir() + "/keyset.json"
	if err := seal.Init(file, clock.System.Now()); err != nil {
		t.Fatal(err)
	}
	keys, err := seal.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), "sqlite::memory:", store.Options{Sealer: keys})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	filed := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	if err := db.Update(t.Context(), "s", func(tx connector.Tx) error {
		return errors.Join(tx.PutEHR(connector.EHRRow{ID: "E", Name: "county"}), tx.PutWrite(&connector.WriteRow{ID: "w", EHR: "E", Thread: "t", Item: "i", Key: "k",
			State: connector.WriteFiled, FiledAt: filed, Write: connector.Write{Type: "MDM", Identity: connector.Identifier{System: "s", Value: "v"}}}))
	}); err != nil {
		t.Fatal(err)
	}
	s, e := &auditing{Store: db}, &asking{}
	d := &doctor.Doctor{Clock: clock.System, Store: s, Connections: []doctor.Connection{{Config: config.EHR{Name: "county", Type: config.HL7v2}, ID: "E", EHR: e}}}
	reports, err := d.Examine(t.Context(), "county", "cli:ada")
	if err != nil || e.n != 1 || !slices.Equal(s.acts, []string{"admin doctor by cli:ada on county"}) {
		t.Errorf("%v: asked %d times, audited %q", err, e.n, s.acts)
	}
	if c := reports[0].Capabilities[0]; c.Proven != connector.KnownYes || c.By != "filing" || !c.At.Equal(filed) {
		t.Errorf("%+v", c)
	}
	s.down = true
	if _, err := d.Examine(t.Context(), "", "cli:ada"); !errors.Is(err, connector.ErrStore) || e.n != 1 {
		t.Errorf("%v: asked %d times", err, e.n)
	}
}
