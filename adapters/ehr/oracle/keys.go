package oracle

import "github.com/chartwire/chartwire/config"

// Spelling is how the app's registration spells scopes.
type Spelling string

// The spellings. SpellAuto takes what the smart-configuration says, SMART v2 where it names both.
const (
	SpellAuto Spelling = "auto"
	SpellV1   Spelling = "v1"
	SpellV2   Spelling = "v2"
)

// Keys are the configuration keys of type oracle alone.
type Keys struct {
	Scopes   Spelling `yaml:"scopes" doc:"SMART version the app is registered with in Code Console: scopes of the other spelling are dropped without a word. auto takes v2 where the EHR names both." default:"auto" enum:"auto|v1|v2"`
	Category string   `yaml:"category" doc:"Communication.category of staff messages; 312853008 is SNOMED CT." default:"notification" enum:"notification|reminder|312853008"`
	Inbox    string   `yaml:"inbox" doc:"Group/… of the message center's pool that gets what staff write to a patient. Left out: that is filed as a document." format:"ref:Group"`
	ReplyTo  string   `yaml:"reply_to" doc:"Group/… that replies to staff messages go to." format:"ref:Group"`
}

// Section brings the keys into the configuration.
func Section() config.Section {
	return config.Section{Of: "ehr", Type: string(config.Oracle), New: func() config.Validator { return new(Keys) }}
}

// Validate finds nothing that concerns more than one key.
func (*Keys) Validate() []config.Problem { return nil }
