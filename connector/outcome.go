package connector

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// The sentinel answers of Match, Find and the store.
var (
	ErrNoMatch       = errors.New("no patient matches")
	ErrAmbiguous     = errors.New("several patients match")
	ErrAbsent        = errors.New("not found in the chart")
	ErrNotSearchable = errors.New("this EHR cannot be searched for it")
	ErrFenced        = errors.New("the lane's lease was taken over")
	ErrPaused        = errors.New("the EHR connection is paused, so nothing leaves for it")
	ErrNotFound      = errors.New("not found")
	ErrStore         = errors.New("the store could not commit")
)

// Refused is a definite no: the far side has not taken the request and never will as it is. deliver parks it.
type Refused struct {
	Reason Reason
	Status int         // HTTP status, 0 where there is none
	Codes  []string    // OperationOutcome issue codes or vendor error codes: no PHI
	Detail PHI[string] // the far side's own words, for a person; may echo PHI
	Answer PHI[string] // its whole answer, for trace; may echo PHI
}

func (e *Refused) Error() string {
	return fmt.Sprintf("refused: %s (status %d, codes %v)", e.Reason, e.Status, e.Codes)
}

// Retry is a definite not-yet: nothing was taken, and the same request may be sent again after the wait.
type Retry struct {
	Reason Reason
	Status int
	After  time.Duration // what the far side asked for; 0 leaves the wait to deliver
	Cause  error         // for the log; holds no PHI
	Answer PHI[string]   // the far side's whole answer, for trace; may echo PHI
}

func (e *Retry) Error() string {
	return fmt.Sprintf("not taken, try again: %s (status %d): %v", e.Reason, e.Status, e.Cause)
}

func (e *Retry) Unwrap() error { return e.Cause }

// Ambiguous means the request may or may not have been taken. deliver makes it unknown, waits for settle, then Finds.
type Ambiguous struct {
	Status int
	Cause  error
	Detail PHI[string] // the far side's own words, for a person; may echo PHI
	Answer PHI[string] // its whole answer, for trace; may echo PHI
}

func (e *Ambiguous) Error() string {
	return fmt.Sprintf("outcome unknown (status %d): %v", e.Status, e.Cause)
}

func (e *Ambiguous) Unwrap() error { return e.Cause }

// Conflicted is a 409 or 412: something with this identity or another version is there. deliver Finds at once.
type Conflicted struct {
	Status int
	Codes  []string
	Answer PHI[string] // the far side's whole answer, for trace; may echo PHI
}

func (e *Conflicted) Error() string {
	return fmt.Sprintf("conflict with what is there (status %d, codes %v)", e.Status, e.Codes)
}

// SignatureError says a delivery was not signed by its channel or is too old. web answers 401; the body is not parsed.
type SignatureError struct{ Text string }

func (e *SignatureError) Error() string { return "signature refused: " + e.Text }

// DecodeError says a correctly signed body cannot be read. ingest keeps it sealed, parked undecodable; web answers 400.
type DecodeError struct {
	Pointer string // RFC 6901, the place in the body
	Text    string // what is wrong there; no value of the body
}

func (e *DecodeError) Error() string { return fmt.Sprintf("body refused at %q: %s", e.Pointer, e.Text) }

// AnswerOf gives what the far side answered where an outcome is not good, nil where it said nothing. It may hold PHI: seal it.
func AnswerOf(err error) []byte {
	var (
		refused   *Refused
		retry     *Retry
		ambiguous *Ambiguous
		conflict  *Conflicted
		said      string
	)
	switch {
	case errors.As(err, &refused):
		said = cmp.Or(refused.Answer.Reveal(), refused.Detail.Reveal())
	case errors.As(err, &retry):
		said = retry.Answer.Reveal()
	case errors.As(err, &ambiguous):
		said = cmp.Or(ambiguous.Answer.Reveal(), ambiguous.Detail.Reveal())
	case errors.As(err, &conflict):
		said = conflict.Answer.Reveal()
	}
	if said == "" {
		return nil
	}
	return []byte(said)
}
