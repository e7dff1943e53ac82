package doctor

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// Print writes reports as an administrator reads them: facts, one table a connection, and the gaps as sentences.
func Print(w io.Writer, reports []Report) {
	for n, r := range reports {
		if n > 0 {
			fmt.Fprintln(w)
		}
		r.print(w)
	}
}

func (r Report) print(w io.Writer) {
	verdict := "nothing that filing needs is missing"
	if !r.Good {
		verdict = "something that filing needs is missing"
	}
	fmt.Fprintf(w, "━━ %s (%s): %s\n\n", r.EHR, r.Type, verdict)
	printFacts(w, r.Facts)
	if len(r.Inbox) > 0 {
		fmt.Fprint(w, "\nThe inbox inside the EHR:\n")
		printFacts(w, r.Inbox)
	}
	if len(r.Capabilities) > 0 {
		fmt.Fprintln(w)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "CAPABILITY\tNEEDED\tDECLARED\tGRANTED\tPROVEN")
		for _, c := range r.Capabilities {
			name := c.Name()
			if c.API != "" {
				name += " by " + c.API
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", name, choose(c.Needed, "yes", "-"), c.Declared, c.Granted, provenWords(c))
		}
		_ = t.Flush()
	}
	for _, group := range []struct {
		title string
		gaps  []sentence
	}{
		{"Filing needs, and lacks:", r.gaps(true)},
		{"It files without, and could do more:", r.gaps(false)},
		{"To be looked at:", r.factGaps()},
		{"The inbox lacks:", inboxGaps(r.Inbox)},
	} {
		if len(group.gaps) > 0 {
			fmt.Fprintf(w, "\n%s\n", group.title)
		}
		for _, g := range group.gaps {
			fmt.Fprintf(w, "  - %s: %s [%s]\n", strings.Join(g.of, ", "), g.lack.Text, g.lack.Who)
		}
	}
	r.printProbe(w)
}

func printFacts(w io.Writer, facts []connector.Fact) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range facts {
		fmt.Fprintf(t, "%s\t%s\t%s\n", marks[f.Good], f.Name, f.Value)
	}
	_ = t.Flush()
}

var marks = map[connector.Known]string{connector.KnownYes: "ok", connector.KnownNo: "BAD", connector.NotKnown: "?"}

func choose(yes bool, then, otherwise string) string {
	if yes {
		return then
	}
	return otherwise
}

func provenWords(c connector.Capability) string {
	if c.By == "" {
		return string(c.Proven)
	}
	if c.At.IsZero() || c.By == "now" {
		return fmt.Sprintf("%s (%s)", c.Proven, c.By)
	}
	return fmt.Sprintf("%s (%s %s)", c.Proven, c.By, c.At.UTC().Format(time.DateOnly))
}

// sentence is a gap with all it is about: one cause makes many.
type sentence struct {
	of   []string
	lack connector.Lack
}

func (r Report) gaps(needed bool) []sentence {
	var out []sentence
	for _, c := range r.Capabilities {
		if c.Gap != nil && c.Needed == needed {
			out = joined(out, c.Name(), *c.Gap)
		}
	}
	return out
}

// factGaps are those of facts that no capability tells of.
func (r Report) factGaps() []sentence {
	told := map[connector.Lack]bool{}
	for _, c := range r.Capabilities {
		if c.Gap != nil {
			told[*c.Gap] = true
		}
	}
	var out []sentence
	for _, f := range r.Facts {
		if f.Gap != nil && !told[*f.Gap] {
			out = joined(out, f.Name, *f.Gap)
		}
	}
	return out
}

func inboxGaps(facts []connector.Fact) []sentence {
	var out []sentence
	for _, f := range facts {
		if f.Gap != nil {
			out = joined(out, f.Name, *f.Gap)
		}
	}
	return out
}

func joined(list []sentence, of string, l connector.Lack) []sentence {
	for n := range list {
		if list[n].lack == l {
			list[n].of = append(list[n].of, of)
			return list
		}
	}
	return append(list, sentence{[]string{of}, l})
}

// printProbe tells of the last probe.
func (r Report) printProbe(w io.Writer) {
	if p := r.Probe; p != nil {
		fmt.Fprintf(w, "\nLast probe: %s by %s\n", p.At.UTC().Format(time.RFC3339), p.By)
		printEntries(w, r.EHR, *p)
	}
}

func printEntries(w io.Writer, ehr string, p connector.Probe) {
	for _, e := range p.Entries {
		fmt.Fprintf(w, "  %s %s: %s\n", e.Strategy, e.Reference, e.Left)
	}
	for _, o := range p.Outcomes {
		fmt.Fprintf(w, "  %-7s  %s: %s\n", o.Known, o.Capability, o.Says)
	}
	if p.Seen != "" {
		fmt.Fprintf(w, "  seen in the chart: %s (%s, %s)\n", p.Seen, p.SeenBy, p.SeenAt.UTC().Format(time.DateOnly))
	} else {
		fmt.Fprintf(w, "  nobody has said where it shows in the chart: chartwire doctor --ehr %s --seen \"where\"\n", ehr)
	}
}
