package connector

import "slices"

// Direction says which way a message went. Values are those of the channel event contract.
type Direction string

// The three directions of the channel event contract.
const (
	FromPatient Direction = "from_patient"
	ToPatient   Direction = "to_patient"
	Internal    Direction = "internal"
)

// Role says what a participant is to the patient. Values are those of the channel event contract.
type Role string

// The roles of the channel event contract.
const (
	RolePatient   Role = "patient"
	RoleProxy     Role = "proxy"
	RoleClinician Role = "clinician"
	RoleStaff     Role = "staff"
	RolePool      Role = "pool"
	RoleSystem    Role = "system"
)

// Priority is FHIR request-priority (http://hl7.org/fhir/request-priority).
type Priority string

// The codes of http://hl7.org/fhir/request-priority.
const (
	Routine Priority = "routine"
	Urgent  Priority = "urgent"
	ASAP    Priority = "asap"
	Stat    Priority = "stat"
)

// Rank orders priorities for lanes: higher goes first. An unknown or empty priority is routine.
func (p Priority) Rank() int {
	switch p {
	case Stat:
		return 3
	case ASAP:
		return 2
	case Urgent:
		return 1
	default:
		return 0
	}
}

// ItemState is the state of a lane item. waiting, held, filing and unknown block their lane; the others do not.
type ItemState string

// The filing states of DESIGN §2. A sending item uses the same words: filed then means handed over.
const (
	Waiting ItemState = "waiting"
	Held    ItemState = "held"
	Filing  ItemState = "filing"
	Filed   ItemState = "filed"
	Unknown ItemState = "unknown"
	Parked  ItemState = "parked"
	NotDue  ItemState = "not_due"
)

// Done says whether the item has left its lane: filed, parked or left out by policy.
func (s ItemState) Done() bool { return s == Filed || s == Parked || s == NotDue }

// SendState is how far a message to a patient has got. Later states never go back (see Advance).
type SendState string

// The sending states of DESIGN §2.
const (
	Queued     SendState = "queued"
	HandedOver SendState = "handed-over"
	Sent       SendState = "sent"
	Delivered  SendState = "delivered"
	Read       SendState = "read"
	Failed     SendState = "failed"
	SendUnsure SendState = "unknown"
)

var sendRank = map[SendState]int{"": 0, Queued: 1, SendUnsure: 2, HandedOver: 3, Sent: 4, Failed: 5, Delivered: 6, Read: 7}

// Advance gives the later of two sending states. A failure that arrives after a delivery does not undo it: the message
// was on the handset; a delivery after a reported failure wins for the same reason.
func (s SendState) Advance(to SendState) SendState {
	if sendRank[to] > sendRank[s] {
		return to
	}
	return s
}

// LaneKind names a destination of a thread. Each (thread, kind) is one ordered queue with one lease.
type LaneKind string

// The lanes of a thread.
const (
	LaneChart   LaneKind = "chart"   // exchanges toward the EHR
	LaneRequest LaneKind = "request" // CommunicationRequests toward the EHR
	LaneSend    LaneKind = "send"    // messages toward the platform
	LaneMedia   LaneKind = "media"   // attachments fetched from the platform
	LaneTask    LaneKind = "task"    // Tasks toward the EHR: by themselves, so that no exchange ever waits for one
)

// FilingLanes gives the lanes whose work goes to the EHR, and so stops where that is paused.
func FilingLanes() []LaneKind { return []LaneKind{LaneChart, LaneRequest, LaneTask} }

// TowardEHR says whether the lane is one of FilingLanes.
func (k LaneKind) TowardEHR() bool { return slices.Contains(FilingLanes(), k) }

// ItemKind says what an item does on its lane.
type ItemKind string

// The kinds of lane items.
const (
	ItemHeader     ItemKind = "header"     // chart: the thread's header Communication
	ItemExchange   ItemKind = "exchange"   // chart: the first revision of a message
	ItemCorrection ItemKind = "correction" // chart: a later revision
	ItemRetraction ItemKind = "retraction" // chart: entered-in-error
	ItemStatus     ItemKind = "status"     // chart: delivery news of a message to the patient
	ItemClose      ItemKind = "close"      // chart: header completed
	ItemReopen     ItemKind = "reopen"     // chart: header in-progress again
	ItemRequest    ItemKind = "request"    // request: CommunicationRequest of a reply, and each change of its status
	ItemTask       ItemKind = "task"       // task: the Task of a spell of work, and each change of it
	ItemSend       ItemKind = "send"       // send: hand a message to the platform
	ItemFetch      ItemKind = "fetch"      // media: fetch one message's attachments
	ItemConflict   ItemKind = "conflict"   // chart, parked: the same message id with other content
	ItemEvent      ItemKind = "event"      // no lane, parked: a signed event that could not be decoded or used
	ItemNotice     ItemKind = "notice"     // no lane, parked: something staff must know, such as a refused send
)
