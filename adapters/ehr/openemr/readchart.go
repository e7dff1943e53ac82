package openemr

import (
	"context"
	"path"

	"github.com/chartwire/chartwire/connector"
)

// ReadChart is connector.ChartReader, by what FHIR shows. A document's name is made of its identity and says it to nobody else:
// those that are known or asked for are compared with it, on the chart of a patient. Without a patient there is ErrNotSearchable.
func (e *EHR) ReadChart(ctx context.Context, q connector.ChartQuery) (connector.ChartPage, error) {
	if err := e.ready(); err != nil {
		return connector.ChartPage{}, err
	}
	ask := connector.ChartQuery{Type: q.Type, Next: q.Next, Reference: q.Reference}
	if q.Next == "" && q.Reference == "" {
		if q.Type != kind || q.Patient == "" {
			return connector.ChartPage{}, connector.ErrNotSearchable
		}
		ask.Patient = q.Patient // and all of them: what a document's _lastUpdated says is not known
	}
	page, err := e.fhir.ReadChart(ctx, ask)
	if err != nil || q.Reference != "" && q.Next == "" {
		return page, err
	}
	ids := q.Known
	if !q.Identity.IsZero() {
		ids = []connector.Identifier{q.Identity}
	}
	out := connector.ChartPage{Next: page.Next}
	for _, x := range page.Entries {
		d, ok := documentOf(x.Body)
		if !ok {
			continue
		}
		for _, id := range ids {
			if d.of(id) {
				x.Ours, x.Beside = []connector.Identifier{id}, 1 // its content is a Binary
			}
		}
		if len(x.Ours) > 0 {
			out.Entries = append(out.Entries, x)
		}
	}
	return out, nil
}

// of says whether a document is called after an identity.
func (d document) of(id connector.Identifier) bool {
	return called(d.title(), fileName(id, path.Ext(d.title())))
}

// ShowEntry is connector.ChartReader. A document of another name shows that it is another's.
func (e *EHR) ShowEntry(ctx context.Context, w connector.Write, x connector.ChartEntry) connector.Receipt {
	unseen := connector.Receipt{Reference: x.Reference, Found: true, Response: x.Body}
	d, ok := documentOf(x.Body)
	if !ok {
		return unseen
	}
	r, err := e.receipt(ctx, w, d)
	if err != nil {
		return unseen
	}
	if !d.of(w.Identity) {
		r.Echo.Identities = nil
	}
	return r
}
