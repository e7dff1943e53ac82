package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"

	"github.com/chartwire/chartwire/cmd/app"
	"github.com/chartwire/chartwire/cmd/doctor"
)

type doctorCmd struct {
	configFlag
	EHR   string `name:"ehr" help:"Only this connection." placeholder:"NAME"`
	JSON  bool   `help:"Print JSON."`
	Probe bool   `help:"Write one test entry for each way of filing to the configured test patient, read it back and mark it as entered in error. Asks first."`
	Yes   string `help:"With --probe: the connection's name, instead of typing it." placeholder:"NAME"`
	Seen  string `help:"Where an administrator saw the test entries in the chart; kept with the last probe." placeholder:"TEXT"`

	in io.Reader // where answers are typed; nil is the terminal
}

// Validate refuses flags that mean nothing together; kong calls it.
func (c doctorCmd) Validate() error {
	switch {
	case (c.Probe || c.Seen != "") && c.EHR == "":
		return errors.New("--probe and --seen are about one connection: name it with --ehr")
	case c.Yes != "" && !c.Probe:
		return errors.New("--yes is for --probe")
	case c.Probe && c.JSON && c.Yes == "":
		return errors.New("--probe --json asks nothing: give the connection's name with --yes")
	}
	return nil
}

func (c doctorCmd) Run(ctx context.Context, s streams) error {
	cfg, err := c.load(s, false)
	if err != nil {
		return err
	}
	if c.EHR != "" && cfg.EHR(c.EHR) == nil {
		return fmt.Errorf("%w: the configuration has no EHR named %s", errUse, c.EHR)
	}
	o, err := app.OpenDoctor(ctx, cfg)
	if err != nil {
		return err
	}
	defer o.Close()
	if c.Probe || c.Seen != "" {
		if c.in == nil {
			c.in = os.Stdin
		}
		t := doctor.Talk{EHR: c.EHR, Yes: c.Yes, Seen: c.Seen, Probe: c.Probe, In: c.in, Out: s.out, JSON: c.JSON,
			Step: func(q doctor.Ask) (a doctor.Answer, err error) { return a, c.post(ctx, o, "/doctor/probe", q, &a) }}
		switch good, err := t.Run(); {
		case errors.Is(err, doctor.ErrNotConfirmed):
			return fmt.Errorf("%w: %w", errUse, err)
		case err != nil:
			return err
		case !good:
			return errFound
		}
		return nil
	}
	return c.examine(ctx, s, o)
}

func (c doctorCmd) examine(ctx context.Context, s streams, o *app.Operator) error {
	var reports []doctor.Report
	if err := c.post(ctx, o, "/doctor", nil, &reports); err != nil {
		return err
	}
	if c.JSON {
		if err := printJSON(s, reports); err != nil {
			return err
		}
	} else {
		doctor.Print(s.out, reports)
	}
	if slices.ContainsFunc(reports, func(r doctor.Report) bool { return !r.Good }) {
		return errFound
	}
	return nil
}

// post asks the running serve, or this process, and decodes the answer.
func (c doctorCmd) post(ctx context.Context, o *app.Operator, path string, body, into any) error {
	resp, err := o.Do(ctx, http.MethodPost, path+"?"+url.Values{"ehr": {c.EHR}}.Encode(), body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("the answer cannot be read: %w", err)
	}
	return nil
}
