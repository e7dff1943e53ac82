package connector

import (
	"context"
	"time"
)

// EHR files exchanges into the charts of one EHR connection. An adapter plans and classifies; deliver decides.
type EHR interface {
	// Open learns what the connection can do: discovery, declared interactions, granted scopes. It is called before the
	// first write and again after Unauthorized or an hour. Errors are Retry or Refused.
	Open(ctx context.Context) (Traits, error)
	// Match finds the patient: by k.Reference a read, else a search for k.Identifiers. ErrNoMatch and ErrAmbiguous say
	// zero or several hits. Whether the hit agrees is not its business (deliver compares).
	Match(ctx context.Context, k PatientKey) (Patient, error)
	// Plan gives the writes for x, in order. It is pure. An empty plan means policy leaves x out (not_due).
	// *Refused with NotExpressible parks x with the sentence for staff.
	Plan(x Exchange) ([]Write, error)
	// Gate says whether a resolved write may leave. It is pure. *Refused with GateRefused parks it.
	Gate(w Write) error
	// File makes one attempt. Errors are *Refused, *Retry, *Ambiguous or *Conflicted.
	File(ctx context.Context, w Write) (Receipt, error)
	// Find looks for w's identity on the chart. ErrAbsent: the search had no hit. ErrNotSearchable: cannot be known so.
	Find(ctx context.Context, w Write) (Receipt, error)
}

// Lister finds a write without its identifier: by patient, type and date, comparing content.
type Lister interface {
	List(ctx context.Context, w Write) (Receipt, error)
}

// EntryReader reads the entry a person says is the write, by its reference, and tells what it shows. ErrAbsent: there is no
// such entry. Errors otherwise as Find.
type EntryReader interface {
	ReadEntry(ctx context.Context, w Write, reference string) (Receipt, error)
}

// Retractor plans how an entry that is on the chart and should not be is marked as entered in error. It is pure. *Refused
// with NotExpressible where this EHR does not let us change it.
type Retractor interface {
	Retract(w Write, reference string) (Write, error)
}

// Preparer completes an Update: it reads the resource, patches the EHR's own bytes and gives the final Write. done says
// the chart already shows it.
type Preparer interface {
	Prepare(ctx context.Context, w Write) (final Write, done *Receipt, err error)
}

// Resolver finds EHR references for participants of a channel, whose ids mean nothing on another one. A missing proxy gives ErrAbsent; anyone else falls back to a logical
// reference without an error.
type Resolver interface {
	Resolve(ctx context.Context, channel, patient string, p Participant) (Reference, error)
}

// EncounterFinder searches a patient's encounters. It answers the question it is asked and knows no policy: which of them an
// entry belongs to, deliver chooses. ErrNotSearchable: this connection cannot ask that. Errors otherwise are *Retry, and
// *Refused with Unauthorized.
type EncounterFinder interface {
	Encounters(ctx context.Context, q EncounterQuery) ([]Encounter, error)
}

// VisitNamer is an EHR that cannot be asked for encounters, and whose entries name the visit a platform knows.
type VisitNamer interface {
	// NamesVisit says whether entries can name this visit: of another system they would go without a word about it.
	NamesVisit(visit Identifier) bool
}

// PatientAwaiter is an EHR whose patients and visits are kept in our own store, where news of them comes by itself. Its answers
// are asked for anew each time, and a thread that is held for its patient is woken by news of one of these references.
type PatientAwaiter interface {
	Awaits(k PatientKey) []string
	// Stored is Match by a reference, read in a transaction of ours: inside Update, the patient stays as they are until the commit.
	// ErrNoMatch and ErrAmbiguous as Match; other errors are the store's.
	Stored(tx Tx, reference string) (Patient, error)
}

// Watcher sees CommunicationRequests that were born in the EHR.
type Watcher interface {
	// Changed gives requests changed at or after since (server time), and the highest lastUpdated seen.
	Changed(ctx context.Context, since time.Time) ([]EHRRequest, time.Time, error)
	// Request reads one request anew.
	Request(ctx context.Context, reference string) (EHRRequest, error)
	// Recipient reads a recipient: the patient themself, or the RelatedPerson of that patient, with their id on the channel.
	Recipient(ctx context.Context, channel, reference string) (Recipient, error)
}

// Subscriber asks the EHR to notify url (R4 rest-hook) with the secret header.
type Subscriber interface {
	Subscribe(ctx context.Context, url, header string) error
}

// Patient is what deliver needs of an EHR's Patient. Every field but Version is PHI.
type Patient struct {
	Reference   string
	Version     string
	Active      bool
	ReplacedBy  string
	Names       []HumanName
	BirthDate   string
	Phones      []string
	Identifiers []Identifier
	Called      string // the name they go by now, for people to tell patients apart by; "" where it was not asked for or is not told
	MRN         string // their medical record number in use now, so too
	ReadAt      time.Time
}

// LogValue hides the patient from logs.
func (Patient) String() string { return redacted }

// EHRRequest is a CommunicationRequest as the EHR has it.
type EHRRequest struct {
	Reference    string
	Version      string
	LastUpdated  time.Time
	Status       string
	DoNotPerform bool
	DueFrom      time.Time // occurrence[x]; zero when absent
	DueUntil     time.Time
	AuthoredOn   time.Time
	Channels     []string // channel names named by medium {base}/channel|name
	Ours         bool     // carries our request identifier
	Subject      string
	Recipients   []string
	Sender       Reference
	Requester    Reference
	ThreadID     string // of groupIdentifier {base}/{channel}/thread|id
	Topic        string
	Text         string
	Attachments  []Attachment
	Priority     Priority
	InReplyTo    string
}

// String hides the request.
func (EHRRequest) String() string { return redacted }

// Recipient is whom a request is for.
type Recipient struct {
	Reference   string
	Patient     string // of a RelatedPerson: its patient; of a Patient: itself
	IsPatient   bool
	Active      bool
	Name        string
	Participant string // our participant identifier's value, if any
	Phone       string // E.164, if any
	Relation    string
}

// Channel is one messaging platform.
type Channel interface {
	// Decode verifies, then decodes. It is pure. Errors are *SignatureError or *DecodeError.
	Decode(in Inbound) ([]Event, error)
	// Send makes one attempt to hand a message over. Errors are *Refused, *Retry or *Ambiguous.
	Send(ctx context.Context, m Outgoing) (Handover, error)
}

// MediaFetcher gets an attachment by url from the channel's own origins. The bytes are checked against size and hash.
// Errors are *Refused (AttachmentLost, TooLarge) or *Retry.
type MediaFetcher interface {
	Fetch(ctx context.Context, a Attachment) ([]byte, error)
}
