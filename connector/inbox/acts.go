package inbox

import (
	"time"

	"github.com/chartwire/chartwire/connector"
)

// What somebody may do with a thread beside writing in it; Desk.Work takes them.
const (
	Claim   = "claim"   // take it
	Release = "release" // give it back to its pool
	Assign  = "assign"  // give it to a person: to is their EHR reference
	Hand    = "hand"    // give it to a pool: to is the pool's id
	Resolve = "resolve" // nobody waits any more, without an answer
)

// UndoFor is how long a message that was sent can be taken back.
const UndoFor = 10 * time.Second

// NewView is the page of a new message to the launched patient.
type NewView struct {
	Frame    Frame
	Composer Composer
}

// Upload is a file as it came from a browser. What it is, its bytes say; its name is only shown.
type Upload struct {
	Name string
	Data []byte
}

// DraftIn is what a composer holds: Desk.Save keeps it. ID "" begins one, Thread "" a new message. Version is that of the
// DraftView it was made from.
type DraftIn struct {
	ID        string
	Version   int64
	Thread    string
	Channel   string // of a new message
	Topic     string // of a new message
	To        []string
	Text      string
	Urgent    bool
	Template  string
	Bind      string // of the composer
	AddFiles  []Upload
	DropFiles []string
}

// SendIn is a composer's content to be sent. Seen is the composer's own; Anyway says that the user was told of a Collision and means it
// all the same: Seen is then of the page that told them, and what came after that is told again.
type SendIn struct {
	DraftIn
	Seen   string
	Anyway bool
}

// Change is something that happened to what a page watches. Exactly one of Thread, Ended and Cover is set.
type Change struct {
	Thread  string // and its Version: show it anew
	Version int64
	Ended   string // the session is over, and why, a sentence: the page goes away and the stream with it
	Cover   string // the launch by which the user opened another patient: cover the page with its own banner until it is clicked
}

// Collision says that somebody wrote in the thread after what the sender's page shows. Nothing was sent; where the sender
// means it all the same, send again with Anyway and the Seen of the thread as it was shown since.
type Collision struct {
	Who  Who
	When time.Time
}

func (*Collision) Error() string {
	return "somebody wrote in this thread after you opened it; read that first, or send anyway"
}

// Unbound says that a composer was not made for this session, patient and thread. Nothing was sent; the draft is where it
// was. The user has to open the thread anew from the EHR.
type Unbound struct{}

func (*Unbound) Error() string {
	return "this page was opened for another patient or another sign-in, so nothing was sent; open the thread again and send from there"
}

// Covered says that the user opened another patient after this page. Nothing was sent: the page is to be covered by its own
// patient's banner until it is clicked, which calls Uncover.
type Covered struct{}

func (*Covered) Error() string {
	return "you have opened another patient since; check the name above before you send"
}

// TooLate says that a message cannot be taken back any more.
type TooLate struct{}

func (*TooLate) Error() string {
	return "the message has been sent and cannot be taken back; write another one instead"
}

// Taken says that somebody else holds the thread. Nothing was done: they release it, or it is assigned.
type Taken struct {
	Who  Who
	When time.Time
}

func (*Taken) Error() string {
	return "somebody else has taken this thread: ask them to release it, or assign it to yourself"
}

// Stale says that a draft was changed in another window meanwhile. Nothing was changed; show both.
type Stale struct{}

func (*Stale) Error() string {
	return "this draft was changed in another window; it stays as it is there, and what you wrote here is another one"
}

// Newer says that a message came, or a colleague did something with the thread, after what its user was shown. Nothing was done: show
// the thread anew.
type Newer struct{}

func (*Newer) Error() string {
	return "something came in this thread after what you see, so nothing was done; read it first"
}

// Gone says that a draft is not there for this user any more. Nothing was changed; what they have on the screen can be kept as
// another one.
type Gone struct{}

func (*Gone) Error() string {
	return "this draft is not there any more: it was sent, or thrown away in another window; look before you send it again"
}

func (*Gone) Unwrap() error { return connector.ErrNotFound }

// Forbidden says that the signed-in user may not do this: a plain sentence.
type Forbidden struct{ Why string }

func (e *Forbidden) Error() string { return e.Why }

// Wrong says what has to be put right before a message can be kept or sent. Field is text, to, files, channel, topic,
// template or act.
type Wrong struct{ Field, Text string }

func (e *Wrong) Error() string { return e.Text }

// NotSent says why a message may not go to its recipient. Nothing was sent.
type NotSent struct{ Reason connector.Reason }

func (e *NotSent) Error() string { return "not sent: " + e.Reason.Sentence() + "; " + e.Reason.Next() }
