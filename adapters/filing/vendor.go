package filing

import (
	"time"

	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/connector"
)

// VendorCall makes the request that puts a document on a chart by an API of the vendor's own. It is pure. An error is a
// *connector.Refused.
type VendorCall func(Document) (Call, error)

// Call is the request of one document.
type Call struct {
	Type        string // what the chart calls such an entry; a receipt's reference begins with it
	URL         string // relative to the API's address; may hold SymPatient
	ContentType string // connector.Form
	Body        []byte
}

// Document is one document about to be put on a chart.
type Document struct {
	Title    string    // the thread's subject, one line; "" where it has none
	Text     []byte    // a note's: the message's own words are one unbroken run of it, and it says which message it is
	At       time.Time // when what it tells happened, in the clinic's time zone
	Author   connector.Role
	Priority connector.Priority
	// PDF prints the same for eyes.
	PDF func() ([]byte, error)
}

// asVendorCall is one document a message, as a note is. Such an API changes nothing that is there, so a correction is an
// addendum that names the first and a retraction is for staff.
func (p *planner) asVendorCall() ([]connector.Write, error) {
	if p.x.Message.Direction == connector.Internal { // a document has no restricted form
		return nil, nil
	}
	switch p.x.Kind {
	case connector.ItemHeader, connector.ItemClose, connector.ItemReopen:
		return nil, nil // a document stands by itself: there is no thread on the chart
	case connector.ItemExchange:
		return p.call(p.messageID(), "Secure message", p.x.Message, p.x.Message.SentAt)
	case connector.ItemCorrection:
		m, at := p.corrected()
		first := clean(p.x.Channel + " " + MessageValue(p.x.Thread.ID, m.ID, 1))
		return p.call(p.messageID(), "Addendum to a secure message: these are the corrected words of message "+first, m, at)
	case connector.ItemRetraction:
		return p.retraction("")
	case connector.ItemStatus:
		return p.vendorDelivery()
	default:
		return nil, refuse(connector.Internals, "a "+string(p.x.Kind)+" item is not filed")
	}
}

// vendorDelivery adds a document where a message did not arrive. Other delivery news needs none: the document says how far
// the message had got when it was written.
func (p *planner) vendorDelivery() ([]connector.Write, error) {
	m := p.x.Message
	if m.Direction != connector.ToPatient || p.x.Delivery.State != connector.Failed ||
		p.x.Charted.State == connector.Failed || !p.charted() {
		return nil, nil
	}
	news := connector.Message{Text: p.notDeliveredText(), Sender: connector.Participant{Role: connector.RoleSystem, Name: "Chartwire"}}
	return p.call(p.ids.NotDelivered(p.x.Thread.ID, m.ID), "Secure message NOT DELIVERED", news, p.newsAt())
}

// call makes the write of one document.
func (p *planner) call(id connector.Identifier, what string, m connector.Message, at time.Time) ([]connector.Write, error) {
	if p.policy.Vendor == nil {
		return nil, refuse(connector.Internals, "the connection has no vendor call")
	}
	if _, err := p.content(id, connector.Message{Text: m.Text}, at, false); err != nil {
		return nil, err
	}
	for _, who := range append([]connector.Participant{m.Sender}, m.Recipients...) {
		if !knownRole(who.Role) {
			return nil, unknownRole(who.Role)
		}
	}
	zone := p.policy.Location
	if zone == nil {
		zone = time.UTC
	}
	c, err := p.policy.Vendor(Document{
		Title: firstNonEmpty(clean(p.x.Thread.Subject), clean(p.x.Thread.Topic)), Text: p.noteText(id, what, m, at), At: at.In(zone), Author: m.Sender.Role,
		Priority: connector.Priority(firstNonEmpty(string(m.Priority), string(p.x.Thread.Priority))),
		PDF:      func() ([]byte, error) { return p.onPaper(id, what, m, at) },
	})
	if err != nil {
		return nil, err
	}
	expect := connector.Expect{Subject: connector.SymPatient}
	if m.Text != "" {
		expect.Text = Hash([]byte(m.Text))
	}
	return []connector.Write{{
		Key: id.Token(), Method: "POST", URL: c.URL, Header: map[string]string{"Content-Type": c.ContentType}, Body: c.Body,
		Type: c.Type, Identity: id, Provides: connector.SymMessage(id.Value), Expect: expect, Date: p.received(),
	}}, nil
}

// onPaper is one message on paper.
func (p *planner) onPaper(id connector.Identifier, what string, m connector.Message, at time.Time) ([]byte, error) {
	pdf, err := transcript.PDF(p.transcriptOf(id, what, m, at))
	if err != nil {
		return nil, refuse(connector.Internals, err.Error())
	}
	return pdf, nil
}
