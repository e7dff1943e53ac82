package inbox

import (
	"time"

	"github.com/chartwire/chartwire/connector"
)

// The views are what a page shows, worked out: a template chooses no words and compares no times. Every field of theirs may be
// PHI. Times are UTC; Zone of the page's frame says where they are read.

// Who is a person, pool or system as a page names them.
type Who struct {
	Key          string // of connector.Participant.Key; what a composer sends back
	Name         string // "" where nobody told it; a page then shows the role
	Role         connector.Role
	Relationship string // of a proxy, as the platform has it
}

// Banner is the patient as a page's head shows them.
type Banner struct {
	Reference string // Patient/id
	Name      string // that they go by now; "" where the EHR tells none
	BirthDate string // YYYY-MM-DD
	MRN       string // medical record number in use now; "" where the EHR tells none: no other identifier stands in for it
	Show      bool   // the EHR asks for it, or did not say
}

// Frame is what every page of a session has.
type Frame struct {
	Launch   string // the {launch} of its URLs
	EHR      string // config name
	User     Who
	Role     connector.Role
	Write    bool // may reply and act
	Banner   Banner
	Zone     *time.Location
	StyleURL string   // smart_style_url; "" none
	Missing  []string // granted scopes fall short: a sentence each
	Now      time.Time
	Ends     time.Time // when the session ends by itself if nothing is done
}

// Tone is how urgent a line looks; a page never says anything by colour alone.
type Tone string

// The tones.
const (
	Quiet Tone = "quiet"
	Good  Tone = "good"
	Busy  Tone = "busy" // goes on by itself
	Bad   Tone = "bad"  // somebody has to act
)

// Line is one honest sentence about where something stands.
type Line struct {
	State string // the word of DESIGN §2: filed, held, delivered …
	Text  string // the sentence, such as "On the chart" or "Held: waits for an encounter"
	Tone  Tone
	At    time.Time
	Ref   string // EHR reference, where there is one
}

// ThreadLine is a thread in a list.
type ThreadLine struct {
	ID         string
	Version    int64 // of what is shown; a live page compares
	Subject    string
	Topic      string
	Urgent     bool
	Patient    Banner // of a pool's list; zero in a patient's
	With       []Who  // the people on the patient's side
	Snippet    string // the beginning of the newest message, at most 120 runes
	Last       time.Time
	Waits      time.Duration // since when an answer is waited for; 0: nobody waits
	AnswerBy   time.Time     // by the pool's SLA
	Overdue    bool
	Pool       string // name
	Holder     Who    // zero: nobody
	Mine       bool
	Typing     []Who
	Closed     bool
	Unfinished int  // exchanges on their way to the chart
	Stuck      int  // exchanges that a person has to deal with
	Draft      bool // the user has a draft in it
}

// PatientView is the launched patient's page.
type PatientView struct {
	Frame   Frame
	Threads []ThreadLine // newest need first, then newest
	More    bool         // there are further threads: what is shown are those that have waited longest, then the newest
	Drafts  []DraftView  // the user's own about this patient: new messages and replies that are not sent, newest first
}

// PoolFilter narrows a pool's list.
type PoolFilter struct {
	Pool  string // id; "" all of the user's pools
	Mine  bool   // held by the user
	Free  bool   // held by nobody
	Late  bool   // past its SLA
	After string // opaque place to go on from
}

// PoolView is the work list.
type PoolView struct {
	Frame   Frame
	Filter  PoolFilter
	Pools   []PoolChoice // the user's; none: they are in no pool, or see Unknown
	Unknown time.Time    // since when it is not known in which pools the user is, so that nothing is shown; zero: it is known
	Threads []ThreadLine // by answer-by time, urgent first
	Hidden  int          // threads of patients the EHR did not confirm the user may open
	Unasked bool         // the EHR could not be asked about some of them
	Next    string       // place of the next page; "" the last
}

// PoolChoice is a pool somebody may look at or hand to.
type PoolChoice struct {
	ID, Name string
	Waiting  int // threads that wait for an answer, at most 100
	More     bool
}

// File is an attachment as a page shows it.
type File struct {
	ID      string
	Name    string
	Type    string // content type
	Size    int64  // bytes
	Image   bool   // one of the types that may be shown
	SHA256  string
	Missing bool // its bytes have not come
}

// Entry is one exchange, internal note or queued reply of a thread, with where it stands.
type Entry struct {
	ID        string // message row of its newest revision; of a queued reply its draft
	Direction connector.Direction
	Sender    Who
	To        []Who
	SentAt    time.Time
	Received  time.Time // our commit; zero of a queued reply
	Text      string
	Files     []File
	Edited    []Revision // earlier versions, oldest first
	EditedBy  string
	Retracted *connector.Retraction // its words stay visible, marked
	Late      bool
	Urgent    bool
	Delivery  *Line // nil of what came in
	Chart     Line
	Filed     bool // there is something to show by "show what was filed"
	UndoUntil time.Time
}

// Revision is what an exchange said before.
type Revision struct {
	ID    string // message row, by which its files are asked for
	At    time.Time
	Text  string
	Files []File // its own: a correction may have left them out
}

// ThreadView is a thread's page.
type ThreadView struct {
	Frame    Frame
	Thread   ThreadLine
	Version  int64
	Entries  []Entry // in order
	Held     *Line   // the thread itself is held, such as for a merge in the EHR: nothing files
	Composer Composer
	Staff    []Who // whom it may be assigned to, by name
	Unnamed  int   // of the staff, whom the EHR does not name to the user: they cannot be chosen
	Pools    []PoolChoice
}

// Composer is where a reply or a new message is written.
type Composer struct {
	May       bool
	Why       string // why not, a sentence
	Bind      string // MAC of session, patient and thread
	Seen      string // which messages were shown
	To        []Who  // who can be written to
	As        Who    // in whose name it goes
	Ask       bool   // several wrote: the user has to choose
	ReadBy    string // "to Maria Cho (mother), not to Daniel Cho"; "" while Ask
	Channel   string
	Channels  []ChannelChoice // of a new message
	Topics    []string
	Templates []TemplateView
	Draft     DraftView
	More      []DraftView // further drafts of the user here, newest first
	Others    []Who       // who else is writing in the thread now
}

// ChannelChoice is a channel a new message can go by, and what its recipient's consent says.
type ChannelChoice struct {
	Name    string
	To      []Who
	Consent string // a sentence where it keeps messages from going; "" otherwise
}

// TemplateView is a template with the patient's facts filled in.
type TemplateView struct {
	ID, Name, Language, Text string
	Open                     []string // variables the chart did not give
}

// DraftView is a draft of the signed-in user.
type DraftView struct {
	ID       string
	Version  int64
	Thread   string
	Channel  string
	Topic    string
	To       []string // keys
	ReadBy   string   // who will read it; "" where nobody is chosen
	Text     string
	Files    []File
	Saved    time.Time
	SendAt   time.Time // zero: being written
	Urgent   bool
	Template string
	Problem  string // why it was not sent after all, a sentence
	Subject  string // of the thread a reply is in, in a list
	Sending  bool   // it is on its way, and cannot be taken back
	Stray    string // why it cannot be sent from where it was written, a sentence; it is to be copied or thrown away. "" it can
}

// FiledPage is what was filed of one exchange.
type FiledPage struct {
	Frame Frame
	Filed []FiledView
}

// FiledView is one request that put an exchange on the chart, and the proof.
type FiledView struct {
	Strategy  connector.Strategy
	Method    string
	URL       string
	Reference string // what the EHR called it
	Version   string
	FiledAt   time.Time
	Proof     string // how the receipt was come by, a sentence
	Body      string // indented JSON, or ER7 with a line a segment
}
