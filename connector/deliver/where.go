package deliver

import (
	"fmt"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// whereItem says in plain words where an item is now and what happens next. It holds no PHI.
func whereItem(i connector.Item, rows []connector.WriteRow) string {
	switch i.State {
	case connector.Filed:
		return whereFiled(i, rows)
	case connector.NotDue:
		return whereNotDue(i)
	case connector.Parked:
		return fmt.Sprintf("a person has to act (%s): %s. Next: %s", i.WhoActs(), i.Reason.Sentence(), i.Reason.Next())
	case connector.Unknown:
		return "nobody knows yet: " + i.Reason.Sentence() + "; it is searched for " + after(i.NextAt) + ", and nothing is sent again before that"
	case connector.Filing:
		return "a request is under way, or its worker has gone; it is settled before anything is sent again"
	case connector.Held:
		return "held: " + i.Reason.Sentence() + ". Next: " + i.Reason.Next() + looks(i.NextAt)
	}
	if retracting(&i) {
		return "its entries are being marked as entered in error"
	}
	if i.Reason == "" {
		return "waits for its turn; nothing has to be done"
	}
	return "waits: " + i.Reason.Sentence() + looks(i.NextAt)
}

func whereFiled(i connector.Item, rows []connector.WriteRow) string {
	switch i.Lane {
	case connector.LaneSend:
		return "the platform has it"
	case connector.LaneMedia:
		return "its attachments have been fetched"
	}
	refs := entriesOf(rows)
	if len(refs) == 0 {
		return "done; the chart shows it"
	}
	seen := "; the EHR showed the same patient and words back"
	for _, w := range rows {
		if isEntry(w) && w.State == connector.WriteFiled && !w.Receipt.Verified {
			seen = "; the EHR showed nothing back that could be compared"
		}
	}
	return "on the chart as " + strings.Join(refs, ", ") + seen
}

func whereNotDue(i connector.Item) string {
	d := i.Detail.Decision
	switch {
	case d == nil:
		return "not filed: " + i.Reason.Sentence()
	case d.Act == connector.ActRetract:
		return fmt.Sprintf("taken back by %s on %s: its entries are marked as entered in error", d.By, d.At.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("released by %s on %s as dealt with by hand; Chartwire does nothing more about it", d.By, d.At.UTC().Format(time.RFC3339))
}

func after(at time.Time) string {
	if at.IsZero() || !at.Before(connector.Never) {
		return "soon"
	}
	return "after " + at.UTC().Format(time.RFC3339)
}

func looks(at time.Time) string {
	if at.IsZero() || !at.Before(connector.Never) {
		return ""
	}
	return "; Chartwire looks again after " + at.UTC().Format(time.RFC3339)
}

// whereThread answers for what was asked about, else for whatever of the thread is not done.
func whereThread(t connector.Thread, ehr connector.EHRRow, items []TracedItem) string {
	var asked, open []string
	for _, x := range items {
		line := string(x.Kind) + " " + x.ID + ": " + x.Where
		if x.Asked {
			asked = append(asked, line)
		}
		if x.State != connector.Filed && x.State != connector.NotDue {
			open = append(open, line)
		}
	}
	said := asked
	if len(said) == 0 {
		said = open
	}
	if len(said) == 0 {
		said = []string{"everything of this thread is done"}
	}
	if ehr.Paused != "" {
		said = append(said, "the EHR connection is stopped: "+ehr.Paused.Sentence()+". Next: "+ehr.Paused.Next())
	}
	if t.Changed {
		said = append(said, "nothing of the thread is filed: "+connector.PatientChanged.Sentence())
	}
	return strings.Join(said, "\n")
}

// saidKeys are what an audit row may say in a trace that shows no PHI.
var saidKeys = []string{"act", "from", "to", "reason", "outcome", "kind", "how", "status", "entries"}

func saysOf(a connector.AuditEntry, show bool) string {
	keys := saidKeys
	if show {
		keys = append([]string{"patient", "was", "why"}, saidKeys...)
	}
	var out []string
	for _, k := range keys {
		if v := strings.TrimSpace(a.Detail[k]); v != "" {
			out = append(out, k+" "+v)
		}
	}
	return strings.Join(out, ", ")
}
