package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/chartwire/chartwire/adapters/sandbox/seed"
	"github.com/chartwire/chartwire/adapters/sandbox/traffic"
	"github.com/chartwire/chartwire/testdata/threads"
)

// traffic decides what is posted: given files, generated events, or the bundled threads.
func (r *run) traffic() error {
	switch {
	case len(r.o.Events) > 0:
		for _, name := range r.o.Events {
			raw, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			r.events = append(r.events, threads.Lines(raw)...)
		}
	case r.o.Generate != "":
		t, err := traffic.Generate(r.o.Generate, r.o.Seed)
		if err != nil {
			return fmt.Errorf("--generate: %w", err)
		}
		r.events, r.order = t.Events, t.Order
	default:
		r.events, r.bundled = threads.All(), true
	}
	if len(r.events) == 0 {
		return fmt.Errorf("there are no events in %v", r.o.Events)
	}
	r.order.Window = 0
	var err error
	r.people, err = seed.FromEvents(r.events)
	return err
}

// firstThread is the platform's id of the first thread.
func (r *run) firstThread() string {
	var e envelope
	_ = json.Unmarshal(r.events[0], &e)
	return e.Data.Thread.ID
}

// seedServer puts the people on an open FHIR server.
func seedServer(ctx context.Context, base string, bundle []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base, bytes.NewReader(bundle))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("the FHIR server at --ehr-url cannot be reached: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 2000))
		return fmt.Errorf("the FHIR server at --ehr-url refused the seed with status %d: %s", resp.StatusCode, said)
	}
	return nil
}
