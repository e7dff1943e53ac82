package deliver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// teller is a chart on which a thread is one entry: a line for each version of each message.
type teller struct{ *chart }

func (c teller) Plan(x connector.Exchange) ([]connector.Write, error) {
	t := x.Transcript
	switch {
	case t == nil && x.Kind == connector.ItemCorrection:
		return c.added(x, "/r2", "addendum: "+x.Message.Text), nil
	case t == nil && x.Kind == connector.ItemRetraction:
		return nil, &connector.Refused{Reason: connector.NotExpressible, Detail: connector.Protect("mark it by hand")}
	case t == nil:
		return nil, nil
	}
	var lines []string
	for _, one := range t.Told {
		if one.Message.Text == "refused" {
			return nil, &connector.Refused{Reason: connector.GateRefused}
		}
		if one.Message.Direction == connector.Internal {
			continue
		}
		lines = append(lines, toldLine(one))
	}
	if len(lines) == 0 {
		return nil, nil
	}
	if !t.Closed.IsZero() {
		lines = append(lines, "closed")
	}
	id := func(v int) connector.Identifier {
		return connector.Identifier{System: "urn:b/texting/transcript", Value: fmt.Sprintf("%s/v%d", x.Thread.ID, v)}
	}
	var related []map[string]any
	relate := func(code string, v int) {
		related = append(related, map[string]any{"code": code, "target": map[string]string{"reference": connector.SymTranscript(id(v).Value)}})
	}
	for _, v := range t.Replaces {
		relate("replaces", v)
	}
	if t.Appends > 0 {
		relate("appends", t.Appends)
	}
	writes := []connector.Write{document(id(t.Version), strings.Join(lines, "\n"), related)}
	writes[0].Provides = connector.SymTranscript(id(t.Version).Value)
	for _, v := range t.Replaces {
		if !c.traits.Update {
			break // the new one takes its place
		}
		writes = append(writes, connector.Write{Key: id(v).Value + "#superseded", Method: "PUT", Type: "DocumentReference", URL: connector.SymTranscript(id(v).Value),
			Expect: connector.Expect{Subject: connector.SymPatient}, Update: &connector.Update{Target: connector.SymTranscript(id(v).Value), Set: map[string]any{"status": "superseded"}}})
	}
	return writes, nil
}

// added is an entry beside the transcript the message stands in.
func (c teller) added(x connector.Exchange, suffix, text string) []connector.Write {
	target := connector.SymTranscript(fmt.Sprintf("%s/v%d", x.Thread.ID, x.Stands))
	id := connector.Identifier{System: "urn:b/texting/message", Value: x.Thread.ID + "/" + x.Message.ID + suffix}
	return []connector.Write{document(id, text, []map[string]any{{"code": "appends", "target": map[string]string{"reference": target}}})}
}

func document(id connector.Identifier, text string, related []map[string]any) connector.Write {
	body, _ := json.Marshal(map[string]any{"resourceType": "DocumentReference", "identifier": id, "subject": map[string]string{"reference": connector.SymPatient},
		"text": text, "status": "current", "relatesTo": related})
	return connector.Write{Key: id.Value, Method: "POST", URL: "DocumentReference", Type: "DocumentReference", Body: body, Identity: id,
		Expect: connector.Expect{Subject: connector.SymPatient, Text: hash(text)}}
}

func toldLine(one connector.Told) string {
	line := one.Message.ID + "=" + one.Message.Text
	for _, c := range one.Corrections {
		line += fmt.Sprintf(" r%d=%s", c.Version, c.Text)
	}
	for _, c := range []struct {
		word string
		is   bool
	}{{"retracted", one.Retraction != nil}, {"late", one.Late}, {"gap", one.AfterGap}, {"failed", one.Delivery.State == connector.Failed}} {
		if c.is {
			line += " " + c.word
		}
	}
	return line
}

const idle = 10 * time.Minute

// threads runs a test on a world whose EHR files threads.
func threads(t *testing.T, test func(w *world)) {
	t.Helper()
	bubble(t, func(w *world) {
		w.chart.traits.Strategy, w.chart.traits.Requests = connector.AsNote, false
		w.conn.EHR, w.conn.PerThread, w.conn.Idle = teller{w.chart}, true, idle
		test(w)
	})
}

// shows holds the chart to the transcripts of t-1, by version: their lines, and where they stand.
func (w *world) shows(want ...string) {
	w.t.Helper()
	var got []string
	w.chart.set(func(c *chart) {
		for _, e := range c.entries {
			line := e.value() + " " + e.str("status") + ": " + strings.ReplaceAll(e.str("text"), "\n", ", ")
			list, _ := e.body["relatesTo"].([]any)
			for _, r := range list {
				one := r.(map[string]any)
				to := c.byRef(one["target"].(map[string]any)["reference"].(string))
				line += "; " + one["code"].(string) + " " + to.value()
			}
			got = append(got, line)
		}
	})
	if !slices.Equal(got, want) {
		w.t.Errorf("the chart shows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func (w *world) all(s connector.ItemState, r connector.Reason, ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		w.is(w.item(id), s, r)
	}
}

// readingTeller shows an entry by its reference.
type readingTeller struct{ teller }

func (r readingTeller) ReadEntry(ctx context.Context, w connector.Write, ref string) (connector.Receipt, error) {
	return reading{r.chart}.ReadEntry(ctx, w, ref)
}
