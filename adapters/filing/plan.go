package filing

import (
	"fmt"
	"time"

	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// Policy is what one EHR connection's configuration says about filing. The zero value files, but for internal notes, with
// logical references for every proxy and nothing inline.
type Policy struct {
	Organization  string            // Organization/… of the clinic: sender of automated messages, custodian, transmitter
	Location      *time.Location    // of the times written for people; nil is UTC
	NoteType      r4.Coding         // DocumentReference.type
	DocStatus     r4.DocStatus      // of notes: DocFinal or DocPreliminary
	CreateProxies bool              // create a RelatedPerson for a proxy the EHR does not know
	Internal      bool              // file internal notes where the strategy can restrict them
	InlineBytes   int64             // largest attachment that travels inside its entry, in bytes before base64
	NoBinary      bool              // Binary cannot be created: larger attachments are named only
	People        map[string]string // the channel's id of a person or pool → EHR reference
	PoolType      string            // type of a pool that has no reference; "" is HealthcareService
	Systems       map[string]string // the channel's identifier system → the EHR's
	Shape         Shape             // what entries may hold, where the EHR takes less than ours have
	MDM           MDM               // of strategy mdm
	Vendor        Vendor            // of strategy vendor
}

// planner holds what the builders of one plan share.
type planner struct {
	policy  Policy
	traits  connector.Traits
	x       connector.Exchange
	ids     Names
	proxies []connector.Write // RelatedPersons the entry needs, created before it
	cites   string            // the message whose earlier words a note is the correction of, where nothing else says so
	known   map[string]r4.Reference
	printed bool // strategy document: what is filed is a transcript, on paper too
}

// Plan gives the writes that file x, in order. None means that policy leaves x out. Results not known yet are symbols
// (connector.Sym…). Errors are *connector.Refused: NotExpressible where this EHR cannot show it (staff are told Detail),
// GateRefused where the exchange cannot be written as FHIR or HL7 v2.
func Plan(policy Policy, traits connector.Traits, x connector.Exchange) ([]connector.Write, error) {
	p := &planner{policy: policy, traits: traits, x: x, ids: Names{Base: x.Base, Channel: x.Channel}, known: map[string]r4.Reference{}}
	if x.Kind == connector.ItemRequest {
		return p.request()
	}
	if x.Kind == connector.ItemTask {
		return p.task()
	}
	strategy := x.Strategy
	if strategy == "" {
		strategy = traits.Strategy
	}
	switch strategy {
	case connector.AsCommunication:
		if x.Transcript != nil {
			return nil, refuse(connector.Internals, "a thread is not filed as one Communication")
		}
		return p.asCommunication()
	case connector.AsNote:
		return p.asNote()
	case connector.AsDocument:
		p.printed = true
		return p.asNote()
	case connector.AsMDM:
		return p.asMDM()
	case connector.AsVendorCall:
		return p.asVendorCall()
	default:
		return nil, refuse(connector.Internals, fmt.Sprintf("no strategy %q", strategy))
	}
}

func (p *planner) asCommunication() ([]connector.Write, error) {
	if p.policy.Shape.Staff != nil {
		return p.asStaffMessage()
	}
	if p.policy.Shape.NoHeader && (p.x.Kind == connector.ItemHeader || p.x.Kind == connector.ItemClose || p.x.Kind == connector.ItemReopen) {
		return nil, nil
	}
	switch p.x.Kind {
	case connector.ItemHeader:
		return p.header()
	case connector.ItemClose:
		return p.headerStatus(r4.EventCompleted)
	case connector.ItemReopen:
		return p.headerStatus(r4.EventInProgress)
	case connector.ItemExchange:
		return p.message()
	case connector.ItemCorrection:
		return p.correction()
	case connector.ItemRetraction:
		return p.retraction("Communication")
	case connector.ItemStatus:
		return p.delivery()
	default:
		return nil, refuse(connector.Internals, fmt.Sprintf("a %s item is not filed", p.x.Kind))
	}
}

func (p *planner) asNote() ([]connector.Write, error) {
	if p.x.Transcript != nil {
		return p.noteOfThread()
	}
	switch p.x.Kind {
	case connector.ItemHeader, connector.ItemClose, connector.ItemReopen:
		return nil, nil // a note stands by itself: there is no thread on the chart
	case connector.ItemExchange:
		return p.note()
	case connector.ItemCorrection:
		return p.noteCorrection()
	case connector.ItemRetraction:
		return p.retraction("DocumentReference")
	case connector.ItemStatus:
		return p.noteDelivery()
	default:
		return nil, refuse(connector.Internals, fmt.Sprintf("a %s item is not filed", p.x.Kind))
	}
}

// refuse parks the item with a sentence. The sentence may name ids of the channel, so it travels as PHI.
func refuse(reason connector.Reason, sentence string) error {
	return &connector.Refused{Reason: reason, Detail: connector.Protect(sentence)}
}

// leftOut says whether policy keeps this message off the chart.
func (p *planner) leftOut() bool {
	return p.x.Message.Direction == connector.Internal && !p.policy.Internal
}

// received is when the exchange came to us; without it, when it was sent.
func (p *planner) received() time.Time {
	if p.x.Received.IsZero() {
		return p.x.Message.SentAt
	}
	return p.x.Received
}

// local is a time as people at the clinic read it.
func (p *planner) local(t time.Time) string { return transcript.Time(t, p.policy.Location) }
