package connector

import (
	"context"
	"time"
)

// ChartReader reads charts back, for reconcile. An adapter that is none cannot be reconciled with.
type ChartReader interface {
	// ReadChart gives one page of what q asks for. Errors: ErrAbsent (q.Reference is not there), ErrNotSearchable (the EHR
	// cannot be asked so), *Refused, *Retry.
	ReadChart(ctx context.Context, q ChartQuery) (ChartPage, error)
	// ShowEntry is the receipt an entry makes for a write, with what the entry shows of it, as Find would give it.
	ShowEntry(ctx context.Context, w Write, x ChartEntry) Receipt
}

// ChartQuery says which entries of one type to read: the next page, one entry, those of an identity, or those of a patient
// and of channels. The first of these that is set counts.
type ChartQuery struct {
	Type      string
	Next      string     // what the page before said
	Reference string     // Type/id
	Identity  Identifier // all that carry it, on any chart; on Patient's where the EHR lists a patient's entries alone
	Patient   string     // Patient/id; "" any
	Channels  []string   // only entries with an identifier of ours for one of these; none: all of the patient
	Since     time.Time  // only entries changed since, where the EHR can tell; zero: all

	// Known are the identities of the type that we have written, or mean to, on Patient's chart: an EHR that keeps something made
	// of an identifier, and not the identifier, is recognised by these.
	Known []Identifier
}

// ChartPage is one page of an answer; Next is "" on the last.
type ChartPage struct {
	Entries []ChartEntry
	Next    string
}

// ChartEntry is one entry as the chart has it now.
type ChartEntry struct {
	Type      string
	Reference string       // Type/id
	Ours      []Identifier // those of its identifiers that Chartwire makes
	Body      []byte
	Beside    int // requests ShowEntry makes for content that is kept beside the entry
}

// String hides the entry from logs.
func (ChartEntry) String() string { return redacted }

// FiledThread is a thread of which something was filed in a span of time.
type FiledThread struct {
	ID      string
	Patient string // the EHR's reference of the patient it is bound to
	Place   []byte // where it comes in the order of patients; opaque
}
