package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/chartwire/chartwire/connector"
)

var itemCases = []testCase{
	{"an item comes back whole", func(f *fixture) {
		i := connector.Item{
			ID: f.id(), EHR: f.ehr, Thread: f.id(), Lane: connector.LaneSend, Kind: connector.ItemSend, Message: f.id(),
			State: connector.Held, Reason: connector.NoAddress, Owner: "nurses", Channel: "sms", Direction: connector.ToPatient,
			Sequence: 4, SentAt: f.now, MsgKey: "m-4", Revision: 2, Priority: connector.ASAP, CommittedAt: f.now, ChangedAt: f.now,
			NextAt: f.now.Add(time.Minute), FirstTried: f.now, Tries: 3, Late: true,
			Detail: connector.ItemDetail{Text: "no phone", Delivery: &connector.Delivery{State: connector.Failed, At: f.now}, Status: "active",
				Why: "why", Event: f.id(), Retraction: &connector.Retraction{At: f.now}, Request: f.id(),
				Task: &connector.Task{ID: f.id(), Status: connector.TaskAccepted, Holder: "Practitioner/ana", Pool: "nurses", By: "Practitioner/bo"}},
		}
		f.update(func(tx connector.Tx) error { return tx.PutItem(&i) })
		if i.Was != connector.Held {
			f.Errorf("PutItem left Was %q, want held", i.Was)
		}
		f.view(func(tx connector.Tx) error {
			same(f, "Item", i)(tx.Item(f.ehr, i.ID))
			absent[connector.Item](f, "another item")(tx.Item(f.ehr, "x"))
			return nil
		})
		i.State, i.Reason, i.Tries, i.Late, i.Owner, i.Detail = connector.Parked, connector.SendRefused, 4, false, "", connector.ItemDetail{}
		f.update(func(tx connector.Tx) error { return tx.PutItem(&i) })
		f.view(func(tx connector.Tx) error { same(f, "Item", i)(tx.Item(f.ehr, i.ID)); return nil })
	}},
	{"an update of a row that moved on is fenced", func(f *fixture) {
		i := f.item(f.id(), connector.Waiting)
		f.update(func(tx connector.Tx) error { return tx.PutItem(&i) })
		stale := i
		i.State = connector.Filing
		f.update(func(tx connector.Tx) error { return tx.PutItem(&i) })
		stale.State = connector.Parked
		f.refused(connector.ErrFenced, func(tx connector.Tx) error { c := stale; return tx.PutItem(&c) })
		f.view(func(tx connector.Tx) error { same(f, "Item", i)(tx.Item(f.ehr, i.ID)); return nil })
		unknown := f.item(f.id(), connector.Filed)
		unknown.Was = connector.Waiting
		f.refused(connector.ErrFenced, func(tx connector.Tx) error { c := unknown; return tx.PutItem(&c) })
	}},
	{"words that are not ours are refused", func(f *fixture) {
		for _, spoil := range []func(i *connector.Item){
			func(i *connector.Item) { i.State = "Ada Öz" },
			func(i *connector.Item) { i.Reason = "Ada Öz" },
			func(i *connector.Item) { i.Direction = "Ada Öz" },
		} {
			i := f.item(f.id(), connector.Waiting)
			spoil(&i)
			if err := f.s.Update(f.Context(), f.ehr, func(tx connector.Tx) error { return tx.PutItem(&i) }); err == nil {
				f.Error("PutItem took a word that is not in the enum; it would stand in clear")
			}
		}
	}},
	{"lists", listCase},
	{"tallies", func(f *fixture) {
		var items []connector.Item
		f.update(func(tx connector.Tx) error {
			items = nil
			for range 3 {
				i := f.item(f.id(), connector.Waiting)
				items = append(items, i)
				if err := tx.PutItem(&items[len(items)-1]); err != nil {
					return err
				}
			}
			header := f.item(f.id(), connector.Waiting)
			header.Kind = connector.ItemHeader
			task := f.item(f.id(), connector.Waiting)
			task.Lane, task.Kind = connector.LaneTask, connector.ItemTask
			if err := errors.Join(tx.PutItem(&header), tx.PutItem(&task)); err != nil {
				return err
			}
			same(f, "Tallies inside the transaction", map[string]int64{"sms/from_patient/waiting": 3})(f.tallies(tx), nil)
			return nil
		})
		items[0].State, items[1].State = connector.Filed, connector.Parked
		f.update(func(tx connector.Tx) error { return errors.Join(tx.PutItem(&items[0]), tx.PutItem(&items[1])) })
		f.view(func(tx connector.Tx) error {
			same(f, "Tallies", map[string]int64{"sms/from_patient/waiting": 1, "sms/from_patient/filed": 1, "sms/from_patient/parked": 1})(f.tallies(tx), nil)
			return nil
		})
		f.refused(errOn, func(tx connector.Tx) error {
			i := items[2]
			i.State = connector.Filed
			return errors.Join(tx.PutItem(&i), errOn)
		})
		f.view(func(tx connector.Tx) error {
			same(f, "Tallies after a rollback", int64(1))(f.tallies(tx)["sms/from_patient/waiting"], nil)
			return nil
		})
	}},
	{"conservation", conservationCase},
	{"refusals are counted and become audit rows", func(f *fixture) {
		for _, at := range []time.Time{f.now, f.now, f.now.Add(2 * time.Minute)} {
			f.update(func(tx connector.Tx) error { return tx.CountRefusal(f.ehr, "sms", "192.0.2.1", "signature", at) })
		}
	}},
	{"audit entries", func(f *fixture) {
		a := connector.AuditEntry{ID: f.id(), EHR: f.ehr, At: f.now, Kind: "event-accepted", Action: "C", Agent: "channel:sms",
			OnBehalf: "Practitioner/1", Detail: map[string]string{"event": "e"}}
		f.update(func(tx connector.Tx) error { return tx.Audit(a) })
		if err := f.s.Update(f.Context(), f.ehr, func(tx connector.Tx) error { return tx.Audit(a) }); err == nil {
			f.Error("the same audit row was taken twice")
		}
		a.ID, a.Action = f.id(), "X"
		if err := f.s.Update(f.Context(), f.ehr, func(tx connector.Tx) error { return tx.Audit(a) }); err == nil {
			f.Error("an unknown action was taken")
		}
	}},
}

var errOn = errors.New("on purpose")

func listCase(f *fixture) {
	th, msg := f.id(), f.id()
	put := func(age time.Duration, lane connector.LaneKind, state connector.ItemState, thread, message string) connector.Item {
		i := f.item(thread, state)
		i.Lane, i.Message, i.CommittedAt = lane, message, f.now.Add(-age)
		f.update(func(tx connector.Tx) error { return tx.PutItem(&i) })
		return i
	}
	a := put(1*time.Hour, connector.LaneChart, connector.Waiting, th, msg)
	b := put(3*time.Hour, connector.LaneChart, connector.Held, th, msg)
	c := put(2*time.Hour, connector.LaneChart, connector.Parked, th, "")
	d := put(4*time.Hour, connector.LaneChart, connector.Filed, th, "")
	e := put(5*time.Hour, connector.LaneSend, connector.Unknown, th, msg)
	x := put(6*time.Hour, connector.LaneChart, connector.Filing, f.id(), "")
	f.view(func(tx connector.Tx) error {
		same(f, "LaneItems", []connector.Item{b, a})(tx.LaneItems(connector.Lane{EHR: f.ehr, Thread: th, Kind: connector.LaneChart}))
		same(f, "ItemsOf", []connector.Item{e, b, a})(tx.ItemsOf(f.ehr, th, msg))
		same(f, "ItemsOf no message", []connector.Item(nil))(tx.ItemsOf(f.ehr, th, ""))
		same(f, "ThreadItems", []connector.Item{e, d, b, c, a})(tx.ThreadItems(f.ehr, th))
		open := []connector.ItemState{connector.Waiting, connector.Parked, connector.Filing}
		same(f, "OpenItems", []connector.Item{x, c, a})(tx.OpenItems(f.ehr, open, 10))
		same(f, "OpenItems, two", []connector.Item{x, c})(tx.OpenItems(f.ehr, open, 2))
		same(f, "OpenItems filed", []connector.Item{d})(tx.OpenItems(f.ehr, []connector.ItemState{connector.Filed}, 10))
		all, err := tx.OpenItems("", open, 1000)
		if err != nil {
			return err
		}
		mine := 0
		for n, i := range all {
			if i.EHR == f.ehr {
				mine++
			}
			if n > 0 && i.CommittedAt.Before(all[n-1].CommittedAt) {
				f.Error("OpenItems of all EHRs is not oldest first")
			}
		}
		if mine != 3 {
			f.Errorf("OpenItems of all EHRs has %d of this one's, want 3", mine)
		}
		return nil
	})
}

// conservationCase does random puts, some of which roll back, and holds the tallies to the items after each commit.
func conservationCase(f *fixture) {
	states := []connector.ItemState{connector.Waiting, connector.Held, connector.Filing, connector.Filed, connector.Unknown, connector.Parked, connector.NotDue}
	items := map[string]connector.Item{}
	rapid.Check(f.T, func(t *rapid.T) {
		next := map[string]connector.Item{}
		for id, i := range items {
			next[id] = i
		}
		var puts []connector.Item
		for range rapid.IntRange(1, 5).Draw(t, "puts") {
			var i connector.Item
			if len(next) == 0 || rapid.Bool().Draw(t, "new") {
				i = f.item(f.ehr, rapid.SampledFrom(states).Draw(t, "state"))
				i.Channel = rapid.SampledFrom([]string{"sms", "mail"}).Draw(t, "channel")
				i.Direction = rapid.SampledFrom([]connector.Direction{connector.FromPatient, connector.ToPatient}).Draw(t, "direction")
			} else {
				ids := make([]string, 0, len(next))
				for id := range next {
					ids = append(ids, id)
				}
				slices.Sort(ids)
				i = next[rapid.SampledFrom(ids).Draw(t, "id")]
				i.State = rapid.SampledFrom(states).Draw(t, "state")
			}
			puts = append(puts, i)
			i.Was = i.State
			next[i.ID] = i
		}
		fail := rapid.IntRange(0, 4).Draw(t, "fail") == 0
		err := f.s.Update(f.Context(), f.ehr, func(tx connector.Tx) error {
			for _, i := range puts {
				if err := tx.PutItem(&i); err != nil {
					return err
				}
			}
			if fail {
				return errOn
			}
			return nil
		})
		if fail != errors.Is(err, errOn) || !fail && err != nil {
			t.Fatalf("Update = %v", err)
		}
		if !fail {
			items = next
		}
		want := map[string]int64{}
		for _, i := range items {
			want[fmt.Sprintf("%s/%s/%s", i.Channel, i.Direction, i.State)]++
		}
		f.view(func(tx connector.Tx) error { same(f, "Tallies", want)(f.tallies(tx), nil); return nil })
		if f.Failed() {
			t.FailNow()
		}
	})
}
