package filing_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

const comm = connector.AsCommunication

func TestHeader(t *testing.T) {
	x := exchange(connector.ItemHeader, comm, func(x *connector.Exchange) {
		x.Thread = connector.ThreadInfo{ID: "t-1", Topic: "refill", Priority: connector.Urgent,
			About: []string{"Appointment/1", "https://elsewhere/Patient/2", "Nonsense/3", "Appointment/../1", "Observation/o-1"}}
		x.Encounter = "Encounter/e1"
		x.Message = connector.Message{}
	})
	writes := plan(t, policy(t), able(comm), x)
	if len(writes) != 1 || writes[0].Provides != connector.SymHeader || writes[0].Identity.Value != "t-1" ||
		writes[0].Identity.System != base+"/texting/thread" {
		t.Fatalf("the header's write: %+v", writes)
	}
	c := resource(t, writes[0], "Communication")
	for _, absent := range []string{"payload", "partOf", "sent", "received", "sender"} {
		if c[absent] != nil {
			t.Errorf("a header has no %s", absent)
		}
	}
	if c["status"] != "in-progress" || at(c, "topic", "text") != "refill" || c["priority"] != "urgent" ||
		at(c, "encounter", "reference") != "Encounter/e1" || at(c, "about", 0, "reference") != "Appointment/1" ||
		at(c, "about", 1, "reference") != "Observation/o-1" || at(c, "about", 2) != nil {
		t.Errorf("header: %v", c)
	}
}

func TestCloseAndReopen(t *testing.T) {
	traits := able(comm)
	keys := map[string]bool{}
	for kind, status := range map[connector.ItemKind]string{connector.ItemClose: "completed", connector.ItemReopen: "in-progress"} {
		x := exchange(kind, comm)
		w := plan(t, policy(t), traits, x)[0]
		if w.Update == nil || w.Update.Target != connector.SymHeader || w.Update.Set["status"] != status || w.Method != "PUT" {
			t.Errorf("%s: %+v", kind, w)
		}
		keys[w.Key] = true
		x.Received = x.Received.Add(1e9)
		keys[plan(t, policy(t), traits, x)[0].Key] = true
	}
	if len(keys) != 4 {
		t.Errorf("closing and reopening again are changes of their own, got keys %v", keys)
	}
	traits.Update = false
	if w := plan(t, policy(t), traits, exchange(connector.ItemClose, comm)); len(w) != 0 {
		t.Errorf("a header that cannot be updated is left alone, got %v", w)
	}
}

// The table of DESIGN §5, to_patient status.
func TestStatusOfExchange(t *testing.T) {
	delivered := r4.DateTime(receivedAt)
	cases := []struct {
		name     string
		change   func(*connector.Exchange)
		receipts bool
		update   bool
		status   string
		received string
		note     bool
		reason   bool
	}{
		{"from patient", func(*connector.Exchange) {}, true, true, "completed", delivered, false, false},
		{"handed over", toPatient(connector.HandedOver), true, true, "in-progress", "", false, false},
		{"sent", toPatient(connector.Sent), true, true, "in-progress", "", false, false},
		{"nothing known", toPatient(""), true, true, "in-progress", "", false, false},
		{"unsure", toPatient(connector.SendUnsure), true, true, "unknown", "", false, false},
		{"delivered", toPatient(connector.Delivered), true, true, "completed", delivered, false, false},
		{"read", toPatient(connector.Read), true, true, "completed", "", false, false},
		{"failed", toPatient(connector.Failed), true, true, "not-done", "", false, true},
		{"no receipts", toPatient(connector.HandedOver), false, true, "completed", "", false, false},
		{"no update", toPatient(connector.Sent), true, false, "in-progress", "", true, false},
		{"no update, delivered", toPatient(connector.Delivered), true, false, "completed", delivered, false, false},
		{"no update, no receipts", toPatient(connector.HandedOver), false, false, "completed", "", false, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x := exchange(connector.ItemExchange, comm, c.change)
			x.Receipts = c.receipts
			traits := able(comm)
			traits.Update = c.update
			w := plan(t, policy(t), traits, x)
			got := resource(t, w[len(w)-1], "Communication")
			received, _ := got["received"].(string)
			if got["status"] != c.status || received != c.received || (got["note"] != nil) != c.note || (got["statusReason"] != nil) != c.reason {
				t.Errorf("status %v received %v note %v statusReason %v", got["status"], received, got["note"], got["statusReason"])
			}
			if w[len(w)-1].Expect.Status != c.status {
				t.Errorf("expected status %q", w[len(w)-1].Expect.Status)
			}
		})
	}
}

func TestDeliveryNews(t *testing.T) {
	news := func(state connector.SendState, charted connector.SendState) connector.Exchange {
		return exchange(connector.ItemStatus, comm, toPatient(state), func(x *connector.Exchange) {
			x.Delivery.Reason = "number not in service"
			if charted != "" {
				x.Charted = connector.Delivery{State: charted, At: receivedAt}
			}
		})
	}
	t.Run("updates", func(t *testing.T) {
		for _, c := range []struct {
			state, charted connector.SendState
			set            string // "" for no write
		}{
			{connector.Sent, connector.HandedOver, ""},
			{connector.Delivered, connector.Sent, "completed"},
			{connector.Read, connector.Delivered, ""},
			{connector.Read, connector.Sent, "completed"},
			{connector.Failed, connector.Sent, "not-done"},
			{connector.Failed, connector.Failed, ""},
			{connector.Delivered, connector.Failed, "completed"},
			{connector.Delivered, "", "completed"},
			{connector.Sent, "", ""},
			{connector.Sent, connector.SendUnsure, "in-progress"},
		} {
			w := plan(t, policy(t), able(comm), news(c.state, c.charted))
			switch {
			case c.set == "" && len(w) != 0:
				t.Errorf("%s after %s changes nothing on the chart, got %v", c.state, c.charted, w[0].Update)
			case c.set != "" && (len(w) != 1 || w[0].Update == nil || w[0].Update.Set["status"] != c.set):
				t.Errorf("%s after %s: %+v", c.state, c.charted, w)
			case c.set == "not-done" && at(w[0].Update.Set["statusReason"], "text") != "Not delivered: number not in service":
				t.Errorf("the reason is missing: %v", w[0].Update.Set)
			case c.state == connector.Delivered && w[0].Update.Set["received"] != r4.DateTime(receivedAt):
				t.Errorf("received is missing: %v", w[0].Update.Set)
			}
		}
	})
	t.Run("no update", func(t *testing.T) {
		traits := able(comm)
		traits.Update = false
		if w := plan(t, policy(t), traits, news(connector.Delivered, connector.Sent)); len(w) != 0 {
			t.Errorf("an entry that cannot be updated is not written again, got %v", w)
		}
		w := plan(t, policy(t), traits, news(connector.Failed, connector.Sent))
		if len(w) != 1 || w[0].Identity.Value != "t-1/m-1/not-delivered" {
			t.Fatalf("a failure adds an entry: %+v", w)
		}
		c := resource(t, w[0], "Communication")
		text, _ := at(c, "payload", 0, "contentString").(string)
		if !strings.HasPrefix(text, "NOT DELIVERED") || at(c, "about", 0, "reference") != "{message:t-1/m-1}" ||
			at(c, "sender", "reference") != "Organization/clinic-a" || w[0].Expect.Text != connector.Hash([]byte(text)) {
			t.Errorf("not delivered: %v", c)
		}
	})
	t.Run("of a message that is not on the chart", func(t *testing.T) {
		for _, s := range []connector.Strategy{comm, connector.AsNote} {
			x := news(connector.Failed, "")
			x.Strategy, x.Revisions = s, nil
			if w := plan(t, policy(t), able(s), x); len(w) != 0 {
				t.Errorf("%s: there is nothing to change: %v", s, w)
			}
		}
	})
	t.Run("from patient", func(t *testing.T) {
		if w := plan(t, policy(t), able(comm), exchange(connector.ItemStatus, comm)); len(w) != 0 {
			t.Errorf("what came from a patient has no delivery: %v", w)
		}
	})
}

func TestExchangeLinks(t *testing.T) {
	x := exchange(connector.ItemExchange, comm, func(x *connector.Exchange) {
		x.Message.InReplyTo, x.Message.Language, x.Message.Priority = "m-0", "es-MX", connector.Stat
		x.Parent, x.BasedOn, x.Encounter, x.Late, x.AfterGap = "m-0", connector.SymRequest("01J"), "Encounter/e1", true, true
	})
	c := resource(t, plan(t, policy(t), able(comm), x)[0], "Communication")
	if at(c, "inResponseTo", 0, "reference") != "{message:t-1/m-0}" || at(c, "basedOn", 0, "reference") != "{request:01J}" ||
		at(c, "partOf", 0, "reference") != "{header}" || c["language"] != "es-MX" || c["priority"] != "stat" ||
		at(c, "encounter", "reference") != "Encounter/e1" || at(c, "note", 1, "text") == nil {
		t.Errorf("links: %v", c)
	}
	x.ParentAs = "DocumentReference"
	c = resource(t, plan(t, policy(t), able(comm), x)[0], "Communication")
	if c["inResponseTo"] != nil || at(c, "about", 0, "reference") != "{message:t-1/m-0}" {
		t.Errorf("an answer to a note: %v", c)
	}
	x.Parent, x.NoHeader, x.Message.Language = "", true, "not a language"
	c = resource(t, plan(t, policy(t), able(comm), x)[0], "Communication")
	if c["inResponseTo"] != nil || c["partOf"] != nil || c["language"] != nil {
		t.Errorf("what is not on the chart must not be named: %v", c)
	}
}

func TestInternalNote(t *testing.T) {
	x := exchange(connector.ItemExchange, comm, from(ana), func(x *connector.Exchange) { x.Message.Direction = connector.Internal })
	c := resource(t, plan(t, policy(t), able(comm), x)[0], "Communication")
	if at(c, "meta", "security", 0, "code") != "R" || !hasCategory(c, filing.CategoryInternal) {
		t.Errorf("internal note: %v", c)
	}
	never := policy(t)
	never.Internal = false
	if w := plan(t, never, able(comm), x); len(w) != 0 {
		t.Errorf("policy never: %v", w)
	}
	x.Strategy = connector.AsNote
	if w := plan(t, policy(t), able(connector.AsNote), x); len(w) != 0 {
		t.Errorf("internal notes are not filed as notes: %v", w)
	}
}

func hasCategory(c map[string]any, code string) bool {
	list, _ := c["category"].([]any)
	for _, concept := range list {
		if at(concept, "coding", 0, "code") == code && at(concept, "coding", 0, "system") == base+"/category" {
			return true
		}
	}
	return false
}

func TestCorrection(t *testing.T) {
	w := plan(t, policy(t), able(comm), exchange(connector.ItemCorrection, comm, correction(2, 1)))[0]
	c := resource(t, w, "Communication")
	if w.Identity.Value != "t-1/m-1/r2" || w.Provides != "{message:t-1/m-1/r2}" || at(c, "inResponseTo", 0, "reference") != "{message:t-1/m-1}" ||
		!hasCategory(c, filing.CategoryCorrection) || !hasCategory(c, filing.CategoryPatient) || c["status"] != "completed" ||
		at(c, "payload", 0, "contentString") != "corrected words" || c["sent"] != "2026-11-22T14:03:11-05:00" {
		t.Errorf("correction: %v", c)
	}
	p := resource(t, w, "Provenance")
	if at(p, "activity", "coding", 0, "code") != "UPDATE" || at(p, "entity", 0, "role") != "revision" ||
		at(p, "entity", 0, "what", "reference") != "{message:t-1/m-1}" {
		t.Errorf("provenance: %v", p)
	}
}

func TestRetraction(t *testing.T) {
	for _, s := range []connector.Strategy{comm, connector.AsNote} {
		traits := able(s)
		w := plan(t, policy(t), traits, exchange(connector.ItemRetraction, s, retraction(1, 3)))
		var updated, nullified []string
		for _, one := range w {
			if one.Update != nil {
				updated = append(updated, one.Update.Target)
				if one.Update.Set["status"] != "entered-in-error" || len(one.Update.Set) != 1 {
					t.Errorf("a retraction changes the status alone: %v", one.Update.Set)
				}
			} else if one.Optional && one.Type == "Provenance" {
				nullified = append(nullified, one.After)
			}
		}
		want := "{message:t-1/m-1} {message:t-1/m-1/r3}"
		if strings.Join(updated, " ") != want || strings.Join(nullified, " ") != want {
			t.Errorf("%s: updated %v nullified %v", s, updated, nullified)
		}
		traits.Update = false
		_, err := filing.Plan(policy(t), traits, exchange(connector.ItemRetraction, s, retraction(1)))
		var refused *connector.Refused
		if !errors.As(err, &refused) || refused.Reason != connector.NotExpressible || !strings.Contains(refused.Detail.Reveal(), "entered in error") {
			t.Errorf("%s without update: %v", s, err)
		}
		if w := plan(t, policy(t), traits, exchange(connector.ItemRetraction, s, retraction())); len(w) != 0 {
			t.Errorf("nothing is on the chart, so nothing is owed: %v", w)
		}
	}
}

func TestProvenance(t *testing.T) {
	for _, c := range []struct {
		name   string
		author connector.Participant
		who    string
		behalf any
	}{
		{"patient", patient, "{patient}", nil},
		{"proxy", mother, "{participant:u-901}", "{patient}"},
		{"clinician", ana, "Practitioner/prac-ana", "Organization/clinic-a"},
		{"pool", triage, "Organization/clinic-a", nil},
		{"system", system, "Organization/clinic-a", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := exchange(connector.ItemExchange, comm, from(c.author))
			x.Missing["u-901"] = true
			w := plan(t, policy(t), able(comm), x)
			p := resource(t, w[len(w)-1], "Provenance")
			if at(p, "agent", 0, "who", "reference") != c.who || at(p, "agent", 0, "onBehalfOf", "reference") != c.behalf ||
				at(p, "agent", 1, "who", "reference") != "Organization/clinic-a" || p["recorded"] != r4.Instant(receivedAt) || p["meta"] != nil {
				t.Errorf("provenance: %v", p)
			}
		})
	}
	t.Run("by itself", func(t *testing.T) {
		traits := able(comm)
		traits.Transaction = false
		w := plan(t, policy(t), traits, exchange(connector.ItemExchange, comm))
		if len(w) != 2 || w[0].URL != "Communication" || w[1].URL != "Provenance" || !w[1].Optional || w[1].After != "{message:t-1/m-1}" {
			t.Fatalf("writes: %+v", w)
		}
		if at(resource(t, w[1], "Provenance"), "target", 0, "reference") != "{message:t-1/m-1}" {
			t.Errorf("provenance: %s", w[1].Body)
		}
	})
	t.Run("not declared", func(t *testing.T) {
		traits := able(comm)
		traits.Provenance = false
		if w := plan(t, policy(t), traits, exchange(connector.ItemExchange, comm)); len(w) != 1 || w[0].URL != "Communication" {
			t.Errorf("writes: %+v", w)
		}
	})
}
