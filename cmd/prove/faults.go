package main

import (
	"context"
	"os"

	"github.com/chartwire/chartwire/cmd/prove/faults"
	"github.com/chartwire/chartwire/cmd/prove/figure"
)

type faultsCmd struct {
	Exchanges int      `help:"Exchanges for each EHR of P3; P4 has five times as many." default:"20000"`
	Only      []string `help:"Of P2, P3, P4, P4-wedged; all where none is named." placeholder:"ID"`
	Keep      bool     `help:"Keep the logs of a run that failed."`
}

// Run holds the connector to P2, P3, P4 and P5.
func (c faultsCmd) Run(ctx context.Context, book *figure.Book) error {
	return faults.Run(ctx, faults.Options{Exchanges: c.Exchanges, Only: c.Only, Keep: c.Keep, Book: book, Log: os.Stderr})
}
