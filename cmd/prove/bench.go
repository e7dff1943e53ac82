package main

import (
	"context"
	"os"
	"time"

	"github.com/chartwire/chartwire/cmd/prove/bench"
	"github.com/chartwire/chartwire/cmd/prove/figure"
)

type benchCmd struct {
	Only     []string      `help:"Figures to measure, such as R2,R3; all where none is named." placeholder:"ID"`
	Seconds  int           `help:"About how long each measurement of a pair takes; fewer than 5 are a quick look with small sizes." default:"5"`
	Pairs    int           `help:"Pairs of measurement and reference: 5, of a quick look 2."`
	Pending  int           `help:"Exchanges of the large backlog: 1,000,000, of a quick look 20,000."`
	Threads  int           `help:"Open threads of R6: 100,000, of a quick look 20,000."`
	Binary   string        `help:"The chartwire that is measured; built where none is named." type:"existingfile"`
	Postgres string        `help:"URL of the database postgres of a server on this machine; a private one where none is named."`
	Slow     time.Duration `help:"Make the EHR this much slower: R1 and R7 must then be short." hidden:""`
}

// Run measures what Chartwire costs.
func (c benchCmd) Run(ctx context.Context, book *figure.Book) error {
	return bench.Run(ctx, bench.Options{Only: c.Only, Seconds: c.Seconds, Pairs: c.Pairs, Pending: c.Pending, Threads: c.Threads,
		Binary: c.Binary, Postgres: c.Postgres, Book: book, Slow: c.Slow})
}

// benchRelayCmd is the process bench compares with.
type benchRelayCmd struct {
	File string `arg:""`
	Base string `arg:""`
}

func (c benchRelayCmd) Run(ctx context.Context) error {
	return bench.Relay(ctx, c.File, c.Base, os.Stdout)
}
