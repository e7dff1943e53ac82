package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"

	"github.com/chartwire/chartwire/cmd/prove/rig"
)

// finding is what of a finding of chartwire reconcile --json is looked at.
type finding struct {
	Kind      string   `json:"kind"`
	Reference string   `json:"reference"`
	Others    []string `json:"others"`
}

// reconciled adds the figure of the stops longer than settle: an entry may be doubled there, and then chartwire reconcile
// has to report it.
func (r *Run) reconciled(ctx context.Context, w *rig.World, v rig.Verdict, note string) error {
	findings, err := r.reconcile(ctx, w)
	if err != nil {
		return err
	}
	missed := unreported(v.Doubles, findings)
	for _, refs := range missed {
		r.say("pauses-long: doubled and not reported: %v", refs)
	}
	r.p10("pauses-long", len(missed), fmt.Sprintf("not reported by chartwire reconcile, of %d doubled; %s", len(v.Doubles), note))
	return nil
}

// unreported lists the doubled entries that no finding names whole.
func unreported(doubles [][]string, findings []finding) [][]string {
	return slices.DeleteFunc(slices.Clone(doubles), func(refs []string) bool {
		return slices.ContainsFunc(findings, func(f finding) bool {
			named := append([]string{f.Reference}, f.Others...)
			return f.Kind == "duplicate" && !slices.ContainsFunc(refs, func(ref string) bool { return !slices.Contains(named, ref) })
		})
	})
}

// reconcile runs chartwire reconcile as an operator does. Exit code 1 is that it found something.
func (r *Run) reconcile(ctx context.Context, w *rig.World) ([]finding, error) {
	out, err := exec.CommandContext(ctx, r.Binary, "reconcile", "--since", "24h", "--json", "--config", w.Replicas[0].Config()).Output()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1 && len(out) > 0) {
		said := ""
		if exit != nil {
			said = string(exit.Stderr)
		}
		return nil, fmt.Errorf("chartwire reconcile: %w: %s", err, said)
	}
	var all struct {
		Findings []finding `json:"findings"`
	}
	if err := json.Unmarshal(out, &all); err != nil {
		return nil, fmt.Errorf("chartwire reconcile --json prints no JSON: %w", err)
	}
	return all.Findings, nil
}
