package inbox

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/ingest"
)

// WorkIn is one act with a thread.
type WorkIn struct {
	Thread string
	Act    string // Claim, Release, Assign, Hand or Resolve
	To     string // whom it is assigned to (Who.Key of ThreadView.Staff), or the pool it is handed to
	Shown  int64  // of Resolve: the Version that was shown, of the thread or of its line in a list
}

// Work does one act with a thread. Errors: those of Thread; *Forbidden; *Taken; *Wrong; *Newer.
func (d *Desk) Work(ctx context.Context, s *Session, in WorkIn) error {
	t, _, err := d.open(ctx, s, in.Thread)
	if err != nil {
		return err
	}
	if err := d.writer(ctx, s, t.ID); err != nil {
		return err
	}
	e := d.o.EHRs[s.EHR]
	work := ingest.WorkIn{EHR: e.ID, Thread: t.ID, Agent: userAgent(s.ID), Do: ingest.WorkKind(in.Act), To: in.To}
	switch in.Act {
	case Assign:
		if !s.is(in.To) && !slices.Contains(e.staffOf(t.Desk.Pool), in.To) {
			return &Wrong{"act", "Choose one of the colleagues who have the thread's pool in their work list."}
		}
	case Hand:
		if _, ok := e.pool(in.To); !ok {
			return &Wrong{"act", "Choose one of the pools."}
		}
	case Resolve:
		if work.Expect = in.Shown; in.Shown <= 0 {
			return &Newer{}
		}
	}
	work.OnBehalf = s.User.Reference
	if s.is(t.Desk.Holder) { // it was assigned to another reference of theirs
		work.OnBehalf = t.Desk.Holder
	}
	_, err = d.o.Ingest.Work(ctx, work)
	var taken *ingest.Taken
	switch {
	case errors.As(err, &taken):
		return &Taken{Who: d.member(e, taken.By), When: taken.At}
	case errors.Is(err, connector.ErrStale):
		return &Newer{}
	case errors.Is(err, ingest.ErrNoSuchWork):
		return &Wrong{"act", "This cannot be done with a thread."}
	}
	return err
}

// Note writes an internal note, which the patient's side never sees. bind is the composer's. Errors: those of
// Save; *Covered, for a note goes to a chart as a message does.
func (d *Desk) Note(ctx context.Context, s *Session, thread, text, bind string) error {
	to, err := d.aim(ctx, s, DraftIn{Thread: thread, Bind: bind})
	if err != nil {
		return err
	}
	if s.Covered != "" {
		return d.deny(ctx, s, to.thread.ID, "covered", &Covered{})
	}
	if to.thread.ID == "" || strings.TrimSpace(text) == "" {
		return &Wrong{"text", "Write what your colleagues should know."}
	}
	e := d.o.EHRs[s.EHR]
	_, err = d.o.Ingest.Note(ctx, ingest.NoteDraft{Channel: d.o.Channels[to.channel], ThreadID: to.thread.ID, Sender: e.sender(s),
		Text: text, Agent: userAgent(s.ID), ActAs: s.User.Reference, IdempotencyKey: noteKey(to.first, text)})
	if errors.As(err, new(*connector.DecodeError)) {
		return &Wrong{"text", "A note has at most 20,000 characters."}
	}
	return err
}

// noteKey makes a note that is posted twice by one page one note.
func noteKey(first, text string) string {
	return "note/" + first + "/" + connector.Hash([]byte(text))
}
