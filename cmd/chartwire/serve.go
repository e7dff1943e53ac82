package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/chartwire/chartwire/adapters"
	"github.com/chartwire/chartwire/cmd/app"
	"github.com/chartwire/chartwire/config"
)

// configFlag is the --config of every command that reads one.
type configFlag struct {
	Config string `help:"Configuration file." default:"chartwire.yaml" placeholder:"FILE"`
}

// load reads the configuration, prints every problem, and gives it where a command may go on.
func (f configFlag) load(s streams, forServe bool) (*config.Config, error) {
	c, problems := config.Load(f.Config, adapters.Sections()...)
	for _, p := range problems {
		fmt.Fprintln(s.err, p)
	}
	if config.Fatal(problems, forServe) {
		return nil, errFound
	}
	return c, nil
}

type serveCmd struct {
	configFlag
	AcceptClock bool `help:"Start although this machine's clock and the store disagree: the clock is right now. Stop every other serve of this store before."`
}

func (c serveCmd) Run(ctx context.Context, s streams) error {
	cfg, err := c.load(s, true)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(300) // what lives is small, and every message makes much that dies at once
	}
	log := slog.New(slog.NewJSONHandler(s.err, nil))
	a, err := app.New(ctx, app.Options{Config: cfg, Log: log, Version: version, AcceptClock: c.AcceptClock})
	if err != nil {
		return err
	}
	defer a.Close()
	log.Info("chartwire serves", "public", a.Public(), "console", a.Console()+"/console/", "version", version)
	if err := a.Run(ctx); err != nil {
		return err
	}
	log.Info("chartwire has stopped; nothing accepted was lost")
	return a.Close()
}
