package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/chartwire/chartwire/cmd/demo"
)

type demoCmd struct {
	Once     bool     `help:"End when nothing can move without a person or a new event."`
	JSON     bool     `help:"Print one line of counts at the end and nothing else."`
	Events   []string `help:"Post these NDJSON files of channel events instead of the bundled threads." placeholder:"FILE" sep:"none"`
	Generate string   `help:"Post generated events, such as threads=2000,messages=5,shuffle,repeat=0.1." placeholder:"SPEC"`
	Seed     uint64   `help:"Seed of generated events." default:"1"`
	EHR      string   `help:"The sandbox EHR: ${ehrs}; note takes notes alone, hl7v2 is an interface engine." default:"fhir" placeholder:"TYPE"`
	As       string   `help:"How to file: auto, communication, note or document; of a FHIR server and oracle." default:"auto" enum:"auto,communication,note,document"`
	Per      string   `help:"What one entry holds: exchange, or thread; of a FHIR server or oracle with --as note, of epic and of hl7v2." default:"exchange" enum:"exchange,thread"`
	EHRURL   string   `name:"ehr-url" help:"Use this open FHIR R4 server instead of the sandbox EHR." placeholder:"URL"`
	Faults   string   `help:"What goes wrong at the sandbox EHR: the file of a script, or seed:N[:RATE[:PALETTE]]; hl7v2 has a vocabulary of its own and no seed (docs/sandbox-faults.md)." placeholder:"SCRIPT"`
	Traits   string   `help:"What the sandbox EHR can do, such as conditional=ignored,lag=5s (docs/sandbox-faults.md)." placeholder:"WORDS"`
	Expect   string   `help:"Write what the chart must show to this file, for an independent reader." placeholder:"FILE"`
	Dir      string   `help:"Keep configuration, keys and store in this folder." placeholder:"DIR"`
	Store    string   `help:"Store URL instead of SQLite in the folder." placeholder:"URL"`
	Listen   string   `help:"host:port of the public listener." placeholder:"ADDR"`
	Console  string   `help:"host:port of the console listener." placeholder:"ADDR"`
}

func (c demoCmd) Run(ctx context.Context, s streams) error {
	if c.Generate != "" && len(c.Events) > 0 {
		return errors.New("give --events or --generate, not both")
	}
	if c.EHRURL != "" && (c.Faults != "" || c.Traits != "") {
		return errors.New("--faults and --traits are for the sandbox EHR, not for --ehr-url")
	}
	err := demo.Run(ctx, demo.Options{Once: c.Once, JSON: c.JSON, Events: c.Events, Generate: c.Generate, Seed: c.Seed, EHRType: c.EHR, As: strings.TrimPrefix(c.As, "auto"), Per: c.Per,
		EHRURL: c.EHRURL, Faults: c.Faults, Traits: c.Traits, Expect: c.Expect, Dir: c.Dir, Store: c.Store, Listen: c.Listen, Console: c.Console, Out: s.out, Err: s.err, Version: version})
	if errors.Is(err, demo.ErrNotClean) {
		fmt.Fprintln(s.err, "chartwire demo:", err)
		return errFound
	}
	return err
}
