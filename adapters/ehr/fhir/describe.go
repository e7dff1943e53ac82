package fhir

import (
	"fmt"
	"strings"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
	"github.com/chartwire/chartwire/fhir/smart"
)

// Description is what an EHR's own documents say could be filed there. It is a reading of declarations: what is declared
// may be refused, and scopes are known only with a token.
type Description struct {
	Software string             `json:"software"` // name and version, as declared
	FHIR     string             `json:"fhir"`
	Strategy connector.Strategy `json:"strategy,omitempty"` // of auto, "" where nothing can be filed
	Says     []string           `json:"says"`               // one sentence each, most important first
	Needs    []string           `json:"needs"`              // scopes an administrator must grant, SMART v2
	Unlisted []string           `json:"unlisted,omitempty"` // of those, what scopes_supported does not list
	Findings []string           `json:"findings,omitempty"` // what speaks against Backend Services
}

// Describe reads a CapabilityStatement and, where there is one, a smart-configuration. Errors say which of the two cannot
// be read; they hold nothing of the documents.
func Describe(capability, smartConfiguration []byte, o Options) (Description, error) {
	declared, err := r4.ReadCapability(capability)
	if err != nil {
		return Description{}, fmt.Errorf("the CapabilityStatement cannot be read: %w", err)
	}
	e := New(o)
	e.able = abilities{known: true, declared: declared}
	d := Description{
		Software: strings.TrimSpace(declared.Software.Name + " " + declared.Software.Version), FHIR: declared.FHIRVersion,
		Strategy: e.strategy(), Needs: needed(e.able, o).Spell(false),
	}
	d.Says = e.says(d)
	for _, doubt := range doubts {
		if strings.HasPrefix(d.Software, doubt.software) && e.able.declares(doubt.resource, "create") {
			d.Says = append(d.Says, "but: "+doubt.text)
		}
	}
	if len(smartConfiguration) == 0 {
		d.Findings = []string{"no smart-configuration was read"}
		return d, nil
	}
	found, err := smart.ParseConfiguration("https://ehr.invalid", smartConfiguration)
	if err != nil {
		return d, fmt.Errorf("the smart-configuration cannot be read: %w", err)
	}
	d.Findings = found.BackendFindings()
	if len(found.Scopes) > 0 {
		d.Unlisted = smart.Missing(smart.ParseScopes(joined(found.Scopes)), needed(e.able, o)).Spell(false)
	}
	return d, nil
}

// doubts are declarations known to mean less than they say (seen in the vendors' own documents of 2026). They do not
// change what is tried: that is for the vendor's own connection type, or for filing.as.
var doubts = []struct{ software, resource, text string }{
	{"Epic", "Communication", "its Communication.create is for community referrals and needs an encounter; it is no inbox. Use type epic, or filing.as: note"},
	{"Epic", "DocumentReference", "its DocumentReference.create needs context.encounter and keeps the first attachment only"},
	{"Interoperability Services", "Communication", "which elements its Communication.create needs is not published; probe it before going live"},
}

// says puts what the EHR declares into sentences for an administrator.
func (e *EHR) says(d Description) []string {
	a := e.able
	if !a.declared.R4() {
		return []string{"not FHIR R4: nothing can be filed"}
	}
	var out []string
	switch d.Strategy {
	case connector.AsCommunication:
		out = append(out, "files each message as a Communication")
	case connector.AsNote:
		out = append(out, "files each message as a note (DocumentReference)")
	case connector.AsDocument:
		out = append(out, "files each message as a transcript, text and PDF (DocumentReference)")
	default:
		out = append(out, "declares neither Communication.create nor DocumentReference.create: nothing can be filed by FHIR; a vendor call or HL7 v2 is needed")
	}
	t := e.traits(d.Strategy)
	if d.Strategy != "" {
		kind := resourceOf(d.Strategy)
		out = append(out,
			choose(t.Update, "statuses and retractions are updated in place", "entries cannot be updated: delivery stays unconfirmed there, failures get an entry of their own, retractions go to staff"),
			choose(t.IfNoneExist, "conditional create is declared", "conditional create is not declared: duplicates are prevented by searching"),
			e.saysFind(kind),
			choose(t.Transaction, "transactions are declared", "no transactions: large attachments are named, not carried"),
			choose(t.Provenance, "Provenance is filed", "no Provenance.create: none is filed"),
			choose(t.Proxies, "unknown proxies become RelatedPersons", "unknown proxies are named by logical references"))
	}
	return append(out,
		choose(t.Requests, "replies get a CommunicationRequest", "no CommunicationRequest.create: replies are filed without one"),
		choose(t.Watch, "messages may be born in the EHR", "no CommunicationRequest search: messages cannot be born in the EHR"),
		choose(t.Tasks, "who works on a thread is told in a Task", "no create and update of Task: who works on a thread is seen in Chartwire alone"),
		choose(t.Subscribe, "a rest-hook Subscription can be asked for", "no Subscription.create: changes are seen by polling only"))
}

func (e *EHR) saysFind(kind string) string {
	switch {
	case e.able.searches(kind, "identifier") && !e.cites(kind):
		return "an unknown outcome is settled by a search for the identifier"
	case e.able.searches(kind, "patient") || e.able.searches(kind, "subject"):
		return "identifier is not a declared search parameter: an unknown outcome is settled by listing the patient's entries and comparing content"
	default:
		return "entries cannot be searched: an unknown outcome waits for a person"
	}
}

func choose(yes bool, then, otherwise string) string {
	if yes {
		return then
	}
	return otherwise
}

// String is the description as an administrator reads it.
func (d Description) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, FHIR %s\n", firstOf(d.Software, "unnamed software"), d.FHIR)
	list := func(title string, lines []string) {
		for _, l := range lines {
			fmt.Fprintf(&b, "  %s%s\n", title, l)
		}
	}
	list("", d.Says)
	list("grant: ", d.Needs)
	list("not listed in scopes_supported: ", d.Unlisted)
	list("look at: ", d.Findings)
	return b.String()
}
