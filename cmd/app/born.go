package app

import (
	"context"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/ingest"
)

// born hands EHR-born requests to ingest: it is deliver's Composer.
type born struct {
	ingest *ingest.Ingest
	lines  map[string]ingest.Channel
}

// ComposeBorn is deliver.Composer. A request that may not be sent is claimed all the same, with a parked item that says
// why, so that it is decided once and somebody knows.
func (b *born) ComposeBorn(ctx context.Context, d deliver.BornDraft) error {
	r := d.Request
	_, err := b.ingest.Compose(ctx, ingest.Draft{Channel: b.lines[d.Channel], ThreadExt: r.ThreadID, Patient: d.Patient, Subject: r.Topic,
		Message: connector.Message{Direction: connector.ToPatient, Sender: d.Sender, Recipients: d.Recipients, Text: r.Text,
			Attachments: r.Attachments, Priority: r.Priority},
		Born: r.Reference, BornVersion: r.Version, Refusal: d.Refusal, Due: d.Due, Agent: "worker", ActAs: d.Sender.ID})
	return err
}
