package connector

import (
	"context"
	"time"
)

// Store keeps everything, on SQLite or Postgres, with the same statements and the same answers (storetest).
type Store interface {
	// Update runs fn in a transaction and returns after its commit is durable. Calls that run together share commits
	// (group commit); calls with one shard keep their order. fn may run more than once and must have no other effect than
	// through tx. An error of fn rolls back fn alone and is returned as it is; a failed commit gives ErrStore.
	Update(ctx context.Context, shard string, fn func(tx Tx) error) error
	// View runs fn in a read-only transaction.
	View(ctx context.Context, fn func(tx Tx) error) error
	// Claim leases up to limit lanes of an EHR that are due, most urgent first, oldest first. Nothing due gives none.
	Claim(ctx context.Context, ehr string, kinds []LaneKind, limit int, now time.Time) ([]Lane, error)
	// ClaimFront is Claim for the lanes that are to pass a backlog: those with something urgent, and those that became due
	// after since. It reads no more of a backlog than it claims.
	ClaimFront(ctx context.Context, ehr string, kinds []LaneKind, limit int, now, since time.Time) ([]Lane, error)
	// NextDue says when the next unleased lane of these kinds is due; false when no lane waits.
	NextDue(ctx context.Context, ehr string, kinds []LaneKind) (time.Time, bool, error)
	// Listen gives a channel that receives (coalesced) after a commit touched a lane of one of these kinds of this EHR, here
	// or in another process on the same database, and a function that ends it. No kinds are all.
	Listen(ehr string, kinds ...LaneKind) (<-chan struct{}, func())
	// Lease is how long a claim holds without renewal.
	Lease() time.Duration
	// Ping says whether a commit is possible now.
	Ping(ctx context.Context) error
	Close() error
}

// Arrival names what an event is about: its key, and the channel's ids of its thread and message ("" where it has none).
type Arrival struct{ EHR, Channel, Key, Thread, Message string }

// Tx is what a transaction may do. Every get gives ErrNotFound where there is no row. Inside Update, a row read by Thread,
// ThreadByExt, Message…, Item or BornByRef stays locked until the commit (Postgres: FOR UPDATE), so that read, decide and
// write lose nothing to another replica.
type Tx interface {
	// Meta reads a value written once per database, such as identity.base; PutMeta writes it.
	Meta(key string) (string, error)
	PutMeta(key, value string) error

	EHRByName(name string) (EHRRow, error)
	EHR(id string) (EHRRow, error)
	PutEHR(r EHRRow) error

	// Expect tells what an event that has arrived is about to ask: InsertEvent, ThreadByExt and Revisions. A store to which a
	// round trip costs more than a row reads it all at once; nothing else changes.
	Expect(a Arrival) error
	// InsertEvent reports false, and changes nothing, where the channel already has an event with this key.
	InsertEvent(r EventRow) (bool, error)
	// KeepEvent keeps an event as it came, Type and Body included, for a person to look at: of others InsertEvent keeps that
	// they came, and their messages what they said. KeptEvent gives it back.
	KeepEvent(r EventRow) error
	KeptEvent(ehr, id string) (EventRow, error)

	Thread(ehr, id string) (Thread, error)
	ThreadByExt(ehr, channel, ext string) (Thread, error)
	// PutThread inserts or updates by ID and grows Version; ErrStale where the row has another Version.
	PutThread(t *Thread) error
	// PassThread writes how far the order of a thread has come, which only the holder of its chart lane moves: NextSeq,
	// LastSent, LastMsg and Strategy. Version grows. ErrNotFound where the thread is gone.
	PassThread(t Thread) error
	// BumpThread only grows a thread's Version: something that a live page shows has changed beside the thread's own row.
	BumpThread(ehr, thread string) error
	// Rehome moves every message, blob and item of one thread to another and removes the empty one. It is for a thread
	// Chartwire started whose platform id turns out to be a thread that came in meanwhile. Nothing of it may be filed yet.
	Rehome(ehr, from, to string) error

	Message(ehr, id string) (MessageRow, error)
	// MessageByExt finds a revision by the channel's message id; revision 0 is the newest.
	MessageByExt(ehr, thread, ext string, revision int) (MessageRow, error)
	MessageByClient(ehr, client string) (MessageRow, error)
	// Revisions gives every revision of a message, oldest first.
	Revisions(ehr, thread, ext string) ([]MessageRow, error)
	PutMessage(m *MessageRow) error
	PutBlob(ehr, thread, message, attachment string, data []byte) error
	// Blobs gives the attachment bytes of one message row, by attachment id.
	Blobs(ehr, thread, message string) (map[string][]byte, error)

	Item(ehr, id string) (Item, error)
	// PutItem inserts (Was == "") or updates an item, keeps the tallies, and sets Was to State.
	PutItem(i *Item) error
	// LaneItems gives the items of a lane that are not done, oldest commit first.
	LaneItems(l Lane) ([]Item, error)
	// ItemsOf gives the items of a message, which is of this thread, oldest commit first.
	ItemsOf(ehr, thread, message string) ([]Item, error)
	ThreadItems(ehr, thread string) ([]Item, error)
	// OpenItems gives items in one of the states, oldest first, all EHRs when ehr is "".
	OpenItems(ehr string, states []ItemState, limit int) ([]Item, error)

	// TouchLane makes a lane due at the given time or earlier, creating it where needed, and wakes claimers after commit.
	TouchLane(ehr, thread string, kind LaneKind, due time.Time, p Priority) error
	// HoldLane checks the fence and renews the lease; ErrFenced where another claim took the lane.
	HoldLane(l *Lane, now time.Time) error
	// HoldToSend is HoldLane for a commit after which a request may leave for the EHR: ErrPaused where the connection is paused.
	HoldToSend(l *Lane, now time.Time) error
	// ReleaseLane gives the lane back, due again at next (zero: only when touched), or at once where it was touched since
	// l.Touched was read.
	ReleaseLane(l Lane, next, now time.Time) error
	// TakeLane ends the claim that holds a lane, if one does: its holder commits nothing any more (ErrFenced), and the lane can be
	// claimed at once. Where the caller has made sure that no attempt of the lane is open, nothing planned before leaves after.
	TakeLane(ehr, thread string, kind LaneKind) error
	// LaneTouched reads the lane's present Touched; deliver reads it before LaneItems.
	LaneTouched(l Lane) (int64, error)

	PutWrite(w *WriteRow) error
	// PutOutcome writes what an attempt has changed of a write that is stored: State (attempted or filed), Attempts,
	// AttemptedAt, FiledAt and Receipt. ErrNotFound where it is not stored.
	PutOutcome(w *WriteRow) error
	WriteByKey(ehr, key string) (WriteRow, error)
	WriteByProvides(ehr, provides string) (WriteRow, error)
	WritesOf(ehr, item string) ([]WriteRow, error)
	// WritesByRef gives the writes whose receipt names an EHR reference (Type/id).
	WritesByRef(ehr, ref string) ([]WriteRow, error)
	// NewestFiled gives the newest write of a resource type with an identity that is filed in an EHR, for the proof
	// that Find works there. It looks among the latest of all types; ErrNotFound where none of them is of the type.
	NewestFiled(ehr, typ string) (WriteRow, error)
	PutAttempt(a *Attempt) error
	Attempts(ehr, write string) ([]Attempt, error)
	// FiledThreads gives threads of an EHR with a write filed from a time up to, not including, another, those of one
	// patient together; after is the last one of the page before, zero for the first.
	FiledThreads(ehr string, from, until time.Time, after FiledThread, limit int) ([]FiledThread, error)
	// ThreadWrites gives every write of a thread, in the order they came about.
	ThreadWrites(ehr, thread string) ([]WriteRow, error)
	// ThreadMessages gives every revision of every message of a thread, oldest commit first. FiledWrites gives what of
	// ThreadWrites is on the chart, without the requests, which are most of what a write holds.
	ThreadMessages(ehr, thread string) ([]MessageRow, error)
	FiledWrites(ehr, thread string) ([]FiledWrite, error)

	BornByRef(ehr, ref string) (Born, error)
	PutBorn(b *Born) error

	Consent(ehr, channel, person string) (ConsentRow, error)
	PutConsent(r ConsentRow) error

	// PutProbe inserts or updates a probe by ID; LastProbe gives an EHR's newest.
	PutProbe(p Probe) error
	LastProbe(ehr string) (Probe, error)
	ADTIndex
	DeskIndex

	Audit(a AuditEntry) error
	// CountRefusal folds an unauthenticated refusal into one audit row per channel, source and minute.
	CountRefusal(ehr, channel, source, why string, at time.Time) error

	Tallies() ([]Tally, error)
	// Trace gives the threads an id may mean: ours (thread, message, item, write, attempt), the platform's thread or message
	// id or an event's key, an EHR reference (Type/id), or the MSH-10 of a message (ControlID). By an event's key it finds the thread
	// it was taken for, not one that was merged into another since.
	Trace(id string) ([]Thread, error)
	// AuditOf gives what the audit log says about a thread, oldest first.
	AuditOf(ehr, thread string) ([]AuditEntry, error)
}
