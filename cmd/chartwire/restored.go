package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/chartwire/chartwire/connector"
)

type restoredCmd struct {
	configFlag
}

func (c restoredCmd) Run(ctx context.Context, s streams) error {
	var e connector.Epoch
	if err := c.operate(ctx, s, http.MethodPost, "/restored", &e); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "epoch %d began at %s: what is not known as filed is looked for on the chart before it is written\n", e.N, e.At.UTC().Format(time.RFC3339))
	fmt.Fprintln(s.out, connector.Restored.Next())
	return nil
}
