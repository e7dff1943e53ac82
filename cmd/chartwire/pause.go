package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

type pauseCmd struct {
	configFlag
	Name string `arg:"" help:"EHR connection or channel of the configuration."`
}

// Run stops filing toward the EHR, or sending to the channel. Events are still taken; their exchanges, or replies, wait.
func (c pauseCmd) Run(ctx context.Context, s streams) error {
	return c.steer(ctx, s, c.Name, "pause")
}

type resumeCmd struct {
	configFlag
	Name string `arg:"" help:"EHR connection or channel of the configuration."`
}

// Run lets it go on.
func (c resumeCmd) Run(ctx context.Context, s streams) error {
	return c.steer(ctx, s, c.Name, "resume")
}

func (f configFlag) steer(ctx context.Context, s streams, name, act string) error {
	if err := f.operate(ctx, s, http.MethodPost, "/ehrs/"+url.PathEscape(name)+"/"+act, nil); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(s.out, "%s: %sd\n", name, act)
	return nil
}
