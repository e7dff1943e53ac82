package filing

import (
	"strconv"

	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/connector"
)

// mdmOfThread is a transcript as a document message: an original (T02), the replacement of the version on the chart (T10), or
// an addendum to one (T06). A document can replace one other and no more.
func (p *planner) mdmOfThread() ([]connector.Write, error) {
	shown, err := p.tellable()
	if err != nil || len(shown) == 0 {
		return nil, err
	}
	t := p.x.Transcript
	id := p.ids.Transcript(p.x.Thread.ID, t.Version)
	text := transcript.Text(p.transcript(id))
	_, last := span(shown)
	l := letter{event: "T02", id: id, document: p.versionID(t.Version), at: last, text: text,
		expect: connector.Expect{Text: connector.Hash(text)}, provides: connector.SymTranscript(id.Value)}
	switch {
	case len(t.Replaces) > 1:
		return nil, refuse(connector.Internals, "one document cannot replace several")
	case len(t.Replaces) == 1:
		l.event, l.parent, l.reason = "T10", p.versionID(t.Replaces[0]), "New version"
	case t.Appends > 0:
		l.event, l.parent, l.reason = "T06", p.versionID(t.Appends), "Addendum"
	}
	return p.send(l)
}

// versionID is TXA-12 of a version of the thread's transcript.
func (p *planner) versionID(version int) hl7.EI {
	return hl7.EI{ID: connector.ControlID(p.ids.Transcript(p.x.Thread.ID, 1)) + "-v" + strconv.Itoa(version)}
}
