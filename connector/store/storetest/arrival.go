package storetest

import (
	"errors"
	"fmt"

	"github.com/chartwire/chartwire/connector"
)

// arrivalCases hold what is read ahead of an event to what is read without: it is the same, and a write of the function's own
// is seen after it.
var arrivalCases = []testCase{
	{"what was expected is what there is", func(f *fixture) {
		th := f.thread("t-1")
		one, two := f.message(th.ID, "m-1", 1), f.message(th.ID, "m-1", 2)
		row := connector.EventRow{ID: f.id(), EHR: f.ehr, Channel: "sms", Key: "k-1", Thread: th.ID, ReceivedAt: f.now, Body: []byte("{}")}
		f.update(func(tx connector.Tx) error {
			_, err := tx.InsertEvent(row)
			return errors.Join(err, tx.PutThread(&th), tx.PutMessage(&one), tx.PutMessage(&two))
		})
		f.arrives("t-1", "k-1", "m-1", func(tx connector.Tx) error {
			same(f, "ThreadByExt", th)(tx.ThreadByExt(f.ehr, "sms", "t-1"))
			same(f, "Revisions", []connector.MessageRow{one, two})(tx.Revisions(f.ehr, th.ID, "m-1"))
			same(f, "InsertEvent of a known event", false)(tx.InsertEvent(row))
			same(f, "ThreadByExt again", th)(tx.ThreadByExt(f.ehr, "sms", "t-1"))
			absent[connector.Thread](f, "another channel's")(tx.ThreadByExt(f.ehr, "mail", "t-1"))
			return nil
		})
		row.ID, row.Key = f.id(), "k-2"
		f.arrives("t-1", "k-2", "m-9", func(tx connector.Tx) error {
			same(f, "Revisions of one that was not expected", []connector.MessageRow{one, two})(tx.Revisions(f.ehr, th.ID, "m-1"))
			same(f, "Revisions of another message", []connector.MessageRow(nil))(tx.Revisions(f.ehr, th.ID, "m-9"))
			same(f, "InsertEvent of a new event", true)(tx.InsertEvent(row))
			return nil
		})
		f.arrives("t-2", "k-1", "m-1", func(tx connector.Tx) error {
			absent[connector.Thread](f, "a thread that is not there")(tx.ThreadByExt(f.ehr, "sms", "t-2"))
			same(f, "InsertEvent of a known event", false)(tx.InsertEvent(row))
			return nil
		})
	}},
	{"what the function wrote after it expected", func(f *fixture) {
		th := f.thread("t-1")
		one := f.message(th.ID, "m-1", 1)
		f.arrives("t-1", "k-1", "m-1", func(tx connector.Tx) error {
			th := th // for it may run more than once
			if err := errors.Join(tx.PutThread(&th), tx.PutMessage(&one)); err != nil {
				return err
			}
			got, err := tx.ThreadByExt(f.ehr, "sms", "t-1")
			if err != nil { // it may be run again, by itself
				return err
			}
			same(f, "ThreadByExt", th)(got, nil)
			all, err := tx.Revisions(f.ehr, th.ID, "m-1")
			if err != nil {
				return err
			}
			same(f, "Revisions", []connector.MessageRow{one})(all, nil)
			return nil
		})
	}},
	{"many arrive at once, each with its own", func(f *fixture) {
		const threads = 40
		done := make(chan error, threads)
		for range 2 { // the first time nothing is there
			for n := range threads {
				go func() { done <- f.arriving(fmt.Sprintf("t-%d", n), "k", "m") }()
			}
			for range threads {
				if err := <-done; err != nil {
					f.Error(err)
				}
			}
		}
	}},
}

// arrives runs fn as the event's transaction.
func (f *fixture) arrives(thread, key, message string, fn func(tx connector.Tx) error) {
	f.Helper()
	err := f.s.Update(f.Context(), connector.Shard(f.ehr, "sms", thread), func(tx connector.Tx) error {
		return errors.Join(tx.Expect(connector.Arrival{EHR: f.ehr, Channel: "sms", Key: key, Thread: thread, Message: message}), fn(tx))
	})
	if err != nil {
		f.Fatalf("Update: %v", err)
	}
}

// arriving puts an event's thread and message where they are not there, and says where what is there is not its own.
func (f *fixture) arriving(thread, key, message string) error {
	return f.s.Update(f.Context(), connector.Shard(f.ehr, "sms", thread), func(tx connector.Tx) error {
		key := thread + key
		if err := tx.Expect(connector.Arrival{EHR: f.ehr, Channel: "sms", Key: key, Thread: thread, Message: message}); err != nil {
			return err
		}
		th, err := tx.ThreadByExt(f.ehr, "sms", thread)
		there := !errors.Is(err, connector.ErrNotFound)
		if err != nil && there {
			return err
		}
		if !there {
			th = f.thread(thread)
		}
		all, err := tx.Revisions(f.ehr, th.ID, message)
		if err != nil || th.Ext != thread || there != (len(all) == 1) || there && all[0].Thread != th.ID {
			return errors.Join(err, fmt.Errorf("%s met thread %s, %d revisions", thread, th.Ext, len(all)))
		}
		row := connector.EventRow{ID: f.id(), EHR: f.ehr, Channel: "sms", Key: key, Thread: th.ID, ReceivedAt: f.now, Body: []byte("{}")}
		fresh, err := tx.InsertEvent(row)
		if err != nil || fresh == there {
			return errors.Join(err, fmt.Errorf("%s: the event is new: %v, its thread was there: %v", thread, fresh, there))
		}
		if there {
			return nil
		}
		m := f.message(th.ID, message, 1)
		return errors.Join(tx.PutThread(&th), tx.PutMessage(&m))
	})
}
