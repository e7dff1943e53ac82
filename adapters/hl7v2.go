package adapters

import (
	"fmt"
	"strings"

	ehrhl7v2 "github.com/chartwire/chartwire/adapters/ehr/hl7v2"
	"github.com/chartwire/chartwire/adapters/ehr/hl7v2/adt"
	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

func newHL7v2(p EHRParts) (connector.EHR, error) {
	c := p.Config
	fed := c.Match == config.MatchADT
	switch e := c.Filing.Encounter.Policy; {
	case c.HL7 == nil:
		return nil, fmt.Errorf("EHR %q: hl7 is missing; add what the messages carry", c.Name)
	case !fed && e != config.EncounterWhenKnown && e != config.EncounterRequired && e != config.EncounterNever:
		return nil, fmt.Errorf("EHR %q: filing.encounter.policy %s asks the EHR for encounters, and an hl7v2 engine cannot be asked; write when-known, required or never, or match: adt, whose feed tells of visits", c.Name, e)
	}
	ehr := ehrhl7v2.New(ehrhl7v2.Options{Resends: c.HL7.Resend == config.ResendSameID, Echo: c.HL7.Echo == config.EchoQuery, Dial: p.Dial, Fence: p.Fence, Now: p.Now, Policy: filing.Policy{
		Organization: c.Organization, Location: c.Location(),
		NoteType:    r4.NewCoding(c.Filing.NoteType.System, c.Filing.NoteType.Code, c.Filing.NoteType.Display),
		InlineBytes: int64(c.Limits.InlineBytes), People: p.People, Systems: c.IdentifierSystems,
		MDM: filing.MDM{
			Header: header(*c.HL7), Authorities: authorities(c), PatientClass: c.HL7.PatientClass, DocumentType: c.HL7.DocumentType,
			Completion: c.HL7.Completion, Cancels: c.HL7.Retraction == config.RetractionCancel, Authenticator: signer(c.HL7.Authenticator), Visits: c.Filing.Encounter.Policy != config.EncounterNever,
			VisitsTold: fed,
		},
	}})
	if !fed {
		return ehr, nil
	}
	return adt.Over(ehr, p.Store, p.ID, authorities(c)), nil
}

// ADT is the feed of a connection that knows its patients by one, nil for every other.
func ADT(p EHRParts) *adt.Feed {
	c := p.Config
	if c.Type != config.HL7v2 || c.Match != config.MatchADT || c.ADT == nil || c.HL7 == nil {
		return nil
	}
	app, facility := appFacility(c.ADT.Sending)
	return adt.NewFeed(adt.Options{Store: p.Store, ID: p.ID, Name: c.Name, Now: p.Now, Authorities: authorities(c), Zone: c.Location(),
		Sending: app, Facility: facility, Processing: c.HL7.ProcessingID})
}

// header is what every message begins with. In enhanced mode both answers are asked for: that the engine keeps the message
// (CA) does not say that the chart has it (AA).
func header(c config.HL7) hl7.MSH {
	h := hl7.MSH{ProcessingID: c.ProcessingID}
	h.SendingApplication, h.SendingFacility = appFacility(c.Sending)
	h.ReceivingApplication, h.ReceivingFacility = appFacility(c.Receiving)
	if c.Ack == config.AckEnhanced {
		h.AcceptAck, h.ApplicationAck = hl7.Always, hl7.Always
	}
	return h
}

func appFacility(s string) (app, facility hl7.HD) {
	a, f, _ := strings.Cut(s, "^")
	return hl7.HD{Namespace: a}, hl7.HD{Namespace: f}
}

// authorities are those of the channel's identifier systems, the systems that identifier_systems says are the same included.
func authorities(c config.EHR) map[string]filing.Authority {
	out := map[string]filing.Authority{}
	for system, a := range c.HL7.Authorities {
		out[system] = filing.Authority{Namespace: a.Namespace, Type: a.Type}
	}
	for channels, ehrs := range c.IdentifierSystems {
		if a, ok := c.HL7.Authorities[ehrs]; ok {
			if _, own := c.HL7.Authorities[channels]; !own {
				out[channels] = filing.Authority{Namespace: a.Namespace, Type: a.Type}
			}
		}
	}
	return out
}

// signer reads id^family^given^middle^suffix^prefix^degree, nil where nobody is named.
func signer(s string) *hl7.XCN {
	if s == "" {
		return nil
	}
	var parts [7]string
	copy(parts[:], strings.Split(s, "^"))
	return &hl7.XCN{ID: parts[0], Family: parts[1], Given: parts[2], Middle: parts[3], Suffix: parts[4], Prefix: parts[5], Degree: parts[6]}
}
