package store

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/audit"
)

var (
	auditInsert = sq(`INSERT INTO audit (ehr_id, id, at, kind, action, outcome, agent_kind, agent_id, thread_id, item_id,
		entity_hash, detail, mac) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)`)

	refusalGet = sq(`SELECT counts FROM refusal WHERE ehr_id = ?1 AND minute = ?2 AND channel = ?3 AND source_hash = ?4`)
	refusalPut = sq(`INSERT INTO refusal (ehr_id, minute, channel, source_hash, counts) VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT (ehr_id, minute, channel, source_hash) DO UPDATE SET counts = excluded.counts`)
	refusalEnded = sq(`SELECT minute, channel, source_hash, counts FROM refusal WHERE ehr_id = ?1 AND minute < ?2
		ORDER BY minute, channel LIMIT 1000`)
	refusalDrop = sq(`DELETE FROM refusal WHERE ehr_id = ?1 AND minute = ?2 AND channel = ?3 AND source_hash = ?4`)
)

// noTenant stands for the installation in the AAD of audit rows that concern no EHR connection.
const noTenant = "-"

func auditPlace(ehr, thread, id string) place {
	return place{cmp.Or(ehr, noTenant), thread, "audit", id}
}

// auditKind is the form of a kind: it stands in clear.
var auditKind = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)

// Audit is connector.Tx. The row's sequence number comes later, from the sealer of the log (AuditLog). What Detail says
// under "patient" or else "reference" can be looked up later.
func (t *tx) Audit(a connector.AuditEntry) error {
	agent := audit.ParseAgent(a.Agent)
	agent.OnBehalfOf = a.OnBehalf
	r := audit.Record{ID: a.ID, EHR: a.EHR, At: a.At, Kind: audit.Kind(a.Kind), Action: audit.Action(a.Action),
		Outcome: audit.Outcome(a.Outcome), Agent: agent, Thread: a.Thread, Item: a.Item, Detail: a.Detail,
		EntityHash: t.hash("ref", cmp.Or(a.EHR, noTenant), cmp.Or(a.Detail["patient"], a.Detail["reference"]))}
	switch r.Action {
	case audit.Create, audit.Read, audit.Update, audit.Delete, audit.Execute:
	default:
		return fmt.Errorf("store: audit entry %s: its action is none of C, R, U, D, E", a.ID)
	}
	if !auditKind.MatchString(a.Kind) || a.ID == "" || a.At.IsZero() || agent.Kind == "" {
		return fmt.Errorf("store: audit entry %s: it needs an id, a time, an agent and a kind like event-accepted", a.ID)
	}
	row := r.Row(t.s.Seal(r.SealedPart(), auditPlace(a.EHR, a.Thread, a.ID).aad("detail")))
	err := t.exec(auditInsert, row.EHR, row.ID, micros(row.At), string(row.Kind), string(row.Action), int64(row.Outcome),
		row.Agent.Kind, row.Agent.ID, row.Thread, row.Item, row.EntityHash, row.Sealed, t.auditMAC(row))
	if err == nil {
		t.audits = append(t.audits, [2]string{row.EHR, row.ID})
	}
	return err
}

// auditMAC is the keyed hash over everything of an audit row but what its sealer adds. It shows a row that was altered
// before it came into the log.
func (t *tx) auditMAC(r audit.Row) []byte { return t.s.Lookup("audit row", string(r.Leaf())) }

// refusals counts what one source was refused on one channel in one minute.
type refusals struct {
	Source      string
	N           int64
	Why         map[string]int64
	First, Last time.Time
}

// maxWhys bounds the reasons kept apart in one row; further ones are counted as "other".
const maxWhys = 16

func refusalPlace(ehr, channel string, minute int64, hash []byte) place {
	return place{cmp.Or(ehr, noTenant), "", "refusal", channel + "/" + strconv.FormatInt(minute, 10) + "/" + hex.EncodeToString(hash)}
}

// CountRefusal is connector.Tx. The count stays beside the audit log until its minute has ended; then CountRefusal of a
// later minute, or EndRefusals, makes it one audit row: kind event-refused, action E, outcome 4, with the source, the count
// and the reasons sealed.
func (t *tx) CountRefusal(ehr, channel, source, why string, at time.Time) error {
	minute := at.Unix() / 60
	if err := t.endRefusals(ehr, minute); err != nil {
		return err
	}
	h := t.s.Lookup("source", ehr, source)
	p := refusalPlace(ehr, channel, minute, h)
	r := refusals{Source: source, First: at, Why: map[string]int64{}}
	var sealed []byte
	err := t.single(refusalGet, []any{ehr, minute, channel, h}, &sealed)
	if err == nil {
		err = t.open(p, "counts", sealed, &r)
	}
	if err != nil && !errors.Is(err, connector.ErrNotFound) {
		return err
	}
	if _, known := r.Why[why]; !known && len(r.Why) >= maxWhys {
		why = "other"
	}
	r.N++
	r.Why[why]++
	r.Last = at
	if sealed, err = t.seal(p, "counts", r); err != nil {
		return err
	}
	return t.exec(refusalPut, ehr, minute, channel, h, sealed)
}

// endRefusals makes the counts of minutes before this one audit rows.
func (t *tx) endRefusals(ehr string, minute int64) error {
	type ended struct {
		minute       int64
		channel      string
		hash, counts []byte
	}
	all, err := many(t, func(_ *tx, scan func(...any) error) (e ended, err error) {
		err = scan(&e.minute, &e.channel, &e.hash, &e.counts)
		return e, err
	}, refusalEnded, ehr, minute)
	if err != nil {
		return err
	}
	for _, e := range all {
		var r refusals
		if err := t.open(refusalPlace(ehr, e.channel, e.minute, e.hash), "counts", e.counts, &r); err != nil {
			return err
		}
		detail := map[string]string{"source": r.Source, "count": strconv.FormatInt(r.N, 10),
			"first": r.First.UTC().Format(time.RFC3339), "last": r.Last.UTC().Format(time.RFC3339)}
		for why, n := range r.Why {
			detail["why:"+why] = strconv.FormatInt(n, 10)
		}
		err := t.Audit(connector.AuditEntry{ID: connector.NewID(t.db.clock.Now()), EHR: ehr, At: r.Last, Kind: string(audit.EventRefused),
			Action: string(audit.Execute), Outcome: int(audit.MinorFailure), Agent: "channel:" + e.channel, Detail: detail})
		if err != nil {
			return err
		}
		if err := t.exec(refusalDrop, ehr, e.minute, e.channel, e.hash); err != nil {
			return err
		}
	}
	return nil
}

// EndRefusals makes the refusals counted in minutes before now audit rows, so that a source that has gone quiet is on the
// log too. Call it every minute or so.
func (db *DB) EndRefusals(ctx context.Context, now time.Time) error {
	var ehrs []string
	err := db.View(ctx, func(ct connector.Tx) (err error) {
		ehrs, err = ct.(*tx).ehrs()
		return err
	})
	for _, e := range append(ehrs, "") {
		if err == nil {
			err = db.Update(ctx, "refusals/"+e, func(ct connector.Tx) error { return ct.(*tx).endRefusals(e, now.Unix()/60) })
		}
	}
	return err
}
