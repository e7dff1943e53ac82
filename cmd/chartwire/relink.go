package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/chartwire/chartwire/connector/deliver"
)

type relinkCmd struct {
	configFlag
	Thread  string `arg:"" help:"The thread: our id or the platform's, or any id that chartwire trace finds it by."`
	Patient string `help:"The patient it is about, as the EHR calls the record: Patient/ID, or its URL. Without it, how the thread stands is shown." placeholder:"Patient/ID"`
	JSON    bool   `help:"Print JSON."`
	Yes     bool   `help:"Do it. Without it, what would happen is shown and nothing is changed."`
	Reason  string `help:"Why, in your words; kept with the decision, sealed." placeholder:"TEXT"`
}

// Run shows what linking the thread to the patient would come to, or does it; exit 1 where it cannot be done.
func (c relinkCmd) Run(ctx context.Context, s streams) error {
	ask := deliver.RelinkAsk{Thread: c.Thread, Patient: c.Patient, Why: c.Reason, Yes: c.Yes}
	var answer deliver.Relinking
	if err := c.tell(ctx, s, http.MethodPost, "/relink", ask, &answer); err != nil {
		return fmt.Errorf("relink %s: %w", c.Thread, err)
	}
	if c.JSON {
		if err := printJSON(s, answer); err != nil {
			return err
		}
	} else {
		printRelinking(s, answer)
	}
	if answer.Refused != "" {
		return errFound
	}
	return nil
}

func printRelinking(s streams, r deliver.Relinking) {
	fmt.Fprintf(s.out, "thread %s on channel %s, EHR %s\n", r.Thread, r.Channel, r.EHR)
	for _, line := range r.Says {
		fmt.Fprintf(s.out, "  %s\n", line)
	}
	switch {
	case r.Refused != "":
		fmt.Fprintf(s.out, "  refused: %s\nNothing was changed.\n", r.Refused)
	case r.Done:
		fmt.Fprintf(s.out, "Done. What goes on from here: chartwire trace %s\n", r.Thread)
	case r.To == "":
		fmt.Fprintln(s.out, "Nothing was changed. To see what linking it would come to, add --patient Patient/ID.")
	case !r.Idle:
		fmt.Fprintln(s.out, "Nothing was changed. To do it, add --yes.")
	}
}
