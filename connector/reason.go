package connector

import (
	"slices"
	"strings"
)

// Reason says why an item is held, unknown or parked. The one enum is the metric label, the filter of the parked list
// and, through Sentence, the words a person reads.
type Reason string

// Reasons for held: the item goes on by itself when the named thing arrives.
const (
	NoPatient        Reason = "patient"           // no patient given yet, none found, or several found
	PatientAmbiguous Reason = "patient-ambiguous" // several hits
	PatientDisagrees Reason = "patient-disagrees" // one hit whose name or birth date differs
	PatientChanged   Reason = "patient-changed"   // a later event names other identifiers
	PatientInactive  Reason = "patient-inactive"  // merged or inactive in the EHR
	NeedsEncounter   Reason = "encounter"
	NeedsAttachment  Reason = "attachment"
	EarlierItem      Reason = "earlier-item"
	Gap              Reason = "gap" // an earlier sequence has not come yet
	OrderWindow      Reason = "order-window"
	NeedsHandover    Reason = "handover"
	NotYetDue        Reason = "occurrence" // an EHR-born request whose time has not come
	ThreadOpen       Reason = "thread-open"
	MessageMissing   Reason = "message" // an event about a message that has not come
	EHRPaused        Reason = "ehr-paused"
	ChannelPaused    Reason = "channel-paused"
	EHRUnavailable   Reason = "ehr-unavailable"
	RateLimited      Reason = "rate-limited"
	Unproven         Reason = "unproven" // what the EHR declares counts for nothing until a probe has seen it to work
	Settling         Reason = "settling" // an ambiguous outcome waits until it can be searched for
)

// Reasons for parked: a person has to act.
const (
	Conflict          Reason = "conflict"
	Undecodable       Reason = "undecodable"
	GateRefused       Reason = "gate"
	EHRRefused        Reason = "refused"
	Unauthorized      Reason = "unauthorized"
	ScopeMissing      Reason = "scope"
	IdentityCollision Reason = "identity-collision"
	ContentAltered    Reason = "content-altered"
	WrongSubject      Reason = "wrong-subject"
	NotSearchable     Reason = "not-searchable"
	RetriesExhausted  Reason = "retries-exhausted"
	NotExpressible    Reason = "not-expressible" // this EHR cannot express it: staff are told the sentence
	AttachmentLost    Reason = "attachment-lost"
	TooLarge          Reason = "too-large"
	ConsentRevoked    Reason = "consent-revoked"
	ConsentMissing    Reason = "consent-missing"
	NoAddress         Reason = "no-address"
	RecipientRefused  Reason = "recipient-refused"
	RequestNotActive  Reason = "request-not-active"
	RequestTooOld     Reason = "request-too-old"
	RequestChanged    Reason = "request-changed"
	SendRefused       Reason = "send-refused"
	SendUnknown       Reason = "send-unknown"
	NotDelivered      Reason = "not-delivered"
	RestoredUnknown   Reason = "restored-unknown" // the database is a restored backup, and the EHR cannot be searched
	RestoredSent      Reason = "restored-sent"    // the database is a restored backup: the request may have been sent since
	Restored          Reason = "restored"         // the database is a restored backup
	ChartDiffers      Reason = "chart-differs"    // reconcile found that the chart is not what was filed
	ByHand            Reason = "by-hand"          // it changes a message that a person has dealt with by hand
	PolicyLeftOut     Reason = "policy"
	TakenBack         Reason = "retracted" // a correction of a message that was retracted before it was written
	Internals         Reason = "internal"
)

// advice is what a person is told about a reason: what happened, who usually acts, what to do next, and which commands
// make sense then.
type advice struct {
	sentence, owner, next string
	acts                  []Action
}

// The sets of actions that reasons share.
var (
	byItself   = []Action{ActWait}
	byOthers   = []Action{ActWait, ActReplay, ActRelease} // it goes on by itself, until hold_for has passed
	onlyKnow   = []Action{ActRelease}
	tryAgain   = []Action{ActReplay, ActRelease}
	mayBeThere = []Action{ActReplay, ActAlreadyThere, ActRelease}
)

var reasons = map[Reason]advice{
	NoPatient:        {"no single patient in the EHR has the identifier the channel gave", "registration", "register or correct the identifier in the EHR; what is held then files by itself, what is parked on a replay. Or say who it is: chartwire relink THREAD --patient Patient/ID", byOthers},
	PatientAmbiguous: {"several patients in the EHR have the identifier the channel gave", "registration", "merge or correct the duplicates in the EHR; what is held then files by itself, what is parked on a replay. Or say who it is: chartwire relink THREAD --patient Patient/ID", byOthers},
	PatientDisagrees: {"the patient found has another family name or birth date, or too little agrees", "registration", "compare the platform's and the EHR's demographics and correct the wrong one; what is held then files by itself, what is parked on a replay. Or say who it is: chartwire relink THREAD --patient Patient/ID", byOthers},
	PatientChanged:   {"a later event of this thread names another patient", "registration", "find out which patient the thread is about, then: chartwire relink THREAD --patient Patient/ID; nothing is filed until then", byOthers},
	PatientInactive:  {"the patient's record in the EHR is inactive or was merged into another", "registration", "finish the merge in the EHR, then: chartwire relink THREAD --patient Patient/ID; what is parked then needs a replay", byOthers},
	NeedsEncounter:   {"the EHR needs an encounter and none fits the policy", "scheduling", "open an encounter in the EHR or change filing.encounter.policy; what is held then files by itself, what is parked on a replay", byOthers},
	NeedsAttachment:  {"an attachment has not been fetched from the platform yet", "platform", "none; it is retried until media.within has passed", byItself},
	EarlierItem:      {"an earlier item of the thread, or one it refers to, is not done yet", "chartwire", "none; it goes on when the earlier one is done", byItself},
	Gap:              {"an earlier message of the thread has not come yet", "platform", "none; it goes on when the message comes or gap_wait has passed", byItself},
	OrderWindow:      {"the channel has no sequence numbers, so earlier messages are waited for", "chartwire", "none; it goes on after order_window", byItself},
	NeedsHandover:    {"the message has not been handed to the platform yet", "chartwire", "none; it goes on when the platform has taken it", byItself},
	NotYetDue:        {"the request's occurrence lies in the future", "chartwire", "none; it is sent when due", byItself},
	ThreadOpen:       {"the thread is filed when it closes", "chartwire", "none; it goes on when the thread closes or is idle", byItself},
	MessageMissing:   {"the message this event is about has not come", "platform", "ask the platform to send message.created again", byItself},
	EHRPaused:        {"the EHR connection is paused", "interface", "read why with: chartwire doctor; then: chartwire resume NAME", byItself},
	ChannelPaused:    {"the channel is paused, so the message was not sent yet", "interface", "when messages may go out again: chartwire resume NAME", byItself},
	EHRUnavailable:   {"the EHR did not take the request", "ehr", "none; it is tried again with growing waits for 72 hours", byItself},
	RateLimited:      {"the EHR asked for fewer requests", "ehr", "none; it is tried again when the EHR said so", byItself},
	Unproven:         {"the EHR declares what filing needs, and nothing has shown yet that it works, so nothing is written", "interface", "name a test patient in probe.patient and run: chartwire doctor --ehr NAME --probe; filing goes on by itself", byItself},
	Settling:         {"the EHR may or may not have taken the last attempt; it is searched for once that can be known", "chartwire", "none; it settles by itself", byItself},

	Conflict:          {"the platform sent a message id a second time with other content", "platform", "compare both in chartwire trace; if the words changed, the platform must send message.corrected", onlyKnow},
	Undecodable:       {"a correctly signed event could not be read", "platform", "read the pointer in chartwire trace and have the platform send it again, corrected, under a new webhook-id", onlyKnow},
	GateRefused:       {"what would be sent is not valid FHIR or HL7 v2, and was not sent", "interface", "read the gate's sentence in chartwire trace; correct the source or the mapping, then replay", tryAgain},
	EHRRefused:        {"the EHR refused the request", "interface", "read the EHR's answer in chartwire trace; correct the cause, then replay", mayBeThere},
	Unauthorized:      {"the EHR did not accept our credentials", "ehr", "check client, key and scopes with: chartwire doctor", mayBeThere},
	ScopeMissing:      {"the EHR did not grant the scope this write needs", "ehr", "have the EHR administrator grant the scope named by chartwire doctor, then replay", mayBeThere},
	IdentityCollision: {"the EHR already has an entry with this identifier but other patient or content", "interface", "compare both entries; one of them is wrong. Once the wrong one is gone, replay; or say already there", mayBeThere},
	ContentAltered:    {"the EHR's copy does not have the exact words that were sent", "interface", "compare in chartwire trace; retract the entry if its meaning changed, else have the EHR mend it and say already there", []Action{ActAlreadyThere, ActRetract, ActRelease}},
	WrongSubject:      {"the EHR answered with another patient than the one written to; the connection was stopped", "interface", "check base_url and the EHR before chartwire resume; then retract what is in the other chart", []Action{ActReplay, ActAlreadyThere, ActRetract, ActRelease}},
	NotSearchable:     {"the outcome is unknown and this EHR cannot be searched for it", "interface", "look in the chart: if it is there, say already there; if not, enter it by hand and release it; a replay only searches again", mayBeThere},
	RetriesExhausted:  {"the EHR could not be reached for 72 hours", "ehr", "restore the connection, then replay", mayBeThere},
	NotExpressible:    {"this EHR cannot express it, so the chart does not show it", "staff", "make the change in the EHR by hand, then release it", tryAgain},
	AttachmentLost:    {"an attachment could not be fetched, or is not what its hash or size says", "platform", "have the platform send it again, then replay", tryAgain},
	TooLarge:          {"the exchange is larger than the EHR takes", "interface", "raise the EHR's limit or file the attachment by hand", mayBeThere},
	ConsentRevoked:    {"the recipient has revoked consent on this channel", "pool", "reach the patient another way", onlyKnow},
	ConsentMissing:    {"the channel needs consent and the recipient has given none", "pool", "ask for consent, or reach the patient another way", onlyKnow},
	NoAddress:         {"the recipient has no address on the channel", "pool", "add one in the EHR or on the platform", onlyKnow},
	RecipientRefused:  {"a recipient of the request is neither the patient nor their RelatedPerson", "pool", "correct the request's recipients in the EHR", onlyKnow},
	RequestNotActive:  {"the request is no longer active in the EHR", "pool", "none, or make a new request", onlyKnow},
	RequestTooOld:     {"the request is older than watch.not_before, so it was not sent", "pool", "decide whether it should still go, and make a new request; then release it", onlyKnow},
	RequestChanged:    {"the request's words, files or recipients were changed in the EHR before it was sent, so it was not sent", "pool", "make a new request with what should be sent", onlyKnow},
	SendRefused:       {"the platform refused the message", "pool", "read the platform's reason and reach the patient another way", onlyKnow},
	SendUnknown:       {"the platform may or may not have taken the message", "pool", "look on the platform; if it went out, release it. A replay sends again only where the channel is send_idempotent", tryAgain},
	NotDelivered:      {"the message did not reach the recipient", "pool", "reach the patient another way", onlyKnow},
	ByHand:            {"the message it changes was released, retracted or left on another patient's chart by a person, so the chart has to be changed by hand too", "staff", "make the change in the EHR by hand, then release it", onlyKnow},
	RestoredUnknown:   {"the database was restored from a backup, and this EHR cannot be searched for what was filed since", "interface", "look in the chart: if it is there, say already there; if not, enter it by hand and release it", mayBeThere},
	RestoredSent:      {"the database was restored from a backup, so this request may have been sent already", "pool", "look on the platform; if it was not sent, make a new request", onlyKnow},
	Restored:          {"the database is a restored backup: what it does not know as filed is looked for on the chart before it is written", "interface", "have the platforms send again what they sent since the backup, then run chartwire reconcile", onlyKnow},
	ChartDiffers:      {"reconcile found entries on the chart that are not what was filed", "interface", "read the findings of chartwire reconcile; correct the chart in the EHR", onlyKnow},
	PolicyLeftOut:     {"left out by the filing policy", "chartwire", "none", byItself},
	TakenBack:         {"the message was retracted before its correction was on the chart", "chartwire", "none", byItself},
	Internals:         {"Chartwire itself failed on this item", "interface", "read chartwire trace and report the fault; then replay", mayBeThere},
}

// Sentence says in plain words why; "" only for an unknown reason. It holds no PHI.
func (r Reason) Sentence() string { return reasons[r].sentence }

// Owner says who usually acts: registration, scheduling, platform, ehr, interface, pool, staff or chartwire. For "pool"
// the item's own owner names which one.
func (r Reason) Owner() string { return reasons[r].owner }

// Next says what that person does.
func (r Reason) Next() string { return reasons[r].next }

// NeedsSomebody says whether somebody outside Chartwire has to do something: where nobody has to, Next begins with none.
func (r Reason) NeedsSomebody() bool { return r != "" && !strings.HasPrefix(r.Next(), "none") }

// Actions says what a person can do about a parked item of this reason, the usual one first; wait where nothing has to be
// done. What an item itself allows is for deliver to say.
func (r Reason) Actions() []Action { return slices.Clone(reasons[r].acts) }

// Can says whether the action makes sense for this reason.
func (r Reason) Can(a Action) bool { return slices.Contains(reasons[r].acts, a) }

// Reasons lists every reason, in no order. Tests use it to hold documents and the UI to the enum.
func Reasons() []Reason {
	out := make([]Reason, 0, len(reasons))
	for r := range reasons {
		out = append(out, r)
	}
	return out
}
