package main

import (
	"fmt"
	"time"

	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/seal"
)

type keysCmd struct {
	Init   keysInitCmd   `cmd:"" help:"Make a new keyset file. Never overwrites."`
	List   keysListCmd   `cmd:"" help:"List every key, its age and use."`
	Rotate keysRotateCmd `cmd:"" help:"Add a new sealing key; the old ones still open what they sealed."`
}

type keysetFlag struct {
	Keyset string `help:"Keyset file." default:"chartwire.keyset.json" placeholder:"FILE"`
}

type keysInitCmd struct{ keysetFlag }

func (c keysInitCmd) Run(s streams) error {
	if err := seal.Init(c.Keyset, clock.System.Now()); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s made. Back it up apart from the database: without it nothing sealed can be read.\n", c.Keyset)
	return nil
}

type keysListCmd struct{ keysetFlag }

func (c keysListCmd) Run(s streams) error {
	k, err := seal.Load(c.Keyset)
	if err != nil {
		return err
	}
	now := clock.System.Now()
	for _, key := range k.List() {
		fmt.Fprintf(s.out, "%-12v %-8v %-10v primary=%-5v age %s\n", key.ID, key.Use, key.Status, key.Primary, key.Age(now).Round(time.Minute))
	}
	return nil
}

type keysRotateCmd struct{ keysetFlag }

func (c keysRotateCmd) Run(s streams) error {
	id, err := seal.Rotate(c.Keyset, clock.System.Now())
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "key %d seals from now on; restart serve to use it.\n", id)
	return nil
}
