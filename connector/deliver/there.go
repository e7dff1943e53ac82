package deliver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/connector"
)

// there records that an entry a person named is the item's: it is read again, compared, and its receipt committed with
// the decision.
func (e *Engine) there(ctx context.Context, ask Ask, i connector.Item) (Fate, error) {
	var rows []connector.WriteRow
	err := e.store.View(ctx, func(tx connector.Tx) (err error) {
		rows, err = tx.WritesOf(i.EHR, i.ID)
		rows = live(rows)
		return err
	})
	if err != nil {
		return Fate{}, err
	}
	w, f, err := e.readThere(ctx, ask, i, rows)
	if err != nil || f.Will != WillFinish {
		return f, err
	}
	d := e.drainerOf(e.conns[i.EHR], i)
	var done connector.Item
	err = e.store.Update(ctx, "decide/"+i.ID, func(tx connector.Tx) error {
		d.pending, d.moved = nil, nil
		done, err = d.takeThere(tx, ask, i, w)
		return err
	})
	if errors.Is(err, ErrNotParked) || errors.Is(err, ErrNotThisWay) || errors.Is(err, connector.ErrFenced) {
		return refusal(err), nil
	}
	if err != nil {
		return f, err
	}
	for _, m := range d.moved {
		e.observe.Moved(d.c.Name, d.thread.Channel, m)
	}
	if done.State == connector.Waiting {
		f.Will, f.Says = WillWrite, "its receipt is recorded; what else of the item is missing is written"
	}
	return f, nil
}

// readThere reads the named entry and holds it against the one write of the item it can be, by the rules of every echo:
// same patient, same words, same files. It must not be another message's, whatever it shows.
func (e *Engine) readThere(ctx context.Context, ask Ask, i connector.Item, rows []connector.WriteRow) (connector.WriteRow, Fate, error) {
	var none connector.WriteRow
	no := func(text string) (connector.WriteRow, Fate, error) {
		return none, refusal(fmt.Errorf("%w: %s", ErrNotThisWay, text)), nil
	}
	ref := localReference(ask.Reference)
	kind, _, ok := strings.Cut(ref, "/")
	if !ok {
		return no("the entry is named as Type/id")
	}
	if len(rows) == 0 {
		return no("no request of it was ever planned, so there is nothing to compare the entry with; replay it, or release it if it was entered by hand")
	}
	n := slices.IndexFunc(rows, func(w connector.WriteRow) bool { return isEntry(w) && w.Write.Type == kind })
	if n < 0 {
		return no("no request of it makes a " + kind)
	}
	w := rows[n]
	c := e.conns[i.EHR]
	reader, ok := connector.EntryReader(nil), false
	if c != nil {
		reader, ok = c.EHR.(connector.EntryReader)
	}
	if !ok {
		return no("this EHR connection cannot read an entry by its reference; compare by eye and release it")
	}
	r, f := e.readEntry(ctx, c, reader, w, ref)
	if err := e.auditSeek(ctx, ask, i, Fate{Will: f.Will, At: ref}); err != nil || f.Will != WillFinish {
		return none, f, err
	}
	w.Receipt = r
	return w, f, nil
}

func (e *Engine) readEntry(ctx context.Context, c *conn, reader connector.EntryReader, w connector.WriteRow, ref string) (connector.Receipt, Fate) {
	ctx, cancel := context.WithTimeout(ctx, 2*c.Deadline)
	defer cancel()
	if _, err := c.can(ctx, caller); err != nil {
		return connector.Receipt{}, refusal(fmt.Errorf("%w: the EHR does not answer now; ask again later", ErrNotThisWay))
	}
	var r connector.Receipt
	err := c.ask(ctx, caller, func(ctx context.Context) (err error) {
		r, err = reader.ReadEntry(ctx, w.Write, ref)
		return err
	})
	switch {
	case errors.Is(err, connector.ErrAbsent):
		return r, Fate{Will: Differs, Says: "the EHR has no " + ref, At: ref}
	case err != nil:
		return r, refusal(fmt.Errorf("%w: the EHR did not show %s; ask again later", ErrNotThisWay, ref))
	case !r.Echo.Shown:
		return r, refusal(fmt.Errorf("%w: the EHR shows nothing of %s that could be compared; compare by eye and release it", ErrNotThisWay, ref))
	}
	if differs := differs(w.Write, r); differs != "" {
		return r, Fate{Will: Differs, Says: ref + " " + differs, At: ref}
	}
	r.Found, r.Verified = true, true
	return r, Fate{Will: WillFinish, Says: "it is the same patient, words and files; its receipt is recorded and nothing is written", At: ref}
}

// differs says in words how an entry is not the write, "" where it is. A person's word stands for our identifier, which an
// EHR may not keep; another identifier of ours means another message.
func differs(w connector.Write, r connector.Receipt) string {
	for _, id := range r.Echo.Identities {
		if id.System == w.Identity.System && id != w.Identity {
			return "is the entry of another message"
		}
	}
	if w.Expect.Subject != "" && r.Echo.Subject != w.Expect.Subject {
		return "is in another patient's chart"
	}
	if r.Echo.Status == "entered-in-error" {
		return "is marked as entered in error"
	}
	anonymous := w
	anonymous.Identity = connector.Identifier{}
	if v := compare(anonymous, connector.Receipt{Echo: r.Echo}); v.reason != "" {
		return "does not have the exact words and files that were to be filed"
	}
	return ""
}

// takeThere commits a receipt that a person brought: the write is filed, what only accompanies it is left out, and the
// item is done, or goes on where more of it has to be written.
func (d *drainer) takeThere(tx connector.Tx, ask Ask, was connector.Item, w connector.WriteRow) (connector.Item, error) {
	i, err := tx.Item(was.EHR, was.ID)
	switch {
	case err != nil:
		return i, err
	case i.State != connector.Parked:
		return i, fmt.Errorf("%w: it is %s", ErrNotParked, i.State)
	case !i.ChangedAt.Equal(was.ChangedAt):
		return i, fmt.Errorf("%w: it was parked anew meanwhile", ErrNotThisWay)
	}
	others, err := tx.WritesByRef(i.EHR, w.Receipt.Reference)
	if err != nil {
		return i, err
	}
	for _, o := range others {
		if o.ID != w.ID && isEntry(o) && o.State == connector.WriteFiled {
			return i, fmt.Errorf("%w: %s is the entry of another message already", ErrNotThisWay, w.Receipt.Reference)
		}
	}
	if d.thread, err = tx.Thread(i.EHR, i.Thread); err != nil {
		return i, err
	}
	rows, err := tx.WritesOf(i.EHR, i.ID)
	if err != nil {
		return i, err
	}
	rows = live(rows)
	if !slices.ContainsFunc(rows, func(r connector.WriteRow) bool { return r.ID == w.ID }) {
		return i, fmt.Errorf("%w: its thread was linked to another patient meanwhile", ErrNotThisWay)
	}
	for n := range rows {
		switch {
		case rows[n].ID == w.ID:
			rows[n].State, rows[n].Receipt, rows[n].FiledAt = connector.WriteFiled, w.Receipt, d.e.clock.Now()
			d.settled(&rows[n], "found")
		case rows[n].State == connector.WriteFiled || (!rows[n].Write.Optional && rows[n].Write.Type != "RelatedPerson"):
			continue
		default: // the entry stands without it
			rows[n].State = connector.WriteDropped
		}
		d.storeRow(&rows[n])
	}
	return d.endThere(tx, ask, i, rows)
}

func (d *drainer) endThere(tx connector.Tx, ask Ask, i connector.Item, rows []connector.WriteRow) (connector.Item, error) {
	now := d.e.clock.Now()
	if toDo(rows) {
		if err := d.runIn(tx); err != nil {
			return i, err
		}
		return i, goOn(tx, &i, ask, now)
	}
	decision(&i, ask, now)
	i.Detail.Text = ""
	told, err := followers(tx, i)
	if err != nil {
		return i, err
	}
	d.items = told
	d.finish(&i, connector.Filed, "")
	d.filed(&i)
	if err := d.runIn(tx); err != nil {
		return i, err
	}
	if err := decided(tx, i, now); err != nil {
		return i, err
	}
	return i, tx.TouchLane(i.EHR, i.Thread, i.Lane, now, i.Priority)
}

// runIn runs what is pending inside the caller's transaction, without a lane: the item is parked, so no worker has it.
func (d *drainer) runIn(tx connector.Tx) error {
	ops := d.pending
	d.pending = nil
	for _, op := range ops {
		if err := op(tx); err != nil {
			return err
		}
	}
	return nil
}

// localReference gives Type/id of a reference as people paste it: a URL, with or without a version.
func localReference(ref string) string {
	if at := strings.Index(ref, "/_history"); at >= 0 {
		ref = ref[:at]
	}
	ref, _, _ = strings.Cut(ref, "?")
	parts := strings.Split(strings.Trim(ref, "/"), "/")
	if len(parts) < 2 {
		return ref
	}
	return parts[len(parts)-2] + "/" + parts[len(parts)-1]
}
