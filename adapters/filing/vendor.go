package filing

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/connector"
)

// Vendor is how a vendor's own API takes what a note would say. What is said, in which entries and under which identities is
// decided here, the same for every vendor; what the request looks like is the vendor's.
type Vendor struct {
	// Call makes the request that puts one piece on the chart: Method, URL, Header, Body, Type, and what else of Expect the API
	// shows beside words and files. It is pure. An error refuses the exchange with its text, which is for staff.
	Call func(Piece) (connector.Write, error)
	// Carries says whether a file can be a piece of its own; nil says that none can. The text names every file in any case.
	Carries func(connector.Attachment) bool
}

// Piece is one entry about to become a request of a vendor's API: the text of a note, or a file.
type Piece struct {
	ID    connector.Identifier // what names it for ever; the same piece has the same in every plan
	Title string               // one line: what it is
	Text  []byte               // a note's, as noteText writes it
	File  *connector.Attachment
	At    time.Time // when what it tells happened, in the EHR's time zone

	Subject  string // of the thread, one line; "" where it has none
	Author   connector.Role
	Priority connector.Priority
	// PDF prints a note for eyes, costly and whenever it is called; nil for a file.
	PDF func() ([]byte, error)
}

// asVendorCall puts each message on the chart as a note, and its files beside it where the API takes them. There is no thread
// on the chart, and nothing that is there can be changed.
func (p *planner) asVendorCall() ([]connector.Write, error) {
	if p.x.Message.Direction == connector.Internal { // no vendor's API has a restricted form for these
		return nil, nil
	}
	m := p.x.Message
	switch p.x.Kind {
	case connector.ItemHeader, connector.ItemClose, connector.ItemReopen:
		return nil, nil
	case connector.ItemExchange:
		return p.vendorMessage("Secure message", m, m.SentAt)
	case connector.ItemCorrection:
		m, at := p.corrected()
		p.cites = MessageValue(p.x.Thread.ID, m.ID, 1)
		return p.vendorMessage("Addendum to a secure message: these are the corrected words", m, at)
	case connector.ItemRetraction:
		return p.retraction(documentReference)
	case connector.ItemStatus:
		return p.vendorDelivery()
	default:
		return nil, refuse(connector.Internals, fmt.Sprintf("a %s item is not filed", p.x.Kind))
	}
}

// vendorMessage is the note of a message, then each file the API takes.
func (p *planner) vendorMessage(what string, m connector.Message, at time.Time) ([]connector.Write, error) {
	for _, r := range append([]connector.Participant{m.Sender}, m.Recipients...) {
		if !knownRole(r.Role) {
			return nil, unknownRole(r.Role)
		}
	}
	if !utf8.ValidString(m.Text) {
		return nil, refuse(connector.GateRefused, "the message's words are not UTF-8, so no text of the chart can hold them exactly")
	}
	id, revision := p.messageID(), max(p.x.Revision, 1)
	note := p.pieceOf(id, what, m, at) // its PDF names every file
	var carried, named []connector.Attachment
	var files []Piece
	for i, a := range m.Attachments {
		if !p.carries(a) {
			named = append(named, a)
			continue
		}
		carried = append(carried, a)
		files = append(files, Piece{ID: p.ids.Attachment(p.x.Thread.ID, m.ID, revision, i+1), Title: "Attachment: " + transcript.File(a), File: &a, At: note.At, Author: note.Author})
	}
	m.Attachments = named
	note.Text = p.noteTextWith(id, what, m, at, carried, "on the chart too, beside this note")
	var writes []connector.Write
	for _, piece := range append([]Piece{note}, files...) {
		w, err := p.call(piece, m.Text)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	return writes, nil
}

// pieceOf is the note of m but for its text.
func (p *planner) pieceOf(id connector.Identifier, what string, m connector.Message, at time.Time) Piece {
	zone := p.policy.Location
	if zone == nil {
		zone = time.UTC
	}
	printed := what
	if p.cites != "" {
		printed += " of message " + clean(p.x.Channel+" "+p.cites)
	}
	return Piece{
		ID: id, Title: what, At: at.In(zone), Author: m.Sender.Role,
		Subject:  clean(firstNonEmpty(p.x.Thread.Subject, p.x.Thread.Topic)),
		Priority: connector.Priority(firstNonEmpty(string(m.Priority), string(p.x.Thread.Priority))),
		PDF:      func() ([]byte, error) { return transcript.PDF(p.transcriptOf(id, printed, m, at)) },
	}
}

func (p *planner) carries(a connector.Attachment) bool {
	return p.policy.Vendor.Carries != nil && len(a.Data) > 0 && int64(len(a.Data)) <= p.policy.InlineBytes && p.policy.Vendor.Carries(a)
}

// vendorDelivery adds a note where a message did not arrive; other news changes nothing that is there.
func (p *planner) vendorDelivery() ([]connector.Write, error) {
	m := p.x.Message
	if m.Direction != connector.ToPatient || p.x.Delivery.State != connector.Failed ||
		p.x.Charted.State == connector.Failed || !p.charted() {
		return nil, nil
	}
	id, text := p.ids.NotDelivered(p.x.Thread.ID, m.ID), p.notDeliveredText()
	what, at := "Secure message NOT DELIVERED", p.newsAt()
	news := connector.Message{Text: text, Sender: connector.Participant{Role: connector.RoleSystem, Name: "Chartwire"}}
	note := p.pieceOf(id, what, news, at)
	note.Text = p.noteText(id, what, news, at)
	w, err := p.call(note, text)
	if err != nil {
		return nil, err
	}
	return []connector.Write{w}, nil
}

// call has the vendor make the request of a piece and says what the chart must show of it. words are a note's own.
func (p *planner) call(piece Piece, words string) (connector.Write, error) {
	if p.policy.Vendor.Call == nil {
		return connector.Write{}, refuse(connector.Internals, "the connection has no API to file by")
	}
	w, err := p.policy.Vendor.Call(piece)
	if err != nil {
		return connector.Write{}, refuse(connector.GateRefused, err.Error())
	}
	w.Key, w.Identity, w.Date, w.Expect.Subject = piece.ID.Token(), piece.ID, p.received(), connector.SymPatient
	switch {
	case piece.File != nil:
		w.Expect.Attachments = []string{connector.Hash(piece.File.Data)}
		return w, nil
	case words != "":
		w.Expect.Text = connector.Hash([]byte(words))
	}
	w.Provides = connector.SymMessage(piece.ID.Value)
	return w, nil
}
