package main

import (
	"encoding/json"
	"fmt"

	"github.com/chartwire/chartwire/adapters"
	"github.com/chartwire/chartwire/config"
)

type configCmd struct {
	Check  configCheckCmd  `cmd:"" help:"Check a configuration: every problem at once, with file and line."`
	Schema configSchemaCmd `cmd:"" help:"Print the JSON Schema of the configuration."`
	Print  configPrintCmd  `cmd:"" help:"Print the configuration with defaults filled in and secrets left out."`
}

type configCheckCmd struct {
	File string `arg:"" help:"Configuration file."`
	JSON bool   `help:"Print the problems as JSON."`
}

func (c configCheckCmd) Run(s streams) error {
	_, problems := config.Load(c.File, adapters.Sections()...)
	if c.JSON {
		raw, err := json.MarshalIndent(problems, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(s.out, string(raw))
	} else {
		for _, p := range problems {
			fmt.Fprintln(s.out, p)
		}
	}
	if config.Fatal(problems, true) {
		return errFound
	}
	if !c.JSON {
		fmt.Fprintln(s.out, c.File+": good")
	}
	return nil
}

type configSchemaCmd struct{}

func (configSchemaCmd) Run(s streams) error {
	_, err := s.out.Write(config.Schema(adapters.Sections()...))
	return err
}

type configPrintCmd struct {
	configFlag
}

func (c configPrintCmd) Run(s streams) error {
	cfg, err := c.load(s, false)
	if err != nil {
		return err
	}
	_, err = s.out.Write(cfg.YAML())
	return err
}
