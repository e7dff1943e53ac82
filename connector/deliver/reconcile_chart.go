package deliver

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// reachFor is how often a page of a chart is asked for before a sweep gives up: with growing waits, a quarter of an hour.
const reachFor = 20

// patiently asks the EHR at the connection's pace, behind its lanes, and again where it did not answer.
func (r *reconciler) patiently(ctx context.Context, request func(ctx context.Context) error) error {
	return r.again(ctx, func() error { return r.c.ask(ctx, asker{lane: "reconcile"}, request) })
}

func (r *reconciler) again(ctx context.Context, try func() error) error {
	for n := 1; ; n++ {
		err := try()
		var retry *connector.Retry
		if !errors.As(err, &retry) || n == reachFor {
			return err
		}
		if err := clock.Sleep(ctx, r.e.clock, max(retry.After, backoff(n))); err != nil {
			return err
		}
	}
}

func (r *reconciler) read(ctx context.Context, q connector.ChartQuery) (page connector.ChartPage, err error) {
	err = r.patiently(ctx, func(ctx context.Context) error {
		page, err = r.reader.ReadChart(ctx, q)
		return err
	})
	return page, err
}

// pages reads every page of a search.
func (r *reconciler) pages(ctx context.Context, q connector.ChartQuery, each func(connector.ChartEntry) error) error {
	for {
		page, err := r.read(ctx, q)
		if err != nil {
			return err
		}
		for _, x := range page.Entries {
			if err := each(x); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		q.Next = page.Next
	}
}

// show compares an entry with what was filed. What the entry keeps beside it is read at the connection's pace too.
func (r *reconciler) show(ctx context.Context, f *filedEntry, x connector.ChartEntry) (sighting, error) {
	var receipt connector.Receipt
	look := func(ctx context.Context) error {
		receipt = r.reader.ShowEntry(ctx, f.row.Write, x)
		return ctx.Err()
	}
	ask := look
	if x.Beside > 0 {
		ask = func(ctx context.Context) error { return r.patiently(ctx, look) }
	}
	if err := ask(ctx); err != nil {
		return sighting{}, err
	}
	s := sighting{reference: x.Reference, shown: receipt.Echo.Shown}
	if !s.shown {
		return s, ctx.Err()
	}
	s.differs = Differences(f.row.Write, receipt.Echo)
	if f.status != "" && receipt.Echo.Status != f.status {
		s.differs = append(s.differs, diffStatus)
	}
	return s, nil
}

// grace is how much older than the span an entry's own date may be: the EHR's clock is not ours.
const grace = 24 * time.Hour

// list reads a patient's entries of a type and notes those that are known; those of ours that are not known are followed
// up. Where the EHR does not know our identifier systems, all of the patient's entries are read.
func (r *reconciler) list(ctx context.Context, kind, patient string, k *filedEntries) error {
	if r.blind[kind] {
		return nil
	}
	q := connector.ChartQuery{Type: kind, Patient: patient, Known: k.known[kind]}
	if !r.report.Since.IsZero() {
		q.Since = r.report.Since.Add(-grace)
	}
	if !r.plain[kind] {
		q.Channels = k.channels
		n, err := r.note(ctx, q, k)
		if n > 0 || (err != nil && !unasked(err)) {
			return err
		}
		q.Channels = nil // nothing of ours: it is gone, or the EHR does not know a system without a value
	}
	n, err := r.note(ctx, q, k)
	switch {
	case unasked(err):
		r.blind[kind] = true
		return nil
	case n > 0:
		r.plain[kind] = true
	}
	return err
}

// unasked says whether the EHR cannot be searched like this, and another way must do.
func unasked(err error) bool {
	var refused *connector.Refused
	return errors.Is(err, connector.ErrNotSearchable) || (errors.As(err, &refused) && refused.Reason == connector.EHRRefused)
}

// note reads a search and says how many entries of ours it gave.
func (r *reconciler) note(ctx context.Context, q connector.ChartQuery, k *filedEntries) (n int, err error) {
	var strange []connector.ChartEntry
	err = r.pages(ctx, q, func(x connector.ChartEntry) error {
		mine := false
		for _, id := range x.Ours {
			f := k.by[entryKey(x.Type, id)]
			if f == nil {
				continue
			}
			mine = true
			s, err := r.show(ctx, f, x)
			if err != nil {
				return err
			}
			f.seen = append(f.seen, s)
		}
		if !mine && len(x.Ours) > 0 {
			x.Body = nil
			strange = append(strange, x)
		}
		if len(x.Ours) > 0 {
			n++
		}
		return nil
	})
	if err != nil {
		return n, err
	}
	for _, x := range strange {
		if err := r.strange(ctx, x); err != nil {
			return n, err
		}
	}
	return n, nil
}

// strange decides about an entry with an identifier of ours that is not among the patient's known ones: of another
// patient, of a write that is under way, or of nobody.
func (r *reconciler) strange(ctx context.Context, x connector.ChartEntry) error {
	if x.Type == "RelatedPerson" {
		return nil // staff may register a proxy under our identifier: it is how one is found
	}
	for _, id := range x.Ours {
		var row connector.WriteRow
		err := r.e.store.View(ctx, func(tx connector.Tx) (err error) {
			row, err = tx.WriteByKey(r.c.ID, id.Token())
			return err
		})
		switch {
		case errors.Is(err, connector.ErrNotFound):
			err = r.tell(ctx, Finding{Kind: FoundUnknown, Reference: x.Reference,
				Sentence: "the entry carries an identifier of ours that the database does not know: the database may be a restored backup"})
		case err == nil && filedAsEntry(row):
			err = r.confirm(ctx, &filedEntry{row: row}, x.Reference)
		case err == nil:
			err = r.unfiled(ctx, row, x)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// judge looks anew at every entry whose listing was not just as filed.
func (r *reconciler) judge(ctx context.Context, f *filedEntry) error {
	m := f.main()
	if m != nil && m.shown && len(m.differs) == 0 && len(f.seen) == 1 {
		return nil
	}
	if m != nil && !m.shown && len(f.seen) == 1 {
		r.report.NotReadable++
		return nil
	}
	var others []string
	for _, s := range f.seen {
		others = append(others, s.reference)
	}
	return r.confirm(ctx, f, others...)
}

// confirm reads an entry's write from the database and its identity from the chart once more, after each other, so that
// what was under way is not taken for a fault, and tells what is left.
func (r *reconciler) confirm(ctx context.Context, f *filedEntry, seen ...string) error {
	attempts, moving, err := r.reload(ctx, f)
	if err != nil {
		return err
	}
	if moving {
		r.report.Moving++
		return nil
	}
	if err := r.look(ctx, f, seen); err != nil {
		return err
	}
	m := f.main()
	var others []string
	for _, s := range f.seen {
		if m == nil || s.reference != m.reference {
			others = append(others, s.reference)
		}
	}
	find := Finding{Thread: f.row.Thread, Item: f.row.Item, Reference: f.row.Receipt.Reference, Others: others}
	switch {
	case m == nil:
		find.Kind, find.Sentence = FoundMissing, "the entry was filed and is not on the chart any more"
		return r.tell(ctx, find)
	case !m.shown:
		r.report.NotReadable++
	case slices.Contains(m.differs, diffSubject):
		find.Kind, find.Differs, find.Sentence = FoundWrongSubject, m.differs, "the entry is on another patient's chart than it was filed in"
		err = r.tell(ctx, find)
	case len(m.differs) > 0:
		find.Kind, find.Differs, find.Sentence = FoundEdited, m.differs, "the entry is not what was filed"
		err = r.tell(ctx, find)
	}
	if err != nil || len(others) == 0 {
		return err
	}
	find.Kind, find.Differs, find.Attempts = FoundDuplicate, nil, attempts
	find.Sentence = "more than one entry carries this identifier"
	for _, a := range attempts {
		if a.Outcome == "absent" || (a.Outcome == "ambiguous" && a.No < len(attempts)) {
			find.TakenOver = a.No
			find.Sentence = "more than one entry carries this identifier: an attempt was taken over, was not on the chart when it was looked for, and came after all"
		}
	}
	return r.tell(ctx, find)
}

// reload reads an entry's write again, and whether it or a change of it is under way.
func (r *reconciler) reload(ctx context.Context, f *filedEntry) (attempts []TracedAttempt, moving bool, err error) {
	err = r.e.store.View(ctx, func(tx connector.Tx) error {
		rows, err := tx.ThreadWrites(r.c.ID, f.row.Thread)
		if err != nil {
			return err
		}
		moving = true
		for _, row := range rows {
			if row.ID == f.row.ID && filedAsEntry(row) {
				f.row, f.status, moving = row, expectedStatus(row, rows), false
			}
		}
		for _, u := range rows {
			if u.State == connector.WriteAttempted && u.Write.Update != nil && u.Write.Update.Target == f.row.Receipt.Reference {
				moving = true
			}
		}
		attempts, err = traceAttempts(tx, r.c.ID, f.row.ID, nil, false)
		return err
	})
	return attempts, moving, err
}

// look reads every entry of an identity: by the identity, on whichever chart, and by the references that are known.
func (r *reconciler) look(ctx context.Context, f *filedEntry, references []string) error {
	f.seen = nil
	add := func(x connector.ChartEntry) error {
		if slices.ContainsFunc(f.seen, func(s sighting) bool { return s.reference == x.Reference }) {
			return nil
		}
		s, err := r.show(ctx, f, x)
		own := x.Reference == f.row.Receipt.Reference
		if err != nil || (!own && (slices.Contains(s.differs, diffIdentifier) || (x.Type == "RelatedPerson" && slices.Contains(s.differs, diffSubject)))) {
			return err // one proxy may act for several patients
		}
		f.seen = append(f.seen, s)
		return nil
	}
	q := connector.ChartQuery{Type: f.row.Write.Type, Identity: f.row.Write.Identity, Patient: f.row.Write.Expect.Subject}
	if err := r.pages(ctx, q, add); err != nil && !errors.Is(err, connector.ErrNotSearchable) {
		return err
	}
	for _, ref := range append([]string{f.row.Receipt.Reference}, references...) {
		page, err := r.read(ctx, connector.ChartQuery{Type: f.row.Write.Type, Reference: ref})
		switch {
		case errors.Is(err, connector.ErrAbsent):
			f.seen = slices.DeleteFunc(f.seen, func(s sighting) bool { return s.reference == ref })
			continue
		case errors.Is(err, connector.ErrNotSearchable):
			if ref == f.row.Receipt.Reference && f.main() == nil {
				f.seen = append(f.seen, sighting{reference: ref})
			}
			continue
		case err != nil:
			return err
		}
		for _, x := range page.Entries {
			f.seen = slices.DeleteFunc(f.seen, func(s sighting) bool { return s.reference == ref }) // a search may lag behind
			if err := add(x); err != nil {
				return err
			}
		}
	}
	return nil
}

// sweep looks for entries of ours on any chart: those the database does not know, and further ones of an identity on the
// chart of a patient nothing was filed for.
func (r *reconciler) sweep(ctx context.Context) error {
	var channels []string
	for name, l := range r.e.lines {
		if l.EHR == r.c.ID {
			channels = append(channels, name)
		}
	}
	slices.Sort(channels)
	if len(channels) == 0 {
		return nil
	}
	for _, kind := range []string{"Communication", "DocumentReference", "CommunicationRequest", "Task"} {
		q := connector.ChartQuery{Type: kind, Channels: channels}
		if !r.report.Since.IsZero() {
			q.Since = r.report.Since.Add(-grace)
		}
		err := r.pages(ctx, q, func(x connector.ChartEntry) error { return r.passing(ctx, x) })
		var refused *connector.Refused
		switch {
		case err == nil:
			r.report.Swept = r.report.Swept || kind == "Communication" || kind == "DocumentReference"
		case !errors.Is(err, connector.ErrNotSearchable) && !errors.As(err, &refused): // refused: a scope we do not need
			return err
		}
	}
	return nil
}

// passing looks whether an entry that a sweep passes is the one its identity's receipt names.
func (r *reconciler) passing(ctx context.Context, x connector.ChartEntry) error {
	for _, id := range x.Ours {
		known := false
		err := r.e.store.View(ctx, func(tx connector.Tx) error {
			row, err := tx.WriteByKey(r.c.ID, id.Token())
			known = err == nil && filedAsEntry(row) && row.Receipt.Reference == x.Reference
			if errors.Is(err, connector.ErrNotFound) {
				err = nil
			}
			return err
		})
		if err != nil {
			return err
		}
		if !known {
			return r.strange(ctx, x)
		}
	}
	return nil
}

// tell audits a finding and passes it on, once.
func (r *reconciler) tell(ctx context.Context, f Finding) error {
	f.EHR = r.c.Name
	key := string(f.Kind) + " " + f.Reference
	if r.told[key] {
		return nil
	}
	r.told[key] = true
	r.report.Findings[f.Kind]++
	detail := map[string]string{"finding": string(f.Kind), "reference": f.Reference}
	if len(f.Others) > 0 {
		detail["others"] = strings.Join(f.Others, " ")
	}
	if len(f.Differs) > 0 {
		detail["differs"] = strings.Join(f.Differs, " ")
	}
	if err := r.audit(ctx, connector.AuditEntry{Kind: "finding", Action: "R", Outcome: 4, Thread: f.Thread, Item: f.Item, Detail: detail}); err != nil {
		return err
	}
	return r.found(f)
}

func (r *reconciler) audit(ctx context.Context, a connector.AuditEntry) error {
	now := r.e.clock.Now()
	a.ID, a.EHR, a.At, a.Agent = connector.NewID(now), r.c.ID, now, r.q.Agent
	return r.e.store.Update(ctx, "reconcile", func(tx connector.Tx) error { return tx.Audit(a) })
}
