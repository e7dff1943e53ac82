// Package audit says what was done, by whom, to what, and makes it provable that
// nobody changed that afterwards.
//
// A Record is written in the same commit as its act. Shortly after, a Sealer
// gives the rows their sequence numbers, appends their hashes to a Merkle log
// (RFC 6962, one log an EHR connection) and signs a checkpoint (C2SP note). From
// then on any edit, removal, exchange or insertion of a row shows in Verify; a
// log cut back to an earlier checkpoint shows against a later checkpoint kept
// elsewhere, so checkpoints are sent off the machine.
//
// Verifying needs no key that opens anything: leaves hash the sealed detail as it
// is stored. For the same reason an audit row's sealed detail is never sealed
// anew; old keys stay in the keyset for it.
package audit

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/mod/sumdb/tlog"
)

// Kind says what was done.
type Kind string

// The kinds of act.
const (
	EventAccepted Kind = "event-accepted"    // a platform's event was committed
	EventRefused  Kind = "event-refused"     // it was signed and is not taken, or was not signed: counted by the minute
	Undecodable   Kind = "event-undecodable" // it was signed and cannot be read: kept, parked
	Conflict      Kind = "conflict"          // a message came again with other content
	Changed       Kind = "patient-changed"   // a later event named another patient for its thread
	MessageRead   Kind = "message-read"      // a person was shown messages of a thread
	Match         Kind = "match"             // a thread was bound to a patient, or was not
	Send          Kind = "send"              // a message was handed to a platform
	File          Kind = "file"              // a write to the chart was tried
	Find          Kind = "find"              // the chart was searched for a write
	Fetch         Kind = "fetch"             // an attachment was fetched from a platform
	Hold          Kind = "hold"              // an item waits for a named thing
	Stop          Kind = "stop"              // a connection was stopped
	Park          Kind = "park"              // an item was handed to a person
	Release       Kind = "release"           // a person released or replayed an item
	Work          Kind = "work"              // a person took a thread on, gave it to somebody, or settled it
	Note          Kind = "note"              // a person wrote a note for colleagues
	Deny          Kind = "deny"              // an authenticated request was refused
	Login         Kind = "login"             // a person or API caller signed in, or failed to
	Logout        Kind = "logout"
	Consent       Kind = "consent" // a person's consent changed
	ADT           Kind = "adt"     // an EHR's ADT message told of a patient
	Watch         Kind = "watch"   // a request born in the EHR was claimed or refused
	Token         Kind = "token"   // an access token was asked of an EHR
	Admin         Kind = "admin"   // an administrator's act without a kind of its own
	Config        Kind = "config"  // the configuration in use changed
	Key           Kind = "key"     // keys were made or rotated
	AuditRead     Kind = "audit-read"
)

// Kinds lists every Kind.
func Kinds() []Kind {
	return []Kind{EventAccepted, EventRefused, Undecodable, Conflict, Changed, MessageRead, Match, Send, File, Find, Fetch, Hold, Stop, Park, Release, Work, Note, Deny,
		Login, Logout, Consent, ADT, Watch, Token, Admin, Config, Key, AuditRead}
}

// Action is AuditEvent.action of FHIR R4.
type Action string

// The actions.
const (
	Create  Action = "C"
	Read    Action = "R"
	Update  Action = "U"
	Delete  Action = "D"
	Execute Action = "E"
)

// Outcome is AuditEvent.outcome of FHIR R4.
type Outcome int

// The outcomes.
const (
	Success        Outcome = 0
	MinorFailure   Outcome = 4  // refused or to be tried again
	SeriousFailure Outcome = 8  // ended without result
	MajorFailure   Outcome = 12 // the part that did it is not usable any more
)

// Agent is who did it.
type Agent struct {
	Kind string // channel, worker, api, user, cli
	ID   string // an id or config name of ours; "" for a worker. Never a platform's or a person's words
	// OnBehalfOf is the EHR reference of the person behind the agent; it is stored
	// in the sealed part.
	OnBehalfOf string
}

// String is KIND:ID, or KIND alone.
func (a Agent) String() string {
	if a.ID == "" {
		return a.Kind
	}
	return a.Kind + ":" + a.ID
}

// ParseAgent reads what String writes.
func ParseAgent(s string) Agent {
	kind, id, _ := strings.Cut(s, ":")
	return Agent{Kind: kind, ID: id}
}

// Record is one audited act. What is in Detail and Agent.OnBehalfOf is sealed;
// everything else is stored readable and therefore holds only codes, hashes and
// ids of ours.
type Record struct {
	ID         string    // ULID
	EHR        string    // the EHR connection's id; "" for acts on the installation
	At         time.Time // UTC, to the microsecond
	Kind       Kind
	Action     Action
	Outcome    Outcome
	Agent      Agent
	Thread     string // our id, or ""
	Item       string // our id of the item, message or write, or ""
	EntityHash []byte // keyed hash of the patient or resource acted on, to be found again by; or nil
	Detail     map[string]string
}

// detailKeys are the keys Detail may have. A list, because what may be said about
// an act is decided once and not wherever a record is made.
var detailKeys = []string{
	"act", "attempt", "channel", "client_message_id", "codes", "command", "count", "entries", "event", "first", "from", "how",
	"key", "kind", "last", "message", "method", "outcome", "patient", "pool", "purpose", "reason", "receipt",
	"reference", "request", "scope", "sha256", "source", "state", "status", "strategy", "to", "token", "type",
	"until", "version", "why", "write",
}

// DetailKeys lists the keys Detail may have; "why:" and a reason is one too, with
// how often it was the reason.
func DetailKeys() []string { return slices.Clone(detailKeys) }

// Check says what is wrong with a record before it is stored; the text repeats
// no value. A record that fails is a mistake of the program, and its act is to be
// refused.
func (r Record) Check() error {
	switch _, err := ulid.ParseStrict(r.ID); {
	case err != nil:
		return fmt.Errorf("audit record: its id is not a ULID")
	case r.At.IsZero():
		return fmt.Errorf("audit record: it has no time")
	case !slices.Contains(Kinds(), r.Kind):
		return fmt.Errorf("audit record: unknown kind %q", r.Kind)
	case !slices.Contains([]Action{Create, Read, Update, Delete, Execute}, r.Action):
		return fmt.Errorf("audit record of kind %s: unknown action %q", r.Kind, r.Action)
	case !slices.Contains([]Outcome{Success, MinorFailure, SeriousFailure, MajorFailure}, r.Outcome):
		return fmt.Errorf("audit record of kind %s: unknown outcome %d", r.Kind, r.Outcome)
	case r.Agent.Kind == "":
		return fmt.Errorf("audit record of kind %s: nobody did it", r.Kind)
	}
	for k := range r.Detail {
		if !slices.Contains(detailKeys, k) && !strings.HasPrefix(k, "why:") {
			return fmt.Errorf("audit record of kind %s: detail %q is not on the list of what may be said", r.Kind, k)
		}
	}
	return nil
}

// sealedPart is the JSON of what is sealed.
type sealedPart struct {
	OnBehalfOf string            `json:"on_behalf_of,omitempty"`
	Detail     map[string]string `json:"detail,omitempty"`
}

// SealedPart gives the bytes to be sealed with the record: equal for equal
// records, never empty.
func (r Record) SealedPart() []byte {
	b, err := json.Marshal(sealedPart{r.Agent.OnBehalfOf, r.Detail}) // sorts map keys
	if err != nil {
		panic("audit: strings did not marshal") // cannot: there is nothing else in it
	}
	return b
}

// Row gives the record as it is stored: with its sealed part in sealed, as the
// store's sealer made it of SealedPart, and not yet in the log.
func (r Record) Row(sealed []byte) Row {
	r.Detail, r.Agent.OnBehalfOf = nil, ""
	r.At = r.At.UTC().Truncate(time.Microsecond)
	return Row{Seq: Unsealed, Record: r, Sealed: sealed}
}

// Unsealed is the Seq of a row that is not in the log yet.
const Unsealed int64 = -1

// Stray is the Seq of a row that is neither in the log nor waits to come into it: it did not come there by Chartwire.
const Stray int64 = -2

// Twice is the Seq of a row that was given two places in the log, told besides both of them.
const Twice int64 = -3

// Row is a stored record: its sealed part in Sealed, its Detail and OnBehalfOf
// empty.
type Row struct {
	Seq int64 // place in its EHR connection's log, from 0, or Unsealed, Stray, Twice
	Record
	Sealed []byte
}

// Opened gives the record of a row whose sealed part has been opened.
func (r Row) Opened(part []byte) (Record, error) {
	var p sealedPart
	if err := json.Unmarshal(part, &p); err != nil {
		return Record{}, fmt.Errorf("audit row %s: its sealed part is not what was sealed", r.ID)
	}
	rec := r.Record
	rec.Agent.OnBehalfOf, rec.Detail = p.OnBehalfOf, p.Detail
	return rec, nil
}

// leafVersion starts every leaf; another encoding will have another.
const leafVersion = "chartwire/audit/1"

// Leaf is the canonical encoding of the row, which the log hashes: every field,
// each after its length in four bytes. Seq is not in it; the place in the tree
// says it.
func (r Row) Leaf() []byte {
	b := make([]byte, 0, 320+len(r.Sealed))
	put := func(s string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	put(leafVersion)
	put(r.ID)
	put(r.EHR)
	put(strconv.FormatInt(r.At.UnixMicro(), 10))
	put(string(r.Kind))
	put(string(r.Action))
	put(strconv.Itoa(int(r.Outcome)))
	put(r.Agent.Kind)
	put(r.Agent.ID)
	put(r.Thread)
	put(r.Item)
	put(string(r.EntityHash))
	put(string(r.Sealed))
	return b
}

// Hash is the row's leaf hash, SHA-256(0x00 ‖ Leaf), RFC 6962 §2.1.
func (r Row) Hash() tlog.Hash { return tlog.RecordHash(r.Leaf()) }
