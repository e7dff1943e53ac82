package filing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// MDM is what the document messages (HL7 v2.5.1 ch. 9) of one connection carry besides the exchange.
type MDM struct {
	Header        hl7.MSH              // MSH-3 to 6, 11, 15 and 16; the rest is the message's own
	Authorities   map[string]Authority // the channel's identifier system → who assigns it
	PatientClass  string               // PV1-2
	Visits        bool                 // name the visit the platform knows (PV1-19)
	VisitsTold    bool                 // but only one the EHR has told of: the exchange's encounter
	DocumentType  string               // TXA-2
	Completion    string               // TXA-17
	Cancels       bool                 // a retraction cancels its documents (T11) instead of replacing them
	Authenticator *hl7.XCN             // the signer the site names; never anybody of the exchange
}

// kindMDM is the Type of a write that is a document message.
const kindMDM = "MDM"

// letter is one document about to become a message.
type letter struct {
	event    string
	id       connector.Identifier // MSH-10 is its hash
	document hl7.EI               // TXA-12
	parent   hl7.EI               // TXA-13
	reason   string               // TXA-21
	at       time.Time            // when what it tells happened
	text     []byte
	files    []hl7.ED
	expect   connector.Expect
	provides string // "" is the message's
}

func (p *planner) asMDM() ([]connector.Write, error) {
	if p.x.Transcript != nil {
		return p.mdmOfThread()
	}
	if p.x.Message.Direction == connector.Internal { // a document has no restricted form every engine honours
		return nil, nil
	}
	switch p.x.Kind {
	case connector.ItemHeader, connector.ItemClose, connector.ItemReopen:
		return nil, nil // a document stands by itself: there is no thread on the chart
	case connector.ItemExchange:
		return p.mdmMessage()
	case connector.ItemCorrection:
		return p.mdmCorrection()
	case connector.ItemRetraction:
		return p.mdmRetraction()
	case connector.ItemStatus:
		return p.mdmDelivery()
	default:
		return nil, refuse(connector.Internals, "a "+string(p.x.Kind)+" item is not filed")
	}
}

// mdmMessage is one exchange as a document of its own (T02).
func (p *planner) mdmMessage() ([]connector.Write, error) {
	l := letter{event: "T02", id: p.messageID(), document: p.revisionID(1)}
	return p.told(l, "Secure message", p.x.Message, p.x.Message.SentAt)
}

// mdmCorrection replaces the newest version on the chart (T10). One that comes after a later correction replaces nothing: it
// is added to what replaced it (T06), so that the chart keeps showing the newest words.
func (p *planner) mdmCorrection() ([]connector.Write, error) {
	m, at := p.corrected()
	earlier, later := p.neighbours()
	l := letter{event: "T10", id: p.messageID(), document: p.revisionID(p.x.Revision), reason: "Corrected",
		parent: p.revisionID(earlier[len(earlier)-1])}
	what := "Secure message, corrected: this replaces the earlier version"
	if p.x.Stands > 0 { // in a transcript that tells other messages, too
		l.event, l.parent, l.reason = "T06", p.versionID(p.x.Stands), "Corrected"
		what = "Addendum to a transcript: the corrected words of one of its messages"
	} else if later {
		l.event, l.parent, l.reason = "T06", p.revisionID(slices.Max(p.x.Revisions)), "Earlier version"
		what = "Addendum to a secure message: an earlier version of it, filed late; the corrected words are in the document it belongs to"
	}
	return p.told(l, what, m, at)
}

// mdmRetraction replaces the newest version on the chart by the word that the message was retracted, and before it each that
// was added beside one: what replaces the newest leaves those standing. The documents stay: most receivers take a cancellation
// (T11) only of what nobody could see yet, so that is for who configures it.
func (p *planner) mdmRetraction() ([]connector.Write, error) {
	if len(p.x.Revisions) == 0 {
		return nil, nil
	}
	if p.x.Stands > 0 { // a transcript tells other messages, too
		l := p.takenBack(p.x.Revision)
		l.event, l.parent = "T06", p.versionID(p.x.Stands)
		return p.send(l)
	}
	if p.policy.MDM.Cancels {
		return p.mdmCancel()
	}
	var writes []connector.Write
	for _, r := range p.x.Added {
		l := p.takenBack(r)
		l.parent = p.revisionID(r)
		more, err := p.send(l)
		if err != nil {
			return nil, err
		}
		writes = append(writes, more...)
	}
	l := p.takenBack(p.x.Revision)
	l.parent = p.revisionID(slices.Max(p.x.Revisions))
	last, err := p.send(l)
	return append(writes, last...), err
}

// takenBack is the word that the message was retracted, as the document that replaces one of its versions.
func (p *planner) takenBack(revision int) letter {
	m, r, at := p.x.Message, p.x.Retraction, p.received()
	why := ""
	if r != nil {
		why = clean(r.Reason)
		if !r.At.IsZero() {
			at = r.At
		}
	}
	value := MessageValue(p.x.Thread.ID, m.ID, 1)
	text := "Retracted: " + cmp.Or(why, "no reason given") + "\n" +
		"The message sent " + p.local(m.SentAt) + " (" + value + ") was retracted " + p.local(at) + "."
	if r != nil && r.By != nil {
		text += "\nRetracted by: " + transcript.Person(*r.By)
	}
	version := "retracted"
	if revision > 1 {
		version = fmt.Sprintf("v%d-taken", revision)
	}
	return letter{event: "T10", id: p.ids.Retracted(p.x.Thread.ID, m.ID, revision), document: p.documentID(version),
		reason: "Retracted", at: at, text: []byte(text), expect: connector.Expect{Text: connector.Hash([]byte(text))}}
}

// mdmCancel cancels every version on the chart, the oldest first: cancelling what replaced a document must not bring that back.
func (p *planner) mdmCancel() ([]connector.Write, error) {
	at := p.received()
	if r := p.x.Retraction; r != nil && !r.At.IsZero() {
		at = r.At
	}
	var writes []connector.Write
	for _, revision := range slices.Sorted(slices.Values(p.x.Revisions)) {
		l := letter{event: "T11", id: p.ids.Cancelled(p.x.Thread.ID, p.x.Message.ID, revision), document: p.revisionID(revision), reason: "Retracted", at: at}
		more, err := p.send(l)
		if err != nil {
			return nil, err
		}
		writes = append(writes, more...)
	}
	return writes, nil
}

// mdmDelivery adds to the document where the message did not arrive (T06). Other delivery news needs no word: the document
// says how far the message had got when it was written.
func (p *planner) mdmDelivery() ([]connector.Write, error) {
	m := p.x.Message
	if m.Direction != connector.ToPatient || p.x.Delivery.State != connector.Failed ||
		p.x.Charted.State == connector.Failed || !p.charted() {
		return nil, nil
	}
	id := p.ids.NotDelivered(p.x.Thread.ID, m.ID)
	l := letter{event: "T06", id: id, document: hl7.EI{ID: connector.ControlID(id) + "-v1"}, parent: p.revisionID(slices.Max(p.x.Revisions)), reason: "Not delivered"}
	if p.x.Stands > 0 {
		l.parent = p.versionID(p.x.Stands)
	}
	news := connector.Message{Text: p.notDeliveredText(), Sender: connector.Participant{Role: connector.RoleSystem, Name: "Chartwire"}}
	return p.told(l, "Secure message NOT DELIVERED", news, p.newsAt())
}

// told completes a letter with what a message says: the text of a note, and the files a receiver can show.
func (p *planner) told(l letter, what string, m connector.Message, at time.Time) ([]connector.Write, error) {
	for _, r := range append([]connector.Participant{m.Sender}, m.Recipients...) {
		if !knownRole(r.Role) {
			return nil, unknownRole(r.Role)
		}
	}
	var carried, named []connector.Attachment
	for _, a := range m.Attachments {
		if file, ok := p.encapsulated(a); ok {
			l.files = append(l.files, file)
			l.expect.Attachments = append(l.expect.Attachments, connector.Hash(a.Data))
			carried = append(carried, a)
			continue
		}
		named = append(named, a)
	}
	m.Attachments = named
	l.at, l.text = at, p.noteTextWith(l.id, what, m, at, carried, "in this document")
	if m.Text != "" {
		l.expect.Text = connector.Hash([]byte(m.Text))
	}
	return p.send(l)
}

// encapsulated is a file as ED, where it is of a type that receivers of documents show and small enough to travel inside.
func (p *planner) encapsulated(a connector.Attachment) (hl7.ED, bool) {
	if len(a.Data) == 0 || int64(len(a.Data)) > p.policy.InlineBytes {
		return hl7.ED{}, false
	}
	file := hl7.PDF(a.Data)
	kind, _, _ := strings.Cut(a.ContentType, ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "application/pdf":
	case "image/jpeg", "image/jpg":
		file.Type, file.Subtype = "image", "jpeg"
	case "image/png":
		file.Type, file.Subtype = "image", "png"
	default:
		return hl7.ED{}, false
	}
	return file, true
}

// send makes the message of a letter. What HL7 v2 cannot hold is refused with the place, never sent in another form.
func (p *planner) send(l letter) ([]connector.Write, error) {
	patient, err := p.pid()
	if err != nil {
		return nil, err
	}
	d := hl7.MDM{Event: l.event, Header: p.policy.MDM.Header, Patient: patient, Visit: p.visit(), TXA: p.txa(l), Content: p.content7(l)}
	d.Header.Time, d.Header.ControlID, d.Header.Charset = p.stamp(p.recorded(l)), connector.ControlID(l.id), hl7.UTF8
	d.Changed = hl7.EVN{Recorded: d.Header.Time, Occurred: p.stamp(l.at)}
	m, err := d.Message()
	if err != nil {
		return nil, refuse(connector.GateRefused, err.Error())
	}
	body, err := m.Encode()
	if err != nil {
		return nil, refuse(connector.GateRefused, err.Error())
	}
	l.expect.Subject = connector.SymPatient
	return []connector.Write{{
		Key: l.id.Token(), Method: kindMDM, URL: l.event, Header: map[string]string{"Content-Type": connector.ER7}, Body: body,
		Type: kindMDM, Identity: l.id, Provides: cmp.Or(l.provides, connector.SymMessage(l.id.Value)), Expect: l.expect, Date: p.received(),
	}}, nil
}

// txa says what the document is. Nobody of the exchange signs it: a signature is the site's to claim, by configuration.
func (p *planner) txa(l letter) hl7.TXA {
	c := p.policy.MDM
	t := hl7.TXA{Type: c.DocumentType, Presentation: hl7.PlainText, Originated: p.stamp(l.at), Document: l.document, Parent: l.parent,
		Completion: cmp.Or(c.Completion, hl7.Documented), Confidentiality: hl7.UsualControl, Availability: hl7.Available,
		Storage: hl7.Active, ChangeReason: l.reason}
	if l.event == "T11" {
		t.Availability = "CA" // table 0273: no longer to be seen
	}
	switch signed := t.Completion == hl7.Authenticated || t.Completion == "LA"; {
	case c.Authenticator == nil:
	case signed: // TXA-22 needs its time
		t.Authenticators = []hl7.PPN{{XCN: *c.Authenticator, Time: p.stamp(p.recorded(l))}}
	default: // named to sign, and has not
		t.AssignedAuthenticator = []hl7.XCN{*c.Authenticator}
	}
	return t
}

// content7 is the document's content: its text, a line an OBX, then its files.
func (p *planner) content7(l letter) []hl7.OBX {
	if l.event == "T11" {
		return nil
	}
	part := hl7.OBX{Code: noteCode(p.policy.NoteType), Status: hl7.Final, Observed: p.stamp(l.at)}
	if l.event == "T10" {
		part.Status = hl7.Corrected
	}
	out := part.Text(string(l.text), hl7.BySegment)
	for _, f := range l.files {
		out = append(out, part.File(f))
	}
	return out
}

// noteCode is the type of notes as OBX-3 says it; the systems with a name in table 0396 by that.
func noteCode(c r4.Coding) hl7.CE {
	system := "L" // a local code
	switch value(c.System) {
	case "http://loinc.org":
		system = "LN"
	case "http://snomed.info/sct":
		system = "SCT"
	}
	return hl7.CE{Code: value(c.Code), Text: value(c.Display), System: system}
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// recorded is when we had both the exchange and what the letter tells: never before either.
func (p *planner) recorded(l letter) time.Time {
	if at := p.received(); at.After(l.at) {
		return at
	}
	return l.at
}

// stamp is a time with its offset in the clinic's time zone.
func (p *planner) stamp(t time.Time) hl7.TS {
	zone := p.policy.Location
	if zone == nil {
		zone = time.UTC
	}
	return hl7.At(t.In(zone))
}
