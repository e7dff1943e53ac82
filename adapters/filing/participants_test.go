package filing_test

import (
	"errors"
	"testing"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
)

func TestSenders(t *testing.T) {
	npi := &connector.Identifier{System: "http://hl7.org/fhir/sid/us-npi", Value: "1234567893"}
	cases := []struct {
		name      string
		sender    connector.Participant
		change    func(*connector.Exchange)
		reference any
		kind      any
		value     any
	}{
		{"patient", patient, nil, "{patient}", nil, nil},
		{"system", system, nil, "Organization/clinic-a", nil, nil},
		{"configured clinician", ana, nil, "Practitioner/prac-ana", nil, nil},
		{"resolved clinician", connector.Participant{Role: connector.RoleClinician, ID: "c-7", Identifier: npi},
			func(x *connector.Exchange) { x.Refs["c-7"] = connector.Reference{Literal: "Practitioner/p7"} }, "Practitioner/p7", nil, nil},
		{"clinician by identifier", connector.Participant{Role: connector.RoleClinician, ID: "c-8", Identifier: npi}, nil, nil, "Practitioner", "1234567893"},
		{"unknown staff", connector.Participant{Role: connector.RoleStaff, ID: "s-1", Name: "Front desk"}, nil, nil, "Practitioner", "s-1"},
		{"unknown pool", connector.Participant{Role: connector.RolePool, ID: "billing", Name: "Billing"}, nil, nil, "HealthcareService", "billing"},
		{"configured pool", triage, nil, "HealthcareService/nurse-triage", nil, nil},
		{"care team sends as the clinic", connector.Participant{Role: connector.RolePool, ID: "team"}, nil, "Organization/clinic-a", nil, nil},
		{"group sends as the clinic", connector.Participant{Role: connector.RolePool, ID: "group"}, nil, "Organization/clinic-a", nil, nil},
		{"known proxy", mother, func(x *connector.Exchange) { x.Refs["u-901"] = connector.Reference{Literal: "RelatedPerson/rp1"} }, "RelatedPerson/rp1", nil, nil},
		{"new proxy", mother, func(x *connector.Exchange) { x.Missing["u-901"] = true }, "{participant:u-901}", nil, nil},
		{"proxy nobody looked for", mother, nil, nil, "RelatedPerson", "u-901"},
		{"proxy is never the NPI's", connector.Participant{Role: connector.RoleProxy, ID: "u-1", Identifier: npi}, nil, nil, "RelatedPerson", "u-1"},
		{"a platform's id is no reference", connector.Participant{Role: connector.RoleClinician, ID: "Practitioner/other"}, nil, nil, "Practitioner", "Practitioner/other"},
		{"ours is", connector.Participant{Role: connector.RoleClinician, ID: "Practitioner/own"},
			func(x *connector.Exchange) { x.BasedOn = "CommunicationRequest/cr1" }, "Practitioner/own", nil, nil},
	}
	p := policy(t)
	p.People["team"], p.People["group"] = "CareTeam/ct1", "Group/g1"
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x := exchange(connector.ItemExchange, comm, from(c.sender))
			if c.change != nil {
				c.change(&x)
			}
			w := plan(t, p, able(comm), x)
			s := resource(t, w[len(w)-1], "Communication")["sender"]
			if at(s, "reference") != c.reference || at(s, "type") != c.kind || at(s, "identifier", "value") != c.value {
				t.Errorf("sender: %v", s)
			}
		})
	}
}

func TestCareTeamReceives(t *testing.T) {
	p := policy(t)
	p.People["team"] = "CareTeam/ct1"
	x := exchange(connector.ItemExchange, comm, func(x *connector.Exchange) {
		x.Message.Recipients = []connector.Participant{{Role: connector.RolePool, ID: "team", Name: "Team"}, mother}
	})
	c := resource(t, plan(t, p, able(comm), x)[0], "Communication")
	if at(c, "recipient", 0, "reference") != "CareTeam/ct1" || at(c, "recipient", 1, "type") != "RelatedPerson" {
		t.Errorf("recipients: %v", c["recipient"])
	}
}

func TestProxyIsCreatedOnce(t *testing.T) {
	x := exchange(connector.ItemExchange, comm, from(mother), func(x *connector.Exchange) {
		x.Missing["u-901"] = true
		x.Message.Recipients = []connector.Participant{mother, triage}
	})
	w := plan(t, policy(t), able(comm), x)
	if len(w) != 2 || w[0].Type != "RelatedPerson" || w[0].Provides != "{participant:u-901}" ||
		w[0].Key != base+"/texting/participant|u-901@{patient}" || w[0].Expect.Subject != connector.SymPatient {
		t.Fatalf("writes: %+v", w)
	}
	for name, change := range map[string]func(*filing.Policy, *connector.Traits){
		"policy logical": func(p *filing.Policy, _ *connector.Traits) { p.CreateProxies = false },
		"not declared":   func(_ *filing.Policy, tr *connector.Traits) { tr.Proxies = false },
	} {
		p, traits := policy(t), able(comm)
		change(&p, &traits)
		w := plan(t, p, traits, x)
		if len(w) != 1 || at(resource(t, w[0], "Communication"), "sender", "identifier", "value") != "u-901" {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

func TestUnknownRoleIsRefused(t *testing.T) {
	for _, s := range []connector.Strategy{comm, connector.AsNote} {
		for _, change := range []func(*connector.Exchange){
			from(connector.Participant{Role: "robot", ID: "r"}),
			func(x *connector.Exchange) { x.Message.Recipients = []connector.Participant{{Role: "robot", ID: "r"}} },
		} {
			_, err := filing.Plan(policy(t), able(s), exchange(connector.ItemExchange, s, change))
			var refused *connector.Refused
			if !errors.As(err, &refused) || refused.Reason != connector.GateRefused {
				t.Errorf("%s: %v", s, err)
			}
		}
	}
}

// A label with characters FHIR cannot carry must not keep the message off the chart.
func TestOddLabelsNeverRefuse(t *testing.T) {
	for _, odd := range []string{"\x00", "a\x07b", " ", "\u2028", "\uFFFE", "x\ny\r\n\n z", "\xff\xfe", "{patient}", `"quoted"`, "| & ^ ~ \\"} {
		for _, s := range []connector.Strategy{comm, connector.AsNote} {
			x := exchange(connector.ItemExchange, s, func(x *connector.Exchange) {
				x.Thread.Subject, x.Thread.Topic = odd, odd
				x.Message.Sender = connector.Participant{Role: connector.RoleProxy, ID: odd, Name: odd, Relationship: odd}
				x.Message.Recipients = []connector.Participant{
					{Role: connector.RoleStaff, ID: odd, Name: odd, Identifier: &connector.Identifier{System: odd, Value: odd}},
					{Role: connector.RolePool, ID: odd}, {Role: connector.RoleClinician}}
				x.Message.Attachments = []connector.Attachment{{ID: odd, Filename: odd, ContentType: odd, Data: []byte("x")}, {ID: odd, ContentType: odd}}
				x.Missing[odd] = true
			})
			if _, err := filing.Plan(policy(t), able(s), x); err != nil {
				t.Errorf("%s with label %q: %v", s, odd, err)
			}
		}
	}
}
