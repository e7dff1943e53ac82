package adapters

import (
	"github.com/chartwire/chartwire/adapters/ehr/athena"
	"github.com/chartwire/chartwire/adapters/ehr/openemr"
	"github.com/chartwire/chartwire/adapters/ehr/oracle"
	"github.com/chartwire/chartwire/config"
)

// sections are the configuration keys that belong to one adapter alone.
var sections = []config.Section{athena.Section(), openemr.Section(), oracle.Section()}

// Sections gives them to whoever loads or describes a configuration.
func Sections() []config.Section { return sections }
