package storetest

import (
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
)

var rehomeCases = []testCase{
	{"everything moves and the empty thread goes", func(f *fixture) {
		from, to := f.thread("from"), f.thread("to")
		m := f.message(from.ID, "m-7", 1)
		i, send, header := f.item(from.ID, connector.Waiting), f.item(from.ID, connector.Filed), f.item(from.ID, connector.Waiting)
		i.Message = m.ID
		send.Lane, send.Kind = connector.LaneSend, connector.ItemSend
		header.Kind, header.ID = connector.ItemHeader, from.Header
		att := connector.Attempt{ID: f.id(), EHR: f.ehr, Thread: from.ID, Write: send.ID, No: 1, StartedAt: f.now, Answer: []byte("202")}
		ev := connector.EventRow{ID: f.id(), EHR: f.ehr, Channel: "sms", Key: "k", Type: connector.MessageStatus, Thread: from.ID, ReceivedAt: f.now, Body: []byte("{}")}
		born := connector.Born{ID: m.Born, EHR: f.ehr, Ref: "CommunicationRequest/7", Version: "3", Thread: from.ID, Item: send.ID, CreatedAt: f.now}
		planned := connector.WriteRow{ID: f.id(), EHR: f.ehr, Thread: from.ID, Item: i.ID, Key: "from/m-7", State: connector.WriteReady}
		f.update(func(tx connector.Tx) error {
			_, err := tx.InsertEvent(ev)
			return errors.Join(err, tx.KeepEvent(ev), tx.PutThread(&from), tx.PutThread(&to), tx.PutMessage(&m), tx.PutBlob(f.ehr, from.ID, m.ID, "a1", []byte("jpg")),
				tx.PutItem(&i), tx.PutItem(&send), tx.PutItem(&header), tx.PutAttempt(&att), tx.PutBorn(&born), tx.PutWrite(&planned),
				tx.TouchLane(f.ehr, from.ID, connector.LaneChart, f.now, connector.Urgent),
				tx.TouchLane(f.ehr, from.ID, connector.LaneSend, f.now, connector.Routine))
		})
		held := f.claimed([]connector.LaneKind{connector.LaneSend}, 1, f.now, from.ID)[0]
		before := map[string]int64{"sms/from_patient/waiting": 1}
		f.view(func(tx connector.Tx) error { same(f, "Tallies", before)(f.tallies(tx), nil); return nil })
		f.update(func(tx connector.Tx) error { return tx.Rehome(f.ehr, from.ID, to.ID) })
		for _, r := range []*string{&m.Thread, &i.Thread, &send.Thread, &att.Thread, &ev.Thread, &born.Thread} {
			*r = to.ID
		}
		to.Version++
		f.view(func(tx connector.Tx) error {
			absent[connector.Thread](f, "the old thread")(tx.Thread(f.ehr, from.ID))
			same(f, "the other thread", to)(tx.Thread(f.ehr, to.ID))
			same(f, "Message", m)(tx.MessageByExt(f.ehr, to.ID, "m-7", 0))
			same(f, "Blobs", map[string][]byte{"a1": []byte("jpg")})(tx.Blobs(f.ehr, to.ID, m.ID))
			same(f, "ThreadItems, without the second header", []connector.Item{i, send})(tx.ThreadItems(f.ehr, to.ID))
			same(f, "Attempts", []connector.Attempt{att})(tx.Attempts(f.ehr, send.ID))
			same(f, "KeptEvent", ev)(tx.KeptEvent(f.ehr, ev.ID))
			same(f, "BornByRef", born)(tx.BornByRef(f.ehr, born.Ref))
			absent[connector.WriteRow](f, "what was planned under the old name")(tx.WriteByKey(f.ehr, planned.Key))
			same(f, "Tallies", before)(f.tallies(tx), nil)
			return nil
		})
		f.refused(connector.ErrFenced, func(tx connector.Tx) error { return tx.ReleaseLane(held, time.Time{}, f.now) })
		f.claimed(chart, 5, f.now, to.ID)
		f.claimed([]connector.LaneKind{connector.LaneSend}, 5, f.now, to.ID)
	}},
	{"the header moves where the new home has none", func(f *fixture) {
		from, to := f.thread("from"), f.thread("to")
		to.Header = ""
		header := f.item(from.ID, connector.Waiting)
		header.Kind, header.ID = connector.ItemHeader, from.Header
		f.update(func(tx connector.Tx) error {
			return errors.Join(tx.PutThread(&from), tx.PutThread(&to), tx.PutItem(&header), tx.Rehome(f.ehr, from.ID, to.ID))
		})
		header.Thread = to.ID
		f.view(func(tx connector.Tx) error {
			same(f, "ThreadItems", []connector.Item{header})(tx.ThreadItems(f.ehr, to.ID))
			got, err := tx.Thread(f.ehr, to.ID)
			same(f, "Header", header.ID)(got.Header, err)
			return nil
		})
	}},
	{"nothing that may be on the chart moves", func(f *fixture) {
		from, to := f.thread("from"), f.thread("to")
		w := connector.WriteRow{ID: f.id(), EHR: f.ehr, Thread: from.ID, Key: "k", State: connector.WriteAttempted}
		f.update(func(tx connector.Tx) error {
			return errors.Join(tx.PutThread(&from), tx.PutThread(&to), tx.PutWrite(&w))
		})
		for _, pair := range [][2]string{{from.ID, to.ID}, {from.ID, from.ID}, {to.ID, "none"}, {"none", to.ID}} {
			if err := f.s.Update(f.Context(), f.ehr, func(tx connector.Tx) error { return tx.Rehome(f.ehr, pair[0], pair[1]) }); err == nil {
				f.Errorf("Rehome %v succeeded", pair)
			}
		}
		f.view(func(tx connector.Tx) error { same(f, "the thread", from)(tx.Thread(f.ehr, from.ID)); return nil })
	}},
}
