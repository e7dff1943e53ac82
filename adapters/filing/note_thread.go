package filing

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// noteOfThread is a transcript as one DocumentReference, under the strategies note (its text) and document (its text and its
// PDF). It replaces the versions on the chart, which become superseded, or is added to one. Where policy leaves out every
// message there is nothing to file.
func (p *planner) noteOfThread() ([]connector.Write, error) {
	shown, err := p.tellable()
	if err != nil || len(shown) == 0 {
		return nil, err
	}
	id := p.ids.Transcript(p.x.Thread.ID, p.x.Transcript.Version)
	doc, text, err := p.threadSheet(id, shown)
	if err != nil {
		return nil, err
	}
	d := p.newNote(id, doc)
	d.Description = r4.String(firstNonEmpty(clean(p.x.Thread.Subject), clean(p.x.Thread.Topic)))
	first, last := span(shown)
	d.SetContext(p.x.Encounter, first, last)
	e := entry{id: id, kind: documentReference, resource: d, provides: connector.SymTranscript(id.Value), date: p.noteDate(last),
		expect: connector.Expect{Subject: connector.SymPatient, Text: connector.Hash(text), Attachments: doc.files, Status: "current"}}
	if e.origin, err = p.authors(d, shown, last); err != nil {
		return nil, err
	}
	return p.supersede(e, d)
}

// supersede files a transcript with what ties it to the versions before it.
func (p *planner) supersede(e entry, d *r4.DocumentReference) ([]connector.Write, error) {
	t := p.x.Transcript
	if t.Appends > 0 {
		d.Relate(r4.RelationAppends, r4.Ref(p.version(t.Appends).symbol))
	}
	for _, v := range t.Replaces {
		d.Relate(r4.RelationReplaces, r4.Ref(p.version(v).symbol))
		e.origin.Revision(r4.Ref(p.version(v).symbol))
	}
	writes, err := p.file(e)
	if err != nil {
		return nil, err
	}
	for _, v := range t.Replaces {
		old := p.version(v)
		writes = append(writes, change(documentReference, old.symbol, old.id, "superseded", "superseded", map[string]any{"status": "superseded"}))
	}
	return writes, nil
}

// version is a version of the thread's transcript on the chart.
func (p *planner) version(v int) (out struct {
	id     connector.Identifier
	symbol string
}) {
	out.id = p.ids.Transcript(p.x.Thread.ID, v)
	out.symbol = connector.SymTranscript(out.id.Value)
	return out
}

// tellable are the messages a transcript shows. One that cannot be told exactly is refused.
func (p *planner) tellable() ([]connector.Told, error) {
	var shown []connector.Told
	for _, t := range p.x.Transcript.Told {
		m := t.Message
		if m.Direction == connector.Internal { // a note has no restricted form every EHR honours
			continue
		}
		texts := []string{m.Text}
		for _, c := range t.Corrections {
			texts = append(texts, c.Text)
		}
		if slices.ContainsFunc(texts, func(s string) bool { return !utf8.ValidString(s) }) {
			return nil, refuse(connector.GateRefused, "the message's words are not UTF-8, so no transcript can hold them exactly")
		}
		for _, who := range append([]connector.Participant{m.Sender}, m.Recipients...) {
			if !knownRole(who.Role) {
				return nil, unknownRole(who.Role)
			}
		}
		shown = append(shown, t)
	}
	return shown, nil
}

// threadSheet is the document of a thread, with its text.
func (p *planner) threadSheet(id connector.Identifier, shown []connector.Told) (sheet, []byte, error) {
	t := p.transcript(id)
	title, text := "Secure message thread", transcript.Text(t)
	_, at := span(shown)
	if p.printed && p.x.Transcript.Version > 0 { // what is not filed needs no paper
		doc, err := p.bothForms(t, title, at)
		return doc, text, err
	}
	return sheet{contents: []r4.Attachment{r4.NewAttachment(r4.ContentTypePlain, text, title, at)}}, text, nil
}

// transcript is what the exchange says of its thread, as a document of its own.
func (p *planner) transcript(id connector.Identifier) transcript.Transcript {
	t := p.x.Transcript
	what := fmt.Sprintf("Transcript, version %d", t.Version)
	switch {
	case len(t.Replaces) > 0:
		what += ": this replaces the earlier version"
	case t.Appends > 0:
		what = fmt.Sprintf("Addendum to a transcript: what is new of the thread since version %d", t.Appends)
	}
	return transcript.Transcript{Thread: p.x.Thread, Channel: p.x.Channel, Patient: p.named(), Zone: p.policy.Location,
		Closed: t.Closed, What: what, Cite: p.cite(id), Entries: t.Told}
}

// span is when the first and the last message were sent.
func span(shown []connector.Told) (first, last time.Time) {
	first, last = shown[0].Message.SentAt, shown[0].Message.SentAt
	for _, t := range shown {
		if at := t.Message.SentAt; at.Before(first) {
			first = at
		} else if at.After(last) {
			last = at
		}
	}
	return first, last
}

// authors names everybody who wrote a message of the thread, each once, on the document and in its Provenance.
func (p *planner) authors(d *r4.DocumentReference, shown []connector.Told, occurred time.Time) (*r4.Provenance, error) {
	told := p.x.Message
	defer func() { p.x.Message = told }() // who may be named by an EHR reference depends on the message
	activity := "CREATE"
	switch {
	case len(p.x.Transcript.Replaces) > 0:
		activity = "UPDATE"
	case p.x.Transcript.Appends > 0:
		activity = "APPEND"
	}
	clinic, seen, labelled := p.organization("").ref, map[string]bool{}, map[connector.Role]bool{}
	var origin *r4.Provenance
	for _, t := range shown {
		p.x.Message = t.Message
		if role := t.Message.Sender.Role; !labelled[role] {
			labelled[role] = true
			p.asserted(d, role)
		}
		key := string(t.Message.Sender.Role) + "|" + t.Message.Sender.Key()
		if seen[key] {
			continue
		}
		seen[key] = true
		who, err := p.as(t.Message.Sender, authorTypes)
		if err != nil {
			return nil, err
		}
		if d.Author = append(d.Author, who.ref); origin == nil {
			if origin, err = p.origin(t.Message.Sender, occurred, activity); err != nil {
				return nil, err
			}
			continue
		}
		origin.Author(who.ref, p.behalf(who, clinic))
	}
	return origin, nil
}
