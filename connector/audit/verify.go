package audit

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// Finding is one thing that is not as it was written.
type Finding struct {
	Seq  int64  `json:"seq"`          // where, or -1 for the log as a whole
	ID   string `json:"id,omitempty"` // of the row, where there is one
	Text string `json:"text"`
}

// Report is what Verify found.
type Report struct {
	Origin   string    `json:"origin"`
	Sealed   int64     `json:"sealed"`  // rows the newest checkpoint covers
	Root     string    `json:"root"`    // its root hash, the log's fingerprint
	Waiting  int64     `json:"waiting"` // rows not in the log yet: nothing proves them
	Findings []Finding `json:"findings"`
	Omitted  int64     `json:"omitted,omitempty"` // findings beyond MaxFindings
}

// MaxFindings is how many findings a report lists.
const MaxFindings = 100

// OK says whether everything is as it was written.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

func (r *Report) find(seq int64, id, format string, args ...any) {
	if len(r.Findings) == MaxFindings {
		r.Omitted++
		return
	}
	r.Findings = append(r.Findings, Finding{seq, id, fmt.Sprintf(format, args...)})
}

// ErrNoHash is what a hash reader's error wraps where a stored hash is not there.
// To Verify that is a finding.
var ErrNoHash = errors.New("a stored hash of the audit log is not there")

// verifyChunk is how many stored hashes Verify reads at once.
const verifyChunk = 1024

// Verify holds the rows of one log to its signed head, and to checkpoints kept
// elsewhere (kept), which alone can show a log cut back to an earlier head. Rows
// come in the order of Seq, those not in the log yet anywhere. hashes reads the
// log's stored hashes and lets Verify say which row differs; nil says only that
// some do. newest reads the head: first of all, and once more where rows lie
// beyond it, for the log may have grown since; those then count as waiting. The
// error is one of reading, never a finding.
func Verify(rows iter.Seq2[Row, error], hashes tlog.HashReader, v Verifier, newest func() ([]byte, error), kept ...[]byte) (*Report, error) {
	c := &check{Report: &Report{Origin: v.origin, Findings: []Finding{}}, hashes: hashes, reader: hashes}
	head, err := newest()
	if err != nil {
		return nil, err
	}
	c.open(v, head, kept)
	var chunk []Row
	for row, err := range rows {
		if err != nil {
			return nil, err
		}
		switch row.Seq {
		case Unsealed:
			c.Waiting++
			continue
		case Stray:
			c.find(-1, row.ID, "this row is not in the log and does not wait for it: it was put there past Chartwire, or is to be kept out of the log")
			continue
		case Twice:
			c.find(-1, row.ID, "this row has two places in the log: it was sealed again in place of another")
			continue
		}
		if chunk = append(chunk, row); len(chunk) == verifyChunk {
			if err := c.rows(chunk); err != nil {
				return nil, err
			}
			chunk = chunk[:0]
		}
	}
	if err := c.rows(chunk); err != nil {
		return nil, err
	}
	if err := c.finish(); err != nil {
		return nil, err
	}
	if c.beyond.n == 0 {
		return c.Report, nil
	}
	if head, err = newest(); err != nil {
		return nil, err
	}
	return c.Report, c.grown(v, head)
}

// grown says of rows beyond the head whether the log has come to them since.
func (c *check) grown(v Verifier, head []byte) error {
	tree, err := v.Open(head)
	since := err == nil && tree.N > c.beyond.last && c.head != nil && c.reader != nil
	if since && c.head.N > 0 {
		proof, err := tlog.ProveTree(tree.N, c.head.N, c.reader)
		if err != nil && !errors.Is(err, ErrNoHash) {
			return err
		}
		since = err == nil && tlog.CheckTree(proof, tree.N, tree.Hash, c.head.N, c.head.Hash) == nil
	}
	if since {
		c.Waiting += c.beyond.n
		return nil
	}
	for _, row := range c.beyond.rows {
		c.find(row.Seq, row.ID, "this row is numbered beyond the log's head of %d records: the head was set back, or the row is forged", c.Sealed)
	}
	c.Omitted += c.beyond.n - int64(len(c.beyond.rows))
	return nil
}

// check is one run of Verify.
type check struct {
	*Report
	hashes tlog.HashReader // nil once one was missing
	reader tlog.HashReader
	head   *tlog.Tree  // nil where there is none, or none that is signed
	marks  []mark      // trees to be met, by size
	next   int64       // sequence number awaited
	lost   bool        // some leaf is not known, so that no root can be computed any more
	peaks  []tlog.Hash // roots of the full subtrees of the leaves so far

	beyond struct { // rows beyond the head
		n, last int64
		rows    []Row // the first of them
	}

	ahead []tlog.Hash // stored leaf hashes read in advance, the first of them
	from  int64       // of this row
	upto  int64       // one more than the last row there is, as far as is known
}

// mark is a checkpoint's tree.
type mark struct {
	tlog.Tree
	kept bool // from elsewhere
}

func (c *check) open(v Verifier, head []byte, kept [][]byte) {
	if head != nil {
		tree, err := v.Open(head)
		if err != nil {
			c.find(-1, "", "the log's head: %v", err)
		} else {
			c.Sealed, c.Root, c.head = tree.N, tree.Hash.String(), &tree
			c.marks = append(c.marks, mark{tree, false})
		}
	}
	for i, k := range kept {
		tree, err := v.Open(k)
		switch {
		case err != nil:
			c.find(-1, "", "kept checkpoint %d: %v", i+1, err)
		case c.head != nil && tree.N > c.Sealed, head == nil && tree.N > 0:
			c.find(c.Sealed, "", "the log was cut: a kept checkpoint has %d records, the log's head %d", tree.N, c.Sealed)
		default:
			c.marks = append(c.marks, mark{tree, true})
		}
	}
	slices.SortStableFunc(c.marks, func(a, b mark) int { return cmp.Compare(a.N, b.N) })
	if head == nil {
		c.head = &tlog.Tree{} // an empty log needs no checkpoint
	}
	c.meet()
}

// rows takes the next sealed rows.
func (c *check) rows(rows []Row) error {
	if len(rows) == 0 {
		return nil
	}
	c.upto = rows[len(rows)-1].Seq + 1
	if c.head != nil {
		c.upto = min(c.upto, c.Sealed)
	}
	for _, row := range rows {
		if row.Seq < c.next {
			c.find(row.Seq, row.ID, "a second row has this sequence number, or rows are out of order")
			continue
		}
		if c.head != nil && row.Seq >= c.Sealed {
			if c.beyond.n++; len(c.beyond.rows) < MaxFindings {
				c.beyond.rows = append(c.beyond.rows, row)
			}
			c.beyond.last = max(c.beyond.last, row.Seq)
			continue
		}
		if row.Seq > c.next {
			if err := c.gap(row.Seq); err != nil {
				return err
			}
		}
		if err := c.leaf(row); err != nil {
			return err
		}
	}
	return nil
}

// finish looks at what the rows did not reach.
func (c *check) finish() error {
	if c.head == nil {
		return nil
	}
	if c.next < c.Sealed {
		c.upto = c.Sealed
		if err := c.gap(c.Sealed); err != nil {
			return err
		}
	}
	if c.hashes == nil || c.Sealed == 0 {
		return nil
	}
	root, err := tlog.TreeHash(c.Sealed, c.hashes)
	switch {
	case errors.Is(err, ErrNoHash):
		c.noHash()
	case err != nil:
		return err
	case root != c.head.Hash:
		c.find(-1, "", "the stored hashes are not those of the log's head")
	}
	return nil
}

// stored gives the stored hash of a row, nil where it is not to be had.
func (c *check) stored(seq int64) (*tlog.Hash, error) {
	if c.hashes == nil {
		return nil, nil
	}
	if i := seq - c.from; i >= 0 && i < int64(len(c.ahead)) {
		return &c.ahead[i], nil
	}
	var indexes []int64
	for n := seq; n < min(max(c.upto, seq+1), seq+verifyChunk); n++ {
		indexes = append(indexes, tlog.StoredHashIndex(0, n))
	}
	hashes, err := c.hashes.ReadHashes(indexes)
	if errors.Is(err, ErrNoHash) {
		c.noHash()
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(hashes) != len(indexes) {
		return nil, fmt.Errorf("%d hashes were asked for, %d came", len(indexes), len(hashes))
	}
	c.ahead, c.from = hashes, seq
	return &c.ahead[0], nil
}

// noHash goes on without the stored hashes.
func (c *check) noHash() {
	c.find(-1, "", "stored hashes of the log are missing")
	c.hashes, c.ahead = nil, nil
}

// leaf takes the row awaited.
func (c *check) leaf(row Row) error {
	h := row.Hash()
	stored, err := c.stored(c.next)
	if err != nil {
		return err
	}
	if stored != nil && *stored != h {
		c.find(row.Seq, row.ID, "this row is not the one that was sealed here: it, or its stored hash, was changed")
		h = *stored // so that the root still says whether the stored hash is right
	}
	c.push(h)
	return nil
}

// gap takes rows up to seq as missing.
func (c *check) gap(seq int64) error {
	c.find(c.next, "", "%d rows are missing: %d to %d", seq-c.next, c.next, seq-1)
	for c.next < seq {
		h, err := c.stored(c.next)
		if err != nil {
			return err
		}
		if h == nil {
			c.lost, c.next = true, seq
			return nil
		}
		c.push(*h)
	}
	return nil
}

// push adds a leaf to the tree, kept as the roots of its full subtrees, and
// compares with checkpoints of its new size.
func (c *check) push(h tlog.Hash) {
	for n := c.next; n&1 == 1 && !c.lost; n >>= 1 {
		h = tlog.NodeHash(c.peaks[len(c.peaks)-1], h)
		c.peaks = c.peaks[:len(c.peaks)-1]
	}
	c.peaks = append(c.peaks, h)
	c.next++
	c.meet()
}

// meet compares the tree with the checkpoints of its size.
func (c *check) meet() {
	for ; len(c.marks) > 0 && c.marks[0].N <= c.next; c.marks = c.marks[1:] {
		m := c.marks[0]
		if m.N < c.next || c.lost {
			continue // passed in a gap that is a finding already
		}
		if root := c.root(); root != m.Hash {
			whose := "the log's head"
			if m.kept {
				whose = "a kept checkpoint"
			}
			c.find(-1, "", "the first %d rows are not those of %s: rows or stored hashes were changed", m.N, whose)
		}
	}
}

func (c *check) root() tlog.Hash {
	if len(c.peaks) == 0 {
		empty, _ := tlog.TreeHash(0, nil)
		return empty
	}
	h := c.peaks[len(c.peaks)-1]
	for i := len(c.peaks) - 2; i >= 0; i-- {
		h = tlog.NodeHash(c.peaks[i], h)
	}
	return h
}
