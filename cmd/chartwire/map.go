package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/chartwire/chartwire/cmd/preview"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/testdata/threads"
)

type mapCmd struct {
	configFlag
	EHR  string `help:"EHR connection of the configuration, or all." required:"" placeholder:"NAME"`
	JSON bool   `help:"Print [{ehr,key,method,url,headers,body}]."`
	File string `arg:"" help:"NDJSON file of channel events."`
}

func (c mapCmd) Run(ctx context.Context, s streams) error {
	cfg, err := c.load(s, false)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	chosen := cfg.EHRs
	if c.EHR != "all" {
		e := cfg.EHR(c.EHR)
		if e == nil {
			return fmt.Errorf("the configuration has no EHR %q", c.EHR)
		}
		chosen = []config.EHR{*e}
	}
	all := []preview.Request{}
	problems := 0
	for _, e := range chosen {
		requests, stopped, err := preview.Plan(ctx, cfg, e, threads.Lines(raw))
		if err != nil {
			fmt.Fprintln(s.err, "chartwire map:", err)
			problems++
			continue
		}
		all = append(all, requests...)
		for _, x := range stopped {
			fmt.Fprintf(s.err, "%s: %s %s would be %s: %s\n", x.EHR, x.Kind, x.Item, x.State, x.Text)
		}
		if !c.JSON {
			printPlan(s, requests)
		}
	}
	if c.JSON {
		out, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(s.out, string(out))
	}
	if problems > 0 {
		return errFound
	}
	return nil
}

// printPlan shows each request the way it would go over the wire.
func printPlan(s streams, requests []preview.Request) {
	for _, q := range requests {
		fmt.Fprintf(s.out, "── %s: %s %s\n", q.EHR, q.Method, q.URL)
		for _, k := range sortedKeys(q.Headers) {
			fmt.Fprintf(s.out, "%s: %s\n", k, q.Headers[k])
		}
		body := any(q.Body)
		if q.Changes != nil {
			body = q.Changes
			fmt.Fprintln(s.out, "what the EHR has, with these fields set:")
		}
		if er7, ok := er7Lines(q.Body); ok && q.Changes == nil {
			fmt.Fprint(s.out, er7)
		} else if pretty, err := json.MarshalIndent(body, "", "  "); err == nil {
			fmt.Fprintln(s.out, string(pretty))
		}
	}
}

// er7Lines is a body that is an HL7 v2 message, a segment a line: CR, which ends segments, would overprint them.
func er7Lines(body json.RawMessage) (string, bool) {
	var er7 string
	if json.Unmarshal(body, &er7) != nil {
		return "", false
	}
	return strings.ReplaceAll(er7, "\r", "\n"), true
}
