package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/chartwire/chartwire/connector"
)

var (
	rehomeFiled = sq(`SELECT COUNT(*) FROM chart_write WHERE ehr_id = ?1 AND thread_id = ?2 AND state IN ('attempted', 'filed')`)
	rehomeDrop  = []*query{
		sq(`DELETE FROM chart_write WHERE ehr_id = ?1 AND thread_id = ?2`), // planned with the old thread's names
		sq(`DELETE FROM thread WHERE ehr_id = ?1 AND id = ?2`),
		sq(`DELETE FROM lane WHERE ehr_id = ?1 AND thread_id = ?2`),
	}
	itemDrop       = sq(`DELETE FROM item WHERE ehr_id = ?1 AND id = ?2`)
	itemMove       = sq(`UPDATE item SET thread_id = ?3, detail = ?4 WHERE ehr_id = ?1 AND id = ?2`)
	laneOfThread   = sq(`SELECT kind, urgency, next_at FROM lane WHERE ehr_id = ?1 AND thread_id = ?2 AND (leased = 1 OR next_at < 9223372036854775807)`)
	blobOfThread   = sq(`SELECT message_id, attachment_hash, name, data FROM blob WHERE ehr_id = ?1 AND thread_id = ?2`)
	blobMove       = sq(`UPDATE blob SET thread_id = ?4, name = ?5, data = ?6 WHERE ehr_id = ?1 AND message_id = ?2 AND attachment_hash = ?3`)
	keptOfThread   = sq(keptCols + `WHERE ehr_id = ?1 AND thread_id = ?2`)
	keptMove       = sq(`UPDATE event_kept SET thread_id = ?3, head = ?4, body = ?5 WHERE ehr_id = ?1 AND id = ?2`)
	attemptsOfHome = sq(attemptCols + `WHERE ehr_id = ?1 AND thread_id = ?2`)
	bornOfThread   = sq(bornCols + `WHERE ehr_id = ?1 AND thread_id = ?2`)
	// What was read of a draft before names the thread that is gone: it is stale.
	draftMove    = sq(`UPDATE draft SET thread_id = ?3, version = version + 1 WHERE ehr_id = ?1 AND thread_id = ?2 AND thread_id <> ''`)
	threadHeader = sq(`UPDATE thread SET header_id = ?3 WHERE ehr_id = ?1 AND id = ?2`)
)

// ErrFiled says that a thread cannot be merged into another because something of it is, or may be, on the chart.
var ErrFiled = errors.New("something of this thread is, or may be, on the chart")

// Rehome is connector.Tx. Everything is sealed anew under the other thread. Writes that were planned and never attempted are
// dropped, to be planned again under the other thread's names; so is the header item, where the other thread has its own.
// Lanes merge, and a worker that holds one of the old thread's gets ErrFenced. ErrFiled where a write was attempted.
func (t *tx) Rehome(ehr, from, to string) error {
	if from == to {
		return fmt.Errorf("store: thread %s cannot be merged into itself", from)
	}
	if err := t.byItself(); err != nil {
		return err
	}
	var filed int64
	if err := t.single(rehomeFiled, []any{ehr, from}, &filed); err != nil {
		return err
	}
	if filed > 0 {
		return fmt.Errorf("store: thread %s: %w", from, ErrFiled)
	}
	old, err := t.Thread(ehr, from)
	if err != nil {
		return err
	}
	home, err := t.Thread(ehr, to)
	if err != nil {
		return err
	}
	for _, move := range []func(ehr, from, to string) error{t.moveMessages, t.moveBlobs, t.moveKept, t.moveAttempts, t.moveBorn, t.moveLanes} {
		if err := move(ehr, from, to); err != nil {
			return err
		}
	}
	if err := t.moveItems(old, home); err != nil {
		return err
	}
	if err := t.exec(draftMove, ehr, from, to); err != nil {
		return err
	}
	for _, q := range rehomeDrop {
		if err := t.exec(q, ehr, from); err != nil {
			return err
		}
	}
	t.ring(touched{ehr: ehr})
	return t.exec(threadBump, ehr, to)
}

// moveItems moves all items but a header the new home has no place for.
func (t *tx) moveItems(old, home connector.Thread) error {
	items, err := t.ThreadItems(old.EHR, old.ID)
	if err != nil {
		return err
	}
	for _, i := range items {
		if i.Kind == connector.ItemHeader {
			if home.Header != "" {
				if err := t.exec(itemDrop, i.EHR, i.ID); err != nil {
					return err
				}
				continue
			}
			if err := t.exec(threadHeader, home.EHR, home.ID, i.ID); err != nil {
				return err
			}
		}
		i.Thread = home.ID
		detail, err := t.seal(itemPlace(&i), "detail", itemDetail{i.MsgKey, i.Owner, i.Priority, i.Detail})
		if err != nil {
			return err
		}
		if err := t.exec(itemMove, i.EHR, i.ID, i.Thread, detail); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) moveMessages(ehr, from, to string) error {
	all, err := many(t, readMessage, messageOfThread, ehr, from)
	for i := range all {
		all[i].Thread = to
		if err = errors.Join(err, t.PutMessage(&all[i])); err != nil {
			return err
		}
	}
	return err
}

func (t *tx) moveBlobs(ehr, from, to string) error {
	type blob struct {
		message          string
		hash, name, data []byte
	}
	all, err := many(t, func(t *tx, scan func(...any) error) (b blob, err error) {
		if err := scan(&b.message, &b.hash, &b.name, &b.data); err != nil {
			return b, err
		}
		p := blobPlace(ehr, from, b.message, b.hash)
		if b.name, err = t.openBytes(p, "name", b.name); err != nil {
			return b, err
		}
		b.data, err = t.openBytes(p, "data", b.data)
		return b, err
	}, blobOfThread, ehr, from)
	for _, b := range all {
		p := blobPlace(ehr, to, b.message, b.hash)
		if err := t.exec(blobMove, ehr, b.message, b.hash, to, t.sealBytes(p, "name", b.name), t.sealBytes(p, "data", b.data)); err != nil {
			return err
		}
	}
	return err
}

func (t *tx) moveKept(ehr, from, to string) error {
	all, err := many(t, readEvent, keptOfThread, ehr, from)
	for _, r := range all {
		r.Thread = to
		p := eventPlace(r)
		head, err := t.seal(p, "head", eventHead{r.Key, r.Type})
		if err != nil {
			return err
		}
		if err := t.exec(keptMove, ehr, r.ID, to, head, t.sealBytes(p, "body", notNil(r.Body))); err != nil {
			return err
		}
	}
	return err
}

func (t *tx) moveAttempts(ehr, from, to string) error {
	all, err := many(t, readAttempt, attemptsOfHome, ehr, from)
	for i := range all {
		all[i].Thread = to
		if err = errors.Join(err, t.PutAttempt(&all[i])); err != nil {
			return err
		}
	}
	return err
}

func (t *tx) moveBorn(ehr, from, to string) error {
	all, err := many(t, readBorn, bornOfThread, ehr, from)
	for i := range all {
		all[i].Thread = to
		if err = errors.Join(err, t.PutBorn(&all[i])); err != nil {
			return err
		}
	}
	return err
}

// moveLanes touches the new home's lanes as the old one's were.
func (t *tx) moveLanes(ehr, from, to string) error {
	type due struct {
		kind        string
		urgency, at int64
	}
	all, err := many(t, func(_ *tx, scan func(...any) error) (d due, err error) {
		err = scan(&d.kind, &d.urgency, &d.at)
		return d, err
	}, laneOfThread, ehr, from)
	for _, d := range all {
		if err := t.TouchLane(ehr, to, connector.LaneKind(d.kind), time.UnixMicro(d.at), byRank[d.urgency]); err != nil {
			return err
		}
	}
	return err
}

// byRank gives the priority of each rank.
var byRank = map[int64]connector.Priority{0: connector.Routine, 1: connector.Urgent, 2: connector.ASAP, 3: connector.Stat}
