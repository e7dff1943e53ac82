package fhir

import (
	"net/url"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
)

// Quirks is what one vendor's FHIR does otherwise than it declares, as data. The zero value is a server that means what it
// declares. An interaction is written as in a CapabilityStatement: "Communication create".
type Quirks struct {
	// Strategies are those the vendor's chart has a use for, best first; none means all of them. Under filing.as auto the
	// first that can be done is taken.
	Strategies []connector.Strategy
	// Never are interactions that are declared and are not what they seem: they are not used, whatever is granted. "transaction",
	// and "Type conditional-create", are written so too.
	Never []string
	// Unproven are interactions whose declaration counts for nothing until Options.Proven names them.
	Unproven []string
	// NoParams are search parameters that are declared and not to be relied on: "Encounter status".
	NoParams []string
	// NeedsEncounter says that no entry is taken without an encounter.
	NeedsEncounter bool
	// CallTypes are the types of the entries that the vendor's own API makes, as a Write has them; CallAPI is what people call it.
	CallTypes []string
	CallAPI   string
	// NoIdentifiers says that the EHR keeps none of ours on a note. It is found again by what its text cites.
	NoIdentifiers bool
	// NoScopes says that the token endpoint is asked for no scope: it grants what the client is registered for.
	NoScopes bool
	// CallScopes are those the vendor's own API needs, as the vendor spells them; for strategy vendor.
	CallScopes []string
	// Always are the parameters that every search must carry, declared or not.
	Always url.Values
	// Echo is what the EHR shows of what it was sent; "" is exact.
	Echo connector.EchoMode
	// Reasons give the meaning of the vendor's own error codes, as they stand in an OperationOutcome: by the code, or by the code
	// and the last step of the element it is about, in lower case ("59108 encounter").
	Reasons map[string]connector.Reason
	// There are the vendor's codes by which it says that the entry is on the chart already, as a 409 would.
	There []string
}

// denies says whether a declared interaction counts for nothing here, whatever is proven.
func (q Quirks) denies(interaction string) bool {
	return slices.Contains(q.Never, interaction)
}

// byCall says that nothing is written over FHIR: it is read, and the vendor's own API takes what is filed.
func (q Quirks) byCall() bool {
	return len(q.Strategies) == 1 && q.Strategies[0] == connector.AsVendorCall
}

// order is the strategies the vendor's chart has a use for, best first.
func (q Quirks) order() []connector.Strategy {
	if len(q.Strategies) > 0 {
		return slices.Clone(q.Strategies)
	}
	var out []connector.Strategy
	for _, r := range resources {
		out = append(out, r.strategy)
	}
	return out
}

// meaning is why the EHR said no, by its own codes where it has some, else by the status.
func (q Quirks) meaning(failed *client.Error) connector.Reason {
	for _, issue := range failed.Issues {
		for _, code := range issue.Detail {
			for _, path := range issue.Expression {
				last := path[strings.LastIndexAny(path, "./")+1:]
				if r, ok := q.Reasons[code+" "+strings.ToLower(last)]; ok {
					return r
				}
			}
			if r, ok := q.Reasons[code]; ok {
				return r
			}
		}
	}
	return reason(failed)
}

// there says whether the EHR refused an entry because it has it.
func (q Quirks) there(failed *client.Error) bool {
	return slices.ContainsFunc(codes(failed.Issues), func(code string) bool { return slices.Contains(q.There, code) })
}
