package store

import (
	"context"
	"hash/maphash"
	"iter"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/connector/audit"
)

const (
	auditChunk = 4096 // ids read at once
	sealPage   = 64   // sealings read at once; fewer where they hold many rows
)

// Rows gives every row of the log for audit.Verify: those that wait, those in it in the order of Seq, and then those that are
// in neither or in it twice. Each chunk is read by itself, so that a long check holds nothing up; what is committed or
// sealed while it runs is no finding.
func (l *AuditLog) Rows(ctx context.Context) iter.Seq2[audit.Row, error] {
	return func(yield func(audit.Row, error) bool) {
		p := &places{AuditLog: l, ctx: ctx, seed: maphash.MakeSeed(), waited: map[string]bool{}}
		p.each = func(r audit.Row) bool {
			p.over = p.over || !yield(r, nil)
			return !p.over
		}
		// What is in the table is read before what waits, and that before what is sealed: a row only moves on in that order.
		for _, read := range []func() error{p.present, p.waiting, p.sealed, p.stray} {
			if err := read(); err != nil && !p.over {
				yield(audit.Row{}, err)
				return
			}
			if p.over {
				return
			}
		}
	}
}

// places is one reading of a log. Of the rows in the table it keeps eight bytes each.
type places struct {
	*AuditLog
	ctx  context.Context
	each func(audit.Row) bool
	over bool // the reader has had enough

	seed   maphash.Seed
	ids    []uint64 // hashes of the ids in the table, sorted
	found  []bool   // which of them wait or are sealed
	put    []bool   // which of them are sealed
	twice  []string
	waited map[string]bool // ids given as waiting
}

func (p *places) hash(id string) uint64 { return maphash.String(p.seed, id) }

// eachID gives the ids in the table.
func (p *places) eachID(each func(id string)) error {
	for last := ""; ; {
		var ids []string
		err := p.view(p.ctx, func(t *tx) (err error) {
			ids, err = many(t, readText, auditIDs, p.ehr, last, int64(auditChunk))
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			each(id)
		}
		last = ids[len(ids)-1]
	}
}

func (p *places) present() error {
	err := p.eachID(func(id string) { p.ids = append(p.ids, p.hash(id)) })
	slices.Sort(p.ids)
	p.found, p.put = make([]bool, len(p.ids)), make([]bool, len(p.ids))
	return err
}

// mark notes where a row is. One that came into the table since present is not looked for.
func (p *places) mark(id string, sealed bool) {
	i, known := slices.BinarySearch(p.ids, p.hash(id))
	if !known {
		return
	}
	if sealed && p.put[i] {
		p.twice = append(p.twice, id)
	}
	p.found[i], p.put[i] = true, p.put[i] || sealed
}

func (p *places) waiting() error {
	for last, more := "", true; more && !p.over; {
		var rows []audit.Row
		err := p.view(p.ctx, func(t *tx) error {
			all, err := many(t, readWait, waitFirst, p.ehr, last, int64(waitPage))
			var ids []string
			for _, w := range all {
				ids = append(ids, w.ids...)
				last = w.id
			}
			more = len(all) == waitPage
			if err == nil {
				rows, err = t.waiting(p.ehr, ids)
			}
			return err
		})
		if err != nil {
			return err
		}
		for _, r := range rows {
			p.mark(r.ID, false)
			p.waited[r.ID] = true
			if !p.each(r) {
				break
			}
		}
	}
	return nil
}

// sealing is what one sealing added to the log.
type sealing struct {
	seq int64
	ids []string
}

func readSealing(_ *tx, scan func(...any) error) (s sealing, err error) {
	var ids string
	err = scan(&s.seq, &ids)
	s.ids = strings.Split(ids, "\n")
	return s, err
}

// sealings reads some sealings from a sequence number on, and their rows.
func (p *places) sealings(from int64) (some []sealing, rows []macRow, err error) {
	err = p.view(p.ctx, func(t *tx) error {
		some, err = many(t, readSealing, sealFrom, p.ehr, from, int64(sealPage))
		var ids []string
		for i, s := range some {
			if ids = append(ids, s.ids...); len(ids) > auditChunk {
				some = some[:i+1]
				break
			}
		}
		if err == nil {
			rows, err = t.auditRows(p.ehr, ids)
		}
		return err
	})
	return some, rows, err
}

// sealed reads what was sealed when it began: later ones hold nothing that present saw and that was not found before.
func (p *places) sealed() error {
	last := int64(-1)
	err := p.view(p.ctx, func(t *tx) error { return t.single(sealLast, []any{p.ehr}, &last) })
	if err != nil {
		return err
	}
	for next := int64(0); next <= last && !p.over; {
		some, rows, err := p.sealings(next)
		if err != nil || len(some) == 0 {
			return err
		}
		for _, s := range some {
			for i, id := range s.ids {
				p.mark(id, true)
				if len(rows) == 0 || rows[0].ID != id {
					continue // it is gone, which leaves a gap
				}
				r := rows[0].Row
				rows = rows[1:]
				r.Seq = s.seq + int64(i)
				if !p.waited[id] && !p.each(r) { // one that was given as waiting has been sealed since
					return nil
				}
			}
			next = s.seq + 1
		}
	}
	return nil
}

// stray gives the rows that are nowhere, and those that are sealed twice.
func (p *places) stray() error {
	for _, id := range p.twice {
		if !p.each(audit.Row{Seq: audit.Twice, Record: audit.Record{ID: id, EHR: p.ehr}}) {
			return nil
		}
	}
	if !slices.Contains(p.found, false) {
		return nil
	}
	return p.eachID(func(id string) {
		i, known := slices.BinarySearch(p.ids, p.hash(id))
		if known && !p.found[i] && !p.over {
			p.each(audit.Row{Seq: audit.Stray, Record: audit.Record{ID: id, EHR: p.ehr}})
		}
	})
}
