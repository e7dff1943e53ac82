package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
)

type parkedCmd struct {
	List    parkedListCmd    `cmd:"" help:"List what needs a person: reason, owner, age, next step, what can be done."`
	Replay  parkedReplayCmd  `cmd:"" help:"Let items go on from where they stopped. Never makes a second entry."`
	There   parkedThereCmd   `cmd:"" name:"already-there" help:"Say that an item is on the chart as an entry; it is read, compared and recorded."`
	Release parkedReleaseCmd `cmd:"" help:"Take items off the list that a person has dealt with by hand."`
	Retract parkedRetractCmd `cmd:"" help:"Mark what is on the chart of items, and should not be, as entered in error."`
}

// pickFlags choose parked items by what they have in common.
type pickFlags struct {
	Reason string        `help:"Only those of this reason."`
	EHR    string        `name:"ehr" help:"Only those of this EHR connection."`
	Owner  string        `help:"Only those of this owner: a pool, or registration, platform, ehr, interface, staff."`
	Older  time.Duration `help:"Only those parked for at least this long, such as 4h."`
}

func (p pickFlags) selection(ids []string) deliver.Selection {
	return deliver.Selection{IDs: ids, Reason: connector.Reason(p.Reason), EHR: p.EHR, Owner: p.Owner, Older: p.Older}
}

// actFlags are those of every command that decides about items.
type actFlags struct {
	configFlag
	JSON bool   `help:"Print JSON."`
	Yes  bool   `help:"Do it. Without it, what would happen is shown and nothing is changed."`
	Why  string `help:"Why, in your words; kept with the decision, sealed." placeholder:"TEXT"`
}

// itemFlags choose the items: by id, by what they have in common, or all.
type itemFlags struct {
	pickFlags
	IDs []string `arg:"" optional:"" name:"id" help:"Item ids, as parked list shows them."`
	All bool     `help:"Every parked item that the other flags leave."`
}

// ErrNothingChosen keeps a command without items from meaning all of them.
var errNothingChosen = errors.New("name items by id, or by --reason, --ehr, --owner, --older, or say --all")

func (i itemFlags) chosen() error {
	if len(i.IDs) == 0 && !i.All && i.pickFlags == (pickFlags{}) {
		return errNothingChosen
	}
	return nil
}

type parkedListCmd struct {
	configFlag
	pickFlags
	JSON bool `help:"Print JSON."`
}

func (c parkedListCmd) Run(ctx context.Context, s streams) error {
	query := url.Values{"reason": {c.Reason}, "ehr": {c.EHR}, "owner": {c.Owner}, "older": {c.Older.String()}}
	var list []deliver.TracedItem
	if err := c.operate(ctx, s, http.MethodGet, "/parked?"+query.Encode(), &list); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s, list)
	}
	for _, i := range list {
		printParked(s, i)
		fmt.Fprintf(s.out, "    %s\n    next: %s\n    can: %s\n", i.Sentence, i.Next, joined(i.Actions))
	}
	fmt.Fprintf(s.out, "%d parked\n", len(list))
	return nil
}

func printParked(s streams, i deliver.TracedItem) {
	fmt.Fprintf(s.out, "%s  %-10s %s  %s, for %s, parked %s ago\n", i.ID, i.Kind, i.EHR, i.Reason, i.Owner, i.Age)
}

func joined(acts []connector.Action) string {
	out := ""
	for n, a := range acts {
		if n > 0 {
			out += ", "
		}
		out += string(a)
	}
	return out
}

type parkedReplayCmd struct {
	actFlags
	itemFlags
}

func (c parkedReplayCmd) Run(ctx context.Context, s streams) error {
	return c.decide(ctx, s, connector.ActReplay, c.itemFlags)
}

type parkedReleaseCmd struct {
	actFlags
	itemFlags
}

func (c parkedReleaseCmd) Run(ctx context.Context, s streams) error {
	return c.decide(ctx, s, connector.ActRelease, c.itemFlags)
}

type parkedRetractCmd struct {
	actFlags
	itemFlags
}

func (c parkedRetractCmd) Run(ctx context.Context, s streams) error {
	return c.decide(ctx, s, connector.ActRetract, c.itemFlags)
}

type parkedThereCmd struct {
	actFlags
	ID    string `arg:"" name:"id" help:"Item id, as parked list shows it."`
	Entry string `arg:"" help:"The entry it is, as Type/id or its URL."`
}

func (c parkedThereCmd) Run(ctx context.Context, s streams) error {
	return c.ask(ctx, s, deliver.Ask{Act: connector.ActAlreadyThere, Select: deliver.Selection{IDs: []string{c.ID}}, Reference: c.Entry})
}

// decide asks for one action on the chosen items.
func (f actFlags) decide(ctx context.Context, s streams, act connector.Action, items itemFlags) error {
	if err := items.chosen(); err != nil {
		return err
	}
	return f.ask(ctx, s, deliver.Ask{Act: act, Select: items.selection(items.IDs)})
}

// ask shows what will happen, or has happened; exit 1 where not all of it can.
func (f actFlags) ask(ctx context.Context, s streams, ask deliver.Ask) error {
	ask.Yes, ask.Why = f.Yes, f.Why
	var answer deliver.Answer
	if err := f.tell(ctx, s, http.MethodPost, "/parked", ask, &answer); err != nil {
		return err
	}
	if f.JSON {
		if err := printJSON(s, answer); err != nil {
			return err
		}
	} else {
		printAnswer(s, answer)
	}
	if !answer.Good() {
		return errFound
	}
	return nil
}

// willWords say what becomes of how many, in the order a person wants to know it.
var willWords = []struct {
	will  deliver.Will
	words string
}{
	{deliver.WillFinish, "on the chart already: nothing is written"},
	{deliver.WillSearch, "unknown: searched for first, written only if it is proven not to be there"},
	{deliver.WillWrite, "written anew"},
	{deliver.WillRepeat, "done again toward the platform"},
	{deliver.WillRetract, "marked as entered in error"},
	{deliver.WillLeave, "left out, as dealt with by hand"},
	{deliver.Differs, "not the same on the chart: nothing is done"},
	{deliver.Refused, "refused: nothing is done"},
}

func printAnswer(s streams, a deliver.Answer) {
	fmt.Fprintf(s.out, "%s: %d items\n", a.Act, len(a.Items))
	for _, w := range willWords {
		if n := a.Count[w.will]; n > 0 {
			fmt.Fprintf(s.out, "  %d %s\n", n, w.words)
		}
	}
	for _, f := range a.Items {
		printParked(s, f.TracedItem)
		fmt.Fprintf(s.out, "    %s: %s", f.Will, f.Says)
		if f.At != "" {
			fmt.Fprintf(s.out, " (%s)", f.At)
		}
		fmt.Fprintln(s.out)
	}
	switch {
	case !a.Done:
		fmt.Fprintln(s.out, "Nothing was changed. To do it, add --yes.")
	case slices.ContainsFunc(a.Items, func(f deliver.Fate) bool { return f.Will != deliver.Refused && f.Will != deliver.Differs }):
		fmt.Fprintln(s.out, "Done. What goes on from here: chartwire trace ID")
	}
}
