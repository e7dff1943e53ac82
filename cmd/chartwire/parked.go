package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/chartwire/chartwire/connector/deliver"
)

type parkedCmd struct {
	List    parkedListCmd    `cmd:"" help:"List what needs a person: reason, owner, next step."`
	Replay  parkedReplayCmd  `cmd:"" help:"Let items go on from where they stopped. Never makes a second entry."`
	Release parkedReleaseCmd `cmd:"" help:"Take items off the list that a person has dealt with."`
}

type parkedListCmd struct {
	configFlag
	JSON bool `help:"Print JSON."`
}

func (c parkedListCmd) Run(ctx context.Context, s streams) error {
	var list []deliver.TracedItem
	if err := c.operate(ctx, s, http.MethodGet, "/parked", &list); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s, list)
	}
	for _, i := range list {
		printItem(s, i)
	}
	fmt.Fprintf(s.out, "%d parked\n", len(list))
	return nil
}

type parkedReplayCmd struct {
	configFlag
	IDs []string `arg:"" name:"id" help:"Item ids, as parked list shows them."`
}

func (c parkedReplayCmd) Run(ctx context.Context, s streams) error {
	return c.decide(ctx, s, c.IDs, "replay")
}

type parkedReleaseCmd struct {
	configFlag
	IDs []string `arg:"" name:"id" help:"Item ids, as parked list shows them."`
}

func (c parkedReleaseCmd) Run(ctx context.Context, s streams) error {
	return c.decide(ctx, s, c.IDs, "release")
}

// decide does one act on each item and says of each what became of it.
func (f configFlag) decide(ctx context.Context, s streams, ids []string, act string) error {
	var failed error
	for _, id := range ids {
		if err := f.operate(ctx, s, http.MethodPost, "/parked/"+url.PathEscape(id)+"/"+act, nil); err != nil {
			fmt.Fprintf(s.err, "%s: %v\n", id, err)
			failed = errFound
			continue
		}
		fmt.Fprintf(s.out, "%s: %sd\n", id, act)
	}
	return failed
}
