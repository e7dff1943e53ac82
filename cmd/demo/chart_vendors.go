package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
)

// startOracle starts the sandbox with Oracle's rules, where a pool of staff is a Group of the message center.
func (r *run) startOracle(ctx context.Context, bundle []byte) error {
	if err := r.startFHIR(ctx, profile("oracle"), bundle); err != nil {
		return err
	}
	for pool, ref := range r.refs.Pools {
		_, id, _ := strings.Cut(ref, "/")
		group, _ := json.Marshal(map[string]any{"resourceType": "Group", "id": id, "active": true, "type": "practitioner", "actual": true, "name": pool})
		if _, err := r.sandbox.Put(group); err != nil {
			return err
		}
		r.refs.Pools[pool] = "Group/" + id
	}
	return nil
}

// keysOracle are those of a connection to Millennium: what staff write to a patient comes into the first pool's inbox.
var keysOracle = connection(`    type: oracle
    base_url: "{{.EHR}}"
    identifier_systems:
{{range .Systems}}      {{printf "%q" .}}: {{printf "%q" .}}
{{end}}    backend: {client_id: chartwire-backend, key_file: backend.jwk.json}
{{with .Pools}}    oracle: {inbox: {{(index . 0).Ref}}}
{{end}}    filing: {as: {{.As}}, per: {{.Per}}, idle: 1m}
    limits: {requests_per_second: 5000, concurrent: 8, search_lag: 5s, deadline: 30s}
`)

// readOracle reads the chart as Millennium lets it be read: documents by patient, messages by recipient and email status, what
// both say from a Binary. They hold no identifier of ours: their text names the message.
func (r *run) readOracle(ctx context.Context) (chart, error) {
	r.sandbox.EndFaults()
	c, err := r.reader()
	if err != nil {
		return nil, err
	}
	for p := range r.patients() {
		if err := c.cited(ctx, "DocumentReference", url.Values{"patient": {p}, "_count": {"500"}}); err != nil {
			return nil, err
		}
	}
	since := "ge" + r.began.Add(-24*time.Hour).UTC().Format(time.RFC3339)
	for _, to := range append(slices.Collect(maps.Values(r.refs.Pools)), slices.Collect(maps.Values(r.refs.People))...) {
		kind, id, _ := strings.Cut(to, "/")
		for _, status := range []string{"received", "in-progress", "completed"} {
			if err := c.cited(ctx, "Communication", url.Values{"category": {"notification"}, "recipient:" + kind: {id},
				"received": {since}, "-email-status": {status}, "_count": {"500"}}); err != nil {
				return nil, err
			}
		}
	}
	return c, c.creations(ctx)
}

// patients are everyone a message may have reached.
func (r *run) patients() map[string]bool {
	out := map[string]bool{}
	for _, p := range append(slices.Collect(maps.Values(r.refs.Patients)), r.refs.Twins...) {
		out[p] = true
	}
	return out
}

// readMeditech reads the Communications of every patient, by which alone MEDITECH lets them be listed.
func (r *run) readMeditech(ctx context.Context) (chart, error) {
	r.sandbox.EndFaults()
	c, err := r.reader()
	if err != nil {
		return nil, err
	}
	for p := range r.patients() {
		if err := c.all(ctx, "Communication", url.Values{"patient": {p}, "_count": {"500"}}); err != nil {
			return nil, err
		}
	}
	return c, c.creations(ctx)
}

// cited collects the entries of a search by what their text cites.
func (c *reader) cited(ctx context.Context, kind string, params url.Values) error {
	page, err := c.c.Search(ctx, kind, params)
	if err != nil {
		return err
	}
	entries, _, err := c.c.All(ctx, page, 1000)
	if err != nil {
		return err
	}
	for _, e := range entries {
		o := &onChart{}
		if err := json.Unmarshal(e.Resource, o); err != nil {
			return err
		}
		if c.seen[o.ResourceType+"/"+o.ID] {
			continue // a message has several recipients
		}
		c.seen[o.ResourceType+"/"+o.ID] = true
		if o.text, err = c.text(ctx, o); err != nil {
			return err
		}
		if in, value, ok := filing.CitedID(o.text); ok && in == channel {
			o.created, o.place = o.Meta.LastUpdated, len(c.messages)
			c.messages[value] = append(c.messages[value], o)
		}
		if in, value, ok := filing.CitedTranscript(o.text); ok && in == channel {
			o.created = o.Meta.LastUpdated
			c.version(value, o)
		}
	}
	return nil
}

// text is what an entry says, from its Binary.
func (c *reader) text(ctx context.Context, o *onChart) ([]byte, error) {
	for _, file := range o.Content {
		return c.bytes(ctx, &file.Attachment)
	}
	for _, p := range o.Payload {
		return c.bytes(ctx, &chartFile{URL: p.ContentReference.Reference})
	}
	return nil, nil
}

// saysExactly says whether a text holds the words between the line that counts them and what follows.
func saysExactly(text []byte, words string) bool {
	got, ok := filing.Words(text)
	return ok && bytes.Equal(got, []byte(words))
}
