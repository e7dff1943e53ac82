package main

import (
	"context"

	"github.com/chartwire/chartwire/cmd/prove/figure"
	"github.com/chartwire/chartwire/cmd/prove/restore"
)

type restoreCmd struct {
	Exchanges int    `help:"Exchanges filed since the backup." default:"10000"`
	Store     string `help:"Where: sqlite, postgres or both." enum:"sqlite,postgres,both" default:"both"`
}

// Run restores a day-old backup.
func (c restoreCmd) Run(ctx context.Context, book *figure.Book) error {
	return restore.Run(ctx, restore.Options{Exchanges: c.Exchanges, Store: c.Store, Book: book})
}
