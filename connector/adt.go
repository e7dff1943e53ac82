package connector

import "time"

// ADTIndex is what a store keeps of the ADT feed of an EHR (HL7 v2 ch. 3): who its patients are and which visits they have,
// where the EHR itself cannot be asked. Inside Update, the patients and visits read stay locked until the commit.
type ADTIndex interface {
	// InsertADTMessage takes note of a message by its control id (MSH-10, with who sent it). It reports false, and changes
	// nothing, where the same bytes were taken under this id before. Notes older than keep are dropped.
	InsertADTMessage(ehr, control string, message []byte, now time.Time, keep time.Duration) (bool, error)
	// ADTPatients gives the patients that have an identifier which makes this reference, in no order; none where nobody has.
	ADTPatients(ehr, reference string) ([]ADTPatient, error)
	// HoldADTPatients is ADTPatients for a commit that changes none of them: they stay as they are until it, and others may hold
	// them too.
	HoldADTPatients(ehr, reference string) ([]ADTPatient, error)
	// PutADTPatient inserts or replaces by Reference, with the identifiers.
	PutADTPatient(p ADTPatient) error
	// ADTVisit gives a visit by its reference, ADTVisits those of a patient, in no order.
	ADTVisit(ehr, reference string) (ADTVisit, error)
	ADTVisits(ehr, patient string) ([]ADTVisit, error)
	PutADTVisit(v ADTVisit) error
	// AwaitPatient notes that a thread is held for a patient by one of these references; WakeAwaiting makes the chart lanes of
	// the threads that are held for one of these due, and forgets the notes.
	AwaitPatient(ehr, thread string, references []string) error
	WakeAwaiting(ehr string, references []string, now time.Time) error
}

// ADTPatient is a patient as the ADT feed tells of them.
type ADTPatient struct {
	EHR         string
	Reference   string          // hashed: made of the first identifier the patient was told of with, and kept
	Identifiers []ADTIdentifier // sealed; their References are hashed
	Names       []HumanName     // sealed
	BirthDate   string          // sealed
	Phones      []string        // sealed
	ReplacedBy  string          // sealed: the reference of the patient this one was merged into, "" where it was not
	MergedAt    time.Time       // sealed: when that was said
	SaidAt      time.Time       // when the newest news was recorded, as the feed says
}

// String hides the patient from logs.
func (ADTPatient) String() string { return redacted }

// ADTIdentifier is one identifier of a patient (PID-3) and the reference that is made of it.
type ADTIdentifier struct {
	Reference string
	Namespace string // of the assigning authority
	Type      string // table 0203
	Value     string
}

// ADTVisit is a visit as the ADT feed tells of it.
type ADTVisit struct {
	EHR       string
	Reference string // hashed
	Patient   string // hashed: the reference of its patient
	Class     string // sealed: PV1-2, table 0004
	Number    string // sealed: PV1-19.1
	Namespace string // sealed: of the authority that gave the number
	Began     time.Time
	Open      bool
	SaidAt    time.Time
}

// String hides the visit from logs.
func (ADTVisit) String() string { return redacted }
