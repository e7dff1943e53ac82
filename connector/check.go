package connector

import (
	"context"
	"time"
)

// Checker examines a connection, for chartwire doctor. It only reads: it changes nothing at the EHR, and nothing of what the
// connection files by. An adapter without it shows what is proven and no more.
type Checker interface {
	// Check asks the EHR anew for everything it says. What does not work is in the Preflight; the error is ctx's alone.
	Check(ctx context.Context) (Preflight, error)
}

// Known is an answer that may be unknown.
type Known string

// The three answers.
const (
	KnownYes Known = "yes"
	KnownNo  Known = "no"
	NotKnown Known = "unknown"
)

// Fixer is whose work it is to close a gap.
type Fixer string

// Who closes gaps.
const (
	FixEHR       Fixer = "EHR administrator"
	FixInterface Fixer = "interface engineer" // networks, certificates, engines
	FixConfig    Fixer = "Chartwire configuration"
)

// Lack is what is missing, where, and who must act, in one sentence. It holds no PHI and no secret.
type Lack struct {
	Text string `json:"text"`
	Who  Fixer  `json:"who"`
}

// Capability is one thing an EHR can be asked to do: declared by its own statement, granted to us, and proven by having been
// done. These are three facts, and each may be true without the others.
type Capability struct {
	Resource    string `json:"resource"`      // Communication, or MLLP and MDM for an interface engine
	Interaction string `json:"interaction"`   // as FHIR spells it: create, read, update, search-type, transaction
	API         string `json:"api,omitempty"` // the vendor's own API that does it: OpenEMR's standard API; "" FHIR, or what Resource says
	// Needed says that filing as configured does not go on without it. What only serves filing has a gap too, which says what
	// is done instead.
	Needed   bool      `json:"needed"`
	Declared Known     `json:"declared"`
	Granted  Known     `json:"granted"`
	Proven   Known     `json:"proven"`
	By       string    `json:"by,omitempty"` // what proved or disproved it: now, filing, probe, vendor
	At       time.Time `json:"at,omitzero"`  // and when, UTC
	Gap      *Lack     `json:"gap,omitempty"`
}

// Name is how people call it: "Communication create", "Patient search".
func (c Capability) Name() string {
	if c.Interaction == "search-type" {
		return c.Resource + " search"
	}
	return c.Resource + " " + c.Interaction
}

// Fact is something else that was found out about a connection: issuer, certificates, clocks, scopes, keys.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Good  Known  `json:"good"` // NotKnown: it could not be found out, or is for a person to judge
	Gap   *Lack  `json:"gap,omitempty"`
}

// Preflight is what a Check found.
type Preflight struct {
	Facts        []Fact
	Capabilities []Capability
	Strategies   []Strategy // those a probe tries, best first: declared, granted and not disproven
}
