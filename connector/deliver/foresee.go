package deliver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// Will is what an action will come to for one item.
type Will string

// What may become of an item.
const (
	WillWrite   Will = "write"    // written anew: nothing of it is on the chart
	WillFinish  Will = "on-chart" // it is on the chart; nothing is written, its receipt is recorded
	WillSearch  Will = "unknown"  // nobody can say yet; it is searched for before anything is written
	WillLeave   Will = "not-due"  // left out, as dealt with by hand
	WillRetract Will = "retract"  // its entries are marked as entered in error
	WillRepeat  Will = "again"    // done again outside the chart: a fetch, or a hand-over to the platform
	Differs     Will = "differs"  // the chart has something else under its name, or the entry named is another
	Refused     Will = "refused"  // the action makes no sense for it; nothing happens
)

func refusal(err error) Fate { return Fate{Will: Refused, Says: err.Error()} }

// foresee says what an action will come to for a parked item. It changes nothing.
func (e *Engine) foresee(ctx context.Context, ask Ask, i connector.Item) (Fate, error) {
	if err := allowed(i, ask.Act); err != nil {
		return refusal(err), nil
	}
	var rows []connector.WriteRow
	err := e.store.View(ctx, func(tx connector.Tx) (err error) {
		rows, err = tx.WritesOf(i.EHR, i.ID)
		rows = live(rows)
		return err
	})
	if err != nil {
		return Fate{}, err
	}
	switch ask.Act {
	case connector.ActReplay:
		return e.foreseeReplay(ctx, ask, i, rows)
	case connector.ActAlreadyThere:
		_, f, err := e.readThere(ctx, ask, i, rows)
		return f, err
	case connector.ActRetract:
		return foreseeRetract(i, rows), nil
	case connector.ActRelease:
		says := "left out as dealt with by hand; nothing is written"
		if refs := entriesOf(rows); len(refs) > 0 {
			says += fmt.Sprintf("; the chart keeps %d of its entries", len(refs))
		}
		if i.Lane == connector.LaneSend && i.Reason == connector.SendUnknown {
			says = "left out as dealt with by hand; nothing is sent, and its exchange is filed with its delivery as unknown (not at all where the platform never named the thread)"
		}
		return Fate{Will: WillLeave, Says: says}, nil
	}
	return refusal(fmt.Errorf("%w: there is no action %q", ErrNotThisWay, ask.Act)), nil
}

func (e *Engine) foreseeReplay(ctx context.Context, ask Ask, i connector.Item, rows []connector.WriteRow) (Fate, error) {
	switch i.Lane {
	case connector.LaneMedia:
		return Fate{Will: WillRepeat, Says: "its attachments are fetched again"}, nil
	case connector.LaneSend:
		return e.foreseeSend(ctx, i)
	}
	if i.Detail.Decision != nil && i.Detail.Decision.Act == connector.ActRetract {
		return Fate{Will: WillRetract, Says: "it goes on taking its entries back"}, nil
	}
	var open []connector.WriteRow
	for _, w := range rows {
		if w.State == connector.WriteAttempted {
			open = append(open, w)
		}
	}
	switch {
	case len(open) > 0:
		return e.seek(ctx, ask, i, open, rows)
	case len(rows) > 0 && !toDo(rows):
		return Fate{Will: WillFinish, Says: "it is on the chart; nothing is written", At: firstOf(entriesOf(rows))}, nil
	case len(entriesOf(rows)) > 0:
		return Fate{Will: WillWrite, Says: "part of it is on the chart and stays; what is missing is written", At: firstOf(entriesOf(rows))}, nil
	case len(rows) > 0:
		return Fate{Will: WillWrite, Says: "the chart is known not to have it; the same request is made again"}, nil
	}
	if i.Reason == connector.NotExpressible {
		return Fate{Will: WillWrite, Says: "it is planned anew; what this EHR still cannot express is parked again"}, nil
	}
	return Fate{Will: WillWrite, Says: "no request of it has ever left; it is planned and written"}, nil
}

// foreseeSend is foreseeReplay of a hand-over to the platform.
func (e *Engine) foreseeSend(ctx context.Context, i connector.Item) (Fate, error) {
	var m connector.MessageRow
	err := e.store.View(ctx, func(tx connector.Tx) (err error) {
		m, err = tx.Message(i.EHR, i.Message)
		return err
	})
	if err != nil {
		return Fate{}, err
	}
	line := e.line(i.Channel, i.EHR)
	switch m.Delivery.State {
	case connector.Queued:
		return Fate{Will: WillRepeat, Says: "it is handed to the platform"}, nil
	case connector.SendUnsure:
		if !line.SendIdempotent {
			return refusal(fmt.Errorf("%w: the platform may have it and does not know a repetition (send_idempotent): look there; if it went out release this, else write a new message", ErrNotThisWay)), nil
		}
		return Fate{Will: WillRepeat, Says: "it is handed to the platform again under the same id, which the platform takes once"}, nil
	case connector.Failed:
		return refusal(fmt.Errorf("%w: it was told as not delivered; write a new message and release this", ErrNotThisWay)), nil
	}
	return Fate{Will: WillFinish, Says: "the platform has it; nothing is sent"}, nil
}

// seek searches the chart for the writes of an item whose requests may have left, as settling would, and audits that. It
// records nothing: the lane searches again when it acts.
func (e *Engine) seek(ctx context.Context, ask Ask, i connector.Item, open, rows []connector.WriteRow) (Fate, error) {
	c := e.conns[i.EHR]
	if c == nil {
		return Fate{Will: WillSearch, Says: "its EHR connection is not configured here; it is searched for before anything is written"}, nil
	}
	now := e.clock.Now()
	for _, w := range open {
		if due := w.AttemptedAt.Add(c.settle()); now.Before(due) {
			return Fate{Will: WillSearch, Says: "its last request may still arrive; it is searched for after " + due.UTC().Format(time.RFC3339)}, nil
		}
	}
	if why := ask.seeks.over(i.EHR); why != "" {
		return Fate{Will: WillSearch, Says: why + "; it is searched for before anything is written"}, nil
	}
	out := Fate{Will: WillFinish, Says: "it is on the chart; nothing is written, its receipt is recorded", At: firstOf(entriesOf(rows))}
	for n := range open {
		f, err := e.seekOne(ctx, c, i, &open[n], ask.seeks)
		if err != nil {
			return f, err
		}
		if err := e.auditSeek(ctx, ask, i, f); err != nil {
			return f, err
		}
		if f.Will != WillFinish {
			return f, nil
		}
		if out.At == "" {
			out.At = f.At
		}
	}
	if missing := slices.DeleteFunc(slices.Clone(rows), func(w connector.WriteRow) bool { return w.State != connector.WriteReady }); len(missing) > 0 {
		out.Will, out.Says = WillWrite, "part of it is on the chart and stays; what is missing is written"
	}
	return out, nil
}

// maxSeeks bounds how many items one command searches the chart for: a person waits for the answer.
const maxSeeks = 200

// seeks is what one command may still search for.
type seeks struct {
	left   int
	silent map[string]bool // EHRs that did not answer
}

// over says why an item is not searched for, or takes one from what is left.
func (l *seeks) over(ehr string) string {
	switch {
	case l.silent[ehr]:
		return "not looked for: its EHR does not answer now"
	case l.left == 0:
		return fmt.Sprintf("not looked for: more than %d selected", maxSeeks)
	}
	l.left--
	return ""
}

// seekOne searches for one write.
func (e *Engine) seekOne(ctx context.Context, c *conn, i connector.Item, w *connector.WriteRow, l *seeks) (Fate, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*c.Deadline)
	defer cancel()
	if _, err := c.can(ctx, caller); err != nil {
		l.silent[i.EHR] = true
		return Fate{Will: WillSearch, Says: "the EHR does not answer now; it is searched for before anything is written"}, nil
	}
	d := e.drainerOf(c, i)
	r, err := d.search(ctx, w)
	var refused *connector.Refused
	switch {
	case err == nil:
		r.Found = true
		if v := compare(w.Write, r); v.reason != "" {
			return Fate{Will: Differs, Says: v.reason.Sentence(), At: r.Reference}, nil
		}
		return Fate{Will: WillFinish, At: r.Reference}, nil
	case errors.Is(err, connector.ErrAbsent):
		return Fate{Will: WillWrite, Says: "the chart was searched and does not have it; it is written"}, nil
	case c.resends(w.Write, err):
		return Fate{Will: WillWrite, Says: "whether it is there cannot be known; it is sent again under the same id, by which the receiver knows a repeat"}, nil
	case errors.Is(err, connector.ErrNotSearchable):
		return Fate{Will: WillSearch, Says: "this EHR cannot be searched for it, so a replay parks it again; look in the chart and say already-there or release"}, nil
	case errors.As(err, &refused) && refused.Reason == connector.IdentityCollision:
		return Fate{Will: Differs, Says: refused.Reason.Sentence()}, nil
	case errors.As(err, new(tooNew)):
	default:
		l.silent[i.EHR] = !judge(err).good
	}
	return Fate{Will: WillSearch, Says: "the EHR did not answer the search; it is searched for before anything is written"}, nil
}

// drainerOf works one item outside its lane. What it leaves pending is the caller's to commit, or to drop.
func (e *Engine) drainerOf(c *conn, i connector.Item) *drainer {
	return &drainer{e: e, c: c, front: true, lane: connector.Lane{EHR: i.EHR, Thread: i.Thread, Kind: i.Lane}, line: e.line(i.Channel, i.EHR),
		known: map[string]string{}, done: map[string]bool{}, requests: map[string]bool{}, waited: map[connector.Reason]time.Time{}}
}

func (e *Engine) auditSeek(ctx context.Context, ask Ask, i connector.Item, f Fate) error {
	return e.store.Update(ctx, "decide/"+i.ID, func(tx connector.Tx) error {
		now := e.clock.Now()
		return tx.Audit(connector.AuditEntry{ID: connector.NewID(now), EHR: i.EHR, At: now, Kind: "find", Action: "R", Agent: ask.Agent,
			Thread: i.Thread, Item: i.ID, Detail: map[string]string{"outcome": string(f.Will)}})
	})
}

// entriesOf are the references of an item's own entries that are on the chart: what a person would find there.
func entriesOf(rows []connector.WriteRow) []string {
	var out []string
	for _, w := range rows {
		if isEntry(w) && w.Receipt.Reference != "" && w.State != connector.WriteDropped {
			out = append(out, w.Receipt.Reference)
		}
	}
	return out
}

// isEntry says whether a write makes a chart entry of the item itself: not a person others share, not an update, and not
// what only accompanies the entry.
func isEntry(w connector.WriteRow) bool {
	return w.Write.Update == nil && !w.Write.Optional && w.Write.Type != "RelatedPerson" && w.Write.After == ""
}

func firstOf(refs []string) string {
	if len(refs) == 0 {
		return ""
	}
	return refs[0]
}
