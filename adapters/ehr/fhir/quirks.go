package fhir

import (
	"net/url"
	"slices"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
)

// Quirks is what one vendor's FHIR does otherwise than it declares, as data. The zero value is a server that means what it
// declares. An interaction is written as in a CapabilityStatement: "Communication create".
type Quirks struct {
	// Strategies are those the vendor's chart has a use for, best first; none means all of them. Under filing.as auto the
	// first that can be done is taken.
	Strategies []connector.Strategy
	// Never are interactions that are declared and are not what they seem: they are not used, whatever is granted.
	Never []string
	// Unproven are interactions whose declaration counts for nothing until Proven names them.
	Unproven []string
	// Proven are interactions a probe has seen to work on this connection.
	Proven []string
	// NeedsEncounter says that no entry is taken without an encounter.
	NeedsEncounter bool
	// Always are the parameters that every search must carry, declared or not.
	Always url.Values
	// Echo is what the EHR shows of what it was sent; "" is exact.
	Echo connector.EchoMode
	// Reasons give the meaning of the vendor's own error codes, as they stand in an OperationOutcome.
	Reasons map[string]connector.Reason
}

// denies says whether a declared interaction counts for nothing here.
func (q Quirks) denies(interaction string) bool {
	return slices.Contains(q.Never, interaction) || slices.Contains(q.Unproven, interaction) && !slices.Contains(q.Proven, interaction)
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
	for _, c := range codes(failed.Issues) {
		if r, ok := q.Reasons[c]; ok {
			return r
		}
	}
	return reason(failed)
}
