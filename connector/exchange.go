package connector

import (
	"net/url"
	"strings"
	"time"
)

// Exchange is everything a plan may depend on. Planning is pure: two equal Exchanges give equal Writes.
type Exchange struct {
	Kind     ItemKind
	Base     string // identity.base
	Channel  string
	Thread   ThreadInfo
	Message  Message // exchange, correction (the new words), retraction, status: the message concerned
	Revision int     // 1 the first version
	Received time.Time
	Delivery Delivery // to_patient: the newest known
	Receipts bool     // the channel reports deliveries; false completes on hand-over

	Patient   string               // symbol or EHR reference; planners use SymPatient
	Who       PatientKey           // who the channel says that is, for an EHR whose entries name the patient themselves (PID)
	Known     []Identifier         // what identifiers the EHR's patient has, as far as matching showed them
	Refs      map[string]Reference // participant key → resolved reference; missing means logical
	Missing   map[string]bool      // proxies looked up and not found: to be created where policy says so
	Parent    string               // message id (platform's) of the real parent already on the chart, or ""
	ParentAs  string               // the resource type of its entry, "" where that is not known: the thread may have gone on as another one
	BasedOn   string               // SymRequest of a CommunicationRequest on the chart, or its EHR reference, or ""
	Encounter string               // EHR reference, SymEncounter where only the plan's shape is asked for, or ""
	Charted   Delivery             // status items: the delivery the chart already shows; zero where it shows none
	NoHeader  bool                 // the header is not on the chart (parked): no partOf
	Late      bool                 // filed after later messages of its thread
	AfterGap  bool                 // an earlier sequence never came

	Retraction *Retraction
	Corrected  *Correction // correction: who and when
	Revisions  []int       // of a follow-up's message: every revision on the chart, newest last
	Added      []int       // those of Revisions that came to the chart after a later one, and so replaced nothing
	// Entries are the resource types of Revisions' entries, as far as receipts tell: a thread may have gone on as another one.
	Entries map[int]string

	// Transcript is what to file instead of the message by itself, on an EHR that files a thread as one entry. Stands is the
	// version in which the message already is on the chart; 0 for none.
	Transcript *Transcript
	Stands     int

	RequestID     string // request items: our ULID
	RequestStatus string // request items: active, completed, on-hold, revoked
	StatusReason  string // request on-hold, message not-done: why
	Strategy      Strategy

	Task      *Task  // task items: what it is to say; Received is then our commit of that, Thread.Priority how urgent it is
	TaskNew   bool   // it is not on the chart yet
	TaskFocus string // EHR reference of the thread's header, "" where that is not on the chart
}

// Transcript is a thread, or what is new of it, as one entry of a chart.
type Transcript struct {
	Version  int       // from 1; 0 only asks whether the messages can be told: such a plan is not filed
	Closed   time.Time // when the thread was closed, by the platform's word; zero while it is open
	Told     []Told    // in the thread's order
	Replaces []int     // versions on the chart in whose place this one stands: it tells all that they told
	Appends  int       // the version it is added to, where none can be replaced; 0 for none
}

// Told is one message with all that happened to it, as a transcript tells it.
type Told struct {
	Message     Message      // as it was first sent
	Received    time.Time    // of a message from the patient; zero where not known
	Delivery    Delivery     // of a message to the patient: the newest known
	Corrections []Correction // oldest first
	Retraction  *Retraction
	Late        bool // filed after later messages of its thread
	AfterGap    bool // an earlier message never came
}

// String keeps a message out of logs and error texts.
func (Told) String() string { return redacted }

// Strategy is a way of putting exchanges on a chart.
type Strategy string

// The strategies of DESIGN §5; a thread keeps the one it was begun with.
const (
	AsCommunication Strategy = "communication"
	AsNote          Strategy = "note"
	AsDocument      Strategy = "document"
	AsMDM           Strategy = "mdm"
	AsVendorCall    Strategy = "vendor" // requests of the vendor's own API
)

// Reference is a FHIR Reference. Either Literal is set, or Type with Identifier (a logical reference) or Display alone.
type Reference struct {
	Literal    string      `json:"literal,omitempty"`
	Type       string      `json:"type,omitempty"`
	Identifier *Identifier `json:"identifier,omitempty"`
	Display    string      `json:"display,omitempty"`
}

// Symbols stand in a Write for results not known at planning time. They appear only as whole values of a JSON
// "reference" or in the URL, never in text, and deliver resolves them from receipts.
const (
	SymPatient = "{patient}"
	SymHeader  = "{header}"
	// SymEncounter stands for an encounter that only the EHR can name. deliver plans with the encounter itself; the symbol
	// is for plans that nobody makes, such as chartwire map's.
	SymEncounter = "{encounter}"
)

// SymMessage is the symbol of a message revision's chart entry: {message:thread/message} or {message:thread/message/r2}.
func SymMessage(value string) string { return "{message:" + value + "}" }

// SymTranscript is the symbol of a version of a thread's transcript: {transcript:thread/v1}.
func SymTranscript(value string) string { return "{transcript:" + value + "}" }

// SymRequest is the symbol of a CommunicationRequest of ours.
func SymRequest(id string) string { return "{request:" + id + "}" }

// SymParticipant is the symbol of a RelatedPerson of this patient. The platform's id is percent-encoded: it may hold any
// character, and a symbol must be the same inside and outside JSON.
func SymParticipant(id string) string { return "{participant:" + url.PathEscape(id) + "}" }

// Write is one exact request toward an EHR (DESIGN §2). Until deliver has resolved it, URL and Body may hold symbols.
type Write struct {
	Key      string            `json:"key"`    // unique in its EHR: what is written once, ever
	Method   string            `json:"method"` // POST, PUT
	URL      string            `json:"url"`    // relative to the base; "" is the base (transaction)
	Header   map[string]string `json:"headers,omitempty"`
	Body     []byte            `json:"body,omitempty"`
	Type     string            `json:"type"`     // the resource that counts: Communication, DocumentReference …
	Identity Identifier        `json:"identity"` // by which Find finds it; zero for updates and Provenance
	Provides string            `json:"provides,omitempty"`
	Expect   Expect            `json:"expect"`
	Update   *Update           `json:"update,omitempty"` // set: read, patch these fields, PUT with If-Match
	Date     time.Time         `json:"date,omitzero"`    // the day Find lists by
	Optional bool              `json:"optional,omitempty"`
	After    string            `json:"after,omitempty"` // symbol that must be found to have none of these first (Provenance)
}

// ER7 is the Content-Type of a Write whose body is an HL7 v2 message.
const ER7 = "application/hl7-v2+er7"

// Symbolic says whether the body may hold symbols: FHIR's JSON may, as whole values; an HL7 v2 message or a form of a vendor's
// API holds none, and whatever looks like one in it is text.
func (w Write) Symbolic() bool {
	kind, _, _ := strings.Cut(w.Header["Content-Type"], ";")
	return kind == "" || kind == "application/fhir+json"
}

// Update changes named top-level fields of a resource and nothing else. The EHR's own bytes are kept.
type Update struct {
	Target string         `json:"target"` // symbol of the resource, or its reference
	Set    map[string]any `json:"set"`
	Remove []string       `json:"remove,omitempty"`
}

// Expect is what the chart must show once a Write is filed. Hashes are lower-case hex SHA-256.
type Expect struct {
	Subject     string   `json:"subject,omitempty"` // symbol, then EHR reference
	Text        string   `json:"text,omitempty"`    // of the message's UTF-8 bytes; "" where there is no text
	Attachments []string `json:"attachments,omitempty"`
	Status      string   `json:"status,omitempty"`
}

// Echo is what the chart showed. Shown is false where the EHR shows nothing back; the receipt is then unverified.
type Echo struct {
	Shown       bool
	Subject     string
	Identities  []Identifier
	Text        string
	Attachments []string
	Status      string
}

// Receipt proves a Write: where the entry is, which version, and what the EHR showed of it.
type Receipt struct {
	Reference string    `json:"reference"` // Type/id
	Version   string    `json:"version,omitempty"`
	At        time.Time `json:"at,omitzero"` // the EHR's lastUpdated, or our completion
	Status    int       `json:"status,omitempty"`
	Verified  bool      `json:"verified"`
	Found     bool      `json:"found,omitempty"` // by Find or a conditional hit, not by our own 201
	Echo      Echo      `json:"-"`
	Response  []byte    `json:"-"` // the answer's body, for trace
}

// EchoMode is what an adapter says of its EHR's answers.
type EchoMode string

// What an EHR shows of what it was sent.
const (
	EchoExact      EchoMode = "exact"
	EchoNormalised EchoMode = "normalised"
	EchoNone       EchoMode = "none"
)

// Traits is what one EHR connection can do, after declared ∧ granted ∧ not disproven.
type Traits struct {
	// Fallbacks are what filing.as names after Strategy and the connection can do, in order: a thread goes on with the next where
	// an exchange of it has waited for its encounter as long as hold_for allows.
	Fallbacks   []Strategy
	Strategy    Strategy
	Update      bool // the strategy's resource can be updated
	Replaces    bool // a new entry can take the place of one that is there, without an update of that
	Requests    bool // takes CommunicationRequest
	RequestPut  bool // and its update
	Tasks       bool // takes Task, and its update
	Watch       bool // CommunicationRequest can be searched
	Subscribe   bool // takes R4 rest-hook Subscriptions
	Transaction bool
	Provenance  bool
	Proxies     bool // RelatedPerson may be created, by policy and declaration
	IfNoneExist bool
	// NeedsEncounter says that the chart takes no entry without an encounter: an exchange is held until one is found.
	NeedsEncounter bool
	Resends        bool // a write sent again with the same bytes is known as a repeat, and answered as the first was
	Echo           EchoMode
	Missing        []string // scopes needed and not granted, in SMART v2 spelling
	Unproven       []string // interactions that filing waits for a probe to prove, "Communication create"
}
