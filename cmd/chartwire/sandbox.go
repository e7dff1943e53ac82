package main

import (
	"context"
	"fmt"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/platform"
	"github.com/chartwire/chartwire/adapters/sandbox/seed"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/testdata/threads"
)

type sandboxCmd struct {
	EHR      string        `help:"Profile: fhir, note, search-only or blind." default:"fhir" placeholder:"TYPE" enum:"fhir,note,search-only,blind"`
	Faults   string        `help:"What goes wrong at the EHR: the file of a script, or seed:N[:RATE[:PALETTE]] (docs/sandbox-faults.md)." placeholder:"SCRIPT"`
	Traits   string        `help:"What the EHR can do, such as conditional=ignored,search=none (docs/sandbox-faults.md)." placeholder:"WORDS"`
	Listen   string        `help:"host:port of the EHR." default:"127.0.0.1:8090" placeholder:"ADDR"`
	Platform string        `help:"host:port of the messaging platform." default:"127.0.0.1:8091" placeholder:"ADDR"`
	Lag      time.Duration `help:"How long the EHR's search misses new writes." default:"0s"`
}

// Run serves an open sandbox EHR seeded with the bundled threads' people, and the platform, until interrupted.
func (c sandboxCmd) Run(ctx context.Context, s streams) error {
	traits := map[string]ehr.Traits{"fhir": ehr.Full(), "note": ehr.NoteOnly(), "search-only": ehr.SearchOnly(), "blind": ehr.Blind()}[c.EHR]
	traits.SearchLag = c.Lag
	var err error
	if c.Traits != "" {
		if traits, err = ehr.ParseTraits(traits, c.Traits); err != nil {
			return fmt.Errorf("--traits: %w", err)
		}
	}
	o := sandbox.EHROptions{Addr: c.Listen, EHR: ehr.Options{Traits: traits, Now: clock.System.Now, MaxBody: 64 << 20}}
	if c.Faults != "" {
		if o.EHR.Script, err = ehr.OpenScript(c.Faults); err != nil {
			return fmt.Errorf("--faults: %w", err)
		}
	}
	e, err := sandbox.StartEHR(ctx, o)
	if err != nil {
		return err
	}
	defer e.Close()
	people, err := seed.FromEvents(threads.All())
	if err != nil {
		return err
	}
	bundle, refs := seed.Bundle(people)
	if err := e.Seed(bundle); err != nil {
		return err
	}
	p, err := sandbox.StartPlatform(ctx, c.Platform, platform.Options{Now: clock.System.Now})
	if err != nil {
		return err
	}
	defer p.Close()
	fmt.Fprintf(s.out, "EHR          %s (open; %d patients, organization %s)\nplatform     %s\nsend_url     %s\nsecret       %s\nCtrl-C ends it.\n",
		e.Base(), len(refs.Patients), refs.Organization, p.URL(), p.SendURL(), p.Secret())
	<-ctx.Done()
	return nil
}
