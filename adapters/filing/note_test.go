package filing_test

import (
	"strings"
	"testing"

	"github.com/chartwire/chartwire/connector"
)

const noted = connector.AsNote

func TestNote(t *testing.T) {
	x := exchange(connector.ItemExchange, noted, func(x *connector.Exchange) {
		x.Parent, x.Encounter, x.Late = "m-0", "Encounter/e1", true
	})
	w := plan(t, policy(t), able(noted), x)[0]
	d := resource(t, w, "DocumentReference")
	checks := map[string]any{
		"status": d["status"], "docStatus": d["docStatus"], "code": at(d, "type", "coding", 0, "code"), "author": at(d, "author", 0, "reference"),
		"custodian": at(d, "custodian", "reference"), "subject": at(d, "subject", "reference"), "encounter": at(d, "context", "encounter", 0, "reference"),
		"related": at(d, "context", "related", 0, "reference"), "category": at(d, "category", 0, "coding", 0, "code"),
		"security": at(d, "meta", "security", 0, "code"), "date": d["date"], "type": at(d, "content", 0, "attachment", "contentType"),
	}
	want := map[string]any{"status": "current", "docStatus": "final", "code": "34748-4", "author": "{patient}", "custodian": "Organization/clinic-a",
		"subject": "{patient}", "encounter": "Encounter/e1", "related": "{message:t-1/m-0}", "category": "clinical-note", "security": "PATAST",
		"date": "2026-11-22T18:03:12.123456Z", "type": "text/plain; charset=utf-8"}
	for name, v := range want {
		if checks[name] != v {
			t.Errorf("%s is %v, want %v", name, checks[name], v)
		}
	}
	if w.Identity.Value != "t-1/m-1" || w.Provides != "{message:t-1/m-1}" || at(d, "content", 1) != nil {
		t.Errorf("write: %+v", w)
	}
}

func TestNoteAuthorsFitR4(t *testing.T) {
	for name, c := range map[string]struct {
		author    connector.Participant
		reference any
		security  any
	}{
		"pool":      {triage, "Organization/clinic-a", nil},
		"clinician": {ana, "Practitioner/prac-ana", nil},
		"proxy":     {mother, nil, "PACQAST"},
		"system":    {system, "Organization/clinic-a", nil},
	} {
		d := resource(t, plan(t, policy(t), able(noted), exchange(connector.ItemExchange, noted, from(c.author)))[0], "DocumentReference")
		if at(d, "author", 0, "reference") != c.reference || at(d, "meta", "security", 0, "code") != c.security {
			t.Errorf("%s: author %v security %v", name, d["author"], at(d, "meta", "security"))
		}
	}
}

func TestNoteHasNoThread(t *testing.T) {
	for _, kind := range []connector.ItemKind{connector.ItemHeader, connector.ItemClose, connector.ItemReopen} {
		if w := plan(t, policy(t), able(noted), exchange(kind, noted)); len(w) != 0 {
			t.Errorf("%s: %v", kind, w)
		}
	}
	for _, state := range []connector.SendState{connector.Sent, connector.Delivered, connector.Read} {
		if w := plan(t, policy(t), able(noted), exchange(connector.ItemStatus, noted, toPatient(state))); len(w) != 0 {
			t.Errorf("%s: %v", state, w)
		}
	}
	w := plan(t, policy(t), able(noted), exchange(connector.ItemStatus, noted, toPatient(connector.Failed)))
	if len(w) != 1 || w[0].Identity.Value != "t-1/m-1/not-delivered" || !strings.HasPrefix(words(t, w[0]), "NOT DELIVERED") {
		t.Fatalf("failure: %+v", w)
	}
	d := resource(t, w[0], "DocumentReference")
	if at(d, "relatesTo", 0, "target", "reference") != "{message:t-1/m-1}" || at(d, "relatesTo", 0, "code") != "appends" {
		t.Errorf("not delivered: %v", d["relatesTo"])
	}
	already := exchange(connector.ItemStatus, noted, toPatient(connector.Failed), func(x *connector.Exchange) {
		x.Charted = connector.Delivery{State: connector.Failed}
	})
	if w := plan(t, policy(t), able(noted), already); len(w) != 0 {
		t.Errorf("the chart already says so: %v", w)
	}
}

func TestNoteCorrection(t *testing.T) {
	targets := func(writes []connector.Write) (out []string) {
		for _, w := range writes {
			if w.Update != nil {
				out = append(out, w.Update.Target+"="+w.Update.Set["status"].(string))
			}
		}
		return out
	}
	t.Run("replaces", func(t *testing.T) {
		w := plan(t, policy(t), able(noted), exchange(connector.ItemCorrection, noted, correction(3, 1, 2)))
		d := resource(t, w[0], "DocumentReference")
		if at(d, "relatesTo", 0, "code") != "replaces" || at(d, "relatesTo", 0, "target", "reference") != "{message:t-1/m-1/r2}" || d["status"] != "current" {
			t.Errorf("correction: %v", d)
		}
		if got := strings.Join(targets(w), " "); got != "{message:t-1/m-1}=superseded {message:t-1/m-1/r2}=superseded" {
			t.Errorf("superseded: %s", got)
		}
	})
	t.Run("after a later one", func(t *testing.T) {
		w := plan(t, policy(t), able(noted), exchange(connector.ItemCorrection, noted, correction(2, 1, 3)))
		d := resource(t, w[0], "DocumentReference")
		if d["status"] != "superseded" || w[0].Expect.Status != "superseded" || strings.Contains(strings.Join(targets(w), " "), "r3") {
			t.Errorf("an older correction must not stand beside the newer one: %v %v", d["status"], targets(w))
		}
	})
	t.Run("addendum", func(t *testing.T) {
		traits := able(noted)
		traits.Update = false
		w := plan(t, policy(t), traits, exchange(connector.ItemCorrection, noted, correction(2, 1)))
		d := resource(t, w[0], "DocumentReference")
		if at(d, "relatesTo", 0, "code") != "appends" || len(targets(w)) != 0 || words(t, w[0]) != "corrected words" {
			t.Errorf("addendum: %v", d)
		}
	})
}
