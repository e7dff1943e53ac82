package filing

import (
	"fmt"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// correction is a Communication of its own: the words that were filed stay (DESIGN §5, Correction).
func (p *planner) correction() ([]connector.Write, error) {
	if p.leftOut() {
		return nil, nil
	}
	m, at := p.corrected()
	c, e, err := p.compose(m, at, messageKind(p.x.Message), CategoryCorrection)
	if err != nil {
		return nil, err
	}
	original := p.messageSymbol(m.ID, 1)
	c.InResponseTo = []r4.Reference{r4.Ref(original)}
	if m.Direction == connector.FromPatient {
		c.SetReceived(p.x.Received)
	}
	if e.origin, err = p.origin(m.Sender, at, "UPDATE"); err != nil {
		return nil, err
	}
	e.origin.Revision(r4.Ref(original))
	return p.file(e)
}

// retraction marks every revision that is on the chart as entered in error; kind is what it is there as, where nobody knows. It is never a deletion, and where the EHR
// cannot change an entry a person must: the sentence says what and where.
func (p *planner) retraction(kind string) ([]connector.Write, error) {
	if p.leftOut() || len(p.x.Revisions) == 0 {
		return nil, nil
	}
	if !p.traits.Update {
		return nil, refuse(connector.NotExpressible, p.retractionSentence())
	}
	var writes, origins []connector.Write
	for _, r := range p.x.Revisions {
		id := p.ids.Message(p.x.Thread.ID, p.x.Message.ID, r)
		symbol := connector.SymMessage(id.Value)
		writes = append(writes, change(firstNonEmpty(p.x.Entries[r], kind), symbol, id, "entered-in-error", "entered-in-error",
			map[string]any{"status": "entered-in-error"}))
		o, err := p.nullified()
		if err != nil {
			return nil, err
		}
		if !p.traits.Provenance {
			continue
		}
		w, err := p.provenanceAfter(o, symbol, id.Token()+"#provenance=NULLIFY")
		if err != nil {
			return nil, err
		}
		origins = append(origins, w)
	}
	return append(writes, origins...), nil
}

func (p *planner) retractionSentence() string {
	s := fmt.Sprintf("The message sent %s (%s) was retracted", p.local(p.x.Message.SentAt),
		MessageValue(p.x.Thread.ID, p.x.Message.ID, p.x.Revision))
	if r := p.x.Retraction; r != nil && !r.At.IsZero() {
		s += " at " + p.local(r.At)
	}
	s += ", and this EHR does not let Chartwire change an entry. Mark the entry as entered in error in the chart by hand"
	if n := len(p.x.Revisions); n > 1 {
		s += fmt.Sprintf(", and its %d corrections too", n-1)
	}
	return s + "."
}

// MarkInError is the update that marks one entry as entered in error, in whosever chart it is: it is there and should not
// be. *connector.Refused with NotExpressible where the EHR takes no updates of it.
func MarkInError(updates bool, of connector.Write, reference string) (connector.Write, error) {
	if !updates {
		return connector.Write{}, refuse(connector.NotExpressible,
			"This EHR does not let Chartwire change an entry. Mark "+reference+" as entered in error in the chart by hand.")
	}
	w := change(of.Type, reference, of.Identity, "entered-in-error", "entered-in-error", map[string]any{"status": "entered-in-error"})
	w.Expect.Subject = ""
	return w, nil
}
