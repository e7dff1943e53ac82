package doctor

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/connector"
)

// Talk takes a person, or a script, through a probe.
type Talk struct {
	EHR   string
	Probe bool   // false: only Seen is told, of the last probe
	Yes   string // the connection's name: nothing is asked
	Seen  string
	In    io.Reader
	Out   io.Writer
	JSON  bool
	Step  func(Ask) (Answer, error)
}

// ErrNotConfirmed is a probe whose connection was not named: nothing was written.
var ErrNotConfirmed = errors.New("what was typed is not the connection's name; nothing was written")

// Run goes from plan to close. good says that the probe proved everything it tried.
func (t Talk) Run() (good bool, err error) {
	if !t.Probe {
		return t.finish(t.Seen)
	}
	plan, err := t.Step(Ask{Step: StepPlan})
	if err != nil {
		return false, err
	}
	in := bufio.NewReader(t.In)
	if !t.JSON {
		t.show(plan)
	}
	confirm := t.Yes
	if confirm == "" {
		fmt.Fprintf(t.Out, "\nTo write this, type the connection's name (%s): ", t.EHR)
		confirm = line(in)
	}
	if confirm != t.EHR {
		return false, ErrNotConfirmed
	}
	filed, err := t.Step(Ask{Step: StepFile, ID: plan.ID, At: plan.At, Confirm: confirm})
	if err != nil {
		return false, err
	}
	seen := t.Seen
	if t.Yes == "" {
		fmt.Fprintln(t.Out)
		for _, e := range filed.Probe.Entries {
			fmt.Fprintf(t.Out, "  %s %s: %s\n", e.Strategy, e.Reference, e.Left)
		}
		if seen == "" {
			fmt.Fprintf(t.Out, "\nLook into the chart of %s for \"Chartwire connection test\". Where does it show? (Enter: nowhere) ", filed.Probe.Patient)
			seen = line(in)
		}
	}
	return t.finish(seen)
}

// finish marks the entries and tells what came of the probe.
func (t Talk) finish(seen string) (bool, error) {
	done, err := t.Step(Ask{Step: StepClose, Seen: seen})
	if err != nil {
		return false, err
	}
	p := done.Probe
	if t.JSON {
		raw, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			return false, err
		}
		fmt.Fprintln(t.Out, string(raw))
	} else {
		fmt.Fprintf(t.Out, "\nProbe %s of %s:\n", p.ID, t.EHR)
		printEntries(t.Out, t.EHR, *p)
	}
	bad := slices.ContainsFunc(p.Outcomes, func(o connector.ProbeOutcome) bool { return o.Known != connector.KnownYes })
	return !bad && !slices.ContainsFunc(p.Entries, func(e connector.ProbeEntry) bool { return e.Open || e.Reference == "" }), nil
}

func (t Talk) show(plan Answer) {
	for _, says := range plan.Says {
		fmt.Fprintln(t.Out, "-", says)
	}
	for _, r := range plan.Requests {
		body, _ := json.MarshalIndent(r.Body, "  ", "  ")
		url := r.URL
		if url == "" {
			url = "(transaction)"
		}
		fmt.Fprintf(t.Out, "\n  %s %s\n  %s\n", r.Method, url, body)
	}
}

// line is what a person typed, "" at the end of the input.
func line(in *bufio.Reader) string {
	text, _ := in.ReadString('\n')
	return strings.TrimSpace(text)
}
