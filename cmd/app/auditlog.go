package app

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector/audit"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store"
)

// sealEvery is how long an audit row waits at most for its place in the signed log.
const sealEvery = time.Second

// auditLogs are the audit logs of an installation: one per EHR connection, and its own for what belongs to none.
type auditLogs struct {
	db   *store.DB
	keys *seal.Sealer
	ids  map[string]string // EHR name → ehr_id
}

// installation names the log of what belongs to no EHR, such as refused deliveries.
const installation = "(installation)"

// each visits every log by its label.
func (l auditLogs) each(visit func(label, ehr string) error) error {
	all := maps.Clone(l.ids)
	all[installation] = ""
	for _, label := range slices.Sorted(maps.Keys(all)) {
		if err := visit(label, all[label]); err != nil {
			return err
		}
	}
	return nil
}

// run gives audit rows their places and signs the logs, every second, until ctx ends; then once more. A log that was
// altered is never signed over: that is told at every turn until somebody has looked.
func (l auditLogs) run(ctx context.Context, c clock.Clock, log *slog.Logger) error {
	sealers := map[string]*audit.Sealer{}
	err := l.each(func(label, ehr string) error {
		signer, err := audit.NewSigner(l.keys, ehr)
		sealers[label] = audit.NewSealer(l.db.AuditLog(ehr), signer)
		return err
	})
	if err != nil {
		return err
	}
	for turn := 0; ; turn++ {
		ended := clock.Sleep(ctx, c, sealEvery) != nil
		if turn%60 == 0 || ended { // refusals are counted by the minute
			if err := l.db.EndRefusals(context.WithoutCancel(ctx), c.Now()); err != nil {
				log.Error("counted refusals could not be written into the audit log; trying again", "error", err)
			}
		}
		for label, s := range sealers {
			sealAll(context.WithoutCancel(ctx), s, label, log)
		}
		if ended {
			return nil
		}
	}
}

func sealAll(ctx context.Context, s *audit.Sealer, label string, log *slog.Logger) {
	for {
		n, err := s.Seal(ctx)
		switch {
		case errors.Is(err, audit.ErrTampered):
			log.Error("the audit log was altered; nothing is signed over it; run: chartwire audit verify", "log", label)
			return
		case errors.Is(err, audit.ErrStale):
			return // another replica sealed first
		case err != nil:
			log.Error("the audit log could not be sealed; trying again", "log", label, "error", err)
			return
		case n < audit.MaxBatch:
			return
		}
	}
}

// AuditReport is what verifying one log found.
type AuditReport struct {
	Log string `json:"log"`
	*audit.Report
}

// verify holds every log to its signed head.
func (l auditLogs) verify(ctx context.Context) (any, error) {
	out := []AuditReport{}
	err := l.each(func(label, ehr string) error {
		signer, err := audit.NewSigner(l.keys, ehr)
		if err != nil {
			return err
		}
		rows := l.db.AuditLog(ehr)
		head := func() ([]byte, error) { return rows.Head(ctx) }
		report, err := audit.Verify(rows.Rows(ctx), audit.HashReader(ctx, rows), signer.Verifier(), head)
		out = append(out, AuditReport{label, report})
		return err
	})
	return out, err
}
