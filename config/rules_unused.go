package config

import (
	"slices"
	"strings"

	yaml "github.com/goccy/go-yaml"
)

// unusedKey is a key that some EHR connections do nothing with. Whoever writes it there believes in something that does not happen,
// so it is refused, and config print leaves it out.
type unusedKey struct {
	key string
	why func(e EHR) string // and what to write instead; "" where it has its effect
}

var unused = []unusedKey{
	{"roles", func(e EHR) string {
		switch {
		case e.Launch != nil:
			return ""
		case e.Type == HL7v2:
			return "has no effect with type hl7v2: nobody signs in from an interface engine; remove it"
		}
		return "has no effect without launch, by which users sign in; add launch, or remove it"
	}},
	{"watch", noEffect(map[EHRType]string{
		Epic:     "its CommunicationRequests cannot be searched; remove it",
		Oracle:   "its CommunicationRequests cannot be searched; remove it",
		Meditech: "its CommunicationRequests cannot be searched; remove it",
		Athena:   "its API has no CommunicationRequests; remove it",
		OpenEMR:  "its API has no CommunicationRequests; remove it",
	})},
	{"filing.proxies", noEffect(map[EHRType]string{
		Epic: namedOnly, Oracle: namedOnly, Meditech: namedOnly, Athena: namedOnly, OpenEMR: namedOnly,
		HL7v2: "a document message names a proxy in its text and creates nobody; remove it",
	})},
	{"filing.doc_status", noEffect(map[EHRType]string{
		Athena:   "a document is made by athenaOne's API, which has no docStatus; remove it",
		OpenEMR:  "a document of OpenEMR's API has no docStatus; remove it",
		Meditech: "MEDITECH takes Communications alone, which have no docStatus; remove it",
		HL7v2:    "a document message has no docStatus; write hl7.completion, TXA-17",
	})},
	{"filing.note_type", noEffect(map[EHRType]string{
		Athena:   "a document has athenaOne's own classes; write athena.subclass, or remove it",
		OpenEMR:  "a document has OpenEMR's own categories; write openemr.category, or remove it",
		Meditech: "MEDITECH takes Communications alone, which have no note type; remove it",
	})},
	{"filing.internal", func(e EHR) string {
		as := e.Filing.As
		switch {
		case e.Type == Epic, e.Type == Athena, e.Type == OpenEMR, e.Type == HL7v2:
			return "has no effect with type " + string(e.Type) + ": what is filed there has no restricted form, so internal notes are never filed; remove it"
		case e.Type != Meditech && !as.Auto() && !slices.Contains(as, StrategyCommunication):
			return "has no effect with these strategies: notes and documents have no restricted form, so internal notes are never filed; name communication in as, or remove it"
		}
		return ""
	}},
	{"limits.inline_bytes", noEffect(map[EHRType]string{
		Athena: "its documents carry no attachments, they name them; remove it",
		Epic:   "its notes carry no attachments, they name them; remove it",
		Oracle: "its entries carry no attachments, they name them; remove it",
	})},
	{"limits.concurrent", noEffect(map[EHRType]string{
		HL7v2: "one message at a time is under way on an MLLP connection; remove it, requests_per_second holds it back further",
	})},
}

const namedOnly = "no RelatedPerson can be created by its API, so a proxy the EHR does not know is only named; remove it"

// noEffect says why a key does nothing, by type.
func noEffect(by map[EHRType]string) func(EHR) string {
	return func(e EHR) string {
		if why, ok := by[e.Type]; ok {
			return "has no effect with type " + string(e.Type) + ": " + why
		}
		return ""
	}
}

// unusedRules refuses what a connection does nothing with.
func (l *loader) unusedRules(e *EHR, path string) {
	for _, u := range unused {
		if why := u.why(*e); why != "" && l.given(path+"."+u.key) {
			l.mistake(path+"."+u.key, why)
		}
	}
}

// withoutUnused takes those keys, whose defaults are in the struct, out of what is printed.
func withoutUnused(out yaml.MapSlice, e EHR) yaml.MapSlice {
	for _, u := range unused {
		if u.why(e) != "" {
			out = without(out, strings.Split(u.key, "."))
		}
	}
	return out
}

func without(out yaml.MapSlice, key []string) yaml.MapSlice {
	at := slices.IndexFunc(out, func(i yaml.MapItem) bool { return i.Key == key[0] })
	if at < 0 {
		return out
	}
	if inner, ok := out[at].Value.(yaml.MapSlice); ok && len(key) > 1 {
		if inner = without(inner, key[1:]); len(inner) > 0 {
			out[at].Value = inner
			return out
		}
	}
	return slices.Delete(out, at, at+1)
}
