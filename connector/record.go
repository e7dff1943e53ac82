package connector

import "time"

// The types below are what the store keeps, one struct a table. Ids are ULIDs of ours; times are UTC with microsecond
// precision except where a value inside a sealed part keeps its own offset. Fields marked sealed are encrypted in the
// database; fields marked hashed are also kept as keyed hashes so that they can be looked up.

// EHRRow is one EHR connection: the tenant. Its ID is minted once; the config's name is a label.
type EHRRow struct {
	ID         string
	Name       string
	Paused     Reason // "" runs
	PausedAt   time.Time
	FindProven bool      // a Find by identifier has found a message of ours on this connection
	Cursor     time.Time // highest server lastUpdated seen by the watcher
}

// EventRow is one accepted event. Type and Body are kept only of those whose content is nowhere else.
type EventRow struct {
	ID         string
	EHR        string
	Channel    string
	Key        string // hashed: webhook-id
	Type       EventType
	Thread     string // our thread id, "" where undecodable
	ReceivedAt time.Time
	Body       []byte // sealed
}

// Binding says which EHR patient a thread is about, and how that was decided.
type Binding struct {
	Reference string    `json:"reference,omitempty"` // Patient/id
	At        time.Time `json:"at,omitzero"`
	How       string    `json:"how,omitempty"`       // reference | identifier | trusted | person
	Encounter string    `json:"encounter,omitempty"` // that all of the thread is filed under, by the policy thread
}

// Thread is an ordered run of exchanges about one patient.
type Thread struct {
	ID        string
	EHR       string
	Channel   string
	Ext       string     // hashed: the channel's thread id; our own ULID until the platform has given one
	Info      ThreadInfo // sealed
	Patient   PatientKey // sealed
	Changed   bool       // a later event named other identifiers: nothing files until settled
	Bound     Binding    // sealed
	Closed    bool
	Header    string    // the header's item id; "" until the first message
	Strategy  Strategy  // set when the first entry is planned
	NextSeq   int64     // 1 + the highest sequence that has left the chart lane; 0 before the first
	LastSent  time.Time // sent_at of the last exchange that left the chart lane (channels without sequence)
	LastMsg   string    // sealed: its message id
	Desk      Desk
	Version   int64 // grows with every change; live streams carry it
	CreatedAt time.Time
}

// MessageRow is one revision of one message.
type MessageRow struct {
	ID         string
	EHR        string
	Thread     string
	Revision   int         // 1 the first
	Message    Message     // sealed; attachments without Data (see Tx.Blobs). Message.ID is hashed
	Client     string      // our client_message_id (ULID), "" for the platform's own
	Born       string      // id of the BornRequest it answers, "" otherwise
	Requested  bool        // has a CommunicationRequest of ours
	Delivery   Delivery    // sealed
	Retracted  *Retraction // sealed
	Corrected  *Correction // sealed, revision ≥ 2; without Text and Attachments data
	ReceivedAt time.Time
}

// Item is one thing to be done on a lane.
type Item struct {
	ID          string
	EHR         string
	Thread      string
	Lane        LaneKind // "" for parked notices that have no lane
	Kind        ItemKind
	Message     string // MessageRow.ID; "" for header, close, reopen
	State       ItemState
	Was         ItemState // as loaded; the store refuses an update whose row has moved on (ErrFenced)
	Reason      Reason
	Owner       string // pool id for reasons owned by "pool", else ""
	Channel     string
	Direction   Direction
	Sequence    int64
	SentAt      time.Time
	MsgKey      string // sealed: the channel's message id, orders equal SentAt
	Revision    int
	Priority    Priority
	CommittedAt time.Time
	ChangedAt   time.Time
	NextAt      time.Time // not looked at before
	FirstTried  time.Time // first attempt of the current run; the 72 h horizon counts from it
	Tries       int
	Late        bool
	Detail      ItemDetail // sealed
}

// ItemDetail is what an item needs besides its message, and what a person is told about it.
type ItemDetail struct {
	Text       string      `json:"text,omitempty"` // the gate's or the EHR's sentence; may be PHI
	Delivery   *Delivery   `json:"delivery,omitempty"`
	Status     string      `json:"status,omitempty"` // request items: the status wanted
	Why        string      `json:"why,omitempty"`    // request items: statusReason.text
	Event      string      `json:"event,omitempty"`  // event row behind a conflict or undecodable
	Digest     string      `json:"digest,omitempty"` // conflict: of the other content, so that it is reported once
	Retraction *Retraction `json:"retraction,omitempty"`
	Request    string      `json:"request,omitempty"`  // request items: our CommunicationRequest's ULID, or the born one's reference
	Decision   *Decision   `json:"decision,omitempty"` // the last word of a person about it
	Wait       *Wait       `json:"wait,omitempty"`     // what it has been held for, and since when
	Telling    *Telling    `json:"telling,omitempty"`  // the transcript it is filed in; nil where it is an entry of its own
	Task       *Task       `json:"task,omitempty"`     // task items: what the Task is to say
	Under      string      `json:"under,omitempty"`    // what is on the chart of it is there under this patient, and the thread is another's now
	Note       bool        `json:"note,omitempty"`     // an internal note of ours: the platform does not know it, and it has no place in its order
}

// Wait is how long an item has been held for something that only people can bring about: its patient (NoPatient stands for
// all that may be wrong with it) or an encounter. After the connection's hold_for it parks.
type Wait struct {
	For   Reason    `json:"for"`
	Since time.Time `json:"since"`
	Touch bool      `json:"touch,omitempty"` // what it waits for comes with an event of its thread
}

// Telling is one version of a thread's transcript, as the items that it tells know it. The item that carries its writes moves
// the others with it.
type Telling struct {
	Version  int    `json:"version"`
	With     string `json:"with,omitempty"`     // the carrying item; "" is this one
	Replaces []int  `json:"replaces,omitempty"` // of the carrying item: the versions this one stands in the place of
	AfterGap bool   `json:"after_gap,omitempty"`
}

// Lane is a claimed queue of one thread. Fence grows with every claim; every change of the lane's items checks it.
type Lane struct {
	EHR     string
	Thread  string
	Kind    LaneKind
	Fence   int64
	Touched int64     // grows with every TouchLane; ReleaseLane uses it to lose no wake-up
	Until   time.Time // lease end by our clock, counted from before the claim was asked for
}

// WriteState is where a write stands.
type WriteState string

// The states of a write. Attempted means a request may have left and its outcome is not committed.
const (
	WriteReady     WriteState = "ready"
	WriteAttempted WriteState = "attempted"
	WriteFiled     WriteState = "filed"
	WriteDropped   WriteState = "dropped" // known not to be on the chart and not wanted any more
)

// WriteRow is one write with its final bytes and, once filed, its receipt. Key is unique in its EHR.
type WriteRow struct {
	ID          string
	EHR         string
	Thread      string
	Item        string
	Ord         int    // below zero: it was planned for a patient the thread is not bound to any more, and only its past counts
	Key         string // hashed
	Provides    string // hashed: scoped symbol this write's receipt resolves
	State       WriteState
	Write       Write   // sealed
	Receipt     Receipt // sealed; Reference is hashed
	Attempts    int
	AttemptedAt time.Time // commit time of the latest attempt
	FiledAt     time.Time
}

// FiledWrite is the proof of a write that is on the chart.
type FiledWrite struct {
	Item       string
	Receipt    Receipt
	FiledAt    time.Time
	Identified bool // it carries an identifier of ours: an entry or a person, and not what only accompanies them
}

// Attempt is one try of one write, or of one send (Write is then the item's id).
type Attempt struct {
	ID        string
	EHR       string
	Thread    string
	Write     string
	No        int
	Fence     int64
	StartedAt time.Time
	EndedAt   time.Time // zero while unknown
	Outcome   string    // filed, refused, retry, ambiguous, conflict, found, absent, resend (not to be known: sent again under the same id)
	Reason    Reason
	Status    int
	Sent      *Write // sealed: the request of an update, which each attempt patches anew; nil where it is the write's own
	Answer    []byte // sealed: the response body, bounded
}

// Born is an EHR-born CommunicationRequest that was claimed for sending.
type Born struct {
	ID        string
	EHR       string
	Ref       string // hashed: the request's reference
	Version   string
	Thread    string
	Item      string
	CreatedAt time.Time
}

// ConsentRow is the newest word of one person about one channel.
type ConsentRow struct {
	EHR     string
	Channel string
	Person  string  // hashed: participant key within its patient
	Consent Consent // sealed
}

// AuditEntry is one audited act, written in the act's own commit. It holds ids of ours, codes and hashes; Detail is
// sealed.
type AuditEntry struct {
	ID       string
	EHR      string
	At       time.Time
	Kind     string // event-accepted, event-refused, match, file, find, send, park, read, deny, admin …
	Action   string // C R U D E, as FHIR AuditEvent.action
	Outcome  int    // 0 4 8 12, as FHIR AuditEvent.outcome
	Agent    string // channel:NAME, worker, api:TOKENNAME, cli
	OnBehalf string // EHR reference of whom an API caller acts as; sealed with Detail
	Thread   string
	Item     string
	Detail   map[string]string
}

// Tally is how many exchanges of a connection are in a state.
type Tally struct {
	EHR       string
	Channel   string
	Direction Direction
	State     ItemState
	N         int64
}
