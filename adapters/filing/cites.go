package filing

import (
	"strings"

	"github.com/chartwire/chartwire/connector"
)

// Cites compares the id line of a note's text (CitedID) with the identifier of a message of ours. any says that there is such a
// line, it that it names this one. An id that no line can hold as it is stands for every id that looks the same there.
func Cites(note []byte, id connector.Identifier) (any, it bool) {
	channel, value, ok := CitedID(note)
	return ok, ok && strings.HasSuffix(id.System, "/"+channel+"/message") && value == clean(id.Value)
}
