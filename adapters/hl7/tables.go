package hl7

// AckCode says how a message was received (MSA-1, table 0008).
type AckCode string

// The acknowledgement codes: A… of the application, in both modes; C… of the commit, in enhanced mode alone (ch. 2.9).
const (
	AckAA AckCode = "AA"
	AckAE AckCode = "AE"
	AckAR AckCode = "AR"
	AckCA AckCode = "CA"
	AckCE AckCode = "CE"
	AckCR AckCode = "CR"
)

// AckFact is what the standard says of an acknowledgement code. What to do about it is the adapter's to decide.
type AckFact struct {
	Code AckCode
	// Commit: the receiver has or has not taken the message into safe keeping, and nothing has been filed yet (ch. 2.9.3).
	Commit bool
	// Positive: taken. A CA is not a filing.
	Positive bool
	// Content: the message itself was found wrong. Where neither Positive nor Content, it was turned away for what has nothing
	// to do with what it says (its type, processing id or version, or the receiver's own state).
	Content bool
	Meaning string
}

var ackFacts = []AckFact{
	{AckAA, false, true, false, "the application took the message and did what it asks"},
	{AckAE, false, false, true, "the application found an error in the message"},
	{AckAR, false, false, false, "the application turned the message away: its type, processing id or version, or for reasons of its own"},
	{AckCA, true, true, false, "the message is in safe keeping; the application has not seen it yet"},
	{AckCE, true, false, true, "the message could not be taken into safe keeping for an error in it"},
	{AckCR, true, false, false, "the message was turned away before safe keeping: its type, processing id or version"},
}

// Fact is what the standard says of the code; false where it is none of table 0008.
func (c AckCode) Fact() (AckFact, bool) {
	for _, f := range ackFacts {
		if f.Code == c {
			return f, true
		}
	}
	return AckFact{}, false
}

// Condition is a message error condition code (ERR-3, table 0357).
type Condition string

// The conditions of table 0357.
const (
	Accepted         Condition = "0"
	SegmentSequence  Condition = "100"
	RequiredField    Condition = "101"
	DataType         Condition = "102"
	TableValue       Condition = "103"
	TooLong          Condition = "104"
	UnsupportedType  Condition = "200"
	UnsupportedEvent Condition = "201"
	UnsupportedID    Condition = "202"
	UnsupportedVer   Condition = "203"
	UnknownKey       Condition = "204"
	DuplicateKey     Condition = "205"
	Locked           Condition = "206"
	ApplicationError Condition = "207"
)

// About says what a condition is about.
type About string

// What conditions are about: the message's form, what kind of message it is, the record it names, or the receiver itself.
const (
	AboutForm     About = "form"
	AboutKind     About = "kind"
	AboutRecord   About = "record"
	AboutReceiver About = "receiver"
)

// ConditionFact is what the standard says of a condition. What to do about it is the adapter's to decide.
type ConditionFact struct {
	Code  Condition
	Name  string // table 0357's own
	About About
	// Usual is the code such an answer comes with: AE for 100 to 199, AR for 200 to 299.
	Usual   AckCode
	Meaning string
}

var conditionFacts = []ConditionFact{
	{Accepted, "Message accepted", AboutForm, AckAA, "no error"},
	{SegmentSequence, "Segment sequence error", AboutForm, AckAE, "a segment is missing, or the segments are not in their order"},
	{RequiredField, "Required field missing", AboutForm, AckAE, "a field that has to be given is not"},
	{DataType, "Data type error", AboutForm, AckAE, "a field holds what its data type cannot"},
	{TableValue, "Table value not found", AboutForm, AckAE, "a code is not in the receiver's table"},
	{TooLong, "Value too long", AboutForm, AckAE, "a value is longer than the receiver takes"},
	{UnsupportedType, "Unsupported message type", AboutKind, AckAR, "the receiver does not take messages of this type"},
	{UnsupportedEvent, "Unsupported event code", AboutKind, AckAR, "the receiver does not take this trigger event"},
	{UnsupportedID, "Unsupported processing id", AboutKind, AckAR, "the receiver does not take this processing id (production, training, debugging)"},
	{UnsupportedVer, "Unsupported version id", AboutKind, AckAR, "the receiver does not take this version of HL7"},
	{UnknownKey, "Unknown key identifier", AboutRecord, AckAR, "the patient, visit or document that the message names is not known"},
	{DuplicateKey, "Duplicate key identifier", AboutRecord, AckAR, "what the message creates is there already"},
	{Locked, "Application record locked", AboutRecord, AckAR, "the record was in use when the message was processed"},
	{ApplicationError, "Application internal error", AboutReceiver, AckAR, "the receiver failed for a reason that no other code names"},
}

// Fact is what the standard says of the condition; false where it is none of table 0357, as a receiver's own codes are.
func (c Condition) Fact() (ConditionFact, bool) {
	for _, f := range conditionFacts {
		if f.Code == c {
			return f, true
		}
	}
	return ConditionFact{}, false
}

// Severity is how bad an error is (ERR-4, table 0516).
type Severity string

// The severities.
const (
	SevError   Severity = "E"
	SevFatal   Severity = "F"
	SevInfo    Severity = "I"
	SevWarning Severity = "W"
)

// When says whether an acknowledgement is wanted (MSH-15 for the commit, MSH-16 for the application; table 0155). Both empty
// is the original mode.
type When string

// The conditions for an acknowledgement.
const (
	Always    When = "AL"
	Never     When = "NE"
	OnError   When = "ER"
	OnSuccess When = "SU"
)

// Values of TXA and OBX that filing gives. A site's own are given by configuration.
const (
	Documented    = "DO" // TXA-17, table 0271: written down, and authenticated by nobody
	Authenticated = "AU" // TXA-17: signed; only with a signer the site names
	UsualControl  = "U"  // TXA-18, table 0272
	Available     = "AV" // TXA-19, table 0273
	Active        = "AC" // TXA-20, table 0275
	Final         = "F"  // OBX-11, table 0085
	Corrected     = "C"  // OBX-11
	PlainText     = "TX" // OBX-2 and TXA-3
	Formatted     = "FT" // OBX-2 and TXA-3
	Encapsulated  = "ED" // OBX-2
)
