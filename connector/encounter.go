package connector

import "time"

// EncounterQuery asks for encounters of one patient. Exactly one of Reference, Visit, Open and Since is set.
type EncounterQuery struct {
	Patient   string     // EHR reference
	Reference string     // this one, where it is that patient's: Encounter/…
	Visit     Identifier // those that carry it, in the channel's system: the visit a platform named
	Open      bool       // those that are under way
	Since     time.Time  // those that began at or after; more may be given
}

// Encounter is what a choice among encounters may depend on. Reference and Identifiers are PHI.
type Encounter struct {
	Reference   string
	Status      string    // EncounterStatus of R4
	Start       time.Time // zero where the EHR does not say
	Places      []string  // Location/… and Organization/…: where it takes place, and who provides it
	Identifiers []Identifier
}

// String hides the encounter from logs.
func (Encounter) String() string { return redacted }

// String hides the query from logs.
func (EncounterQuery) String() string { return redacted }

// Open says whether the encounter is under way: the patient has come, and has not left for good.
func (e Encounter) Open() bool {
	switch e.Status {
	case "arrived", "triaged", "in-progress", "onleave":
		return true
	}
	return false
}

// Began says whether it took place or takes place: it is neither planned, called off nor a mistake.
func (e Encounter) Began() bool { return e.Open() || e.Status == "finished" }
