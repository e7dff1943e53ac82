package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/seal"
)

// never is the next_at of a lane that nothing is due on.
const never = math.MaxInt64

// Sealer is what the store needs of package seal (see there): *seal.Sealer.
type Sealer interface {
	Seal(plain []byte, aad seal.AAD) []byte
	Open(sealed []byte, aad seal.AAD) ([]byte, error)
	Lookup(domain string, parts ...string) []byte
}

// batch gathers what the functions of one transaction leave to its end.
type batch struct {
	bells  map[touched]bool
	tally  map[tallyKey]int64
	audits map[string][]string // by EHR, the ids of the audit rows
}

func newBatch() *batch {
	return &batch{bells: map[touched]bool{}, tally: map[tallyKey]int64{}, audits: map[string][]string{}}
}

// keep takes over what a function that succeeded has left.
func (b *batch) keep(t *tx) {
	for bell := range t.bells {
		b.bells[bell] = true
	}
	for k, n := range t.tally {
		b.tally[k] += n
	}
	for _, a := range t.audits {
		b.audits[a[0]] = append(b.audits[a[0]], a[1])
	}
}

// writeEnds writes what a transaction leaves to its end.
func (b *batch) writeEnds(db *DB, c conn) error {
	if err := b.writeTally(db, c); err != nil {
		return err
	}
	return b.writeWaits(db, c)
}

// tx is connector.Tx over one connection.
type tx struct {
	c       conn
	s       Sealer
	db      *DB
	batch   *batch // nil in a View
	bells   map[touched]bool
	tally   map[tallyKey]int64
	audits  [][2]string // EHR and id of each audit row
	arrived *arrival    // by Expect
	err     error       // the first failure of the database, whatever the function made of it
}

var _ connector.Tx = (*tx)(nil)

var errReadOnly = errors.New("store: a View cannot write: use Update")

// note remembers a failure of the database and gives it as the caller sees it.
func (t *tx) note(err error) error {
	if err == nil {
		return nil
	}
	if t.err == nil {
		t.err = fmt.Errorf("%w: %w", connector.ErrStore, err)
	}
	return fmt.Errorf("%w: %w", connector.ErrStore, err)
}

func (t *tx) exec(q *query, args ...any) error {
	if err := t.writable(); err != nil {
		return err
	}
	return t.note(t.c.exec(q, args...))
}

func (t *tx) execN(q *query, args ...any) (int64, error) {
	if err := t.writable(); err != nil {
		return 0, err
	}
	n, err := t.c.execN(q, args...)
	return n, t.note(err)
}

// writable refuses what a View must not do, and everything after a failure of the database: SQLite may have ended the
// transaction by itself (a full disk), and the next statement would stand, and be durable, alone.
func (t *tx) writable() error {
	if t.batch == nil {
		return errReadOnly
	}
	return t.err
}

// rows reads rows, unless the database has failed before.
func (t *tx) rows(q *query, args []any, each func(scan func(...any) error) error) error {
	if t.err != nil {
		return t.err
	}
	return t.note(t.c.rows(q, args, each))
}

// one reads the first row of a statement with read; ErrNotFound where there is none.
func one[T any](t *tx, read func(t *tx, scan func(...any) error) (T, error), q *query, args ...any) (T, error) {
	var out T
	all, err := many(t, read, q.in(t), args...)
	if err != nil {
		return out, err
	}
	if len(all) == 0 {
		return out, connector.ErrNotFound
	}
	return all[0], nil
}

// many reads all rows of a statement with read. An error of opening a value is the row's own and not the database's.
func many[T any](t *tx, read func(t *tx, scan func(...any) error) (T, error), q *query, args ...any) ([]T, error) {
	var out []T
	var opened error
	err := t.rows(q, args, func(scan func(...any) error) error {
		v, err := read(t, scan)
		if errors.As(err, new(*OpenError)) {
			if opened == nil {
				opened = err
			}
			return nil
		}
		out = append(out, v)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, opened
}

// readText reads a column of text.
func readText(_ *tx, scan func(...any) error) (s string, err error) {
	err = scan(&s)
	return s, err
}

// single reads one row of one column each; ErrNotFound where there is none.
func (t *tx) single(q *query, args []any, dest ...any) error {
	found := false
	err := t.rows(q, args, func(scan func(...any) error) error {
		if found {
			return nil
		}
		found = true
		return scan(dest...)
	})
	if err != nil {
		return err
	}
	if !found {
		return connector.ErrNotFound
	}
	return nil
}

// OpenError says that a stored value does not open or cannot be read: it was altered or moved, or the keyset lacks its
// key. Err is one of package seal's. It will not get better by itself; where it is seal.ErrUnknownKey, reload the keyset.
type OpenError struct {
	Table, Column, Row string // Row is an id of ours
	Err                error
}

func (e *OpenError) Error() string {
	return fmt.Sprintf("store: %s.%s of row %s: %v", e.Table, e.Column, e.Row, e.Err)
}

func (e *OpenError) Unwrap() error { return e.Err }

// place is where a row's sealed values belong.
type place struct{ ehr, thread, table, row string }

func (p place) aad(column string) seal.AAD {
	return seal.AAD{EHR: p.ehr, Thread: p.thread, Table: p.table, Row: p.row, Column: column}
}

// sealBytes seals raw bytes; nil stays NULL.
func (t *tx) sealBytes(p place, column string, plain []byte) []byte {
	if plain == nil {
		return nil
	}
	return t.s.Seal(plain, p.aad(column))
}

// seal seals v as JSON.
func (t *tx) seal(p place, column string, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("store: %s.%s of row %s cannot be written as JSON (%T)", p.table, column, p.row, err)
	}
	return t.s.Seal(plain, p.aad(column)), nil
}

// openBytes opens what sealBytes made.
func (t *tx) openBytes(p place, column string, sealed []byte) ([]byte, error) {
	if sealed == nil {
		return nil, nil
	}
	plain, err := t.s.Open(sealed, p.aad(column))
	if err != nil {
		return nil, &OpenError{Table: p.table, Column: column, Row: p.row, Err: err}
	}
	return plain, nil
}

// open opens what seal made; NULL leaves into as it is. Numbers in fields of type any stay as they were written.
func (t *tx) open(p place, column string, sealed []byte, into any) error {
	plain, err := t.openBytes(p, column, sealed)
	if err != nil || plain == nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(plain))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return &OpenError{Table: p.table, Column: column, Row: p.row, Err: fmt.Errorf("is not what this version writes (%T)", err)}
	}
	return nil
}

// hash is the keyed hash of a value within its EHR connection, or NULL for "".
func (t *tx) hash(domain, ehr, value string) []byte {
	if value == "" {
		return nil
	}
	return t.s.Lookup(domain, ehr, value)
}

// micros and fromMicros keep a time as microseconds of UTC, the zero time as 0.
func micros(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
