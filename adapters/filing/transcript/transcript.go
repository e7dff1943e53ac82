package transcript

import (
	"time"

	"github.com/chartwire/chartwire/connector"
)

// Transcript is a thread as it is to be shown. The forms depend on nothing else.
type Transcript struct {
	Thread  connector.ThreadInfo
	Channel string         // the channel's name
	Patient *Patient       // printed as given; nil prints nothing about the patient
	Zone    *time.Location // of the EHR; nil is UTC
	Closed  time.Time      // when the thread was closed; zero while it is open
	Entries []Entry        // in the order they are shown, which is the thread's own

	// What says what the document is beside being a transcript, such as that it replaces an earlier one; "" for nothing.
	What string
	// Single says that it is about one message and tells nothing of its thread.
	Single bool
	// Cite names the document where a chart keeps no identifier of ours; "" for none.
	Cite string

	// Internal shows internal notes. Without it they are left out, and the transcript says how many were.
	Internal bool
}

// Patient is the line that says whose thread it is. Whatever is "" is not printed; nothing is worked out.
type Patient struct {
	Name      string
	BirthDate string // YYYY-MM-DD
	MRN       string
}

// Entry is one message with all that happened to it.
type Entry = connector.Told

// String keeps a transcript, which is PHI from end to end, out of logs and error texts.
func (Transcript) String() string { return redacted }

// String keeps a patient's identity out of logs and error texts.
func (Patient) String() string { return redacted }

const redacted = "[phi]"
