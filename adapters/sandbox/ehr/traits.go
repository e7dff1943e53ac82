package ehr

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Traits say what this EHR is able to do. The CapabilityStatement declares exactly them, and a request outside them is
// refused. The zero Traits stand for Full().
type Traits struct {
	// HonourIfNoneExist: conditional create works, alone and in a transaction. Without it the header is ignored, as most
	// vendors do, and every POST creates.
	HonourIfNoneExist bool
	// SearchByIdentifier: Communication, CommunicationRequest and DocumentReference can be searched by identifier.
	SearchByIdentifier bool
	// SearchWrites: those three types can be searched at all.
	SearchWrites bool
	// HideWrites: those three types cannot be read back by id either, so that nothing proves a write but its answer.
	HideWrites bool
	// UpdateCommunication: update of Communication, CommunicationRequest and DocumentReference.
	UpdateCommunication bool
	// AcceptCommunication, AcceptCommunicationRequest and AcceptDocumentReference: clients may create these.
	AcceptCommunication        bool
	AcceptCommunicationRequest bool
	AcceptDocumentReference    bool
	// Transaction: POST of a transaction Bundle to the base.
	Transaction bool
	// Provenance, RelatedPersonCreate, Task, Binary and Subscription: clients may create these.
	Provenance          bool
	RelatedPersonCreate bool
	Task                bool
	Binary              bool
	Subscription        bool
	// RequireIfMatch: an update without If-Match is refused with 428.
	RequireIfMatch bool
	// RequireEncounter: a DocumentReference without context.encounter is refused, as Epic does.
	RequireEncounter bool
	// ReturnMinimal: creates answer with no body unless Prefer asks for one.
	ReturnMinimal bool
	// SearchLag: a write shows in searches only this long after its commit; reads by id see it at once.
	SearchLag time.Duration
	// LagIfNoneExist: conditional create looks through the same lagging index, so that a quick repeat doubles.
	LagIfNoneExist bool
	// InlineBytes: the largest decoded inline attachment; 0 means no limit but the body's. A larger one is 413.
	InlineBytes int
	// Vendor names the rules of a vendor beside these traits, one of Vendors(); "" has none.
	Vendor string
	// Auth: every request but /metadata and discovery needs a token with the scope for it.
	Auth bool
}

// Full is an EHR that can do everything this sandbox knows, without authorization.
func Full() Traits {
	return Traits{
		HonourIfNoneExist: true, SearchByIdentifier: true, SearchWrites: true, UpdateCommunication: true,
		AcceptCommunication: true, AcceptCommunicationRequest: true, AcceptDocumentReference: true, Transaction: true,
		Provenance: true, RelatedPersonCreate: true, Task: true, Binary: true, Subscription: true,
	}
}

// NoteOnly is an EHR of the US Core floor: DocumentReference can be created and searched, nothing else can be written, no
// transaction, no conditional create.
func NoteOnly() Traits {
	return Traits{SearchByIdentifier: true, SearchWrites: true, AcceptDocumentReference: true}
}

// SearchOnly is Full without conditional create: what was written can only be found by searching for it.
func SearchOnly() Traits {
	t := Full()
	t.HonourIfNoneExist = false
	return t
}

// Blind is Full without conditional create and without any search over what was written.
func Blind() Traits {
	t := Full()
	t.HonourIfNoneExist, t.SearchByIdentifier, t.SearchWrites = false, false, false
	return t
}

// ParseTraits changes traits by words, comma-separated: conditional=honoured or ignored (If-None-Exist), search=identifier,
// listed (not by identifier) or none, lag=DURATION of the search index, conditional-lag=yes or no (If-None-Exist looks
// through the lagging index too), answers=full or minimal, updates=yes or no, if-match=required or optional.
func ParseTraits(t Traits, words string) (Traits, error) {
	for _, word := range strings.Split(words, ",") {
		change, err := traitChange(strings.TrimSpace(word))
		if err != nil {
			return t, err
		}
		change(&t)
	}
	return t, nil
}

// traitWords are the values of each word and what they change.
var traitWords = map[string]map[string]func(*Traits){
	"conditional":     {"honoured": func(t *Traits) { t.HonourIfNoneExist = true }, "ignored": func(t *Traits) { t.HonourIfNoneExist = false }},
	"conditional-lag": {"yes": func(t *Traits) { t.LagIfNoneExist = true }, "no": func(t *Traits) { t.LagIfNoneExist = false }},
	"search": {
		"identifier": func(t *Traits) { t.SearchWrites, t.SearchByIdentifier = true, true },
		"listed":     func(t *Traits) { t.SearchWrites, t.SearchByIdentifier = true, false },
		"none":       func(t *Traits) { t.SearchWrites, t.SearchByIdentifier = false, false },
	},
	"answers":  {"full": func(t *Traits) { t.ReturnMinimal = false }, "minimal": func(t *Traits) { t.ReturnMinimal = true }},
	"updates":  {"yes": func(t *Traits) { t.UpdateCommunication = true }, "no": func(t *Traits) { t.UpdateCommunication = false }},
	"if-match": {"required": func(t *Traits) { t.RequireIfMatch = true }, "optional": func(t *Traits) { t.RequireIfMatch = false }},
}

func traitChange(word string) (func(*Traits), error) {
	name, value, _ := strings.Cut(word, "=")
	if name == "lag" {
		d, err := time.ParseDuration(value)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("%q: give a duration such as lag=5s", word)
		}
		return func(t *Traits) { t.SearchLag = d }, nil
	}
	if change, ok := traitWords[name][value]; ok {
		return change, nil
	}
	if values := traitWords[name]; values != nil {
		return nil, fmt.Errorf("%q: %s is %s", word, name, strings.Join(slices.Sorted(maps.Keys(values)), " or "))
	}
	return nil, fmt.Errorf("no trait %q; there are lag, %s", name, strings.Join(slices.Sorted(maps.Keys(traitWords)), ", "))
}
