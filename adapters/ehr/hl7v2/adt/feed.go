package adt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/connector"
)

// Options is what one feed needs.
type Options struct {
	Store connector.Store
	ID    string // ehr_id
	Name  string // the config's label, for the audit log
	Now   func() time.Time
	// Authorities are those of the channel's identifier systems; identifiers of others are not kept.
	Authorities map[string]filing.Authority
	Zone        *time.Location // of times without an offset
	Sending     hl7.HD         // who may send, MSH-3 and MSH-4
	Facility    hl7.HD
	Processing  string // MSH-11 that is taken; a test system's messages do not belong among real patients
}

// Feed takes the ADT messages of one EHR connection. It is safe for concurrent use.
type Feed struct {
	o     Options
	names names
}

// NewFeed makes the feed. It listens to nobody: see [Feed.Serve].
func NewFeed(o Options) *Feed {
	return &Feed{o: o, names: o.Authorities}
}

// keepNotes is how long a message that was taken is known again. After that its repeat is applied once more, which changes
// nothing, for it is older than what is kept.
const keepNotes = 30 * 24 * time.Hour

// Errors of [Feed.Handle]: nothing was acknowledged, and the sender sends again.
var (
	errNotStored     = errors.New("adt: a message could not be stored and was not acknowledged")
	errNotAnswerable = errors.New("adt: a message whose header cannot be read, or without MSH-10, cannot be answered; have the sender's interface engineer look at what it sends")
)

// Handle is mllp.Handler: it commits what a message says with its audit row, then acknowledges it. A message that is not to be
// taken is answered with what is wrong with it. An error is one of a store that did not commit, or of a message that cannot be
// answered.
func (f *Feed) Handle(ctx context.Context, message []byte) ([][]byte, error) {
	h, a, err := f.read(message)
	if h.ControlID == "" {
		if err := f.refusedBy(ctx, "feed", "not-answerable"); err != nil {
			return nil, err
		}
		return nil, errNotAnswerable
	}
	now := f.o.Now().UTC().Truncate(time.Microsecond)
	if err != nil {
		p := problem(err)
		if err := f.refuse(ctx, h, p, now); err != nil {
			return nil, err
		}
		return f.answers(h, p, now)
	}
	err = f.o.Store.Update(ctx, "adt/"+f.o.ID, func(tx connector.Tx) error {
		fresh, err := tx.InsertADTMessage(f.o.ID, sender(h), message, now, keepNotes)
		if err != nil || !fresh {
			return err
		}
		s := step{f: f, tx: tx, msg: a, at: f.recorded(a, now), now: now}
		return s.apply()
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotStored, err)
	}
	return f.answers(h, nil, now)
}

// sender is what a control id belongs to: another sender may use the same.
func sender(h hl7.MSH) string {
	return h.SendingApplication.Namespace + "^" + h.SendingFacility.Namespace + "^" + h.ControlID
}

// read reads a message of the expected sender. The error is one whose [problem] tells the sender what is wrong.
func (f *Feed) read(message []byte) (hl7.MSH, hl7.ADT, error) {
	m, err := hl7.Parse(message, hl7.Options{})
	if err != nil {
		h, _ := hl7.ParseHeader(message, hl7.Options{}) // as far as it can be read
		return h, hl7.ADT{}, err
	}
	h, err := hl7.ReadMSH(m)
	if err == nil {
		err = f.expected(h)
	}
	if err != nil {
		return h, hl7.ADT{}, err
	}
	a, err := hl7.ReadADT(m)
	return h, a, err
}

func (f *Feed) expected(h hl7.MSH) error {
	at := func(field int, code hl7.Condition, text string) error {
		return &hl7.Problem{At: hl7.ERL{Segment: "MSH", Sequence: 1, Field: field}, Code: code, Text: text}
	}
	switch {
	case h.SendingApplication.Namespace != f.o.Sending.Namespace:
		return at(3, hl7.UnknownKey, "this application is not the one whose messages are taken here; see adt.sending in Chartwire's configuration")
	case h.SendingFacility.Namespace != f.o.Facility.Namespace:
		return at(4, hl7.UnknownKey, "this facility is not the one whose messages are taken here; see adt.sending in Chartwire's configuration")
	case h.ProcessingID != f.o.Processing:
		return at(11, hl7.UnsupportedID, "messages of this processing id are not taken here; see hl7.processing_id in Chartwire's configuration")
	}
	return nil
}

// problem is what an error tells the sender.
func problem(err error) *hl7.Problem {
	var p *hl7.Problem
	if errors.As(err, &p) {
		return p
	}
	return &hl7.Problem{Code: hl7.DataType, Text: "the message cannot be read"}
}

// recorded is when the news was recorded: EVN-2, else when the message was made. A sender's clock that is ahead is not believed,
// or what it says next would be taken for older.
func (f *Feed) recorded(a hl7.ADT, now time.Time) time.Time {
	ts := a.Event.Recorded
	if ts.IsZero() {
		ts = a.Header.Time
	}
	if ts.IsZero() {
		return now
	}
	if at := f.moment(ts); at.Before(now) {
		return at.UTC().Truncate(time.Microsecond)
	}
	return now
}

// moment is a time stamp in the connection's time zone where it says no offset.
func (f *Feed) moment(ts hl7.TS) time.Time {
	t := ts.Time
	if ts.Offset || ts.IsZero() || f.o.Zone == nil {
		return t
	}
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), f.o.Zone)
}

// answers are the acknowledgements a sender asks for (ch. 2.9): in original mode one, in enhanced mode that of the commit, and
// that of the application where the message was taken. p is what is wrong, nil where it was taken.
func (f *Feed) answers(h hl7.MSH, p *hl7.Problem, now time.Time) ([][]byte, error) {
	codes := []hl7.AckCode{hl7.AckAA}
	var errs []hl7.ERR
	if p != nil {
		codes, errs = []hl7.AckCode{hl7.AckAE}, []hl7.ERR{p.ERR()}
		if fact, ok := p.Code.Fact(); ok {
			codes[0] = fact.Usual
		}
	}
	if h.Enhanced() {
		codes = enhanced(h, codes[0])
	}
	h.ProcessingID = cmp.Or(h.ProcessingID, f.o.Processing)
	var out [][]byte
	for _, code := range codes {
		at := now
		if f.o.Zone != nil {
			at = at.In(f.o.Zone)
		}
		id := connector.ControlID(connector.Identifier{System: "adt-answer\x00" + f.o.ID + "\x00" + string(code), Value: sender(h)})
		m, err := hl7.AckTo(h, code, id, hl7.At(at), errs...).Message()
		if err != nil {
			return nil, errNotAnswerable
		}
		raw, err := m.Encode()
		if err != nil {
			return nil, errNotAnswerable
		}
		out = append(out, raw)
	}
	return out, nil
}

// enhanced gives the codes of the answers that MSH-15 and MSH-16 ask for. What is refused is refused once.
func enhanced(h hl7.MSH, application hl7.AckCode) []hl7.AckCode {
	commit := map[hl7.AckCode]hl7.AckCode{hl7.AckAA: hl7.AckCA, hl7.AckAE: hl7.AckCE, hl7.AckAR: hl7.AckCR}[application]
	taken := application == hl7.AckAA
	var out []hl7.AckCode
	if asks(h.AcceptAck, taken) {
		out = append(out, commit)
	}
	if asks(h.ApplicationAck, taken) && (taken || len(out) == 0) {
		out = append(out, application)
	}
	return out
}

func asks(w hl7.When, good bool) bool {
	return w == hl7.Always || w == hl7.OnSuccess && good || w == hl7.OnError && !good
}

// refuse writes down that a message was turned away.
func (f *Feed) refuse(ctx context.Context, h hl7.MSH, p *hl7.Problem, now time.Time) error {
	err := f.o.Store.Update(ctx, "adt/"+f.o.ID, func(tx connector.Tx) error {
		return tx.Audit(connector.AuditEntry{ID: connector.NewID(now), EHR: f.o.ID, At: now, Kind: "event-refused", Action: "E", Outcome: 4,
			Agent: f.agent(), Detail: map[string]string{"message": h.ControlID, "codes": string(p.Code), "why": p.Error()}})
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errNotStored, err)
	}
	return nil
}

// refusedBy counts somebody who was not let in, or whose message is none.
func (f *Feed) refusedBy(ctx context.Context, source, why string) error {
	err := f.o.Store.Update(ctx, "adt/"+f.o.ID, func(tx connector.Tx) error {
		return tx.CountRefusal(f.o.ID, "adt", source, why, f.o.Now())
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errNotStored, err)
	}
	return nil
}

func (f *Feed) agent() string { return "adt:" + f.o.Name }
