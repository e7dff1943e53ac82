// Package ingest turns verified events, and messages of ours, into committed exchanges: one transaction each, with the
// event as it came, what follows from it on the thread's lanes, and its audit row. It decides what is new, what was said
// before and what contradicts it (DESIGN §3.1–3.4). It never calls an EHR or a platform.
package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/crash"
)

// Channel is what ingest knows of a channel.
type Channel struct {
	Name        string
	EHR         string   // id of the EHR connection its threads are filed in
	DefaultPool string   // who is told of messages that may not be sent, and has threads that are addressed to no pool of Pools
	Pools       []string // ids of the EHR's pools; what is addressed to another one has nobody to read it
	Consent     string   // "assumed" ("" is the same) or "required"
	Receipts    string   // none, sent, delivered or read
}

// Result says what became of an accepted event. Thread and Item are ids of ours; Item is "" where the event made none.
type Result struct {
	Repeat   bool // said before: nothing was changed
	Conflict bool // contradicts what was said before: taken, and parked for a person
	Thread   string
	Item     string
}

// Ingest commits exchanges to one store. It is safe for concurrent use.
type Ingest struct {
	store connector.Store
	clock func() time.Time
}

// New makes an Ingest. The clock gives the time of commits.
func New(store connector.Store, clock func() time.Time) *Ingest {
	return &Ingest{store: store, clock: clock}
}

func (g *Ingest) now() time.Time { return g.clock().UTC().Truncate(time.Microsecond) }

// errRepeat ends a transaction whose event says nothing new, so that all of it is rolled back.
var errRepeat = errors.New("said before")

// Accept commits one verified event and what follows from it. Once it has returned without an error the event is durable
// and may be acknowledged: 200 where Repeat is set, else 202. An error is the store's; the event was not taken, and the
// platform is asked to send it again (503).
func (g *Ingest) Accept(ctx context.Context, ch Channel, ev connector.Event) (Result, error) {
	var res Result
	crash.At(crash.IngestBeforeCommit)
	err := g.store.Update(ctx, shardOf(ch, &ev), func(tx connector.Tx) error {
		s := &step{tx: tx, ch: ch, ev: &ev, now: g.now()}
		err := s.run()
		res = s.res
		return err
	})
	if errors.Is(err, errRepeat) {
		return Result{Repeat: true, Thread: res.Thread}, nil
	}
	if err != nil {
		return Result{}, err
	}
	crash.At(crash.IngestBeforeAck)
	return res, nil
}

// shardOf orders an event with everything else about its thread; a consent without a thread, with others of its kind.
func shardOf(ch Channel, ev *connector.Event) string {
	ext := ""
	if ev.Thread != nil {
		ext = ev.Thread.ID
	}
	return connector.Shard(ch.EHR, ch.Name, ext)
}

// Undecodable keeps a signed body that could not be read, sealed and parked for a person, under the key it came with. The
// same key again changes nothing. An error is the store's: then nothing was kept and the sender is asked to try again.
func (g *Ingest) Undecodable(ctx context.Context, ch Channel, key string, body []byte, de *connector.DecodeError) error {
	return g.store.Update(ctx, connector.Shard(ch.EHR, ch.Name, ""), func(tx connector.Tx) error {
		now := g.now()
		row := connector.EventRow{
			ID: connector.NewID(now), EHR: ch.EHR, Channel: ch.Name, Key: key, ReceivedAt: now, Body: body,
		}
		fresh, err := tx.InsertEvent(row)
		if err != nil || !fresh {
			return err
		}
		if err := tx.KeepEvent(row); err != nil {
			return err
		}
		i := connector.Item{
			ID: connector.NewID(now), EHR: ch.EHR, Kind: connector.ItemEvent, State: connector.Parked,
			Reason: connector.Undecodable, Channel: ch.Name, CommittedAt: now, ChangedAt: now,
			Detail: connector.ItemDetail{Event: row.ID, Text: de.Error()},
		}
		if err := tx.PutItem(&i); err != nil {
			return err
		}
		return tx.Audit(connector.AuditEntry{
			ID: connector.NewID(now), EHR: ch.EHR, At: now, Kind: "event-undecodable", Action: "C", Outcome: 4,
			Agent: "channel:" + ch.Name, Item: i.ID, Detail: map[string]string{"event": row.ID},
		})
	})
}

// Refused counts a delivery that was not let in (a wrong signature, an unknown channel), one audit row per channel, source
// and minute. source is the sender's address, why a short fixed word.
func (g *Ingest) Refused(ctx context.Context, channelName, source, why string) error {
	return g.store.Update(ctx, "refused|"+channelName, func(tx connector.Tx) error {
		return tx.CountRefusal("", channelName, source, why, g.now())
	})
}
