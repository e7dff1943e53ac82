package fhir

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
	"github.com/chartwire/chartwire/fhir/r4"
	"github.com/chartwire/chartwire/fhir/smart"
)

// use is what filing asks of an EHR. without is what becomes of it where the EHR cannot: the end of "…, so ".
type use struct {
	resource, interaction string
	needed                bool
	without               string
}

const transaction = "transaction"

// uses lists what a connection with these options asks for, the most important first.
func (x *examination) uses() []use {
	o := x.e.opts
	out := []use{
		{"Patient", "read", true, "no patient can be checked before a write, and nothing is filed"},
		{"Patient", "search-type", true, "patients are not found by identifier, and their messages are held"},
	}
	if o.Quirks.byCall() {
		return append(out, slices.DeleteFunc([]use{
			{"DocumentReference", "search-type", true, "what was filed is not found again, and waits for a person"},
			{"DocumentReference", "read", false, "an entry a person names cannot be compared with what was sent"},
			{"Binary", "read", true, "what was filed cannot be compared with what was sent, and waits for a person"},
		}, x.neverUsed)...)
	}
	first := x.first()
	for _, kind := range x.filedTypes() {
		as, ours := x.strategiesOf(kind), false
		for _, s := range as {
			ours = ours || first == "" || first == s
		}
		out = append(out,
			use{kind, "create", ours, "nothing can be filed as " + sayStrategies(as)},
			use{kind, "read", false, "what an answer does not show cannot be compared with what was sent"},
			use{kind, "search-type", false, "an unknown outcome waits for a person"},
			use{kind, "update", false, "retractions and news of delivery go to a person or into entries of their own"})
	}
	if o.Encounters {
		without := "entries name no visit"
		if o.Quirks.NeedsEncounter {
			without = "no encounter is found, and this EHR takes no entry without one"
		}
		out = append(out, use{"Encounter", "search-type", o.Quirks.NeedsEncounter, without})
	}
	out = append(out,
		use{"Practitioner", "search-type", false, "staff who are not in people of the configuration are named by identifier only"},
		use{"RelatedPerson", "search-type", false, "proxies are named by a logical reference"})
	if o.Policy.CreateProxies {
		out = append(out, use{"RelatedPerson", "create", false, "proxies are named by a logical reference"})
	}
	if tasked(x.e.able, o) {
		out = append(out,
			use{"Task", "create", false, "who works on a thread is seen in Chartwire alone"},
			use{"Task", "update", false, "who works on a thread is seen in Chartwire alone"},
			use{"Task", "search-type", false, "an unknown outcome of a Task waits for a person"})
	}
	return append(out,
		use{"CommunicationRequest", "create", false, "replies are filed without a request"},
		use{"CommunicationRequest", "search-type", false, "messages written in the EHR are not seen"},
		use{"CommunicationRequest", "update", false, "requests in the EHR keep their first status"},
		use{"Subscription", "create", false, "the EHR tells of no changes: they are polled for"},
		use{"Provenance", "create", false, "no Provenance is filed beside the entries"},
		use{"Binary", "create", false, "attachments above limits.inline_bytes are named and not carried"},
		use{"Bundle", transaction, false, "an entry's Provenance and large attachments are not written with it"})
}

// filedTypes are the types the wanted strategies write, best first.
func (x *examination) filedTypes() []string {
	var out []string
	for _, s := range x.e.opts.wanted() {
		if kind := resourceOf(s); kind != "" && !slices.Contains(out, kind) {
			out = append(out, kind)
		}
	}
	return out
}

// strategiesOf are the wanted strategies that write a type.
func (x *examination) strategiesOf(kind string) []connector.Strategy {
	return slices.DeleteFunc(x.e.opts.wanted(), func(s connector.Strategy) bool { return resourceOf(s) != kind })
}

func sayStrategies(all []connector.Strategy) string {
	var out []string
	for _, s := range all {
		out = append(out, string(s))
	}
	return strings.Join(out, " or ")
}

// tried are the strategies a probe can try: those that can be filed by, and those the vendor's quirks hold back until a probe
// has proven them.
func (x *examination) tried() []connector.Strategy {
	if x.baseGap != nil || x.tokenGap != nil {
		return nil
	}
	var out []connector.Strategy
	for _, s := range x.e.opts.wanted() {
		create := resourceOf(s) + " create"
		if x.e.able.declares(resourceOf(s), "create") && x.e.able.grants(resourceOf(s), "create") && !x.e.disproven[create] && !slices.Contains(x.e.opts.Quirks.Never, create) {
			out = append(out, s)
		}
	}
	return out
}

// first is the strategy that is filed by, "" where none can be.
func (x *examination) first() connector.Strategy {
	if x.baseGap != nil || x.tokenGap != nil {
		return ""
	}
	return x.e.strategy()
}

func (x *examination) rows(ctx context.Context) {
	x.found.Strategies = x.tried()
	tired := false // an EHR that did not answer one search is not asked the others
	for _, u := range x.uses() {
		if !u.needed && x.neverUsed(u) {
			continue // nobody can change what this vendor's EHR is
		}
		c := x.row(u)
		if u.interaction == "search-type" && c.Gap == nil && !tired {
			tired = x.try(ctx, u, &c)
		}
		x.found.Capabilities = append(x.found.Capabilities, c)
	}
	for _, kind := range x.e.opts.Quirks.CallTypes {
		x.found.Capabilities = append(x.found.Capabilities, x.called(kind))
	}
}

// called is the row of an entry that the vendor's own API makes. Nothing declares what that API can do, and it is not called:
// only a filed entry proves it.
func (x *examination) called(kind string) connector.Capability {
	c := connector.Capability{Resource: kind, Interaction: "create", API: x.e.opts.Quirks.CallAPI, Needed: true,
		Declared: connector.NotKnown, Granted: connector.NotKnown, Proven: connector.NotKnown}
	switch {
	case x.e.auth == nil:
		c.Granted = connector.KnownYes
	case x.tokenGap != nil:
		c.Gap = x.tokenGap
		if x.refused {
			c.Granted = connector.KnownNo
		}
	case x.baseGap != nil:
		c.Gap = x.baseGap
	default:
		lacking := x.e.callMissing()
		c.Granted = known(len(lacking) == 0)
		if len(lacking) > 0 {
			c.Gap = x.callUngranted(kind, lacking)
		}
	}
	return c
}

// callUngranted is ungranted for scopes of the vendor's own API.
func (x *examination) callUngranted(kind string, lacking []string) *connector.Lack {
	b := x.e.auth
	if unasked := smart.Missing(smart.ParseScopes(b.asked), smart.ParseScopes(joined(lacking))); len(unasked) > 0 {
		return gap(connector.FixConfig, "backend.scopes in the Chartwire configuration does not ask for %s, so no %s can be filed: add it there, and have the EHR administrator grant it to client %q.", unasked, kind, b.credentials.ClientID)
	}
	return gap(connector.FixEHR, "client %q asked for %s and was not granted it, so no %s can be filed: the EHR administrator must grant it to the client.", b.credentials.ClientID, joined(lacking), kind)
}

// neverUsed says whether the vendor's EHR has no such thing for us, whatever it declares.
func (x *examination) neverUsed(u use) bool {
	name := u.resource + " " + u.interaction
	if u.interaction == transaction {
		name = transaction
	}
	return slices.Contains(x.e.opts.Quirks.Never, name)
}

// row is what is known of a use without trying it.
func (x *examination) row(u use) connector.Capability {
	c := connector.Capability{Resource: u.resource, Interaction: u.interaction, Needed: u.needed,
		Declared: connector.NotKnown, Granted: x.granted(u), Proven: connector.NotKnown}
	if x.baseGap == nil {
		c.Declared = known(x.declared(u))
	}
	switch {
	case x.baseGap != nil:
		c.Gap = x.baseGap
	case x.e.disproven[u.resource+" "+u.interaction]:
		c.Proven, c.By, c.Gap = connector.KnownNo, "filing", x.untrue(u, "it answered that it does not know it")
	case c.Declared == connector.KnownNo:
		c.Gap = x.undeclared(u)
	case x.neverUsed(u) || !x.e.trusts(u.resource+" "+u.interaction):
		c.Gap = x.held(u)
		if x.neverUsed(u) {
			c.Proven, c.By = connector.KnownNo, "vendor"
		}
	case x.tokenGap != nil:
		c.Gap = x.tokenGap
	case c.Granted == connector.KnownNo:
		c.Gap = x.ungranted(u)
	}
	return c
}

func known(yes bool) connector.Known {
	if yes {
		return connector.KnownYes
	}
	return connector.KnownNo
}

func (x *examination) declared(u use) bool {
	if u.interaction == transaction {
		return x.e.able.declared.Transaction()
	}
	return x.e.able.declared.Declares(u.resource, u.interaction)
}

func (x *examination) granted(u use) connector.Known {
	switch {
	case x.e.auth == nil:
		return connector.KnownYes // an open server grants everything
	case x.tokenGap != nil && x.refused:
		return connector.KnownNo
	case x.tokenGap != nil || x.baseGap != nil:
		return connector.NotKnown
	case u.interaction == transaction:
		return connector.KnownYes // it has no scope of its own: its entries have theirs
	}
	granted := x.e.able.grants(u.resource, u.interaction)
	if !granted && !x.declared(u) {
		return connector.NotKnown // what is not declared is not asked for
	}
	return known(granted)
}

func (x *examination) undeclared(u use) *connector.Lack {
	at := x.e.opts.BaseURL + "/metadata"
	if !u.needed {
		return gap(connector.FixEHR, "%s does not declare %s, so %s: the EHR administrator can enable it.", at, sayUse(u), u.without)
	}
	if resourceOfStrategy(u.resource) && !x.e.opts.Quirks.byCall() {
		return gap(connector.FixEHR, "%s does not declare %s, so %s: the EHR administrator must enable it for this client, or filing.as in the Chartwire configuration must name another strategy.", at, sayUse(u), u.without)
	}
	return gap(connector.FixEHR, "%s does not declare %s, so %s: the EHR administrator must enable it for this client.", at, sayUse(u), u.without)
}

// held is of what a vendor declares and does not mean, or has to be seen doing first.
func (x *examination) held(u use) *connector.Lack {
	if x.neverUsed(u) {
		return gap(connector.FixConfig, "this vendor declares %s and means something else by it, so it is never used, and %s: have filing.as in the Chartwire configuration name another strategy where this one was meant.", sayUse(u), u.without)
	}
	return gap(connector.FixConfig, "this vendor's declaration of %s counts for nothing until a probe has proven it, so %s: have whoever keeps the Chartwire configuration name a probe.patient, and run chartwire doctor --ehr NAME --probe.", sayUse(u), u.without)
}

// ungranted tells a scope the EHR did not grant from one that was not asked for, which is ours to mend.
func (x *examination) ungranted(u use) *connector.Lack {
	b := x.e.auth
	scope := smart.Scope{Level: "system", Type: u.resource, Can: permissions[u.interaction]}
	spelled := fmt.Sprintf("%s (v1 spelling: %s)", scope, strings.Join(scope.V1(), " "))
	if !smart.Covers(smart.ParseScopes(b.asked), scope) {
		return gap(connector.FixConfig, "backend.scopes in the Chartwire configuration does not ask for %s, so %s: add it there, and have the EHR administrator grant it to client %q.", spelled, u.without, b.credentials.ClientID)
	}
	return gap(connector.FixEHR, "client %q asked for %s and was not granted it, so %s: the EHR administrator must grant it to the client.", b.credentials.ClientID, spelled, u.without)
}

// untrue is of what is declared and not done.
func (x *examination) untrue(u use, saw string) *connector.Lack {
	then := "the EHR administrator must enable it, or have its declaration corrected"
	if u.interaction == "create" && resourceOfStrategy(u.resource) {
		then = "the EHR administrator must enable it, or filing.as in the Chartwire configuration must name another strategy"
	}
	return gap(connector.FixEHR, "%s/metadata declares %s, but %s, so %s: %s.", x.e.opts.BaseURL, sayUse(u), saw, u.without, then)
}

func resourceOfStrategy(kind string) bool {
	for _, r := range resources {
		if r.resource == kind {
			return true
		}
	}
	return false
}

func sayUse(u use) string {
	switch u.interaction {
	case "search-type":
		return "search of " + u.resource
	case transaction:
		return "transactions"
	}
	return u.interaction + " of " + u.resource
}

// try searches for an identifier that nobody has: an EHR that answers it searches the type, and shows nothing about anybody.
// stop says that the EHR did not answer.
func (x *examination) try(ctx context.Context, u use, c *connector.Capability) (stop bool) {
	if u.resource != "Patient" && !x.e.able.declared.SearchParam(u.resource, "identifier") {
		return false
	}
	_, err := x.e.firstPage(ctx, u.resource, url.Values{"identifier": {r4.Token(x.e.opts.Base+"/doctor", "nobody")}, "_count": {"1"}})
	if err == nil {
		c.Proven, c.By, c.At = connector.KnownYes, "now", x.e.opts.Now().UTC()
		return false
	}
	var failed *client.Error
	if !errors.As(err, &failed) {
		return false // it answered, and not with what can be read; filing would say more
	}
	switch {
	case failed.Status == http.StatusUnauthorized || failed.Status == http.StatusForbidden:
		c.Proven, c.By, c.At = connector.KnownNo, "now", x.e.opts.Now().UTC()
		c.Gap = gap(connector.FixEHR, "search of %s is declared and granted, but was answered HTTP %d now, so %s: the EHR administrator must give the client's user the right to it.", u.resource, failed.Status, u.without)
	case failed.Status == http.StatusNotFound || unknownInteraction(err):
		c.Proven, c.By, c.At = connector.KnownNo, "now", x.e.opts.Now().UTC()
		c.Gap = x.untrue(u, fmt.Sprintf("answered it HTTP %d now", failed.Status))
	case failed.Class == client.Refused: // it wants other parameters, perhaps
	default:
		c.Gap = gap(connector.FixEHR, "search of %s was not answered now (%s): ask the EHR administrator whether the EHR is up, then run doctor again.", u.resource, failed.Why)
		return true
	}
	return false
}
