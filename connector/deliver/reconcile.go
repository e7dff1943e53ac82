package deliver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// ReconcileQuery says what to hold against the chart: what was filed from Since up to, not including, Until.
type ReconcileQuery struct {
	EHR          string // the config's label; "" every connection
	Since, Until time.Time
	Agent        string // who asks, for the audit log
}

// FindingKind is what is wrong with an entry.
type FindingKind string

// The kinds of finding.
const (
	FoundMissing      FindingKind = "missing"       // filed, and not on the chart any more
	FoundEdited       FindingKind = "edited"        // other words, files, status or identifier than were filed
	FoundWrongSubject FindingKind = "wrong-subject" // on another patient's chart than it was filed in
	FoundDuplicate    FindingKind = "duplicate"     // more than one entry of one identity
	FoundUnknown      FindingKind = "unknown"       // carries an identifier of ours that the database does not know
)

// Finding is one entry that is not what the database says was filed. It holds no PHI: ids of ours and of the EHR's.
type Finding struct {
	EHR       string          `json:"ehr"`
	Kind      FindingKind     `json:"kind"`
	Differs   []string        `json:"differs,omitempty"` // subject, identifier, words, attachments, status
	Thread    string          `json:"thread,omitempty"`
	Item      string          `json:"item,omitempty"`
	Reference string          `json:"reference"`            // the entry; of a duplicate the one the receipt names
	Others    []string        `json:"others,omitempty"`     // further entries of the same identity
	Attempts  []TracedAttempt `json:"attempts,omitempty"`   // of a duplicate
	TakenOver int             `json:"taken_over,omitempty"` // the attempt that was found absent, and came after all
	Sentence  string          `json:"sentence"`
}

// ReconcileReport is what one sweep over a connection came to.
type ReconcileReport struct {
	EHR         string              `json:"ehr"`
	Since       time.Time           `json:"since"`
	Until       time.Time           `json:"until"`
	Patients    int                 `json:"patients"`
	Entries     int                 `json:"entries"` // filed entries that were held against the chart
	Findings    map[FindingKind]int `json:"findings,omitempty"`
	Moving      int                 `json:"moving,omitempty"`       // under way meanwhile: the next run compares them
	NotReadable int                 `json:"not_readable,omitempty"` // the EHR shows nothing back of these
	Swept       bool                `json:"swept"`                  // entries of ours on charts of patients unknown to us were looked for
}

// Found says whether the chart is not what was filed.
func (r ReconcileReport) Found() bool { return len(r.Findings) > 0 }

// ErrNoConnection says that no EHR connection has the name that was asked for.
var ErrNoConnection = errors.New("no EHR connection has this name")

// Reconcile reads the chart back and holds it against what the database says was filed: patient by patient, so that an EHR
// is asked in pages and memory holds one patient's entries. It only reads; each patient is audited before the chart is
// read, each finding when it is made. What is found is told as it is found. It waits for the connection's pace, and gives
// up with an error after the EHR has not answered for long. Engine.Run need not run.
func (e *Engine) Reconcile(ctx context.Context, q ReconcileQuery, found func(Finding) error) ([]ReconcileReport, error) {
	var out []ReconcileReport
	var conns []*conn
	for _, c := range e.conns {
		if c.Mode != "off" && (q.EHR == "" || q.EHR == c.Name) {
			conns = append(conns, c)
		}
	}
	if len(conns) == 0 {
		return nil, ErrNoConnection
	}
	slices.SortFunc(conns, func(a, b *conn) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range conns {
		r := &reconciler{e: e, c: c, q: q, found: found, told: map[string]bool{}, plain: map[string]bool{}, blind: map[string]bool{}, unsure: map[string]bool{}}
		err := r.run(ctx)
		out = append(out, r.report)
		if r.report.Found() {
			e.observe.Alarm(c.Name, connector.ChartDiffers, "")
		}
		if err != nil {
			return out, fmt.Errorf("EHR %s: %w", c.Name, err)
		}
	}
	return out, nil
}

// reconciler is one sweep over one connection.
type reconciler struct {
	e      *Engine
	c      *conn
	q      ReconcileQuery
	reader connector.ChartReader
	report ReconcileReport
	found  func(Finding) error
	told   map[string]bool // findings already told, by kind and entry
	plain  map[string]bool // types whose search does not know identifiers of a system: all of a patient is read
	blind  map[string]bool // types that cannot be listed: each entry is read by itself
	unsure map[string]bool // writes not known as filed that have been looked at, by id
}

// filedPage is how many threads are read from the database at a time.
const filedPage = 200

func (r *reconciler) run(ctx context.Context) error {
	r.report = ReconcileReport{EHR: r.c.Name, Since: r.q.Since, Until: r.q.Until, Findings: map[FindingKind]int{}}
	var ok bool
	if r.reader, ok = r.c.EHR.(connector.ChartReader); !ok {
		return errors.New("charts of this type of EHR cannot be read back: name another connection with --ehr, and look at single entries with chartwire trace")
	}
	// What was written within the EHR's search lag may not be in its index yet.
	if newest := r.e.clock.Now().Add(-r.c.SearchLag); r.report.Until.IsZero() || r.report.Until.After(newest) {
		r.report.Until = newest
	}
	if err := r.open(ctx); err != nil {
		return err
	}
	var after connector.FiledThread
	var group []connector.FiledThread
	for {
		var page []connector.FiledThread
		err := r.e.store.View(ctx, func(tx connector.Tx) (err error) {
			page, err = tx.FiledThreads(r.c.ID, r.report.Since, r.report.Until, after, filedPage)
			return err
		})
		if err != nil {
			return err
		}
		for _, t := range page {
			if len(group) > 0 && group[0].Patient != t.Patient {
				if err := r.patient(ctx, group); err != nil {
					return err
				}
				group = nil
			}
			group = append(group, t)
		}
		if len(page) < filedPage {
			break
		}
		after = page[len(page)-1]
	}
	if len(group) > 0 {
		if err := r.patient(ctx, group); err != nil {
			return err
		}
	}
	return r.sweep(ctx)
}

// open makes sure of what the connection can do; its searches depend on it.
func (r *reconciler) open(ctx context.Context) error {
	return r.again(ctx, func() error {
		_, err := r.c.can(ctx, asker{lane: "reconcile"})
		return err
	})
}

// patient holds one patient's entries against the chart.
func (r *reconciler) patient(ctx context.Context, threads []connector.FiledThread) error {
	k, err := r.load(ctx, threads)
	if err != nil || len(k.due) == 0 {
		return err
	}
	r.report.Patients++
	r.report.Entries += len(k.due)
	if err := r.audit(ctx, connector.AuditEntry{Kind: "reconcile", Action: "R",
		Detail: map[string]string{"patient": threads[0].Patient, "entries": fmt.Sprint(len(k.due))}}); err != nil {
		return err
	}
	for _, kind := range k.types() {
		if err := r.list(ctx, kind, threads[0].Patient, k); err != nil {
			return err
		}
	}
	for _, f := range k.due {
		if err := r.judge(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// filedEntry is an entry the database says is on the chart.
type filedEntry struct {
	row    connector.WriteRow
	status string // what the chart must show by now; "" is not compared
	seen   []sighting
}

// sighting is an entry of that identity as the chart shows it.
type sighting struct {
	reference string
	differs   []string
	shown     bool
}

func (f *filedEntry) main() *sighting {
	for n := range f.seen {
		if f.seen[n].reference == f.row.Receipt.Reference {
			return &f.seen[n]
		}
	}
	return nil
}

// filedEntries are those of one patient: all by type and identity, and those filed in the span asked for.
type filedEntries struct {
	by       map[string]*filedEntry
	due      []*filedEntry
	channels []string
	known    map[string][]connector.Identifier // by type; of writes that are not filed, too
}

func entryKey(kind string, id connector.Identifier) string { return kind + " " + id.Token() }

func (k *filedEntries) types() []string {
	var out []string
	for _, f := range k.due {
		if !slices.Contains(out, f.row.Write.Type) {
			out = append(out, f.row.Write.Type)
		}
	}
	return out
}

// load reads what was filed for one patient, in one read transaction a thread.
func (r *reconciler) load(ctx context.Context, threads []connector.FiledThread) (*filedEntries, error) {
	k := &filedEntries{by: map[string]*filedEntry{}, known: map[string][]connector.Identifier{}}
	for _, t := range threads {
		err := r.e.store.View(ctx, func(tx connector.Tx) error {
			thread, err := tx.Thread(r.c.ID, t.ID)
			if err != nil {
				return err
			}
			rows, err := tx.ThreadWrites(r.c.ID, t.ID)
			if err != nil {
				return err
			}
			if !slices.Contains(k.channels, thread.Channel) {
				k.channels = append(k.channels, thread.Channel)
			}
			for _, row := range rows {
				if w := row.Write; !w.Identity.IsZero() && w.Update == nil {
					k.known[w.Type] = append(k.known[w.Type], w.Identity)
				}
				if !filedAsEntry(row) {
					continue
				}
				f := &filedEntry{row: row, status: expectedStatus(row, rows)}
				f.row.Write.Body = nil // comparing needs its hashes alone
				k.by[entryKey(row.Write.Type, row.Write.Identity)] = f
				if !row.FiledAt.Before(r.report.Since) && row.FiledAt.Before(r.report.Until) {
					k.due = append(k.due, f)
				}
			}
			return nil
		})
		if errors.Is(err, connector.ErrNotFound) {
			continue // it became part of another thread
		}
		if err != nil {
			return nil, err
		}
	}
	return k, nil
}

// filedAsEntry says whether a write made an entry that can be found again.
func filedAsEntry(w connector.WriteRow) bool {
	return w.State == connector.WriteFiled && !w.Write.Identity.IsZero() && w.Write.Update == nil && w.Receipt.Reference != ""
}

// expectedStatus is what an entry's last update made of it; what was marked as entered in error stays so. The status of a
// request is its workflow's, which staff move too.
func expectedStatus(row connector.WriteRow, all []connector.WriteRow) string {
	if row.Write.Type != "Communication" && row.Write.Type != "DocumentReference" {
		return ""
	}
	status, at := row.Write.Expect.Status, time.Time{}
	for _, u := range all {
		if u.Write.Update == nil || u.State != connector.WriteFiled || u.Write.Update.Target != row.Receipt.Reference ||
			u.Write.Expect.Status == "" || u.FiledAt.Before(at) || status == "entered-in-error" {
			continue
		}
		status, at = u.Write.Expect.Status, u.FiledAt
	}
	return status
}
