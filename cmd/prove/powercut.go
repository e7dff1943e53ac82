package main

import (
	"context"
	"os"

	"github.com/chartwire/chartwire/cmd/prove/figure"
	"github.com/chartwire/chartwire/cmd/prove/powercut"
	"github.com/chartwire/chartwire/cmd/prove/rig"
)

type powercutCmd struct {
	Cuts  int    `help:"Power cuts on each store; the control runs end at their first loss." default:"50"`
	Store string `help:"sqlite, postgres or both." enum:"sqlite,postgres,both" default:"both"`
	Seed  uint64 `help:"Of the random times." default:"1"`
	Keep  bool   `help:"Keep the logs of a failed run and say where."`
}

// Run cuts the power under each store and prints what was lost; then under stores that must lose.
func (c powercutCmd) Run(ctx context.Context, book *figure.Book) error {
	dir, err := os.MkdirTemp("", "prove")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := rig.Build(ctx, dir, true)
	if err != nil {
		return err
	}
	r := &powercut.Run{Binary: binary, Seed: c.Seed, Keep: c.Keep, Book: book, Out: os.Stderr}
	for _, s := range []string{rig.SQLite, rig.Postgres} {
		if c.Store != "both" && c.Store != s {
			continue
		}
		if err := r.Control(ctx, s, max(c.Cuts, 20)); err != nil {
			return err
		}
		if err := r.Store(ctx, s, c.Cuts); err != nil {
			return err
		}
	}
	return nil
}
