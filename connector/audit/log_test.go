package audit

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/chartwire/chartwire/connector/seal"
)

// memory is a Log in memory, with the conflicts a database has.
type memory struct {
	mu     sync.Mutex
	rows   []Row // as inserted
	hashes []tlog.Hash
	head   []byte
	size   int64
	stolen func() // runs once just before the next Append: another process
}

func (m *memory) Head(context.Context) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.head, nil
}

func (m *memory) Unsealed(_ context.Context, limit int) ([]Row, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Row
	for _, r := range m.rows {
		if r.Seq == Unsealed && len(out) < limit {
			out = append(out, r)
		}
	}
	return out, nil
}

func (m *memory) Append(_ context.Context, b Batch) error {
	if f := m.stolen; f != nil {
		m.stolen = nil
		f()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.size != b.From || int64(len(m.hashes)) != b.FirstHash {
		return ErrStale
	}
	for i, id := range b.IDs {
		n := slices.IndexFunc(m.rows, func(r Row) bool { return r.ID == id })
		if m.rows[n].Seq != Unsealed {
			return ErrStale
		}
		m.rows[n].Seq = b.From + int64(i)
	}
	m.size += int64(len(b.IDs))
	m.hashes = append(m.hashes, b.Hashes...)
	m.head = b.Checkpoint
	return nil
}

func (m *memory) Hashes(_ context.Context, indexes []int64) ([]tlog.Hash, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]tlog.Hash, len(indexes))
	for i, n := range indexes {
		if n >= int64(len(m.hashes)) {
			return nil, fmt.Errorf("%d: %w", n, ErrNoHash)
		}
		out[i] = m.hashes[n]
	}
	return out, nil
}

// insert adds n rows, as commits of acts do.
func (m *memory) insert(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for range n {
		m.rows = append(m.rows, record(len(m.rows)).Row([]byte(fmt.Sprintf("sealed detail of %d", len(m.rows)))))
	}
}

var at = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// id is a ULID, growing with i.
func id(i int) string { return fmt.Sprintf("01JD%022d", i) }

func record(i int) Record {
	return Record{
		ID: id(i), EHR: "01EHR", At: at.Add(time.Duration(i) * time.Millisecond), Kind: File, Action: Create, Outcome: Success,
		Agent: Agent{Kind: "worker"}, Thread: fmt.Sprintf("01THREAD%d", i%7), Item: fmt.Sprintf("01ITEM%d", i), EntityHash: []byte{byte(i), 1, 2},
		Detail: map[string]string{"status": "201"},
	}
}

func keys(t testing.TB) *seal.Sealer {
	t.Helper()
	k, err := seal.Generate(at)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signer(t testing.TB, k *seal.Sealer, ehr string) *Signer {
	t.Helper()
	s, err := NewSigner(k, ehr)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sealAll seals until nothing waits and gives every checkpoint on the way.
func sealAll(t testing.TB, s *Sealer, m *memory) (checkpoints [][]byte) {
	t.Helper()
	for {
		n, err := s.Seal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return checkpoints
		}
		checkpoints = append(checkpoints, m.head)
	}
}

func TestSealAssignsEveryNumberOnce(t *testing.T) {
	m, sg := &memory{}, signer(t, keys(t), "01EHR")
	s := NewSealer(m, sg)
	if n, err := s.Seal(t.Context()); n != 0 || err != nil || m.head != nil {
		t.Fatalf("sealing an empty log: %d, %v", n, err)
	}
	total := 0
	for _, n := range []int{1, 1, 2, 3, 5, 255, 256, 257, 1000} {
		m.insert(n)
		total += n
		for waiting := n; waiting > 0; waiting -= MaxBatch {
			if got, err := s.Seal(t.Context()); err != nil || got != min(waiting, MaxBatch) {
				t.Fatalf("sealed %d of %d waiting, %v", got, waiting, err)
			}
		}
		tree, err := sg.Verifier().Open(m.head)
		if err != nil || tree.N != int64(total) {
			t.Fatalf("head of %d records, %v, want %d", tree.N, err, total)
		}
		if want := rootOf(m.rows); tree.Hash != want {
			t.Fatalf("root of %d records differs from the tree computed at once", total)
		}
	}
	for i, r := range m.rows {
		if r.Seq != int64(i) {
			t.Fatalf("row %d has number %d", i, r.Seq)
		}
	}
	if n := tlog.StoredHashCount(int64(total)); int64(len(m.hashes)) != n {
		t.Errorf("%d hashes stored, want %d", len(m.hashes), n)
	}
}

// rootOf is RFC 6962's recursive definition, written down again.
func rootOf(rows []Row) tlog.Hash {
	if len(rows) == 1 {
		return rows[0].Hash()
	}
	k := 1
	for k*2 < len(rows) {
		k *= 2
	}
	return tlog.NodeHash(rootOf(rows[:k]), rootOf(rows[k:]))
}

// Two processes seal one log: none loses a row, none seals one twice.
func TestSealersOfTwoProcesses(t *testing.T) {
	m, k := &memory{}, keys(t)
	a, b := NewSealer(m, signer(t, k, "01EHR")), NewSealer(m, signer(t, k, "01EHR"))
	m.insert(10)
	m.stolen = func() {
		if n, err := b.Seal(t.Context()); n != 10 || err != nil {
			t.Errorf("the other process: %d, %v", n, err)
		}
	}
	if _, err := a.Seal(t.Context()); !errors.Is(err, ErrStale) {
		t.Errorf("sealed over another's batch: %v", err)
	}
	m.insert(5)
	if n, err := a.Seal(t.Context()); n != 5 || err != nil {
		t.Errorf("after the other's batch: %d, %v", n, err)
	}

	var wg sync.WaitGroup
	for _, s := range []*Sealer{a, b} {
		wg.Go(func() {
			for range 50 {
				m.insert(3)
				if _, err := s.Seal(t.Context()); err != nil && !errors.Is(err, ErrStale) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	sealAll(t, a, m)
	if r := verify(t, m, signer(t, k, "01EHR")); !r.OK() || r.Sealed != int64(len(m.rows)) {
		t.Errorf("after both: %+v", r)
	}
}

// altered is a log, the same at an earlier time, and what signs it.
type altered struct {
	*memory
	earlier *memory
	sg      *Signer
	k       *seal.Sealer
}

// setBack makes the log what it was earlier.
func (a altered) setBack() {
	a.rows, a.head, a.hashes, a.size = a.earlier.rows, a.earlier.head, a.earlier.hashes, a.earlier.size
}

// Nothing is signed over a log that is not the one signed before.
func TestSealRefusesAnAlteredLog(t *testing.T) {
	for name, alter := range map[string]func(t *testing.T, a altered){
		"a stored hash":    func(_ *testing.T, a altered) { a.hashes[tlog.StoredHashIndex(2, 0)][0] ^= 1 },
		"the head's bytes": func(_ *testing.T, a altered) { a.head[len(a.head)/2] ^= 1 },
		"the head removed": func(_ *testing.T, a altered) { a.head = nil },
		"set back":         func(_ *testing.T, a altered) { a.setBack() },
		"another log's head": func(t *testing.T, a altered) {
			other := &memory{}
			other.insert(7)
			sealAll(t, NewSealer(other, signer(t, a.k, "01OTHER")), other)
			a.head = other.head
		},
		// A second process with the true key was shown a restored backup, and went on.
		"set back and grown anew": func(t *testing.T, a altered) {
			a.setBack()
			for i := range 5 {
				a.rows = append(a.rows, record(1000+i).Row([]byte("other")))
			}
			sealAll(t, NewSealer(a.memory, a.sg), a.memory)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, k := &memory{}, keys(t)
			sg := signer(t, k, "01EHR")
			s := NewSealer(m, sg)
			m.insert(4)
			sealAll(t, s, m)
			earlier := m.copy()
			m.insert(3)
			sealAll(t, s, m)
			alter(t, altered{m, earlier, sg, k})
			m.insert(1)
			if n, err := s.Seal(t.Context()); !errors.Is(err, ErrTampered) {
				t.Errorf("Seal = %d, %v, want ErrTampered", n, err)
			}
		})
	}
}

func TestCheckpointIsAC2SPNote(t *testing.T) {
	m, k := &memory{}, keys(t)
	sg := signer(t, k, "01EHR")
	m.insert(3)
	sealAll(t, NewSealer(m, sg), m)

	v, err := note.NewVerifier(sg.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(m.head, note.VerifierList(v))
	if err != nil {
		t.Fatalf("x/mod/sumdb/note does not read it: %v", err)
	}
	if want := fmt.Sprintf("chartwire/audit/01EHR\n3\n%s\n", rootOf(m.rows)); n.Text != want {
		t.Errorf("text %q, want %q", n.Text, want)
	}
	if again := signer(t, k, "01EHR"); again.VerifierKey() != sg.VerifierKey() {
		t.Error("the key is another after a restart")
	}
	if other := signer(t, k, "01OTHER"); other.VerifierKey() == sg.VerifierKey() || other.key.Equal(sg.key) {
		t.Error("two logs have one key")
	}

	// A witness may sign too; that takes nothing away.
	skey, _, err := note.GenerateKey(nil, "witness.example")
	if err != nil {
		t.Fatal(err)
	}
	witness, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	both, err := note.Sign(n, witness)
	if err != nil {
		t.Fatal(err)
	}
	offline, err := NewVerifier(sg.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	if tree, err := offline.Open(both); err != nil || tree.N != 3 {
		t.Errorf("with a witness's signature: %v, %v", tree, err)
	}
}

func TestBadCheckpoints(t *testing.T) {
	sg := signer(t, keys(t), "01EHR")
	signed := func(text string) []byte {
		b, err := note.Sign(&note.Note{Text: text}, noteSigner{sg})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	root := tlog.RecordHash(nil).String()
	good := signed("chartwire/audit/01EHR\n1\n" + root + "\n")
	if _, err := sg.Verifier().Open(good); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"empty":          {},
		"no signature":   good[:strings.LastIndex(string(good), "\n\n")+2],
		"edited size":    []byte(strings.Replace(string(good), "\n1\n", "\n2\n", 1)),
		"another origin": signed("chartwire/audit/01OTHER\n1\n" + root + "\n"),
		"negative size":  signed("chartwire/audit/01EHR\n-1\n" + root + "\n"),
		"padded size":    signed("chartwire/audit/01EHR\n01\n" + root + "\n"),
		"no size":        signed("chartwire/audit/01EHR\nx\n" + root + "\n"),
		"short root":     signed("chartwire/audit/01EHR\n1\nAAAA\n"),
		"one line":       signed("chartwire/audit/01EHR\n"),
	} {
		if _, err := sg.Verifier().Open(bad); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, vkey := range []string{"", "x", "PRIVATE+KEY+a+b+c", sg.VerifierKey()[1:]} {
		if _, err := NewVerifier(vkey); err == nil {
			t.Errorf("NewVerifier(%q) succeeded", vkey)
		}
	}
	if _, ok := any(sg.key).(ed25519.PrivateKey); !ok {
		t.Error("checkpoints are not signed with Ed25519")
	}
}
