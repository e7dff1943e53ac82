package inbox

import (
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// entry shows one exchange or internal note: its newest words, what it said before, and where it stands. revisions are its
// rows, oldest first; items are those about it.
func (n names) entry(t connector.Thread, revisions []connector.MessageRow, items []connector.Item, filed map[string][]connector.FiledWrite) Entry {
	first, last := revisions[0], revisions[len(revisions)-1]
	e := Entry{
		ID: last.ID, Direction: first.Message.Direction, Sender: n.who(first.Message.Sender), To: n.all(first.Message.Recipients),
		SentAt: first.Message.SentAt, Received: first.ReceivedAt, Text: last.Message.Text, Files: files(last, items),
		Urgent: first.Message.Priority.Rank() > 0,
	}
	for _, m := range revisions[:len(revisions)-1] {
		e.Edited = append(e.Edited, Revision{ID: m.ID, At: saidAt(m), Text: m.Message.Text, Files: files(m, items)})
	}
	if c := last.Corrected; c != nil && c.By != nil {
		e.EditedBy = n.who(*c.By).Name
	}
	for _, m := range revisions {
		if m.Retracted != nil {
			e.Retracted = m.Retracted
		}
	}
	f, send := sorted(items)
	f.entry, f.shown = entryOf(f.exchange, filed)
	e.Late = f.exchange.Late
	e.Chart = chartLine(f, n.pools)
	for _, i := range append(f.after, f.exchange) {
		e.Filed = e.Filed || len(filed[carrier(i)]) > 0
	}
	if first.Message.Direction == connector.ToPatient {
		line := deliveryLine(first, send, n.receipts[t.Channel], n.pools)
		e.Delivery = &line
	}
	return e
}

// saidAt is when a revision was made.
func saidAt(m connector.MessageRow) time.Time {
	if m.Corrected != nil && !m.Corrected.At.IsZero() {
		return m.Corrected.At
	}
	return m.Message.SentAt
}

// sorted tells a message's items apart: what puts it on the chart, and what sends it.
func sorted(items []connector.Item) (f filing, send connector.Item) {
	for _, i := range items {
		switch i.Kind {
		case connector.ItemExchange:
			f.exchange = i
		case connector.ItemSend:
			send = i
		case connector.ItemCorrection, connector.ItemRetraction, connector.ItemStatus, connector.ItemConflict:
			f.after = append(f.after, i)
		}
	}
	return f, send
}

// carrier is the item whose writes put this one on the chart: another one where a transcript tells both.
func carrier(i connector.Item) string {
	if t := i.Detail.Telling; t != nil && t.With != "" {
		return t.With
	}
	return i.ID
}

// entryOf gives the receipt of an exchange's own entry: not of a person or a provenance that was written with it.
func entryOf(i connector.Item, filed map[string][]connector.FiledWrite) (connector.Receipt, bool) {
	var out connector.Receipt
	found, identified := false, false
	for _, w := range filed[carrier(i)] {
		kind, _, _ := strings.Cut(w.Receipt.Reference, "/")
		if kind == "" || kind == "RelatedPerson" || kind == "Provenance" || identified && !w.Identified {
			continue
		}
		out, found, identified = w.Receipt, true, identified || w.Identified
	}
	return out, found
}

// shownTypes are the content types a page may show as pictures.
var shownTypes = map[string]bool{"image/jpeg": true, "image/png": true, "image/gif": true, "image/webp": true}

// files are those of one revision of a message; items are those about any of them.
func files(m connector.MessageRow, items []connector.Item) []File {
	missing := false
	for _, i := range items {
		missing = missing || i.Kind == connector.ItemFetch && i.Message == m.ID && i.State != connector.Filed
	}
	var out []File
	for _, a := range m.Message.Attachments {
		out = append(out, File{ID: a.ID, Name: a.Filename, Type: a.ContentType, Size: a.Size, SHA256: a.SHA256,
			Image: shownTypes[a.ContentType], Missing: missing && a.URL != ""})
	}
	return out
}
