package deliver

import (
	"context"
	"errors"
	"regexp"
	"slices"

	"github.com/chartwire/chartwire/connector"
)

// gather collects everything a plan may depend on. It reports false, with the item held or settled, where something is
// missing that must come first.
func (d *drainer) gather(ctx context.Context, p pick, traits connector.Traits) (connector.Exchange, bool, error) {
	i := p.item
	x := connector.Exchange{Kind: i.Kind, Base: d.c.Base, Channel: d.thread.Channel, Thread: d.thread.Info,
		Patient: d.thread.Bound.Reference, Who: d.thread.Patient, Known: d.theirs, Receipts: d.line.Receipts != "none", Late: p.late, AfterGap: p.afterGap,
		Revision: i.Revision, Received: i.CommittedAt, Refs: map[string]connector.Reference{}, Missing: map[string]bool{}}
	x.Thread.ID = d.thread.Ext
	x.Strategy = d.thread.Strategy
	if x.Strategy == "" {
		x.Strategy = traits.Strategy
	}
	if i.Kind == connector.ItemHeader || i.Kind == connector.ItemClose || i.Kind == connector.ItemReopen {
		if i.Kind != connector.ItemHeader {
			if gone, err := d.headerElsewhere(ctx); gone || err != nil {
				if err == nil {
					d.finish(i, connector.NotDue, connector.PolicyLeftOut)
				}
				return x, false, err
			}
		}
		if d.perThread() {
			x.Transcript = &connector.Transcript{} // the transcript says it
		}
		launch, err := d.firstLaunch(ctx, i)
		if err != nil {
			return x, false, err
		}
		ok, err := d.encounter(ctx, i, traits, &x, launch)
		return x, ok, err
	}
	if isFollowUp(i.Kind) { // it must see what its message has just become
		if err := d.flush(ctx); err != nil {
			return x, false, err
		}
	}
	m, err := d.message(ctx, i)
	if err != nil {
		return x, false, err
	}
	x.Message, x.Delivery, x.Received = m.row.Message, m.row.Delivery, m.row.ReceivedAt
	if i.Kind == connector.ItemExchange {
		delivery := m.row.Delivery
		i.Detail.Delivery = &delivery // what the chart shows once this is filed
	}
	if i.Detail.Retraction != nil {
		x.Retraction = i.Detail.Retraction
	}
	x.Corrected = m.row.Corrected
	x.Revisions, x.Added, x.Charted, x.NoHeader = m.revisions(), m.added(), m.charted, m.noHeader || d.noHeader
	if i.Kind == connector.ItemRetraction && i.Revision > 1 { // of a correction that the message's retraction did not know of
		x.Revisions, x.Added = slices.DeleteFunc(x.Revisions, func(r int) bool { return r != i.Revision }), nil
	}
	if i.Kind == connector.ItemStatus {
		x.Delivery = d.newest(m.row.Delivery, i)
	}
	if x.Entries, err = d.entryTypes(ctx, i, m); err != nil {
		return x, false, err
	}
	if ok := d.target(i, m); !ok {
		return x, false, nil
	}
	if ok := d.attachments(i, m, &x); !ok {
		return x, false, nil
	}
	if ok := d.request4(i, m, &x); !ok {
		return x, false, nil
	}
	if m.parentFiled || d.done[m.row.Message.InReplyTo] {
		x.Parent, x.ParentAs = m.row.Message.InReplyTo, m.parentAs
	}
	if ok, err := d.encounter(ctx, i, traits, &x, x.Message.Encounter); !ok || err != nil {
		return x, false, err
	}
	if ok, err := d.tell(ctx, p, m, traits, &x); !ok || err != nil {
		return x, false, err
	}
	ok, err := d.participants(ctx, i, &x)
	return x, ok, err
}

// newest is the later of what the message row and this status item say, so that one update carries the newest news.
func (d *drainer) newest(row connector.Delivery, i *connector.Item) connector.Delivery {
	if i.Detail.Delivery != nil && row.State.Advance(i.Detail.Delivery.State) != row.State {
		return *i.Detail.Delivery
	}
	return row
}

// target settles follow-ups of a message that is not on the chart.
func (d *drainer) target(i *connector.Item, m told) bool {
	if !isFollowUp(i.Kind) {
		return true
	}
	if elsewhere(&m.exchange) {
		if i.Kind == connector.ItemStatus {
			d.finish(i, connector.NotDue, connector.PolicyLeftOut)
		} else {
			d.park(i, connector.ByHand, "")
		}
		return false
	}
	switch m.exchange.State {
	case connector.Filed:
		return true
	case connector.NotDue:
		if m.exchange.Detail.Decision.ByHand() && i.Kind != connector.ItemStatus {
			d.park(i, connector.ByHand, "")
			break
		}
		if i.Kind == connector.ItemStatus && i.Detail.Delivery != nil && i.Detail.Delivery.State == connector.Failed {
			return true
		}
		d.finish(i, connector.NotDue, connector.PolicyLeftOut)
	case connector.Parked:
		if i.Kind == connector.ItemStatus {
			d.finish(i, connector.NotDue, connector.EarlierItem) // the exchange carries the newest news when it is replayed
			break
		}
		d.hold(i, connector.EarlierItem, d.e.clock.Now().Add(recheckPatient(i.Tries)), "")
	default:
		d.hold(i, connector.EarlierItem, d.e.clock.Now().Add(recheckPatient(i.Tries)), "")
	}
	return false
}

// attachments joins the bytes to the message, or holds the item until they have been fetched.
func (d *drainer) attachments(i *connector.Item, m told, x *connector.Exchange) bool {
	if i.Kind != connector.ItemExchange && i.Kind != connector.ItemCorrection {
		return true
	}
	x.Message.Attachments = slices.Clone(x.Message.Attachments)
	for n := range x.Message.Attachments {
		a := &x.Message.Attachments[n]
		data, ok := m.blobs[a.ID]
		if ok {
			a.Data = data
			continue
		}
		if m.fetch.Done() { // it brought nothing, or a person has taken it off the list: nothing is to come
			d.park(i, connector.AttachmentLost, "")
			return false
		}
		d.hold(i, connector.NeedsAttachment, connector.Never, "")
		return false
	}
	return true
}

// request4 waits for the CommunicationRequest the exchange fulfils, while it is still on its way.
func (d *drainer) request4(i *connector.Item, m told, x *connector.Exchange) bool {
	switch m.request {
	case connector.Filed:
		x.BasedOn = m.requestRef
	case connector.Waiting, connector.Held, connector.Filing, connector.Unknown:
		if i.Kind == connector.ItemExchange {
			d.hold(i, connector.EarlierItem, d.e.clock.Now().Add(recheckPatient(i.Tries)), "")
			return false
		}
	}
	return true
}

// issued matches references of the EHR's own staff. Only messages we composed may carry them: a platform's word for a
// participant is never taken as an EHR reference.
var issued = regexp.MustCompile(`^(Practitioner|PractitionerRole|Organization|HealthcareService|Device)/[A-Za-z0-9.-]{1,64}$`)

// participants looks up everyone the exchange names. Only a connection that does not answer stops the item: whoever is
// not found is named by a logical reference.
func (d *drainer) participants(ctx context.Context, i *connector.Item, x *connector.Exchange) (bool, error) {
	for _, p := range parties(x) {
		if p.Role == connector.RolePatient || p.Role == connector.RoleSystem || p.Role == "" {
			continue
		}
		key := p.Key()
		if p.ours && issued.MatchString(p.ID) {
			x.Refs[key] = connector.Reference{Literal: p.ID, Display: p.Name} // a message of ours names staff by their EHR reference
			continue
		}
		if p.Role == connector.RoleProxy {
			if ref, ok, err := d.createdProxy(ctx, p.Participant); err != nil {
				return false, err
			} else if ok {
				x.Refs[key] = connector.Reference{Literal: ref}
				continue
			}
		}
		ref, err := d.c.resolve(ctx, d.asker(), d.thread.Channel, x.Patient, p.Participant)
		switch {
		case errors.Is(err, connector.ErrAbsent):
			x.Missing[key] = true
		case ctx.Err() != nil:
			return false, ctx.Err()
		case err != nil:
			d.unavailable(i, err)
			return false, nil
		case ref.Literal != "":
			x.Refs[key] = ref
		}
	}
	return true, nil
}

// createdProxy gives the RelatedPerson we created for this proxy of this patient, if we did.
func (d *drainer) createdProxy(ctx context.Context, p connector.Participant) (ref string, ok bool, err error) {
	scoped := d.provides(connector.SymParticipant(p.Key()), d.thread.Channel)
	if ref, ok = d.known[scoped]; ok {
		return ref, true, nil
	}
	err = d.e.store.View(ctx, func(tx connector.Tx) error {
		w, err := tx.WriteByProvides(d.c.ID, scoped)
		if errors.Is(err, connector.ErrNotFound) {
			return nil
		}
		ref, ok = w.Receipt.Reference, w.State == connector.WriteFiled
		return err
	})
	return ref, ok, err
}

// provides scopes a symbol: a person belongs to a patient, everything else to the thread.
func (d *drainer) provides(symbol, channel string) string {
	switch {
	case symbol == "":
		return ""
	case len(symbol) > 13 && symbol[:13] == "{participant:":
		return channel + "|" + d.thread.Bound.Reference + "|" + symbol
	default:
		return d.thread.ID + "|" + symbol
	}
}
