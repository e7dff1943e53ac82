package inbox

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/connector"
)

// Filed shows the requests that put an exchange on the chart, and what proves each: the exchange itself first, then what was
// filed with it. message is Entry.ID. Errors as Thread's.
func (d *Desk) Filed(ctx context.Context, s *Session, thread, message string) (FiledPage, error) {
	t, p, err := d.open(ctx, s, thread)
	if err != nil {
		return FiledPage{}, err
	}
	var out []FiledView
	foreign := false
	err = d.o.Store.View(ctx, func(tx connector.Tx) error {
		out = nil
		t, err := still(tx, t)
		if err != nil {
			return err
		}
		m, err := tx.Message(t.EHR, message)
		if err != nil {
			return err
		}
		if foreign = m.Thread != t.ID; foreign {
			return connector.ErrNotFound
		}
		items, err := itemsOf(tx, t, m)
		if err != nil {
			return err
		}
		for _, id := range items {
			rows, err := tx.WritesOf(t.EHR, id)
			if err != nil {
				return err
			}
			for _, w := range rows {
				if w.State == connector.WriteFiled {
					out = append(out, filedView(t, w))
				}
			}
		}
		return nil
	})
	switch {
	case foreign:
		return FiledPage{}, d.deny(ctx, s, t.ID, "other-thread", connector.ErrNotFound)
	case err != nil:
		return FiledPage{}, err
	}
	if err := d.read(ctx, s, map[string]string{"act": "filed", "message": message}, t.ID); err != nil {
		return FiledPage{}, err
	}
	slices.SortStableFunc(out, func(a, b FiledView) int { return cmp.Compare(aside(a), aside(b)) })
	return FiledPage{Frame: d.frame(s, &p), Filed: out}, nil
}

// aside is 1 of what is filed because of an exchange, and not for it: who a proxy is, and where an entry comes from.
func aside(f FiledView) int {
	if typ, _, _ := strings.Cut(f.Reference, "/"); typ == "RelatedPerson" || typ == "Provenance" || typ == "Binary" {
		return 1
	}
	return 0
}

// itemsOf names the items whose writes put a message, and what changed of it, on the chart.
func itemsOf(tx connector.Tx, t connector.Thread, m connector.MessageRow) ([]string, error) {
	all, err := tx.ThreadItems(t.EHR, t.ID)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Revisions(t.EHR, t.ID, m.Message.ID)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, i := range all {
		if i.Detail.Under != "" { // that entry is another patient's
			continue
		}
		of := i.MsgKey == m.Message.ID || slices.ContainsFunc(rows, func(r connector.MessageRow) bool { return r.ID == i.Message })
		if id := carrier(i); of && i.Lane == connector.LaneChart && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out, nil
}

func filedView(t connector.Thread, w connector.WriteRow) FiledView {
	v := FiledView{Strategy: t.Strategy, Method: w.Write.Method, URL: cmp.Or(w.Write.URL, "/"), Reference: w.Receipt.Reference,
		Version: w.Receipt.Version, FiledAt: w.FiledAt, Proof: proof(w.Receipt), Body: string(w.Write.Body)}
	if kind, _, _ := strings.Cut(w.Write.Header["Content-Type"], ";"); kind == connector.ER7 {
		v.Body = strings.ReplaceAll(strings.TrimRight(v.Body, "\r"), "\r", "\n")
		return v
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, w.Write.Body, "", "  ") == nil {
		v.Body = pretty.String()
	}
	return v
}

// proof says how a receipt was come by.
func proof(r connector.Receipt) string {
	text := "The EHR confirmed it"
	if r.Found {
		text = "It was found on the chart by its identifier"
	}
	if r.Verified {
		return text + ", and showed the same patient and words back."
	}
	return text + "; it showed nothing back that could be compared."
}
