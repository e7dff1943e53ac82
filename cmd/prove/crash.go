package main

import (
	"context"
	"os"
	"slices"

	"github.com/chartwire/chartwire/cmd/prove/crash"
	"github.com/chartwire/chartwire/cmd/prove/figure"
	"github.com/chartwire/chartwire/cmd/prove/rig"
)

type crashCmd struct {
	Kills  int    `help:"Cycles of kill -9 on each store." default:"300"`
	Points int    `help:"Rounds over all named crash points on each store." default:"1"`
	Pauses int    `help:"SIGSTOPs past the lease, on each kind of EHR." default:"200"`
	Store  string `help:"sqlite, postgres or both." enum:"sqlite,postgres,both" default:"both"`
	Per    string `help:"What is one entry of the chart (filing.per): an exchange, or a thread." enum:"exchange,thread" default:"exchange"`
	Seed   uint64 `help:"Of the random times." default:"1"`
	Keep   bool   `help:"Keep the logs of a failed run and say where."`
	Binary string `help:"A chartwire built with -tags crashpoints, in place of building one." type:"existingfile" placeholder:"FILE"`
}

// Run kills and stops real processes and prints what was lost or doubled.
func (c crashCmd) Run(ctx context.Context, book *figure.Book) error {
	dir, err := os.MkdirTemp("", "prove")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := c.Binary
	if binary == "" {
		if binary, err = rig.Build(ctx, dir, true); err != nil {
			return err
		}
	}
	r := &crash.Run{Binary: binary, Seed: c.Seed, Per: c.Per, Keep: c.Keep, Book: book, Out: os.Stderr}
	r.Begin()
	stores := slices.DeleteFunc([]string{rig.SQLite, rig.Postgres}, func(s string) bool { return c.Store != "both" && c.Store != s })
	for _, s := range stores {
		if c.Kills > 0 {
			if err := r.Kill(ctx, s, c.Kills); err != nil {
				return err
			}
		}
		if c.Points > 0 {
			if err := r.Points(ctx, s, c.Points); err != nil {
				return err
			}
		}
	}
	if c.Pauses > 0 && slices.Contains(stores, rig.Postgres) {
		return r.Pauses(ctx, c.Pauses)
	}
	return nil
}
