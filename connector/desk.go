package connector

import (
	"cmp"
	"errors"
	"log/slog"
	"time"
)

// ErrStale says that a row has changed since the caller read it. Read it again inside the transaction and decide anew.
var ErrStale = errors.New("the row has changed since it was read")

// Desk is what staff see of a thread beside its messages: who waits for an answer, and who has taken it on. ingest keeps it, in
// the commits it makes anyway; who works on it an EHR that takes Tasks is told (Task), nothing else of it.
type Desk struct {
	Need    time.Time // since when the patient's side waits: our commit of the first unanswered message; zero: nobody waits
	Urgency Priority  // sealed: the most urgent of the thread and of what waits; "" where nobody waits
	Asked   time.Time // sealed: sent_at of the newest message that waits
	Last    time.Time // our commit of the newest message in either direction
	Pool    string    // sealed, hashed: pool id that has it, "" none: the first message's, else the channel's; changed by handing over
	Holder  string    // sealed: EHR reference of who took it; "" nobody
	HeldAt  time.Time // since when
	Task    string    // sealed: ULID of the open spell of work, "" none
	Version int64     // sealed: the thread's Version by which the desk is as it is
}

// Received notes a message of the patient's side, committed at this time.
func (d *Desk) Received(at time.Time, m Message, urgency Priority) {
	if d.Need.IsZero() {
		d.Need = at
	}
	if d.Urgency == "" || urgency.Rank() > d.Urgency.Rank() {
		d.Urgency = cmp.Or(urgency, Routine)
	}
	d.Asked = later(d.Asked, m.SentAt.UTC())
	d.Last = later(d.Last, at)
}

// Said notes a message to the patient, committed at this time. It answers what was sent before it, whichever came to us first,
// unless a machine said it; ours answers all there is, whatever the platform's clock says: what its writer was not shown the caller
// notes as Received again. It says whether it was an answer.
func (d *Desk) Said(at time.Time, m Message, ours bool) (answer bool) {
	answer = m.Sender.Role != RoleSystem && (ours || !m.SentAt.Before(d.Asked))
	if answer {
		d.Answered()
	}
	d.Last = later(d.Last, at)
	return answer
}

// Answered notes that nobody waits any more. Who holds the thread goes on holding it.
func (d *Desk) Answered() { d.Need, d.Urgency, d.Asked = time.Time{}, "", time.Time{} }

// absorb takes over what the desk of a merged thread has: who waits longest, what is most urgent, and whoever holds one of them.
// One spell of work goes on; placeThread ends the other.
func (d *Desk) absorb(gone Desk) {
	if !gone.Need.IsZero() {
		d.Received(gone.Need, Message{SentAt: gone.Asked}, gone.Urgency)
		if gone.Need.Before(d.Need) {
			d.Need = gone.Need
		}
	}
	d.Last = later(d.Last, gone.Last)
	d.Pool, d.Task = cmp.Or(d.Pool, gone.Pool), cmp.Or(d.Task, gone.Task)
	if d.Holder == "" {
		d.Holder, d.HeldAt = gone.Holder, gone.HeldAt
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// ChangeDesk changes the thread's desk, and notes by which Version of the thread, which the caller is about to put.
func (t *Thread) ChangeDesk(change func(*Desk)) {
	change(&t.Desk)
	t.Desk.Version = t.Version + 1
}

// DeskPlace is a thread's place among those that wait in a pool; zero is before the first.
type DeskPlace struct {
	Urgency Priority
	Need    time.Time
	Thread  string
}

// Place is where the thread stands among those that wait in its pool.
func (t Thread) Place() DeskPlace { return DeskPlace{t.Desk.Urgency, t.Desk.Need, t.ID} }

// Shown is what open pages show of one EHR connection: threads by id, and the lists of patients, by reference, and of pools, by
// id, each as far as it is bounded. A bound of 0 or less shows none.
type Shown struct {
	Threads, Patients, Pools []string
	PerPatient, PerPool      int
}

// ShownVersions is how what is Shown stands: Versions by thread id, of each list by what it is of. A list without threads is
// nil, or not there.
type ShownVersions struct {
	Threads         map[string]int64
	Patients, Pools map[string]map[string]int64
}

// LaunchRow is a sign-in that was begun and waits for the EHR to send the browser back.
type LaunchRow struct {
	State     string // hashed, and kept no other way
	EHR       string
	ExpiresAt time.Time
	Body      []byte // sealed; of package inbox
}

// SessionRow is somebody signed in from an EHR.
type SessionRow struct {
	ID        string // a ULID that stands in URLs; no secret
	EHR       string
	Handle    string // sealed: a keyed hash of the browser's secret, which the store never has
	User      string // sealed, hashed: EHR reference
	Person    string // sealed, hashed: whose sessions it is among, where User is one of several references of theirs; "" User
	CreatedAt time.Time
	SeenAt    time.Time
	EndedAt   time.Time // zero: not ended
	Why       string    // sealed: why it ended
	Version   int64     // grows with every write
	Body      []byte    // sealed; of package inbox
}

// DraftRow is a message somebody is writing, or has given to be sent and may still take back. The bytes of its attachments are
// blobs under its ID as the message, and under no thread, for it may have none.
type DraftRow struct {
	ID        string
	EHR       string
	Thread    string    // "" where it begins one
	Patient   string    // sealed, hashed: EHR reference
	User      string    // sealed, hashed: EHR reference
	SendAt    time.Time // zero while it is being written
	Sending   bool      // it is being sent, and cannot be taken back
	UpdatedAt time.Time
	Version   int64  // grows with every write
	Body      []byte // sealed; of package inbox
}

// DeskIndex is what the clinician's inbox keeps and asks. Puts of rows with a Version give ErrStale where the row has another one than
// the caller's (0 is a new row), or is gone, and grow it.
type DeskIndex interface {
	// PatientThreads gives the threads bound to a patient, or about one named by this reference and not bound yet: who has
	// waited longest for an answer first, then the others, newest Last first. PoolThreads gives those of a pool that wait for an answer and come after a place, urgent first, then who has waited
	// longest; it reads no more than it gives. A limit of 0 or less gives none.
	PatientThreads(ehr, patient string, limit int) ([]Thread, error)
	PoolThreads(ehr, pool string, after DeskPlace, limit int) ([]Thread, error)
	// Versions gives the present Version of what is shown, and opens nothing: of each of the threads that is there, and of those that
	// PatientThreads and PoolThreads, from the first place, would give.
	Versions(ehr string, of Shown) (ShownVersions, error)

	PutLaunch(r LaunchRow) error
	// TakeLaunch gives a launch and removes it, so that it is taken once, expired or not; ErrNotFound afterwards.
	TakeLaunch(ehr, state string) (LaunchRow, error)

	Session(ehr, id string) (SessionRow, error)
	// SessionVersions gives the present Version of each of these sessions that is there, and opens none.
	SessionVersions(ehr string, ids []string) (map[string]int64, error)
	PutSession(r *SessionRow) error
	// SessionsOf gives the sessions of a person that have not ended, oldest first.
	SessionsOf(ehr, person string) ([]SessionRow, error)
	// SessionsLeft gives sessions that have not ended and were last seen before a time, least recently seen first.
	SessionsLeft(ehr string, before time.Time, limit int) ([]SessionRow, error)
	// ForgetLaunches removes launches that expired before a time, ForgetSessions sessions that ended or were last seen before one,
	// which has to be further back than a session may be idle: of each EHR connection at most limit. They say how many of the
	// connection that had most: where that is the limit, there may be more.
	ForgetLaunches(before time.Time, limit int) (int, error)
	ForgetSessions(before time.Time, limit int) (int, error)

	Draft(ehr, id string) (DraftRow, error)
	PutDraft(r *DraftRow) error
	// DropDraft removes a draft and its blobs; one that is gone is no error.
	DropDraft(ehr, id string) error
	// ThreadDrafts gives everybody's drafts in a thread, PatientDrafts those about a patient, oldest first.
	ThreadDrafts(ehr, thread string) ([]DraftRow, error)
	PatientDrafts(ehr, patient string) ([]DraftRow, error)
	// DueDrafts gives drafts to be sent by now, earliest first, those that are being sent too: who was sending them may be gone.
	DueDrafts(ehr string, now time.Time, limit int) ([]DraftRow, error)
	// NextDraft says when the next draft is to be sent, which may be past; false where none is.
	NextDraft(ehr string) (time.Time, bool, error)
}

// The rows print as "[phi]" wherever a log line or an error might format them.

func (LaunchRow) String() string        { return redacted }
func (LaunchRow) LogValue() slog.Value  { return slog.StringValue(redacted) }
func (SessionRow) String() string       { return redacted }
func (SessionRow) LogValue() slog.Value { return slog.StringValue(redacted) }
func (DraftRow) String() string         { return redacted }
func (DraftRow) LogValue() slog.Value   { return slog.StringValue(redacted) }
