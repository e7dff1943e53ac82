package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/audit"
	"github.com/chartwire/chartwire/connector/seal"
)

func entry(ehr string, at time.Time) connector.AuditEntry {
	return connector.AuditEntry{ID: connector.NewID(at), EHR: ehr, At: at, Kind: "send", Action: "C", Agent: "worker", Thread: "T",
		OnBehalf: "Practitioner/1", Detail: map[string]string{"patient": "Patient/1"}}
}

func writeAudit(t *testing.T, db *DB, ehr string, n int) {
	t.Helper()
	for range n {
		e := entry(ehr, time.Now())
		if err := db.Update(t.Context(), "s", func(tx connector.Tx) error { return tx.Audit(e) }); err != nil {
			t.Fatal(err)
		}
	}
}

func verify(t *testing.T, l *AuditLog, s *audit.Signer) *audit.Report {
	t.Helper()
	head := func() ([]byte, error) { return l.Head(t.Context()) }
	r, err := audit.Verify(l.Rows(t.Context()), audit.HashReader(t.Context(), l), s.Verifier(), head)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func signerOf(t *testing.T, db *DB, ehr string) *audit.Signer {
	t.Helper()
	s, err := audit.NewSigner(db.sealer.(*seal.Sealer), ehr)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAuditLog(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db := mustOpen(t, url, Options{})
		for _, ehr := range []string{"E", "F", ""} {
			signer := signerOf(t, db, ehr)
			log := db.AuditLog(ehr)
			if head, err := log.Head(t.Context()); head != nil || err != nil {
				t.Fatalf("Head of an empty log = %q, %v", head, err)
			}
			sealer := audit.NewSealer(log, signer)
			for _, n := range []int{3, 1, 5} {
				writeAudit(t, db, ehr, n)
				if got, err := sealer.Seal(t.Context()); got != n || err != nil {
					t.Fatalf("Seal = %d, %v; want %d", got, err, n)
				}
			}
			writeAudit(t, db, ehr, 2)
			if r := verify(t, log, signer); !r.OK() || r.Sealed != 9 || r.Waiting != 2 {
				t.Errorf("log %q: %+v", ehr, r)
			}
			for r, err := range log.Rows(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				part, err := db.sealer.Open(r.Sealed, auditPlace(ehr, r.Thread, r.ID).aad("detail"))
				if err != nil {
					t.Fatal(err)
				}
				if rec, err := r.Opened(part); err != nil || rec.Agent.OnBehalfOf != "Practitioner/1" || rec.Detail["patient"] != "Patient/1" || rec.Thread != "T" || r.EntityHash == nil {
					t.Errorf("row %s opens to %+v, %v", r.ID, rec, err)
				}
			}
		}
	})
}

func TestTwoSealersOfOneLog(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db := mustOpen(t, url, Options{})
		const rows = 40
		writeAudit(t, db, "E", rows)
		signer := signerOf(t, db, "E")
		var wg sync.WaitGroup
		for range 3 {
			sealer := audit.NewSealer(db.AuditLog("E"), signer)
			wg.Go(func() {
				for range 20 {
					e := entry("E", time.Now())
					if err := db.Update(context.Background(), e.ID, func(tx connector.Tx) error { return tx.Audit(e) }); err != nil {
						t.Error(err)
					}
					if _, err := sealer.Seal(context.Background()); err != nil && !errors.Is(err, audit.ErrStale) {
						t.Errorf("Seal: %v", err)
					}
				}
			})
		}
		wg.Wait()
		if _, err := audit.NewSealer(db.AuditLog("E"), signer).Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, db.AuditLog("E"), signer); !r.OK() || r.Sealed != rows+60 || r.Waiting != 0 {
			t.Errorf("%+v", r)
		}
	})
}

func TestAppendChangesNothingWhereARowIsTaken(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db := mustOpen(t, url, Options{})
		writeAudit(t, db, "E", 2)
		log := db.AuditLog("E")
		rows, err := log.Unsealed(t.Context(), 10)
		if err != nil || len(rows) != 2 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		good := audit.Batch{IDs: []string{rows[0].ID}, Hashes: []tlog.Hash{{1}}, Checkpoint: []byte("1")}
		if err := log.Append(t.Context(), good); err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string]audit.Batch{
			"again":             good,
			"a sealed row":      {From: 1, IDs: []string{rows[0].ID}, FirstHash: 1, Hashes: []tlog.Hash{{2}}, Checkpoint: []byte("2")},
			"a row that is not": {From: 1, IDs: []string{rows[1].ID, "none"}, FirstHash: 1, Hashes: []tlog.Hash{{2}}, Checkpoint: []byte("2")},
			"a gap":             {From: 2, IDs: []string{rows[1].ID}, FirstHash: 1, Hashes: []tlog.Hash{{2}}, Checkpoint: []byte("2")},
		} {
			if err := log.Append(t.Context(), b); !errors.Is(err, audit.ErrStale) {
				t.Errorf("%s: Append = %v, want connector.ErrStale", name, err)
			}
		}
		head, err := log.Head(t.Context())
		if err != nil || string(head) != "1" {
			t.Errorf("Head = %q, %v", head, err)
		}
		if _, err := log.Hashes(t.Context(), []int64{0, 1}); !errors.Is(err, audit.ErrNoHash) {
			t.Errorf("Hashes = %v, want ErrNoHash", err)
		}
		if rows, err := log.Unsealed(t.Context(), 10); err != nil || len(rows) != 1 {
			t.Errorf("%d rows wait, %v; want 1", len(rows), err)
		}
	})
}

func TestTheApplicationCannotChangeTheAuditLog(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db := mustOpen(t, url, Options{})
		writeAudit(t, db, "E", 2)
		signer := signerOf(t, db, "E")
		if _, err := audit.NewSealer(db.AuditLog("E"), signer).Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		writeAudit(t, db, "E", 1)
		for _, s := range []string{
			"DELETE FROM audit", "UPDATE audit SET kind = 'x'", "UPDATE audit SET id = id", "UPDATE audit SET mac = detail", "UPDATE audit SET entity_hash = NULL",
			"DELETE FROM audit_seal", "UPDATE audit_seal SET hashes = hashes", "UPDATE audit_seal SET ids = ''", "DELETE FROM audit_head", "UPDATE audit_head SET size = 1", "UPDATE audit_head SET checkpoint = checkpoint",
		} {
			if err := rawErr(db, s); err == nil {
				t.Errorf("%s succeeded", s)
			}
		}
		if strings.HasPrefix(url, "postgres") {
			for _, table := range []string{"audit", "audit_seal", "audit_head"} {
				if err := rawErr(db, "TRUNCATE "+table); err == nil {
					t.Errorf("TRUNCATE %s succeeded", table)
				}
			}
		} else if err := rawErr(db, "INSERT OR REPLACE INTO audit_head SELECT ehr_id, 0, checkpoint FROM audit_head"); err == nil {
			t.Error("REPLACE succeeded")
		}
		if r := verify(t, db.AuditLog("E"), signer); !r.OK() || r.Sealed != 2 || r.Waiting != 1 {
			t.Errorf("%+v", r)
		}
	})
}

// Whoever owns the database can take the triggers away; a row altered before it was sealed shows then.
func TestARowAlteredBeforeItIsSealed(t *testing.T) {
	db := mustOpen(t, "sqlite::memory:", Options{})
	writeAudit(t, db, "E", 1)
	raw(t, db, "DROP TRIGGER audit_no_update", "UPDATE audit SET outcome = 8")
	if _, err := audit.NewSealer(db.AuditLog("E"), signerOf(t, db, "E")).Seal(t.Context()); !errors.Is(err, audit.ErrTampered) {
		t.Errorf("Seal = %v, want ErrTampered", err)
	}
}

// A row that is in the table, and neither in the log nor on its way there, was put or kept there past Chartwire.
func TestARowThatIsNeitherSealedNorWaits(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db := mustOpen(t, url, Options{})
		writeAudit(t, db, "E", 3)
		signer := signerOf(t, db, "E")
		if _, err := audit.NewSealer(db.AuditLog("E"), signer).Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		writeAudit(t, db, "E", 2)
		if r := verify(t, db.AuditLog("E"), signer); !r.OK() || r.Sealed != 3 || r.Waiting != 2 {
			t.Fatalf("%+v", r)
		}
		raw(t, db, "DELETE FROM audit_wait WHERE id = (SELECT MIN(id) FROM audit_wait)")
		r := verify(t, db.AuditLog("E"), signer)
		if len(r.Findings) != 1 || r.Findings[0].ID == "" || r.Waiting != 1 {
			t.Errorf("%+v, want the one row named that does not wait any more", r)
		}
	})
}

// Whoever may write what waits can have a row sealed again in place of another; both show.
func TestARowThatIsSealedTwice(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db := mustOpen(t, url, Options{})
		signer := signerOf(t, db, "E")
		sealer := audit.NewSealer(db.AuditLog("E"), signer)
		writeAudit(t, db, "E", 2)
		if _, err := sealer.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		writeAudit(t, db, "E", 1)
		raw(t, db, "UPDATE audit_wait SET ids = (SELECT MIN(id) FROM audit)")
		if n, err := sealer.Seal(t.Context()); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		r := verify(t, db.AuditLog("E"), signer)
		var said []string
		for _, f := range r.Findings {
			said = append(said, f.Text[:24])
		}
		if len(r.Findings) != 2 || r.Findings[0].ID == r.Findings[1].ID || r.Findings[0].ID == "" || r.Findings[1].ID == "" {
			t.Errorf("findings %q, want one row that is sealed twice and one that is nowhere", said)
		}
	})
}

// A log that grows while it is verified is no finding: rows are sealed every second.
func TestVerifyWhileTheLogGrows(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db := mustOpen(t, url, Options{})
		signer := signerOf(t, db, "E")
		sealer := audit.NewSealer(db.AuditLog("E"), signer)
		grow := func(n int) {
			writeAudit(t, db, "E", n)
			if _, err := sealer.Seal(t.Context()); err != nil {
				t.Error(err)
			}
		}
		grow(3)
		writeAudit(t, db, "E", 1)
		l := db.AuditLog("E")
		rows := func(yield func(audit.Row, error) bool) {
			for r, err := range l.Rows(t.Context()) {
				if !yield(r, err) {
					return
				}
				grow(1)
			}
		}
		head := func() ([]byte, error) { return l.Head(t.Context()) }
		r, err := audit.Verify(rows, audit.HashReader(t.Context(), l), signer.Verifier(), head)
		if err != nil || !r.OK() || r.Sealed != 3 || r.Waiting < 2 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// The rows of one commit need not be sealed together.
func TestSomeRowsOfACommitAreSealed(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db := mustOpen(t, url, Options{})
		err := db.Update(t.Context(), "s", func(tx connector.Tx) error {
			for range 3 {
				if err := tx.Audit(entry("E", time.Now())); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		log := db.AuditLog("E")
		rows, err := log.Unsealed(t.Context(), 2)
		if err != nil || len(rows) != 2 {
			t.Fatalf("%d rows, %v; want 2", len(rows), err)
		}
		b := audit.Batch{IDs: []string{rows[1].ID}, Hashes: []tlog.Hash{{1}}, Checkpoint: []byte("1")}
		if err := log.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		left, err := log.Unsealed(t.Context(), 9)
		if err != nil || len(left) != 2 || left[0].ID != rows[0].ID || left[1].ID == rows[1].ID {
			t.Errorf("%d rows wait, %v", len(left), err)
		}
	})
}

func TestRefusalsBecomeOneRowASourceAndMinute(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db := mustOpen(t, url, Options{})
		minute := time.Date(2026, 3, 1, 12, 0, 5, 0, time.UTC)
		refuse := func(channel, source, why string, at time.Time) {
			t.Helper()
			if err := db.Update(t.Context(), "s", func(tx connector.Tx) error { return tx.CountRefusal("E", channel, source, why, at) }); err != nil {
				t.Fatal(err)
			}
		}
		raw(t, db, `INSERT INTO ehr VALUES ('E', 'main', '', 0, 0, 0)`)
		for n := range 100 {
			refuse("sms", "192.0.2.1", fmt.Sprint("why", n%30), minute.Add(time.Duration(n)*time.Millisecond))
		}
		refuse("sms", "192.0.2.2", "signature", minute)
		refuse("mail", "192.0.2.1", "signature", minute)
		rows := func() []audit.Row {
			r, err := db.AuditLog("E").Unsealed(t.Context(), 100)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		if n := len(rows()); n != 0 {
			t.Errorf("%d audit rows while the minute runs", n)
		}
		refuse("sms", "192.0.2.1", "signature", minute.Add(time.Minute))
		counts := map[string]string{}
		for _, r := range rows() {
			part, err := db.sealer.Open(r.Sealed, auditPlace("E", r.Thread, r.ID).aad("detail"))
			if err != nil {
				t.Fatal(err)
			}
			rec, err := r.Opened(part)
			if err != nil || rec.Check() != nil || rec.Kind != audit.EventRefused || len(rec.Detail) > maxWhys+1+4 {
				t.Errorf("row %+v: %v, %v", rec, err, rec.Check())
			}
			counts[rec.Agent.String()+" "+rec.Detail["source"]] = rec.Detail["count"]
		}
		want := map[string]string{"channel:sms 192.0.2.1": "100", "channel:sms 192.0.2.2": "1", "channel:mail 192.0.2.1": "1"}
		if fmt.Sprint(counts) != fmt.Sprint(want) {
			t.Errorf("counts %v, want %v", counts, want)
		}
		for range 2 {
			if err := db.EndRefusals(t.Context(), minute.Add(3*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(rows()); n != 4 {
			t.Errorf("%d audit rows after EndRefusals, want 4", n)
		}
	})
}

func TestTalliesAreFolded(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db := mustOpen(t, url, Options{})
		count := func() (n int64) {
			_ = db.View(t.Context(), func(ct connector.Tx) error { return ct.(*tx).single(sq("SELECT COUNT(*) FROM tally"), nil, &n) })
			return n
		}
		for n := range 30 {
			i := connector.Item{ID: connector.NewID(time.Now()), EHR: "E", Kind: connector.ItemExchange, State: connector.Waiting}
			err := db.Update(t.Context(), "s", func(tx connector.Tx) error { return tx.PutItem(&i) })
			if n%2 == 0 && err == nil {
				i.State = connector.Filed
				err = db.Update(t.Context(), "s", func(tx connector.Tx) error { return tx.PutItem(&i) })
			}
			if n == 20 && err == nil {
				err = db.foldTallies(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		before := count()
		if err := db.foldTallies(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after := count(); after != 2 || before <= after {
			t.Errorf("%d delta rows folded to %d, want 2", before, after)
		}
		_ = db.View(t.Context(), func(tx connector.Tx) error {
			sums, err := tx.Tallies()
			if err != nil || len(sums) != 2 || sums[0].N != 15 || sums[1].N != 15 {
				t.Errorf("Tallies = %+v, %v", sums, err)
			}
			return nil
		})
	})
}

func TestFoldingBeginsByItself(t *testing.T) {
	db := mustOpen(t, "sqlite::memory:", Options{})
	for n := range foldEvery {
		i := connector.Item{ID: fmt.Sprint(n), EHR: "E", Kind: connector.ItemExchange, State: connector.Waiting}
		if err := db.Update(t.Context(), "s", func(tx connector.Tx) error { return tx.PutItem(&i) }); err != nil {
			t.Fatal(err)
		}
	}
	for n := int64(foldEvery); n > 1; {
		err := db.View(t.Context(), func(ct connector.Tx) error { return ct.(*tx).single(sq("SELECT COUNT(*) FROM tally"), nil, &n) })
		if err != nil {
			t.Fatal(err)
		}
	}
}
