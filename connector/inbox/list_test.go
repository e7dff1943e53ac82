package inbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// reads gives what was audited of shown messages since the last look, as "thread act".
func (w *world) reads() (out []string) {
	w.t.Helper()
	w.store.mu.Lock()
	for _, a := range w.store.audits {
		if a.Kind == "message-read" {
			out = append(out, strings.TrimSpace(a.Thread+" "+a.Detail["act"]))
		}
	}
	w.store.mu.Unlock()
	w.said()
	return out
}

// asks brings in a message for a pool.
func (w *world) asks(patient, thread, pool string, p connector.Priority) string {
	w.t.Helper()
	return w.event(patient, thread, connector.MessageCreated, func(e *connector.Event) {
		e.Thread.Priority = p
		e.Message = &connector.Message{ID: "m-1", Sequence: 1, Direction: connector.FromPatient, SentAt: e.Timestamp, Sender: patientSide, Priority: p,
			Text: "A question", Recipients: []connector.Participant{{Role: connector.RolePool, ID: pool}}}
	})
}

// lee is in both pools, of which each has its own time to answer.
func (w *world) lee() *Session {
	w.t.Helper()
	w.ehr.Pools[0].SLA, w.ehr.Pools[1].SLA = 4*time.Hour, time.Hour
	w.desk = w.replica()
	return w.signed("Practitioner/lee", "", "doctor")
}

// A thread that waits is on the patient's page however much is newer, and where not all are, the page says so.
func TestPatientShowsWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.signed(doctor, daniel, "doctor")
		waits := w.comes(daniel, "t-0", 1, patientSide, "My knee hurts")
		answered := func(n int) {
			time.Sleep(time.Second)
			id := w.comes(daniel, fmt.Sprint("t-", n), 1, patientSide, "Thank you")
			w.update(func(tx connector.Tx) error {
				th, err := tx.Thread(w.ehr.ID, id)
				if err != nil {
					return err
				}
				th.Desk.Answered()
				return tx.PutThread(&th)
			})
		}
		for n := range patientThreads - 1 {
			answered(n + 1)
		}
		shown := func(more bool) {
			t.Helper()
			v, err := w.desk.Patient(t.Context(), s)
			if err != nil || len(v.Threads) != patientThreads || v.More != more || v.Threads[0].ID != waits || v.Threads[0].Waits == 0 {
				t.Errorf("%d threads, more %v, first %s; %v", len(v.Threads), v.More, v.Threads[0].Snippet, err)
			}
		}
		shown(false)
		answered(patientThreads)
		shown(true)
	})
}

func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		lee := w.lee()
		slow := w.asks(daniel, "t-1", "nurses", "")
		hidden := w.asks(nobody, "t-2", "nurses", "")
		time.Sleep(time.Minute)
		quick := w.asks(maria, "t-3", "front", "")
		time.Sleep(time.Minute)
		urgent := w.asks(maria, "t-4", "nurses", connector.Urgent)
		if err := w.desk.Work(t.Context(), lee, WorkIn{Thread: slow, Act: Claim, To: ""}); err != nil {
			t.Fatal(err)
		}
		w.said()
		for name, c := range map[string]struct {
			f      PoolFilter
			want   []string
			hidden int
		}{
			"all":   {PoolFilter{}, []string{urgent, quick, slow}, 1},
			"one":   {PoolFilter{Pool: "front"}, []string{quick}, 0},
			"mine":  {PoolFilter{Mine: true}, []string{slow}, 0},
			"free":  {PoolFilter{Free: true}, []string{urgent, quick}, 1},
			"late":  {PoolFilter{Late: true}, nil, 0},
			"other": {PoolFilter{Pool: "nurses", Free: true}, []string{urgent}, 1},
		} {
			v, err := w.desk.Pool(t.Context(), lee, c.f)
			if got := ids(v.Threads); err != nil || !slices.Equal(got, c.want) || v.Hidden != c.hidden || v.Next != "" || v.Filter != c.f {
				t.Errorf("%s: %v, %d hidden, next %q, %v; want %v of %v", name, got, v.Hidden, v.Next, err, c.want, []string{slow, hidden, quick, urgent})
			}
			var want []string
			for _, id := range c.want {
				want = append(want, id+" list")
			}
			if got := w.reads(); !slices.Equal(got, want) {
				t.Errorf("%s: audited %v, want %v", name, got, want)
			}
			if len(v.Pools) != 2 || v.Pools[0] != (PoolChoice{"nurses", "nurses", 3, false}) || v.Pools[1] != (PoolChoice{"front", "front", 1, false}) {
				t.Errorf("%s: pools %+v", name, v.Pools)
			}
		}
		v, err := w.desk.Pool(t.Context(), lee, PoolFilter{})
		if l := v.Threads[0]; err != nil || !l.Urgent || l.Patient.Reference != maria || l.Patient.Name != "Cho" || l.Overdue || l.Waits == 0 || l.AnswerBy.Sub(time.Now()) != 4*time.Hour {
			t.Errorf("%+v, %v", l, err)
		}
	})
}

func TestPoolIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.lee()
		w.asks(daniel, "t-1", "nurses", "")
		quick := w.asks(maria, "t-2", "front", "")
		time.Sleep(time.Hour)
		if v, err := w.desk.Pool(t.Context(), w.lee(), PoolFilter{Late: true}); err != nil || len(v.Threads) != 0 {
			t.Errorf("at its time: %d late, %v", len(v.Threads), err)
		}
		time.Sleep(time.Microsecond)
		v, err := w.desk.Pool(t.Context(), w.lee(), PoolFilter{Late: true})
		if err != nil || len(v.Threads) != 1 || v.Threads[0].ID != quick || !v.Threads[0].Overdue {
			t.Errorf("a moment later: %+v, %v", v.Threads, err)
		}
	})
}

func TestPoolIsForItsMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.asks(daniel, "t-1", "front", "")
		nurse := w.signed(doctor, "", "doctor")
		v, err := w.desk.Pool(t.Context(), nurse, PoolFilter{})
		if err != nil || len(v.Threads) != 0 || len(v.Pools) != 1 {
			t.Errorf("%d threads of another pool, pools %+v, %v", len(v.Threads), v.Pools, err)
		}
		w.said()
		v, err = w.desk.Pool(t.Context(), nurse, PoolFilter{Pool: "front"})
		if !errors.As(err, new(*Forbidden)) || len(v.Threads) != 0 || !w.denied("pool") {
			t.Errorf("another pool: %d threads, %v", len(v.Threads), err)
		}
		v, err = w.desk.Pool(t.Context(), w.signed("Practitioner/lee", daniel, "doctor"), PoolFilter{Pool: "front"})
		if !errors.As(err, new(*Forbidden)) || len(v.Threads) != 0 || !w.denied("pool") {
			t.Errorf("on a patient's page: %d threads, %v", len(v.Threads), err)
		}
	})
}

// Page after page everything that waits is shown once, in order; what is hidden is counted, and what the EHR cannot be asked about too.
func TestPoolPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		lee := w.lee()
		const all = 120
		var want []string
		hidden := 0
		for n := range all {
			who, pool := fmt.Sprint("Patient/p", n), []string{"nurses", "front"}[n%2]
			w.chart.may[who] = n%10 != 0
			id := w.asks(who, fmt.Sprint("t-", n), pool, "")
			if n%10 == 0 {
				hidden++
			} else {
				want = append(want, id)
			}
			time.Sleep(time.Second)
		}
		var got []string
		by := time.Time{}
		seen, pages, after := 0, 0, ""
		for {
			v, err := w.desk.Pool(t.Context(), lee, PoolFilter{After: after})
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range v.Threads {
				if l.AnswerBy.Before(by) {
					t.Errorf("%v comes after %v", l.AnswerBy, by)
				}
				by = l.AnswerBy
			}
			got, seen, pages = append(got, ids(v.Threads)...), seen+v.Hidden, pages+1
			if after = v.Next; after == "" {
				break
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || seen != hidden || pages != (all+poolPage-1)/poolPage {
			t.Errorf("%d shown, want %d; %d hidden, want %d; %d pages", len(got), len(want), seen, hidden, pages)
		}
		var wrong *Wrong
		for _, after := range []string{"x", "e30x", "%"} {
			if _, err := w.desk.Pool(t.Context(), lee, PoolFilter{After: after}); !errors.As(err, &wrong) || wrong.Field != "after" {
				t.Errorf("after %q: %v", after, err)
			}
		}
		fresh := w.lee()
		w.chart.fails(&connector.Retry{Reason: connector.EHRUnavailable})
		v, err := w.desk.Pool(t.Context(), fresh, PoolFilter{})
		if err != nil || len(v.Threads) != 0 || v.Hidden != poolPage || !v.Unasked {
			t.Errorf("without the EHR: %d shown, %d hidden, said so: %v, %v", len(v.Threads), v.Hidden, v.Unasked, err)
		}
	})
}
