package app_test

import (
	"encoding/json"
	"testing"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/ingest"
)

// next lets the test wait anew, for items of a kind.
func (f *filedCount) next(kind connector.ItemKind, want int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kind, f.want, f.done, f.seen = kind, want, make(chan struct{}), map[string]bool{}
}

// work does one act of staff on the thread of h's first message.
func (h *chartHouse) work(do ingest.WorkKind, by string) {
	h.t.Helper()
	store := h.app.Store()
	var ehrRow connector.EHRRow
	var thread connector.Thread
	err := store.View(h.t.Context(), func(tx connector.Tx) (err error) {
		if ehrRow, err = tx.EHRByName("mercy"); err != nil {
			return err
		}
		thread, err = tx.ThreadByExt(ehrRow.ID, "texting", "t-0")
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.filed.next(connector.ItemTask, 1)
	_, err = ingest.New(store, clock.System.Now).Work(h.t.Context(), ingest.WorkIn{EHR: ehrRow.ID, Thread: thread.ID, Agent: "user:s", OnBehalf: by, Do: do})
	if err != nil {
		h.t.Fatal(err)
	}
	h.wait()
}

// TestWorkIsATaskOnTheChart: who takes a thread on, and that it is done with, stands in one Task, which reconcile knows.
func TestWorkIsATaskOnTheChart(t *testing.T) {
	h := newChartHouse(t, 1, ehr.Full())
	ana, err := h.chart.Put([]byte(`{"resourceType":"Practitioner","name":[{"family":"Rivera"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	h.start(1)
	h.message(0, 0, 1)
	h.wait()
	h.work(ingest.Claim, ana.Reference())
	h.work(ingest.Resolve, ana.Reference())
	all := h.chart.All("Task")
	if len(all) != 1 {
		t.Fatalf("%d Tasks are on the chart", len(all))
	}
	var task struct {
		Status            string
		For, Owner, Focus struct{ Reference string }
	}
	if err := json.Unmarshal(all[0].Raw, &task); err != nil {
		t.Fatal(err)
	}
	if task.Status != "completed" || task.For.Reference != h.patients[0] || task.Owner.Reference != ana.Reference() || task.Focus.Reference == "" {
		t.Errorf("the Task is %+v", task)
	}
	if findings, _ := h.reconcile(h.began); len(findings) != 0 {
		t.Errorf("the chart differs: %+v", findings)
	}
	if err := h.chart.Edit(all[0].Reference(), func(r map[string]any) { r["status"] = "cancelled" }); err != nil {
		t.Fatal(err)
	}
	if findings, _ := h.reconcile(h.began); len(findings) != 0 {
		t.Errorf("staff may move a Task on: %+v", findings)
	}
	if err := h.chart.Remove(all[0].Reference()); err != nil {
		t.Fatal(err)
	}
	if findings, _ := h.reconcile(h.began); len(findings) != 1 || findings[0].Kind != deliver.FoundMissing || findings[0].Reference != all[0].Reference() {
		t.Errorf("a Task that is gone: %+v", findings)
	}
}
