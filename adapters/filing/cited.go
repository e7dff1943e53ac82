package filing

import "github.com/chartwire/chartwire/connector"

// CitedIdentifier is the identifier a note's text names (CitedID, CitedTranscript), for a chart that keeps no identifier of ours:
// want itself where the text names it as a note of want's would, else that of the message or transcript it names instead. base is
// identity.base. false where the text names none.
func CitedIdentifier(note []byte, base string, want connector.Identifier) (connector.Identifier, bool) {
	kind := "message"
	channel, value, ok := CitedID(note)
	if !ok {
		kind = "transcript"
		channel, value, ok = CitedTranscript(note)
	}
	if !ok {
		return connector.Identifier{}, false
	}
	cited := connector.Identifier{System: Names{Base: base, Channel: channel}.system(kind), Value: value}
	if cited.System == want.System && value == clean(want.Value) {
		return want, true
	}
	return cited, true
}
