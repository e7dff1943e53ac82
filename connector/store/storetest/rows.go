package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
)

var rowCases = []testCase{
	{"meta", func(f *fixture) {
		f.view(func(tx connector.Tx) error {
			absent[string](f, "Meta")(tx.Meta("identity." + f.ehr))
			return nil
		})
		for _, v := range []string{"https://a.example", "https://b.example"} {
			f.update(func(tx connector.Tx) error { return tx.PutMeta("identity."+f.ehr, v) })
			f.view(func(tx connector.Tx) error {
				same(f, "Meta", v)(tx.Meta("identity." + f.ehr))
				return nil
			})
		}
	}},
	{"ehr", func(f *fixture) {
		r := connector.EHRRow{ID: f.ehr, Name: "renamed-" + f.ehr, Paused: connector.WrongSubject, PausedAt: f.now, FindProven: true, Cursor: f.now}
		f.update(func(tx connector.Tx) error { return tx.PutEHR(r) })
		f.view(func(tx connector.Tx) error {
			same(f, "EHR", r)(tx.EHR(f.ehr))
			same(f, "EHRByName", r)(tx.EHRByName(r.Name))
			absent[connector.EHRRow](f, "EHR")(tx.EHR("nobody"))
			absent[connector.EHRRow](f, "EHRByName")(tx.EHRByName("nobody"))
			return nil
		})
	}},
	{"event", func(f *fixture) {
		r := connector.EventRow{ID: f.id(), EHR: f.ehr, Channel: "sms", Key: "wh-1", Type: connector.MessageCreated, Thread: f.id(),
			ReceivedAt: f.now, Body: []byte("{\x00\xff}")}
		insert := func(r connector.EventRow, want bool) {
			f.Helper()
			f.update(func(tx connector.Tx) error {
				same(f, "InsertEvent", want)(tx.InsertEvent(r))
				if !want {
					return nil
				}
				return tx.KeepEvent(r)
			})
		}
		insert(r, true)
		again := r
		again.ID, again.Body = f.id(), []byte("other")
		insert(again, false)
		elsewhere := r
		elsewhere.ID, elsewhere.Channel, elsewhere.Body = f.id(), "mail", nil
		insert(elsewhere, true)
		f.view(func(tx connector.Tx) error {
			same(f, "KeptEvent", r)(tx.KeptEvent(f.ehr, r.ID))
			absent[connector.EventRow](f, "the repeated event")(tx.KeptEvent(f.ehr, again.ID))
			absent[connector.EventRow](f, "another EHR's event")(tx.KeptEvent("other", r.ID))
			return nil
		})
	}},
	{"an event is taken once by many", func(f *fixture) {
		const tries = 40
		var wg sync.WaitGroup
		took := make(chan bool, tries)
		for n := range tries {
			wg.Go(func() {
				var fresh bool
				err := f.s.Update(f.Context(), fmt.Sprint("shard", n), func(tx connector.Tx) (err error) {
					fresh, err = tx.InsertEvent(connector.EventRow{ID: connector.NewID(f.now), EHR: f.ehr, Channel: "sms", Key: "same", Body: []byte("x")})
					return err
				})
				if err != nil {
					f.Errorf("Update: %v", err)
				}
				took <- fresh
			})
		}
		wg.Wait()
		close(took)
		n := 0
		for fresh := range took {
			if fresh {
				n++
			}
		}
		if n != 1 {
			f.Errorf("%d of %d inserts of one key were new, want 1", n, tries)
		}
	}},
	{"thread", func(f *fixture) {
		r := f.thread("t-1")
		f.update(func(tx connector.Tx) error { c := r; return tx.PutThread(&c) })
		r.Version = 1
		check := func(tx connector.Tx) error {
			f.Helper()
			same(f, "Thread", r)(tx.Thread(f.ehr, r.ID))
			same(f, "ThreadByExt", r)(tx.ThreadByExt(f.ehr, "sms", r.Ext))
			absent[connector.Thread](f, "another channel's thread")(tx.ThreadByExt(f.ehr, "mail", r.Ext))
			absent[connector.Thread](f, "another EHR's thread")(tx.Thread("other", r.ID))
			return nil
		}
		f.view(check)
		f.update(check)
		r.Ext, r.Closed, r.Bound, r.LastMsg, r.Changed = "t-1b", false, connector.Binding{}, "", false
		f.update(func(tx connector.Tx) error {
			c := r
			err := tx.PutThread(&c)
			if c.Version != 2 {
				f.Errorf("PutThread made version %d, want 2", c.Version)
			}
			return err
		})
		r.Version = 2
		f.view(check)
		f.view(func(tx connector.Tx) error {
			absent[connector.Thread](f, "the old ext")(tx.ThreadByExt(f.ehr, "sms", "t-1"))
			return nil
		})
		placed := r
		placed.NextSeq, placed.LastSent, placed.LastMsg, placed.Strategy = 99, f.now.Add(time.Hour), "m-98", connector.AsNote
		r, placed.Ext, placed.Closed = placed, "t-1c", true // its order is all that is written
		f.update(func(tx connector.Tx) error { return tx.PassThread(placed) })
		r.Version = 3
		f.view(check)
		f.update(func(tx connector.Tx) error {
			return errors.Join(tx.BumpThread(f.ehr, r.ID), tx.BumpThread(f.ehr, f.id()), tx.BumpThread("other", r.ID))
		})
		r.Version = 4
		f.view(check)
		placed.ID = f.id()
		if err := f.s.Update(f.Context(), f.ehr, func(tx connector.Tx) error { return tx.PassThread(placed) }); err == nil {
			f.Error("the order of a thread that is not there was taken")
		}
	}},
	{"a thread that was read long ago does not undo what came since", func(f *fixture) {
		r := f.thread("t-2")
		r.Changed = false
		f.update(func(tx connector.Tx) error { return tx.PutThread(&r) })
		old := r
		r.Changed = true
		f.update(func(tx connector.Tx) error { return tx.PutThread(&r) })
		if err := f.s.Update(f.Context(), f.ehr, func(tx connector.Tx) error { c := old; return tx.PutThread(&c) }); err == nil {
			f.Error("PutThread of an old version succeeded")
		}
		f.view(func(tx connector.Tx) error { same(f, "Thread", r)(tx.Thread(f.ehr, r.ID)); return nil })
	}},
	{"message", messageCase},
	{"blobs", func(f *fixture) {
		th, m := f.id(), f.id()
		want := map[string][]byte{"a/1": []byte("one"), "a2": {}}
		f.update(func(tx connector.Tx) error {
			return errors.Join(tx.PutBlob(f.ehr, th, m, "a/1", []byte("zero")), tx.PutBlob(f.ehr, th, m, "a/1", want["a/1"]), tx.PutBlob(f.ehr, th, m, "a2", nil))
		})
		f.view(func(tx connector.Tx) error {
			same(f, "Blobs", want)(tx.Blobs(f.ehr, th, m))
			same(f, "no Blobs", map[string][]byte{})(tx.Blobs(f.ehr, th, "other"))
			return nil
		})
	}},
	{"writes", writeCase},
	{"attempts", func(f *fixture) {
		w := f.id()
		a := connector.Attempt{ID: f.id(), EHR: f.ehr, Thread: f.id(), Write: w, No: 1, Fence: 7, StartedAt: f.now}
		b := a
		b.ID, b.No = f.id(), 2
		b.Sent = &connector.Write{Key: "k", Method: "PUT", URL: "Communication/1", Header: map[string]string{"If-Match": `W/"1"`}, Body: []byte("{}")}
		f.update(func(tx connector.Tx) error { return errors.Join(tx.PutAttempt(&b), tx.PutAttempt(&a)) })
		a.EndedAt, a.Outcome, a.Reason, a.Status, a.Answer = f.now.Add(time.Second), "refused", connector.EHRRefused, 422, []byte("{}")
		f.update(func(tx connector.Tx) error { return tx.PutAttempt(&a) })
		f.view(func(tx connector.Tx) error {
			same(f, "Attempts", []connector.Attempt{a, b})(tx.Attempts(f.ehr, w))
			return nil
		})
	}},
	{"born", func(f *fixture) {
		b := connector.Born{ID: f.id(), EHR: f.ehr, Ref: "CommunicationRequest/1", Version: "1", Thread: f.id(), Item: f.id(), CreatedAt: f.now}
		f.update(func(tx connector.Tx) error { return tx.PutBorn(&b) })
		b.Version = "2"
		f.update(func(tx connector.Tx) error { return tx.PutBorn(&b) })
		f.view(func(tx connector.Tx) error {
			same(f, "BornByRef", b)(tx.BornByRef(f.ehr, b.Ref))
			absent[connector.Born](f, "another born")(tx.BornByRef(f.ehr, "CommunicationRequest/2"))
			return nil
		})
	}},
	{"consent", func(f *fixture) {
		c := connector.ConsentRow{EHR: f.ehr, Channel: "sms", Person: "phone|+49", Consent: connector.Consent{State: "granted", Phone: "+49",
			MessageTypes: []string{"care"}, How: "paper", At: f.now, Of: &connector.Participant{Role: connector.RolePatient}}}
		f.update(func(tx connector.Tx) error { return tx.PutConsent(c) })
		c.Consent.State = "revoked"
		f.update(func(tx connector.Tx) error { return tx.PutConsent(c) })
		f.view(func(tx connector.Tx) error {
			same(f, "Consent", c)(tx.Consent(f.ehr, "sms", c.Person))
			absent[connector.ConsentRow](f, "another channel's consent")(tx.Consent(f.ehr, "mail", c.Person))
			return nil
		})
	}},
	{"probe", func(f *fixture) {
		old := connector.Probe{ID: f.id(), EHR: f.ehr, At: f.now, Patient: "Patient/test", Entries: []connector.ProbeEntry{{Strategy: connector.AsNote, Type: "DocumentReference",
			Identity: connector.Identifier{System: "s", Value: "v"}, Reference: "DocumentReference/1", Open: true}}}
		p := connector.Probe{ID: f.id(), EHR: f.ehr, At: f.now.Add(time.Hour), By: "cli:ada", Patient: "Patient/test",
			Outcomes: []connector.ProbeOutcome{{Capability: "Communication create", Known: connector.KnownNo, Says: "HTTP 405"}}}
		f.view(func(tx connector.Tx) error {
			absent[connector.Probe](f, "a probe before the first")(tx.LastProbe(f.ehr))
			return nil
		})
		f.update(func(tx connector.Tx) error { return errors.Join(tx.PutProbe(p), tx.PutProbe(old)) })
		p.Seen, p.SeenBy, p.SeenAt = "Chart Review", "cli:bo", f.now.Add(2*time.Hour)
		f.update(func(tx connector.Tx) error { return tx.PutProbe(p) })
		f.view(func(tx connector.Tx) error {
			same(f, "LastProbe", p)(tx.LastProbe(f.ehr))
			absent[connector.Probe](f, "another EHR's probe")(tx.LastProbe("another"))
			return nil
		})
	}},
	{"trace", traceCase},
	{"a view writes nothing", func(f *fixture) {
		if err := f.s.View(f.Context(), func(tx connector.Tx) error { return tx.PutMeta("view", "x") }); err == nil {
			f.Error("PutMeta in a View succeeded")
		}
		f.view(func(tx connector.Tx) error { absent[string](f, "Meta")(tx.Meta("view")); return nil })
	}},
}

func messageCase(f *fixture) {
	th := f.id()
	one, two, three := f.message(th, "m-1", 1), f.message(th, "m-1", 2), f.message(th, "m-1", 3)
	elsewhere := f.message(f.id(), "m-1", 1)
	ours := f.message(th, "", 1)
	ours.Delivery, ours.Retracted = connector.Delivery{}, nil
	given := two
	given.Message.Attachments = []connector.Attachment{two.Message.Attachments[0]}
	given.Message.Attachments[0].Data = []byte("bytes that belong into PutBlob")
	f.update(func(tx connector.Tx) error {
		return errors.Join(tx.PutMessage(&one), tx.PutMessage(&given), tx.PutMessage(&three), tx.PutMessage(&elsewhere), tx.PutMessage(&ours))
	})
	if given.Message.Attachments[0].Data == nil {
		f.Error("PutMessage changed its caller's message")
	}
	f.view(func(tx connector.Tx) error {
		got, err := tx.Message(f.ehr, one.ID)
		same(f, "Message", one)(got, err)
		if a, b := got.Message.SentAt.Format(time.RFC3339Nano), one.Message.SentAt.Format(time.RFC3339Nano); a != b {
			f.Errorf("sent_at came back as %s, want %s with its offset", a, b)
		}
		same(f, "the newest revision", three)(tx.MessageByExt(f.ehr, th, "m-1", 0))
		same(f, "revision 2", two)(tx.MessageByExt(f.ehr, th, "m-1", 2))
		absent[connector.MessageRow](f, "revision 4")(tx.MessageByExt(f.ehr, th, "m-1", 4))
		absent[connector.MessageRow](f, "a message without an id")(tx.MessageByExt(f.ehr, th, "", 0))
		same(f, "MessageByClient", ours)(tx.MessageByClient(f.ehr, ours.Client))
		absent[connector.MessageRow](f, "no client")(tx.MessageByClient(f.ehr, ""))
		same(f, "Revisions", []connector.MessageRow{one, two, three})(tx.Revisions(f.ehr, th, "m-1"))
		same(f, "a thread's own", elsewhere)(tx.MessageByExt(f.ehr, elsewhere.Thread, "m-1", 0))
		return nil
	})
	ours.Message.ID, ours.Delivery.State = "m-9", connector.HandedOver
	f.update(func(tx connector.Tx) error { return tx.PutMessage(&ours) })
	f.view(func(tx connector.Tx) error {
		same(f, "the id the platform gave", ours)(tx.MessageByExt(f.ehr, th, "m-9", 1))
		return nil
	})
	twin := f.message(th, "m-1", 1)
	if err := f.s.Update(f.Context(), f.ehr, func(tx connector.Tx) error { return tx.PutMessage(&twin) }); err == nil {
		f.Error("a second row for the same revision of a message was taken")
	}
	broken := f.message(th, "m-10", 1)
	broken.Message.Text = "\xff"
	if err := f.s.Update(f.Context(), f.ehr, func(tx connector.Tx) error { return tx.PutMessage(&broken) }); err == nil {
		f.Error("a text that JSON cannot keep exactly was taken")
	}
}

func writeCase(f *fixture) {
	item := f.id()
	w := func(ord int, key, provides string) connector.WriteRow {
		return connector.WriteRow{ID: f.id(), EHR: f.ehr, Thread: f.id(), Item: item, Ord: ord, Key: key, Provides: provides, State: connector.WriteReady,
			Write: connector.Write{Key: key, Method: "POST", URL: "Communication", Header: map[string]string{"Prefer": "return=representation"},
				Body: []byte(`{"a":1.10}`), Type: "Communication", Identity: connector.Identifier{System: "urn:m", Value: key}, Provides: provides,
				Expect: connector.Expect{Subject: "Patient/1", Text: "ab", Attachments: []string{"cd"}}, Date: f.now}}
	}
	a, b, c := w(1, "k1", "{message:t/1}"), w(0, "k2", "{header}"), w(2, "k3", "")
	c.Write.Identity = connector.Identifier{}
	c.Write.Update = &connector.Update{Target: "{header}", Set: map[string]any{"status": "completed"}, Remove: []string{"x"}}
	f.update(func(tx connector.Tx) error { return errors.Join(tx.PutWrite(&a), tx.PutWrite(&b), tx.PutWrite(&c)) })
	f.view(func(tx connector.Tx) error {
		absent[connector.WriteRow](f, "NewestFiled")(tx.NewestFiled(f.ehr, "Communication"))
		same(f, "WritesOf", []connector.WriteRow{b, a, c})(tx.WritesOf(f.ehr, item))
		absent[connector.WriteRow](f, "no provides")(tx.WriteByProvides(f.ehr, ""))
		return nil
	})
	for n, r := range []*connector.WriteRow{&c, &a, &b} {
		r.State, r.Attempts, r.AttemptedAt, r.FiledAt = connector.WriteFiled, 2, f.now, f.now.Add(time.Duration(-n)*time.Second)
		r.Receipt = connector.Receipt{Reference: "Communication/" + r.Key, Version: "1", At: f.now, Status: 201, Verified: true, Found: true}
		f.update(func(tx connector.Tx) error {
			given := *r
			given.Receipt.Response, given.Receipt.Echo = []byte("not kept"), connector.Echo{Shown: true}
			if n == 0 {
				return tx.PutWrite(&given)
			}
			given.Write, given.Key, given.Provides, given.Ord = connector.Write{}, "", "", 9 // an outcome leaves these alone
			return tx.PutOutcome(&given)
		})
	}
	f.view(func(tx connector.Tx) error {
		same(f, "WriteByKey", a)(tx.WriteByKey(f.ehr, "k1"))
		same(f, "WriteByProvides", b)(tx.WriteByProvides(f.ehr, "{header}"))
		same(f, "NewestFiled: the newest with an identity", b)(tx.NewestFiled(f.ehr, "Communication"))
		absent[connector.WriteRow](f, "NewestFiled of another type")(tx.NewestFiled(f.ehr, "RelatedPerson"))
		same(f, "WritesByRef", []connector.WriteRow{a})(tx.WritesByRef(f.ehr, "Communication/k1"))
		same(f, "WritesByRef of no write", []connector.WriteRow(nil))(tx.WritesByRef(f.ehr, "Communication/none"))
		absent[connector.WriteRow](f, "an unknown key")(tx.WriteByKey(f.ehr, "k9"))
		return nil
	})
	stray := w(0, "k4", "")
	stray.State = connector.WriteFiled
	if err := f.s.Update(f.Context(), f.ehr, func(tx connector.Tx) error { return tx.PutOutcome(&stray) }); err == nil {
		f.Error("an outcome of a write that is not there was taken")
	}
	twin := w(0, "k1", "")
	if err := f.s.Update(f.Context(), f.ehr, func(tx connector.Tx) error { return tx.PutWrite(&twin) }); err == nil {
		f.Error("a second write with the same key was taken")
	}
}

func traceCase(f *fixture) {
	th := f.thread("T-ext-" + f.ehr)
	th.Bound.Reference = "Patient/" + f.ehr
	m := f.message(th.ID, "M-ext-"+f.ehr, 1)
	i := f.item(th.ID, connector.Waiting)
	w := connector.WriteRow{ID: f.id(), EHR: f.ehr, Thread: th.ID, Item: i.ID, Key: "k", State: connector.WriteFiled,
		Write:   connector.Write{Identity: connector.Identifier{System: "urn:m", Value: "T/" + f.ehr}},
		Receipt: connector.Receipt{Reference: "Communication/" + f.ehr}}
	a := connector.Attempt{ID: f.id(), EHR: f.ehr, Thread: th.ID, Write: w.ID, No: 1, StartedAt: f.now}
	done := connector.AuditEntry{ID: f.id(), EHR: f.ehr, At: f.now, Kind: "file", Action: "C", Agent: "cli:ana", OnBehalf: "Practitioner/p",
		Thread: th.ID, Item: i.ID, Detail: map[string]string{"entries": "Communication/1"}}
	b := connector.Born{ID: f.id(), EHR: f.ehr, Ref: "CommunicationRequest/" + f.ehr, Thread: th.ID}
	other := f.thread("other-" + f.ehr)
	ev := connector.EventRow{ID: f.id(), EHR: f.ehr, Channel: "sms", Key: "wh-" + f.ehr, Thread: th.ID, ReceivedAt: f.now}
	f.update(func(tx connector.Tx) error {
		_, err := tx.InsertEvent(ev)
		return errors.Join(err, tx.PutThread(&th), tx.PutThread(&other), tx.PutMessage(&m), tx.PutItem(&i), tx.PutWrite(&w), tx.PutBorn(&b),
			tx.PutAttempt(&a), tx.Audit(done))
	})
	f.view(func(tx connector.Tx) error {
		for _, id := range []string{th.ID, th.Ext, m.ID, m.Message.ID, m.Client, i.ID, w.ID, a.ID, w.Receipt.Reference, connector.ControlID(w.Write.Identity), b.Ref, th.Bound.Reference, ev.Key} {
			same(f, "Trace "+id, []connector.Thread{th})(tx.Trace(id))
		}
		same(f, "AuditOf", []connector.AuditEntry{done})(tx.AuditOf(f.ehr, th.ID))
		same(f, "AuditOf no thread", []connector.AuditEntry(nil))(tx.AuditOf(f.ehr, ""))
		same(f, "Trace of nothing", []connector.Thread(nil))(tx.Trace("nothing"))
		same(f, "Trace of no id", []connector.Thread(nil))(tx.Trace(""))
		return nil
	})
}
