package fhir

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

var _ connector.ChartReader = (*EHR)(nil)

// ReadChart is connector.ChartReader. A patient's entries are asked for by our identifier systems where the type can be
// searched by identifier, so that an EHR does not send what others wrote.
func (e *EHR) ReadChart(ctx context.Context, q connector.ChartQuery) (connector.ChartPage, error) {
	if err := e.ready(); err != nil {
		return connector.ChartPage{}, err
	}
	switch {
	case q.Next != "":
		page, _, err := e.client.Next(ctx, r4.BundleView{Next: q.Next})
		return e.chartPage(page, q.Type), notSearchableUnless(err)
	case q.Reference != "":
		return e.readEntry(ctx, q)
	}
	params, ok := e.chartParams(q)
	if !ok {
		return connector.ChartPage{}, connector.ErrNotSearchable
	}
	page, err := e.firstPage(ctx, q.Type, params)
	return e.chartPage(page, q.Type), notSearchableUnless(err)
}

func notSearchableUnless(err error) error {
	if err == nil {
		return nil
	}
	return notSearchable(err)
}

// chartPageSize is how many entries a page should hold; an EHR may send fewer.
const chartPageSize = "100"

// chartParams are the parameters of a search, false where the EHR cannot be searched so.
func (e *EHR) chartParams(q connector.ChartQuery) (url.Values, bool) {
	params := url.Values{"_count": {chartPageSize}}
	if !q.Identity.IsZero() {
		params.Set("identifier", r4.Token(q.Identity.System, q.Identity.Value))
		return params, e.searchable(q.Type, "identifier")
	}
	if q.Patient != "" {
		by := e.patientParam(q.Type)
		if by == "" {
			return nil, false
		}
		params.Set(by, q.Patient)
	}
	if len(q.Channels) > 0 {
		if !e.searchable(q.Type, "identifier") {
			return nil, false
		}
		var tokens []string
		for _, c := range q.Channels {
			for _, s := range e.systems(q.Type, c) {
				tokens = append(tokens, r4.Token(s, ""))
			}
		}
		params.Set("identifier", strings.Join(tokens, ","))
	}
	if !q.Since.IsZero() && e.searchable(q.Type, "_lastUpdated") {
		params.Set("_lastUpdated", "ge"+q.Since.UTC().Format(time.RFC3339))
	}
	return params, q.Patient != "" || len(q.Channels) > 0
}

// systems are the identifier systems of a channel's entries of one type.
func (e *EHR) systems(kind, channel string) []string {
	ids := e.ids(channel)
	switch kind {
	case "CommunicationRequest":
		return []string{ids.Request("").System}
	case "Task":
		return []string{ids.Task("").System}
	case "RelatedPerson":
		return []string{ids.Participant("").System}
	}
	return []string{ids.Message("", "", 1).System, ids.Header("").System, ids.Transcript("", 1).System}
}

func (e *EHR) readEntry(ctx context.Context, q connector.ChartQuery) (connector.ChartPage, error) {
	resp, err := e.client.Read(ctx, q.Reference, q.Type)
	switch {
	case unknownInteraction(err):
		return connector.ChartPage{}, connector.ErrNotSearchable
	case gone(err):
		return connector.ChartPage{}, connector.ErrAbsent
	case err != nil:
		return connector.ChartPage{}, readError(err)
	}
	return connector.ChartPage{Entries: []connector.ChartEntry{e.chartEntry(q.Type, q.Reference, resp.Body)}}, nil
}

func (e *EHR) chartPage(page r4.BundleView, kind string) connector.ChartPage {
	out := connector.ChartPage{Next: page.Next}
	for _, entry := range page.Matches() {
		if entry.ResourceType == kind && entry.ID != "" {
			out.Entries = append(out.Entries, e.chartEntry(kind, kind+"/"+entry.ID, entry.Resource))
		}
	}
	return out
}

func (e *EHR) chartEntry(kind, reference string, body []byte) connector.ChartEntry {
	x := connector.ChartEntry{Type: kind, Reference: reference, Body: body, Beside: bytes.Count(body, []byte(`"Binary/`))}
	var j struct {
		Identifier []connector.Identifier `json:"identifier"`
		MasterID   *connector.Identifier  `json:"masterIdentifier"`
	}
	if json.Unmarshal(body, &j) != nil {
		return x
	}
	if j.MasterID != nil {
		j.Identifier = append(j.Identifier, *j.MasterID)
	}
	for _, id := range j.Identifier {
		if strings.HasPrefix(id.System, strings.TrimSuffix(e.opts.Base, "/")+"/") && !slices.Contains(x.Ours, id) {
			x.Ours = append(x.Ours, id)
		}
	}
	return x
}

// ShowEntry is connector.ChartReader.
func (e *EHR) ShowEntry(ctx context.Context, w connector.Write, x connector.ChartEntry) connector.Receipt {
	r := connector.Receipt{Reference: x.Reference, Found: true, Response: x.Body}
	e.show(ctx, w, &r, x.Body)
	return r
}
