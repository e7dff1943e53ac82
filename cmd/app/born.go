package app

import (
	"context"
	"errors"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/ingest"
)

// born commits messages for EHR-born requests: it is deliver's Composer over ingest.
type born struct {
	ingest *ingest.Ingest
	store  connector.Store
	clock  clock.Clock
	lines  map[string]ingest.Channel
}

// ComposeBorn is deliver.Composer. A request that may not be sent is claimed too, with a parked item that says why, so that
// it is decided once and somebody knows.
func (b *born) ComposeBorn(ctx context.Context, d deliver.BornDraft) error {
	if d.Refusal != "" {
		return b.refuse(ctx, d, d.Refusal, "")
	}
	thread, reason, err := b.threadOf(ctx, d)
	if err != nil {
		return err
	}
	if reason != "" {
		return b.refuse(ctx, d, reason, "")
	}
	r := d.Request
	m := connector.Message{Direction: connector.ToPatient, Sender: d.Sender, Recipients: d.Recipients, Text: r.Text,
		Attachments: r.Attachments, Priority: r.Priority}
	_, err = b.ingest.Compose(ctx, ingest.Draft{Channel: b.lines[d.Channel], ThreadID: thread, Patient: d.Patient,
		Subject: r.Topic, Message: m, Born: r.Reference, BornVersion: r.Version, Agent: "worker", ActAs: d.Sender.ID})
	var consent *ingest.ConsentError
	if errors.As(err, &consent) {
		return b.refuse(ctx, d, consent.Reason, consent.Item)
	}
	return err
}

// threadOf finds the thread a request continues, and holds it to the request's patient.
func (b *born) threadOf(ctx context.Context, d deliver.BornDraft) (id string, reason connector.Reason, err error) {
	if d.Request.ThreadID == "" {
		return "", "", nil
	}
	err = b.store.View(ctx, func(tx connector.Tx) error {
		t, err := tx.ThreadByExt(d.EHR, d.Channel, d.Request.ThreadID)
		switch {
		case errors.Is(err, connector.ErrNotFound):
			return nil // a thread the channel has not spoken of: a new one begins
		case err != nil:
			return err
		case t.Bound.Reference != d.Request.Subject:
			reason = connector.RecipientRefused
			return nil
		}
		id = t.ID
		return nil
	})
	return id, reason, err
}

// refuse claims a request that will not be sent. notice is the parked item that says so, "" where there is none yet.
func (b *born) refuse(ctx context.Context, d deliver.BornDraft, r connector.Reason, notice string) error {
	return b.store.Update(ctx, connector.Shard(d.EHR, "", "watch"), func(tx connector.Tx) error {
		_, err := tx.BornByRef(d.EHR, d.Request.Reference)
		if err == nil || !errors.Is(err, connector.ErrNotFound) {
			return err
		}
		now := b.clock.Now()
		item := notice
		if item == "" {
			i := connector.Item{ID: connector.NewID(now), EHR: d.EHR, Kind: connector.ItemNotice, State: connector.Parked, Reason: r,
				Channel: d.Channel, Direction: connector.ToPatient, CommittedAt: now, ChangedAt: now,
				Detail: connector.ItemDetail{Request: d.Request.Reference, Text: r.Sentence()}}
			if r.Owner() == "pool" {
				i.Owner = b.lines[d.Channel].DefaultPool
			}
			if err := tx.PutItem(&i); err != nil {
				return err
			}
			item = i.ID
		}
		if err := tx.Audit(connector.AuditEntry{ID: connector.NewID(now), EHR: d.EHR, At: now, Kind: "request-refused", Action: "E",
			Outcome: 4, Agent: "worker", Item: item, Detail: map[string]string{"request": d.Request.Reference, "reason": string(r)}}); err != nil {
			return err
		}
		row := connector.Born{ID: connector.NewID(now), EHR: d.EHR, Ref: d.Request.Reference, Version: d.Request.Version, Item: item, CreatedAt: now}
		return tx.PutBorn(&row)
	})
}
