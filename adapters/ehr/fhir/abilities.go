package fhir

import (
	"cmp"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
	"github.com/chartwire/chartwire/fhir/smart"
)

// abilities is what a connection declares and grants. What is declared may be untrue (Open learns of disproof from File);
// what is not declared or not granted is not tried.
type abilities struct {
	known    bool // false: nothing is known yet, and everything is assumed
	declared r4.Capability
	secured  bool // tokens are used, so granted counts
	granted  smart.Scopes
}

// everything is assumed before the EHR was asked, so that plans can be shown without a network.
func everything() abilities { return abilities{} }

var permissions = map[string]smart.Permission{
	"create": smart.Create, "read": smart.Read, "update": smart.Update, "search-type": smart.Search,
}

func (a abilities) declares(resource, interaction string) bool {
	return !a.known || a.declared.Declares(resource, interaction)
}

func (a abilities) grants(resource, interaction string) bool {
	if !a.known || !a.secured {
		return true
	}
	return smart.Covers(a.granted, smart.Scope{Level: "system", Type: resource, Can: permissions[interaction], Query: noteQuery(resource)})
}

// noteQuery is the narrowest thing we do with a type: a grant that is limited to clinical notes covers it.
func noteQuery(resource string) string {
	if resource == "DocumentReference" {
		return "category=clinical-note"
	}
	return ""
}

// searches says whether a type can be searched by a parameter.
func (a abilities) searches(resource, param string) bool {
	if !a.known {
		return true
	}
	return a.declares(resource, "search-type") && a.grants(resource, "search-type") && a.declared.SearchParam(resource, param)
}

// can is declared ∧ granted ∧ not disproven, the vendor's quirks being disproof enough. Callers hold e.mu.
func (e *EHR) can(resource, interaction string) bool {
	return !e.opts.Quirks.denies(resource+" "+interaction) && e.trusts(resource+" "+interaction) && e.able.declares(resource, interaction) && e.able.grants(resource, interaction) && !e.disproven[resource+" "+interaction]
}

// trusts says whether a declaration of the interaction counts: where the vendor's quirks doubt it, once a probe has seen it to
// work. Before Open everything is assumed. Callers hold e.mu.
func (e *EHR) trusts(interaction string) bool {
	return !e.able.known || !slices.Contains(e.opts.Quirks.Unproven, interaction) || slices.Contains(e.proven, interaction)
}

// doubted are the interactions the wanted strategies would use, which are declared and granted, and which only a probe can
// bring into use. Callers hold e.mu.
func (e *EHR) doubted() []string {
	var out []string
	for _, s := range e.opts.wanted() {
		for _, kind := range e.opts.written(s) {
			if i := kind + " create"; slices.Contains(e.opts.Quirks.Unproven, i) && !slices.Contains(e.proven, i) && e.able.declares(kind, "create") && e.able.grants(kind, "create") {
				out = append(out, i)
			}
		}
	}
	return out
}

// resources names the type each strategy writes, best first under auto. What can be filed as a document can be filed as a
// note, so auto never comes to a document: whoever wants paper says so.
var resources = []struct {
	strategy connector.Strategy
	resource string
}{
	{connector.AsCommunication, "Communication"},
	{connector.AsNote, "DocumentReference"},
	{connector.AsDocument, "DocumentReference"},
}

// resourceOf is the type a strategy writes, "" for one that writes by another API.
func resourceOf(s connector.Strategy) string {
	for _, r := range resources {
		if r.strategy == s {
			return r.resource
		}
	}
	return ""
}

// wanted are the strategies policy allows and the vendor's chart has a use for, best first.
func (o Options) wanted() []connector.Strategy {
	if len(o.FilingAs) == 0 || slices.Contains(o.FilingAs, "auto") {
		return slices.DeleteFunc(o.Quirks.order(), func(s connector.Strategy) bool { return s == connector.AsDocument })
	}
	var out []connector.Strategy
	for _, s := range o.FilingAs {
		if slices.Contains(o.Quirks.order(), connector.Strategy(s)) {
			out = append(out, connector.Strategy(s))
		}
	}
	return out
}

// newsAs is the strategy an exchange goes by. News of a message goes by one of those that make entries like the message's own:
// its thread may go by another one since.
func (o Options) newsAs(x connector.Exchange, of connector.Strategy) connector.Strategy {
	kind := x.Entries[1]
	switch x.Kind {
	case connector.ItemCorrection, connector.ItemRetraction, connector.ItemStatus:
	default:
		return of
	}
	if kind == "" || resourceOf(of) == "" || kind == resourceOf(of) {
		return of
	}
	for _, s := range append(o.wanted(), connector.AsCommunication, connector.AsNote) {
		if resourceOf(s) == kind {
			return s
		}
	}
	return of
}

// strategy is the best wanted one the EHR can do, "" for none. Callers hold e.mu.
func (e *EHR) strategy() connector.Strategy {
	for _, s := range e.opts.wanted() {
		if e.creates(s) {
			return s
		}
	}
	return ""
}

// callMissing are the scopes of the vendor's own API that the token does not hold. Callers hold e.mu.
func (e *EHR) callMissing() []string {
	if !e.able.known || !e.able.secured {
		return nil
	}
	return smart.Missing(e.able.granted, smart.ParseScopes(joined(e.opts.Quirks.CallScopes))).Spell(false)
}

// fallbacks are the strategies filing.as names after s, as far as the EHR can do them. auto names none. Callers hold e.mu.
func (e *EHR) fallbacks(s connector.Strategy) []connector.Strategy {
	if len(e.opts.FilingAs) < 2 {
		return nil
	}
	all := e.opts.wanted()
	return slices.DeleteFunc(slices.Clone(all[slices.Index(all, s)+1:]), func(other connector.Strategy) bool {
		return !e.creates(other)
	})
}

// creates says whether the EHR takes every entry a strategy makes. Callers hold e.mu.
func (e *EHR) creates(s connector.Strategy) bool {
	if s == connector.AsVendorCall {
		return len(e.callMissing()) == 0
	}
	for _, resource := range e.opts.written(s) {
		if !e.can(resource, "create") {
			return false
		}
	}
	return len(e.opts.written(s)) > 0
}

// written are the types a strategy makes entries of, the one whose entries can be changed last.
func (o Options) written(s connector.Strategy) []string {
	switch {
	case resourceOf(s) == "":
		return nil
	case s == connector.AsCommunication && o.Policy.Shape.Staff != nil: // what is not staff's goes as a note
		return []string{"Communication", "DocumentReference"}
	default:
		return []string{resourceOf(s)}
	}
}

// traits is what the connection can do under a strategy. Callers hold e.mu.
func (e *EHR) traits(s connector.Strategy) connector.Traits {
	if s == connector.AsVendorCall { // what FHIR declares is not what is written by
		return connector.Traits{Strategy: s, Echo: cmp.Or(e.opts.Quirks.Echo, connector.EchoExact), Missing: e.missing()}
	}
	a, kind, deny := e.able, "", e.opts.Quirks.denies
	if written := e.opts.written(s); len(written) > 0 {
		kind = written[len(written)-1]
	}
	change := func(resource string) bool { return e.can(resource, "update") && e.can(resource, "read") }
	return connector.Traits{
		Strategy:       s,
		Fallbacks:      e.fallbacks(s),
		Update:         change(kind),
		Requests:       e.can("CommunicationRequest", "create"),
		RequestPut:     change("CommunicationRequest"),
		Tasks:          e.can("Task", "create") && change("Task"),
		Watch:          !deny("CommunicationRequest search-type") && (a.searches("CommunicationRequest", "_lastUpdated") || e.can("CommunicationRequest", "search-type")),
		Subscribe:      e.can("Subscription", "create"),
		Transaction:    !deny("transaction") && (!a.known || a.declared.Transaction()),
		Provenance:     e.can("Provenance", "create"),
		Proxies:        e.opts.Policy.CreateProxies && e.can("RelatedPerson", "create"),
		IfNoneExist:    !deny(kind+" conditional-create") && (!a.known || a.declared.ConditionalCreate(kind)),
		NeedsEncounter: e.opts.Quirks.NeedsEncounter,
		Echo:           cmp.Or(e.opts.Quirks.Echo, connector.EchoExact),
		Missing:        e.missing(),
		Unproven:       e.doubted(),
	}
}

// missing lists the scopes the filing needs, the EHR declares and the token does not allow.
func (e *EHR) missing() []string {
	if !e.able.known || !e.able.secured {
		return nil
	}
	return smart.Missing(e.able.granted, needed(e.able, e.opts)).Spell(false)
}

// need is what we may do with a type.
type need struct {
	resource string
	can      smart.Permission
}

func needs(o Options) []need {
	all := smart.Create | smart.Read | smart.Update | smart.Search
	if o.Quirks.byCall() {
		return []need{{"Patient", smart.Read | smart.Search}, {"DocumentReference", smart.Read | smart.Search}, {"Binary", smart.Read}}
	}
	list := []need{{"Patient", smart.Read | smart.Search}, {"Practitioner", smart.Search}, {"RelatedPerson", smart.Read | smart.Search}}
	if o.Policy.CreateProxies {
		list = append(list, need{"RelatedPerson", smart.Create})
	}
	if o.Encounters {
		list = append(list, need{"Encounter", smart.Search})
	}
	for _, s := range o.wanted() {
		for _, resource := range o.written(s) {
			list = append(list, need{resource, all})
		}
	}
	return append(list, need{"CommunicationRequest", all}, need{"Task", all}, need{"Provenance", smart.Create | smart.Search},
		need{"Binary", smart.Create | smart.Read}, need{"Subscription", smart.Create | smart.Read | smart.Update | smart.Search})
}

// needed are the scopes to ask for: what the filing uses and the EHR declares, no more.
func needed(a abilities, o Options) smart.Scopes {
	can := map[string]smart.Permission{}
	var order []string
	for _, n := range needs(o) {
		for interaction, p := range permissions {
			if n.can&p == 0 || !a.declares(n.resource, interaction) || o.Quirks.denies(n.resource+" "+interaction) || n.resource == "Task" && !tasked(a, o) {
				continue
			}
			if can[n.resource] == 0 {
				order = append(order, n.resource)
			}
			can[n.resource] |= p
		}
	}
	var out smart.Scopes
	for _, resource := range order {
		out = append(out, smart.Scope{Level: "system", Type: resource, Can: can[resource]})
	}
	return append(out, smart.ParseScopes(joined(o.Quirks.CallScopes))...)
}

// tasked says whether the EHR declares what keeping a Task needs. Many declare to read and change those of their own staff, and to
// create none: then nothing is asked for.
func tasked(a abilities, o Options) bool {
	for _, interaction := range []string{"create", "read", "update"} {
		if !a.declares("Task", interaction) || o.Quirks.denies("Task "+interaction) {
			return false
		}
	}
	return true
}

// Scopes lists, in SMART v2 spelling, what an EHR administrator must grant a connection with these options, where the EHR
// declares everything.
func Scopes(o Options) []string { return needed(everything(), o).Spell(false) }

func joined(list []string) string { return strings.Join(list, " ") }
