package preview

import (
	"encoding/json"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
)

// Record is one request as chartwire map --json prints it, with the exchange it is of. An exchange that needs no request, or
// may not make one, has one Record without key, method and url: so each exchange has at least one of every EHR. Lost stands
// on the first.
type Record struct {
	EHR      string              `json:"ehr"`
	Key      string              `json:"key"`
	Method   string              `json:"method"`
	URL      string              `json:"url"`
	Headers  map[string]string   `json:"headers,omitempty"`
	Body     json.RawMessage     `json:"body,omitempty"`
	Changes  map[string]any      `json:"changes,omitempty"`
	Type     config.EHRType      `json:"type"`
	Strategy connector.Strategy  `json:"strategy,omitempty"`
	Exchange *Step               `json:"exchange,omitempty"`
	State    connector.ItemState `json:"state"` // filed, not_due, held, parked; not_planned where the EHR is the problem
	Reason   connector.Reason    `json:"reason,omitempty"`
	Why      string              `json:"why,omitempty"`
	Lost     []filing.Loss       `json:"lost,omitempty"`
}

// NotPlanned is the state of what no plan could be made of: why says what is wrong with the connection.
const NotPlanned connector.ItemState = "not_planned"

// Records are all plans, by exchange in the order of the file, then by EHR in the order of the configuration.
func (p *Plans) Records() []Record {
	out := []Record{}
	rows := p.Rows()
	for _, row := range rows {
		for n, c := range p.Connections {
			r := Record{EHR: c.Name, Type: c.Type, Strategy: c.Strategy, Exchange: &row.Step}
			switch f := row.Filings[n]; {
			case c.Problem != nil:
				r.State, r.Why = NotPlanned, c.Problem.Error()
				out = append(out, r)
			case f != nil:
				out = append(out, f.records(r)...)
			}
		}
	}
	for _, c := range p.Connections {
		if len(rows) == 0 && c.Problem != nil {
			out = append(out, Record{EHR: c.Name, Type: c.Type, State: NotPlanned, Why: c.Problem.Error()})
		}
	}
	return out
}

func (f *Filing) records(r Record) []Record {
	r.State, r.Reason, r.Why, r.Lost = f.State, f.Reason, f.Text, f.Lost
	if len(f.Requests) == 0 {
		return []Record{r}
	}
	var out []Record
	for _, q := range f.Requests {
		r.Key, r.Method, r.URL, r.Headers, r.Body, r.Changes = q.Key, q.Method, q.URL, q.Headers, q.Body, q.Changes
		out = append(out, r)
		r.Lost = nil
	}
	return out
}
