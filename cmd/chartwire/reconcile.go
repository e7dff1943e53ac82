package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chartwire/chartwire/cmd/app"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/web"
)

// moment is a time as an operator writes one: RFC 3339, a date (its first instant, UTC), or how long ago: 24h, 7d.
type moment struct {
	at  time.Time
	ago time.Duration
	set bool
}

// UnmarshalText makes kong refuse what is no time as wrong use.
func (m *moment) UnmarshalText(text []byte) error {
	s := string(text)
	m.set = true
	var err error
	if m.at, err = time.Parse(time.RFC3339, s); err == nil {
		return nil
	}
	if m.at, err = time.Parse(time.DateOnly, s); err == nil {
		return nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 {
			m.ago = time.Duration(n) * 24 * time.Hour
			return nil
		}
	}
	if m.ago, err = time.ParseDuration(s); err == nil && m.ago >= 0 {
		return nil
	}
	return fmt.Errorf("%q is no time: write 2026-11-28T08:00:00Z, 2026-11-28, 24h or 7d", s)
}

func (m moment) from(now time.Time) time.Time {
	if m.at.IsZero() {
		return now.Add(-m.ago)
	}
	return m.at
}

type reconcileCmd struct {
	configFlag
	Since moment `required:"" help:"What was filed from then on: RFC 3339, a date, or how long ago (24h, 7d)." placeholder:"T"`
	Until moment `help:"What was filed before then; now when not given." placeholder:"T"`
	EHR   string `name:"ehr" help:"Only this connection." placeholder:"NAME"`
	JSON  bool   `help:"Print JSON."`
}

// Validate refuses a span that ends before it begins; kong calls it.
func (c reconcileCmd) Validate() error {
	now := clock.System.Now()
	if c.Until.set && !c.Since.from(now).Before(c.Until.from(now)) {
		return errors.New("--until must be after --since")
	}
	return nil
}

func (c reconcileCmd) Run(ctx context.Context, s streams) error {
	cfg, err := c.load(s, false)
	if err != nil {
		return err
	}
	if c.EHR != "" && !slices.ContainsFunc(cfg.EHRs, func(e config.EHR) bool { return e.Name == c.EHR }) {
		return fmt.Errorf("%w: the configuration has no EHR named %s", errUse, c.EHR)
	}
	o, err := app.OpenOperator(ctx, cfg)
	if err != nil {
		return err
	}
	defer o.Close()
	now := clock.System.Now()
	query := url.Values{"since": {c.Since.from(now).Format(time.RFC3339Nano)}, "ehr": {c.EHR}}
	if c.Until.set {
		query.Set("until", c.Until.from(now).Format(time.RFC3339Nano))
	}
	resp, err := o.Do(ctx, http.MethodPost, "/reconcile?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	return c.print(s, json.NewDecoder(resp.Body))
}

// print shows findings as they come. With --json everything is one document, so it waits for the end.
func (c reconcileCmd) print(s streams, in *json.Decoder) error {
	var all struct {
		Findings []deliver.Finding         `json:"findings"`
		Reports  []deliver.ReconcileReport `json:"reports"`
	}
	all.Findings = []deliver.Finding{}
	ended := ""
	for {
		var line web.ReconcileLine
		err := in.Decode(&line)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("the answer broke off: %w", err)
		}
		if line.Finding != nil {
			all.Findings = append(all.Findings, *line.Finding)
			if !c.JSON {
				printFinding(s, *line.Finding)
			}
		}
		all.Reports = append(all.Reports, line.Reports...)
		ended = line.Error
	}
	if c.JSON {
		if err := printJSON(s, all); err != nil {
			return err
		}
	} else {
		for _, r := range all.Reports {
			printReport(s, r)
		}
	}
	switch {
	case ended != "":
		return fmt.Errorf("the charts could not be read to the end: %s", ended)
	case all.Reports == nil:
		return errors.New("the answer broke off")
	case len(all.Findings) > 0:
		return errFound
	}
	return nil
}

func printFinding(s streams, f deliver.Finding) {
	fmt.Fprintf(s.out, "%-13s %s on %s", f.Kind, f.Reference, f.EHR)
	if len(f.Differs) > 0 {
		fmt.Fprintf(s.out, ", differs in %s", strings.Join(f.Differs, ", "))
	}
	if f.Thread != "" {
		fmt.Fprintf(s.out, "  (thread %s, item %s)", f.Thread, f.Item)
	}
	fmt.Fprintf(s.out, "\n      %s\n", f.Sentence)
	if len(f.Others) > 0 {
		fmt.Fprintf(s.out, "      also there: %s\n", strings.Join(f.Others, ", "))
	}
	if f.TakenOver > 0 {
		fmt.Fprintf(s.out, "      attempt %d was taken over\n", f.TakenOver)
	}
	printAttempts(s, f.Attempts)
}

func printReport(s streams, r deliver.ReconcileReport) {
	fmt.Fprintf(s.out, "%s, filed from %s until %s: %d entries of %d patients compared\n", r.EHR, r.Since.UTC().Format(time.RFC3339),
		r.Until.UTC().Format(time.RFC3339), r.Entries, r.Patients)
	for _, kind := range []deliver.FindingKind{deliver.FoundMissing, deliver.FoundEdited, deliver.FoundWrongSubject, deliver.FoundDuplicate, deliver.FoundUnknown} {
		if n := r.Findings[kind]; n > 0 {
			fmt.Fprintf(s.out, "  %6d %s\n", n, kind)
		}
	}
	if r.Moving > 0 {
		fmt.Fprintf(s.out, "  %6d under way: the next run compares them\n", r.Moving)
	}
	if r.NotReadable > 0 {
		fmt.Fprintf(s.out, "  %6d not readable: this EHR shows nothing of them\n", r.NotReadable)
	}
	if !r.Swept {
		fmt.Fprintln(s.out, "  charts of patients unknown to the database were not looked at: this EHR cannot be searched by identifier system")
	}
	if !r.Found() {
		fmt.Fprintln(s.out, "  the chart is what was filed")
	}
}
