package audit

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// is gives one head, whenever it is read.
func is(head []byte) func() ([]byte, error) { return func() ([]byte, error) { return head, nil } }

func all(rows []Row) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func verify(t testing.TB, m *memory, sg *Signer, kept ...[]byte) *Report {
	t.Helper()
	r, err := Verify(all(m.rows), HashReader(t.Context(), m), sg.Verifier(), is(m.head), kept...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// grown is a log of a few hundred rows, some waiting, and all its checkpoints.
func grown(t testing.TB) (*memory, *Signer, [][]byte) {
	t.Helper()
	m, sg := &memory{}, signer(t, keys(t), "01EHR")
	s := NewSealer(m, sg)
	var kept [][]byte
	for _, n := range []int{1, 6, 40, 60, 42, 1} {
		m.insert(n)
		kept = append(kept, sealAll(t, s, m)...)
	}
	m.insert(2)
	return m, sg, kept
}

func TestVerifyAnUntouchedLog(t *testing.T) {
	m, sg, kept := grown(t)
	r := verify(t, m, sg, kept...)
	if !r.OK() || r.Sealed != 150 || r.Waiting != 2 || r.Origin != "chartwire/audit/01EHR" || r.Root == "" {
		t.Errorf("%+v", r)
	}
	if r, err := Verify(all(m.rows), nil, sg.Verifier(), is(m.head), kept...); err != nil || !r.OK() {
		t.Errorf("without stored hashes: %+v, %v", r, err)
	}
	offline, err := NewVerifier(sg.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	if r, err := Verify(all(m.rows), HashReader(t.Context(), m), offline, is(m.head)); err != nil || !r.OK() {
		t.Errorf("with the public key alone: %+v, %v", r, err)
	}
	empty := &memory{}
	if r := verify(t, empty, sg); !r.OK() || r.Sealed != 0 {
		t.Errorf("an empty log: %+v", r)
	}
	empty.insert(3)
	if r := verify(t, empty, sg); !r.OK() || r.Waiting != 3 {
		t.Errorf("a log never sealed: %+v", r)
	}
}

// change alters a copy of the log; it says what it did.
type change func(*rand.Rand, *memory) string

var fields = map[string]func(*rand.Rand, *Row){
	"id":      func(r *rand.Rand, w *Row) { w.ID = id(5000 + r.IntN(1000)) },
	"ehr":     func(r *rand.Rand, w *Row) { w.EHR = "01OTHER" },
	"at":      func(r *rand.Rand, w *Row) { w.At = w.At.Add(time.Duration(1+r.IntN(1e6)) * time.Microsecond) },
	"kind":    func(r *rand.Rand, w *Row) { w.Kind = Kinds()[r.IntN(3)] },
	"action":  func(r *rand.Rand, w *Row) { w.Action = Read },
	"outcome": func(r *rand.Rand, w *Row) { w.Outcome = MinorFailure },
	"agent":   func(r *rand.Rand, w *Row) { w.Agent = ParseAgent("api:portal") },
	"thread":  func(r *rand.Rand, w *Row) { w.Thread += "x" },
	"item":    func(r *rand.Rand, w *Row) { w.Item = "" },
	"entity":  func(r *rand.Rand, w *Row) { w.EntityHash = slices.Concat(w.EntityHash, []byte{0}) },
	"sealed": func(r *rand.Rand, w *Row) {
		w.Sealed = slices.Clone(w.Sealed)
		w.Sealed[r.IntN(len(w.Sealed))] ^= 1 << r.IntN(8)
	},
}

// Changes that somebody with the database and without the key may make. The
// sealed rows are 0..149; the two waiting ones are nobody's to prove.
var changes = map[string]change{
	"edit": func(r *rand.Rand, m *memory) string {
		names := make([]string, 0, len(fields))
		for n := range fields {
			names = append(names, n)
		}
		slices.Sort(names)
		i, name := r.IntN(150), names[r.IntN(len(names))]
		fields[name](r, &m.rows[i])
		return fmt.Sprintf("%s of row %d", name, i)
	},
	"delete": func(r *rand.Rand, m *memory) string {
		i := r.IntN(150)
		n := 1 + r.IntN(min(5, 150-i))
		m.rows = slices.Delete(m.rows, i, i+n)
		return fmt.Sprintf("rows %d to %d", i, i+n-1)
	},
	"delete and renumber": func(r *rand.Rand, m *memory) string {
		i := r.IntN(150)
		m.rows = slices.Delete(m.rows, i, i+1)
		for j := i; j < 149; j++ {
			m.rows[j].Seq--
		}
		return fmt.Sprintf("row %d", i)
	},
	"swap": func(r *rand.Rand, m *memory) string {
		i := r.IntN(150)
		j := (i + 1 + r.IntN(149)) % 150
		m.rows[i], m.rows[j] = m.rows[j], m.rows[i]
		m.rows[i].Seq, m.rows[j].Seq = m.rows[j].Seq, m.rows[i].Seq
		return fmt.Sprintf("rows %d and %d", i, j)
	},
	"truncate": func(r *rand.Rand, m *memory) string {
		n := r.IntN(150)
		m.rows = m.rows[:n]
		return fmt.Sprintf("to %d rows", n)
	},
	"truncate rows and hashes": func(r *rand.Rand, m *memory) string {
		n := r.IntN(150)
		m.rows, m.hashes = m.rows[:n], m.hashes[:tlog.StoredHashCount(int64(n))]
		return fmt.Sprintf("to %d rows", n)
	},
	"insert": func(r *rand.Rand, m *memory) string {
		i := r.IntN(151)
		forged := record(9000).Row([]byte("forged"))
		forged.Seq = int64(i)
		m.rows = slices.Insert(m.rows, i, forged)
		if r.IntN(2) == 0 {
			for j := i + 1; j < 151; j++ {
				m.rows[j].Seq++
			}
		}
		return fmt.Sprintf("at %d", i)
	},
	"stored hash": func(r *rand.Rand, m *memory) string {
		// A leaf's hash; inner nodes are in TestStoredInnerHashes.
		i := r.IntN(150)
		m.hashes[tlog.StoredHashIndex(0, int64(i))][r.IntN(32)] ^= 1
		return fmt.Sprintf("of row %d", i)
	},
	"edit and all hashes": func(r *rand.Rand, m *memory) string {
		i := r.IntN(150)
		m.rows[i].Thread = "01FORGED"
		rehash(m)
		return fmt.Sprintf("of row %d", i)
	},
	"edit, all hashes and the head's text": func(r *rand.Rand, m *memory) string {
		i := r.IntN(150)
		m.rows[i].Thread = "01FORGED"
		rehash(m)
		lines := strings.SplitN(string(m.head), "\n", 4)
		lines[2] = rootOf(m.rows[:150]).String()
		m.head = []byte(strings.Join(lines, "\n"))
		return fmt.Sprintf("of row %d", i)
	},
	"head removed": func(r *rand.Rand, m *memory) string { m.head = nil; return "" },
	"row unsealed": func(r *rand.Rand, m *memory) string {
		i := r.IntN(150)
		m.rows[i].Seq = Unsealed
		return fmt.Sprintf("row %d", i)
	},
}

// rehash makes the stored hashes fit the rows, as anybody can.
func rehash(m *memory) {
	m.hashes = nil
	read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, n := range indexes {
			out[i] = m.hashes[n]
		}
		return out, nil
	})
	for _, row := range m.rows {
		if row.Seq == Unsealed {
			continue
		}
		h, err := tlog.StoredHashesForRecordHash(row.Seq, row.Hash(), read)
		if err != nil {
			panic(err)
		}
		m.hashes = append(m.hashes, h...)
	}
}

func (m *memory) copy() *memory {
	c := &memory{rows: slices.Clone(m.rows), hashes: slices.Clone(m.hashes), head: slices.Clone(m.head), size: m.size}
	return c
}

func TestVerifyDetectsEveryChange(t *testing.T) {
	m, sg, kept := grown(t)
	names := make([]string, 0, len(changes))
	for n := range changes {
		names = append(names, n)
	}
	slices.Sort(names)
	r := rand.New(rand.NewPCG(1, 2))
	const total = 1000
	for i := range total {
		name := names[i%len(names)]
		altered := m.copy()
		what := changes[name](r, altered)
		var with [][]byte
		if r.IntN(2) == 0 {
			with = kept
		}
		if report := verify(t, altered, sg, with...); report.OK() {
			t.Errorf("not detected: %s %s", name, what)
		}
		if i%4 != 0 {
			continue
		}
		// Without stored hashes too, but for changes to those alone.
		report, err := Verify(all(altered.rows), nil, sg.Verifier(), is(altered.head), with...)
		if err != nil {
			t.Fatal(err)
		}
		if report.OK() && name != "stored hash" {
			t.Errorf("not detected without stored hashes: %s %s", name, what)
		}
	}
	if r := verify(t, m, sg, kept...); !r.OK() {
		t.Fatal("the original was altered by the test")
	}
}

// A log set back as a whole to a state it really had is only seen from outside.
func TestSetBackLogNeedsAKeptCheckpoint(t *testing.T) {
	m, sg, kept := grown(t)
	back := &memory{}
	for _, cp := range kept[:len(kept)-1] {
		tree, err := sg.Verifier().Open(cp)
		if err != nil {
			t.Fatal(err)
		}
		back.rows, back.head = m.rows[:tree.N], cp
		back.hashes = m.hashes[:tlog.StoredHashCount(tree.N)]
		if r := verify(t, back, sg); !r.OK() {
			t.Errorf("a genuine earlier state of %d rows: %+v", tree.N, r)
		}
		r := verify(t, back, sg, kept...)
		if r.OK() || !strings.Contains(r.Findings[0].Text, "the log was cut") {
			t.Errorf("set back to %d rows, with later checkpoints kept: %+v", tree.N, r)
		}
	}
	other := &memory{}
	other.insert(400)
	for i := range other.rows {
		other.rows[i].Thread = "01OTHER"
	}
	sealAll(t, NewSealer(other, sg), other)
	if r := verify(t, other, sg, kept[2]); r.OK() || !strings.Contains(r.Findings[0].Text, "kept checkpoint") {
		t.Errorf("another log under the same key: %+v", r)
	}
}

func TestFindingsSayWhere(t *testing.T) {
	m, sg, _ := grown(t)
	for _, c := range []struct {
		name  string
		alter func(*memory)
		seq   int64
		text  string
	}{
		{"edit", func(m *memory) { m.rows[123].Outcome = MajorFailure }, 123, "not the one that was sealed here"},
		{"gap", func(m *memory) { m.rows = slices.Delete(m.rows, 50, 53) }, 50, "3 rows are missing: 50 to 52"},
		{"tail", func(m *memory) { m.rows = m.rows[:140] }, 140, "10 rows are missing: 140 to 149"},
		{"double", func(m *memory) { m.rows = slices.Insert(m.rows, 9, m.rows[8]) }, 8, "second row"},
		{"beyond", func(m *memory) { m.rows[150].Seq = 150 }, 150, "beyond the log's head of 150"},
	} {
		t.Run(c.name, func(t *testing.T) {
			altered := m.copy()
			c.alter(altered)
			r := verify(t, altered, sg)
			if len(r.Findings) != 1 || r.Findings[0].Seq != c.seq || !strings.Contains(r.Findings[0].Text, c.text) {
				t.Errorf("%+v", r.Findings)
			}
		})
	}
}

func TestStoredInnerHashes(t *testing.T) {
	m, sg, _ := grown(t)
	altered := m.copy()
	altered.hashes[tlog.StoredHashIndex(7, 0)][0] ^= 1 // of rows 0 to 127: part of the head's own path
	if r := verify(t, altered, sg); r.OK() {
		t.Error("an altered inner hash was not detected")
	}
}

func TestFindingsAreBounded(t *testing.T) {
	m, sg, _ := grown(t)
	altered := m.copy()
	for i := range 150 {
		altered.rows[i].Item = ""
	}
	if r := verify(t, altered, sg); len(r.Findings) != MaxFindings || r.Omitted != 150-MaxFindings {
		t.Errorf("%d findings and %d more", len(r.Findings), r.Omitted)
	}
}

func TestVerifyPassesReadingErrorsOn(t *testing.T) {
	m, sg, _ := grown(t)
	broken := errors.New("disk")
	rows := func(yield func(Row, error) bool) { yield(Row{}, broken) }
	if _, err := Verify(rows, nil, sg.Verifier(), is(m.head)); !errors.Is(err, broken) {
		t.Errorf("rows: %v", err)
	}
	hashes := tlog.HashReaderFunc(func([]int64) ([]tlog.Hash, error) { return nil, broken })
	if _, err := Verify(all(m.rows), hashes, sg.Verifier(), is(m.head)); !errors.Is(err, broken) {
		t.Errorf("hashes: %v", err)
	}
}

// One record can be shown to an auditor with a proof, without the others.
func TestProofOfOneRecord(t *testing.T) {
	m, sg, _ := grown(t)
	tree, err := sg.Verifier().Open(m.head)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{0, 1, 77, 149} {
		proof, err := tlog.ProveRecord(tree.N, n, HashReader(t.Context(), m))
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, n, m.rows[n].Hash()); err != nil {
			t.Errorf("row %d: %v", n, err)
		}
	}
}

func BenchmarkSeal256(b *testing.B) {
	m, sg := &memory{}, signer(b, keys(b), "01EHR")
	s := NewSealer(m, sg)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		*m = memory{}
		s.last = tlog.Tree{}
		m.insert(MaxBatch)
		b.StartTimer()
		if _, err := s.Seal(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyRow(b *testing.B) {
	m, sg := &memory{}, signer(b, keys(b), "01EHR")
	m.insert(20_000)
	sealAll(b, NewSealer(m, sg), m)
	b.ReportAllocs()
	b.ResetTimer()
	rows := 0
	for rows < b.N {
		rows += len(m.rows)
		if r := verify(b, m, sg); !r.OK() {
			b.Fatalf("%+v", r)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
}
