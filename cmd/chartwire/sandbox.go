package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox"
	"github.com/chartwire/chartwire/adapters/sandbox/athena"
	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/engine"
	"github.com/chartwire/chartwire/adapters/sandbox/openemr"
	"github.com/chartwire/chartwire/adapters/sandbox/platform"
	"github.com/chartwire/chartwire/adapters/sandbox/seed"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/testdata/threads"
)

type sandboxCmd struct {
	EHR      string        `help:"Profile: fhir, note, search-only, blind; epic, oracle, meditech, athena or openemr (the vendor's rules); or hl7v2 (an interface engine)." default:"fhir" placeholder:"TYPE" enum:"fhir,note,search-only,blind,epic,oracle,meditech,athena,openemr,hl7v2"`
	Faults   string        `help:"What goes wrong at the EHR: the file of a script, or seed:N[:RATE[:PALETTE]]; hl7v2 has a vocabulary of its own and no seed (docs/sandbox-faults.md)." placeholder:"SCRIPT"`
	Traits   string        `help:"What the EHR can do, such as conditional=ignored,search=none (docs/sandbox-faults.md)." placeholder:"WORDS"`
	Listen   string        `help:"host:port of the EHR; 127.0.0.1:8090, for hl7v2 127.0.0.1:2575." placeholder:"ADDR"`
	Platform string        `help:"host:port of the messaging platform." default:"127.0.0.1:8091" placeholder:"ADDR"`
	Lag      time.Duration `help:"How long the EHR's search misses new writes." default:"0s"`
}

// Run serves an open sandbox EHR seeded with the bundled threads' people, and the platform, until interrupted.
func (c sandboxCmd) Run(ctx context.Context, s streams) error {
	people, err := seed.FromEvents(threads.All())
	if err != nil {
		return err
	}
	start := c.server
	switch c.EHR {
	case "hl7v2":
		start = c.engine
	case "athena":
		start = c.athena
	case "openemr":
		start = c.openemr
	}
	what, stop, err := start(ctx, people)
	if err != nil {
		return err
	}
	defer stop()
	p, err := sandbox.StartPlatform(ctx, c.Platform, platform.Options{Now: clock.System.Now})
	if err != nil {
		return err
	}
	defer p.Close()
	fmt.Fprintf(s.out, "EHR          %s\nplatform     %s\nsend_url     %s\nsecret       %s\nCtrl-C ends it.\n", what, p.URL(), p.SendURL(), p.Secret())
	<-ctx.Done()
	return nil
}

// server starts the FHIR server and says where and with what.
func (c sandboxCmd) server(ctx context.Context, people seed.People) (what string, stop func(), err error) {
	traits, known := map[string]ehr.Traits{"fhir": ehr.Full(), "note": ehr.NoteOnly(), "search-only": ehr.SearchOnly(), "blind": ehr.Blind()}[c.EHR]
	if !known { // a vendor's, but open like the others
		if traits, err = ehr.Profile(c.EHR); err != nil {
			return "", nil, err
		}
		traits.Auth = false
	}
	traits.SearchLag = c.Lag
	if c.Traits != "" {
		if traits, err = ehr.ParseTraits(traits, c.Traits); err != nil {
			return "", nil, fmt.Errorf("--traits: %w", err)
		}
	}
	o := sandbox.EHROptions{Addr: cmp.Or(c.Listen, "127.0.0.1:8090"), EHR: ehr.Options{Traits: traits, Now: clock.System.Now, MaxBody: 64 << 20}}
	if c.Faults != "" {
		if o.EHR.Script, err = ehr.OpenScript(c.Faults); err != nil {
			return "", nil, fmt.Errorf("--faults: %w", err)
		}
	}
	e, err := sandbox.StartEHR(ctx, o)
	if err != nil {
		return "", nil, err
	}
	bundle, refs := seed.Bundle(people)
	if err := e.Seed(bundle); err != nil {
		e.Close()
		return "", nil, err
	}
	return fmt.Sprintf("%s (open; %d patients, organization %s)", e.Base(), len(refs.Patients), refs.Organization), e.Close, nil
}

// athena starts an open athenaOne and says where its two APIs are.
func (c sandboxCmd) athena(ctx context.Context, people seed.People) (what string, stop func(), err error) {
	if c.Traits != "" || c.Lag != 0 {
		return "", nil, errors.New("--traits and --lag are of the FHIR server, not of --ehr athena")
	}
	const practice, department = 195900, 1
	o := sandbox.EHROptions{Addr: cmp.Or(c.Listen, "127.0.0.1:8090"), EHR: ehr.Options{Now: clock.System.Now, MaxBody: 64 << 20}}
	if c.Faults != "" {
		if o.EHR.Script, err = ehr.OpenScript(c.Faults); err != nil {
			return "", nil, fmt.Errorf("--faults: %w", err)
		}
	}
	e, err := sandbox.StartAthena(ctx, o, athena.Options{Practice: practice, Departments: []int{department}, ListsText: true})
	if err != nil {
		return "", nil, err
	}
	bundle, refs := seed.BundleAs(people, athena.PatientIDs(practice))
	if err := e.Seed(bundle); err != nil {
		e.Close()
		return "", nil, err
	}
	return fmt.Sprintf("%s (open; %d patients, organization %s)\nv1 API       %s/v1/%d (department %d)",
		e.Base(), len(refs.Patients), refs.Organization, e.URL(), practice, department), e.Close, nil
}

// engine starts the interface engine and says where and whose identifiers it takes.
func (c sandboxCmd) engine(ctx context.Context, people seed.People) (what string, stop func(), err error) {
	if c.Traits != "" || c.Lag != 0 {
		return "", nil, errors.New("--traits and --lag are of the FHIR server, not of --ehr hl7v2")
	}
	o := engine.Options{Now: clock.System.Now}
	if c.Faults != "" {
		if o.Script, err = engine.OpenScript(c.Faults); err != nil {
			return "", nil, fmt.Errorf("--faults: %w", err)
		}
	}
	authorities := people.Authorities()
	bundle, _ := seed.Bundle(people)
	if o.Patients, err = seed.Index(bundle, authorities); err != nil {
		return "", nil, err
	}
	e, err := sandbox.StartEngine(ctx, cmp.Or(c.Listen, "127.0.0.1:2575"), o)
	if err != nil {
		return "", nil, err
	}
	what = fmt.Sprintf("%s (HL7 v2.5.1 MDM; %d patients, twins among them)", e.URL(), len(o.Patients))
	for _, system := range slices.Sorted(maps.Keys(authorities)) {
		what += fmt.Sprintf("\nauthority    %q: {namespace: %s, type: MR}", system, authorities[system])
	}
	return what, e.Close, nil
}

// openemr starts the FHIR server with OpenEMR's own API beside it and says where and with which categories.
func (c sandboxCmd) openemr(ctx context.Context, people seed.People) (what string, stop func(), err error) {
	if c.Traits != "" {
		return "", nil, errors.New("--traits are of the FHIR server, not of --ehr openemr")
	}
	o := sandbox.EHROptions{Addr: cmp.Or(c.Listen, "127.0.0.1:8090"), EHR: ehr.Options{Traits: ehr.Traits{SearchLag: c.Lag}, Now: clock.System.Now, MaxBody: 64 << 20}}
	if c.Faults != "" {
		if o.EHR.Script, err = ehr.OpenScript(c.Faults); err != nil {
			return "", nil, fmt.Errorf("--faults: %w", err)
		}
	}
	categories := []string{"Medical Record", "Patient Messages"}
	e, err := sandbox.StartOpenEMR(ctx, o, openemr.Options{Categories: categories})
	if err != nil {
		return "", nil, err
	}
	bundle, refs := seed.Bundle(people)
	if err := e.Seed(bundle); err != nil {
		e.Close()
		return "", nil, err
	}
	return fmt.Sprintf("%s (open; %d patients, organization %s)\ncategories   %s", e.Base(), len(refs.Patients), refs.Organization, strings.Join(categories, ", ")), e.Close, nil
}
