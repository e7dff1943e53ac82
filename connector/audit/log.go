package audit

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
)

// Log is where one EHR connection's log is kept. connector/store implements it;
// its methods may be called by several processes at once.
type Log interface {
	// Head gives the newest checkpoint, nil before the first.
	Head(ctx context.Context) ([]byte, error)
	// Unsealed gives up to limit rows whose Seq is Unsealed, oldest first, exactly
	// as they are stored.
	Unsealed(ctx context.Context, limit int) ([]Row, error)
	// Append writes a batch in one commit. It returns ErrStale, and changes
	// nothing, where the log has not b.From sealed rows any more, or a row of b does
	// not wait for its place any more: another process sealed meanwhile.
	Append(ctx context.Context, b Batch) error
	// Hashes gives the stored hashes at these indexes, in their order; an error
	// that wraps ErrNoHash where one is not there.
	Hashes(ctx context.Context, indexes []int64) ([]tlog.Hash, error)
}

// Batch is what one sealing adds to a log.
type Batch struct {
	From       int64       // the sequence number of the first row
	IDs        []string    // the rows, in order: IDs[i] gets From+i
	FirstHash  int64       // index of the first of Hashes
	Hashes     []tlog.Hash // to be stored one after the other from FirstHash
	Checkpoint []byte      // the new head
}

// Errors of Seal.
var (
	// ErrStale: another process sealed first. Seal again, at once or later.
	ErrStale = errors.New("the audit log grew meanwhile")
	// ErrTampered: the stored log is not the one its checkpoint was signed over, or
	// is older than one this process has signed. Nothing is signed over it; stop
	// and raise the alarm, audit verify says where it differs.
	ErrTampered = errors.New("the audit log was altered")
)

// MaxBatch is how many rows one Seal takes at most.
const MaxBatch = 512

// Sealer appends to one log. One goroutine calls Seal every second or so; it is
// safe for concurrent use. Processes that seal one log agree by Log.Append.
type Sealer struct {
	log    Log
	signer *Signer

	mu   sync.Mutex
	last tlog.Tree // newest tree this process has signed or accepted
}

// NewSealer makes the Sealer of a log.
func NewSealer(log Log, signer *Signer) *Sealer { return &Sealer{log: log, signer: signer} }

// Seal gives sequence numbers to up to MaxBatch waiting rows, in one commit with
// their hashes and a new checkpoint, and returns how many. Fewer than MaxBatch
// means that no more waited. Before it signs, it checks that the stored tree is
// the one of the signed head and continues every tree it has seen. The error is
// ErrStale, ErrTampered, or the store's.
func (s *Sealer) Seal(ctx context.Context) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := &reader{ctx: ctx, log: s.log, known: map[int64]tlog.Hash{}}
	tree, err := s.head(ctx, stored)
	if err != nil {
		return 0, err
	}
	rows, err := s.log.Unsealed(ctx, MaxBatch)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	b := Batch{From: tree.N, FirstHash: tlog.StoredHashCount(tree.N)}
	for i, row := range rows {
		if row.Seq != Unsealed {
			return 0, fmt.Errorf("audit row %s was given as unsealed and is sealed: %w", row.ID, ErrStale)
		}
		hashes, err := tlog.StoredHashesForRecordHash(tree.N+int64(i), row.Hash(), stored)
		if err != nil {
			return 0, fmt.Errorf("audit log %s: %w", s.signer.origin, err)
		}
		for _, h := range hashes {
			stored.known[b.FirstHash+int64(len(b.Hashes))] = h
			b.Hashes = append(b.Hashes, h)
		}
		b.IDs = append(b.IDs, row.ID)
	}
	next := tlog.Tree{N: tree.N + int64(len(rows))}
	if next.Hash, err = tlog.TreeHash(next.N, stored); err != nil {
		return 0, fmt.Errorf("audit log %s: %w", s.signer.origin, err)
	}
	if b.Checkpoint, err = s.signer.sign(next); err != nil {
		return 0, fmt.Errorf("audit log %s: signing its checkpoint: %w", s.signer.origin, err)
	}
	if err := s.log.Append(ctx, b); err != nil {
		return 0, err
	}
	s.last = next
	return len(rows), nil
}

// head opens the newest checkpoint and holds the stored hashes to it. It leaves
// in stored what appending needs of them.
func (s *Sealer) head(ctx context.Context, stored *reader) (tlog.Tree, error) {
	var tree tlog.Tree
	checkpoint, err := s.log.Head(ctx)
	if err != nil {
		return tree, err
	}
	if checkpoint != nil {
		if tree, err = s.signer.Verifier().Open(checkpoint); err != nil {
			return tree, fmt.Errorf("%w: log %s: %w", ErrTampered, s.signer.origin, err)
		}
	}
	if tree.N < s.last.N {
		return tree, fmt.Errorf("%w: log %s has %d records, and had %d when this process last signed", ErrTampered, s.signer.origin, tree.N, s.last.N)
	}
	if checkpoint == nil {
		return tree, nil
	}
	root, err := tlog.TreeHash(tree.N, stored)
	if err != nil {
		return tree, fmt.Errorf("audit log %s: %w", s.signer.origin, err)
	}
	if root != tree.Hash {
		return tree, fmt.Errorf("%w: log %s: the stored hashes are not those of its checkpoint", ErrTampered, s.signer.origin)
	}
	if s.last.N > 0 && tree != s.last {
		proof, err := tlog.ProveTree(tree.N, s.last.N, stored)
		if err != nil {
			return tree, fmt.Errorf("audit log %s: %w", s.signer.origin, err)
		}
		if tlog.CheckTree(proof, tree.N, tree.Hash, s.last.N, s.last.Hash) != nil {
			return tree, fmt.Errorf("%w: log %s does not continue what this process last signed", ErrTampered, s.signer.origin)
		}
	}
	s.last = tree
	return tree, nil
}

// HashReader reads a log's stored hashes for Verify and for the proofs of
// golang.org/x/mod/sumdb/tlog (ProveRecord shows one record to an auditor without
// the others).
func HashReader(ctx context.Context, log Log) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) { return log.Hashes(ctx, indexes) })
}

// reader reads stored hashes, each once, and those about to be stored.
type reader struct {
	ctx   context.Context
	log   Log
	known map[int64]tlog.Hash
}

// ReadHashes is tlog.HashReader.
func (r *reader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var missing []int64
	for _, i := range indexes {
		if _, ok := r.known[i]; !ok {
			missing = append(missing, i)
		}
	}
	if len(missing) > 0 {
		hashes, err := r.log.Hashes(r.ctx, missing)
		if err != nil {
			return nil, err
		}
		if len(hashes) != len(missing) {
			return nil, fmt.Errorf("%d hashes were asked for, %d came", len(missing), len(hashes))
		}
		for i, h := range hashes {
			r.known[missing[i]] = h
		}
	}
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		out[i] = r.known[index]
	}
	return out, nil
}
