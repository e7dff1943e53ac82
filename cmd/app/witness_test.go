package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"

	"github.com/chartwire/chartwire/cmd/app"
)

func (h *house) epoch() (e connector.Epoch) {
	h.t.Helper()
	err := h.app.Store().View(h.t.Context(), func(tx connector.Tx) (err error) {
		e, err = connector.ReadEpoch(tx)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return e
}

// backup copies the store's files, as an operator does while nothing runs; put brings them back.
func (h *house) backup() (put func()) {
	h.t.Helper()
	kept := map[string][]byte{}
	for _, name := range []string{"chartwire.db", "chartwire.db-wal"} {
		if raw, err := os.ReadFile(filepath.Join(h.dir, name)); err == nil {
			kept[name] = raw
		}
	}
	return func() {
		h.t.Helper()
		for _, name := range []string{"chartwire.db", "chartwire.db-wal", "chartwire.db-shm"} {
			_ = os.Remove(filepath.Join(h.dir, name))
		}
		for name, raw := range kept {
			h.write(name, string(raw))
		}
	}
}

// TestRestoredBackupIsNoticed: a restart is none; a backup from before the last run is one, and it is one once.
func TestRestoredBackupIsNoticed(t *testing.T) {
	h := newHouse(t)
	h.run()
	h.close()
	put := h.backup()
	h.run()
	if e := h.epoch(); e.N != 0 {
		t.Fatalf("a restart began epoch %d", e.N)
	}
	h.close()
	put()
	h.run()
	if e := h.epoch(); e.N != 1 || e.How != "witness" || e.At.IsZero() {
		t.Fatalf("a restored backup gave %+v", e)
	}
	if !strings.Contains(h.log.String(), "reason=restored") {
		t.Error("nobody was told")
	}
	h.close()
	h.run()
	if e := h.epoch(); e.N != 1 {
		t.Errorf("the next restart began epoch %d", e.N)
	}
	h.close()
	h.write("chartwire.db.witness", "{")
	if err := h.open(); err == nil || !strings.Contains(err.Error(), "chartwire restored") {
		t.Errorf("a witness that cannot be read gave %v", err)
	}
}

// TestOperatorSaysRestored: the command tells a running serve, and works alone.
func TestOperatorSaysRestored(t *testing.T) {
	h := newHouse(t)
	say := func() {
		t.Helper()
		c, _ := config.Load(filepath.Join(h.dir, "chartwire.yaml"))
		o, err := app.OpenOperator(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		resp, err := o.Do(t.Context(), "POST", "/restored", nil)
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		_ = resp.Body.Close()
	}
	h.run()
	say()
	if e := h.epoch(); e.N != 1 || e.How != "operator" {
		t.Errorf("serve is in %+v", e)
	}
	h.close()
	say()
	h.run()
	if e := h.epoch(); e.N != 2 {
		t.Errorf("serve is in %+v", e)
	}
}

// TestRestoreFilesNothingTwice: what was filed after the backup comes again from the platform, and is found on a chart that
// takes every POST for a new entry; what was never filed is.
func TestRestoreFilesNothingTwice(t *testing.T) {
	h := newChartHouse(t, 2, ehr.SearchOnly())
	h.start(2)
	h.message(0, 0, 1)
	h.message(1, 1, 1)
	h.wait()
	h.close()
	put := h.backup()
	h.start(4)
	h.message(0, 0, 2)
	h.message(1, 1, 2)
	h.message(0, 2, 1)
	h.message(0, 2, 2)
	h.wait()
	h.close()
	put()
	h.start(5)
	for _, m := range [][3]int{{0, 0, 2}, {1, 1, 2}, {0, 2, 1}, {0, 2, 2}, {1, 3, 1}} {
		h.message(m[0], m[1], m[2])
	}
	h.wait()
	seen := map[string]int{}
	for _, x := range h.chart.All("Communication") {
		for _, id := range identifiersOf(t, x) {
			seen[id]++
		}
	}
	if len(seen) != 7+4 { // messages and headers
		t.Errorf("%d identities are on the chart", len(seen))
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s is %d times on the chart", id, n)
		}
	}
	if findings, _ := h.reconcile(h.began); len(findings) != 0 {
		t.Errorf("the chart differs: %+v", findings)
	}
}

// TestRestoreParksWhereNothingCanBeFound: an EHR that shows nothing gets nothing a second time.
func TestRestoreParksWhereNothingCanBeFound(t *testing.T) {
	traits := ehr.Blind()
	h := newChartHouse(t, 1, traits)
	h.start(1)
	h.message(0, 0, 1)
	h.wait()
	h.close()
	put := h.backup()
	h.start(1)
	h.message(0, 0, 2)
	h.wait()
	h.close()
	put()
	before := len(h.chart.All("Communication"))
	h.startParked(1)
	h.message(0, 0, 2)
	h.wait()
	if p := h.parked(); len(p) != 1 || p[0].Reason != connector.RestoredUnknown {
		t.Errorf("parked %+v", p)
	}
	if n := len(h.chart.All("Communication")); n != before {
		t.Errorf("%d entries were made", n-before)
	}
}
