package sim

import (
	"context"
	"errors"
	"fmt"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/ingest"
)

// write has a person write a message in Chartwire, who asks again, with the same idempotency key, until it was taken.
func (w *world) write(r reply) {
	for try := 0; ; try++ {
		if try > 0 {
			_ = clock.Sleep(context.Background(), clock.System, 5e9)
		}
		p := w.someone("reply", r.n)
		if p == nil || p.pass() != nil {
			continue
		}
		d := ingest.Draft{Channel: p.ch, Agent: "api:test", IdempotencyKey: fmt.Sprint("reply-", r.n), Patient: connector.PatientKey{
			Identifiers: []connector.Identifier{{System: mrnSystem, Value: fmt.Sprintf("MRN%03d", r.patient)}}, BirthDate: patientOf(r.patient)["birth_date"].(string),
			Name: &connector.HumanName{Family: patientOf(r.patient)["name"].(object)["family"].(string), Given: []string{"Daniel"}}},
			Message: connector.Message{Sender: connector.Participant{Role: connector.RoleClinician, ID: "Practitioner/dr", Name: "Dr Who"}, Text: r.text,
				Recipients: []connector.Participant{{Role: connector.RolePatient, ID: fmt.Sprintf("u-%d", r.patient)}}}}
		if r.thread != nil {
			d.ThreadExt = r.thread.id
			known := false
			err := w.db.View(context.Background(), func(tx connector.Tx) error {
				_, err := tx.ThreadByExt(ehrID, channel, r.thread.id)
				known = err == nil
				return nil
			})
			if err != nil || !known {
				if try > 10_000 {
					w.judge.fail("thread %s never came", r.thread.id)
					return
				}
				continue
			}
		}
		got, err := p.in.Compose(context.Background(), d)
		switch {
		case errors.Is(err, connector.ErrStore):
			continue
		case err != nil:
			w.judge.fail("a reply could not be written: %v", err)
			return
		case p.killed.Load():
			continue // it was taken, and nobody said so
		}
		w.judge.wroteHere(got.Client, &r)
		return
	}
}

// pause stops the connection, or lets it go on.
func (w *world) pause(r connector.Reason) {
	err := w.update(context.Background(), "operator", func(tx connector.Tx) error {
		return deliver.Pause(tx, "mercy", r, "cli", clock.System.Now())
	})
	if err != nil {
		w.judge.fail("pause: %v", err)
	}
}

// operate is a person going through what is parked: replay it, now and then release it, and let a stopped connection go
// on. Two people may do so at once. The thorough one releases nothing and replays all that can be cured.
func (w *world) operate(thorough bool) {
	if thorough {
		w.pause("")
	}
	r := w.script.dice.of("operator", w.since())
	for _, i := range w.parked() {
		if thorough && !w.judge.curable(i) {
			continue
		}
		if !thorough && r.IntN(3) == 0 {
			continue
		}
		n := 1 + r.IntN(2)
		release := !thorough && r.IntN(12) == 0
		for range n {
			w.decide(i, release)
		}
	}
	if !thorough && r.IntN(2) == 0 {
		w.pause("")
	}
}

// decide is what a person has chartwire parked do, through any process that runs.
func (w *world) decide(i connector.Item, release bool) {
	p := w.anyRunning()
	if p == nil {
		return
	}
	act := connector.ActReplay
	if release {
		act = connector.ActRelease
	}
	a, err := p.engine.Decide(context.Background(), deliver.Ask{Select: deliver.Selection{IDs: []string{i.ID}}, Act: act,
		Why: "simulated", Agent: "cli", Yes: true})
	w.judge.note("a person decides about %s %s (%s): release=%v: %v %v", i.Kind, i.MsgKey, i.Reason, release, a.Count, err)
	switch {
	case err == nil && release && a.Good():
		w.judge.release(i)
	case err == nil, errors.Is(err, deliver.ErrNotParked), errors.Is(err, deliver.ErrNoReplay), errors.Is(err, errDead):
	default:
		w.judge.fail("a person could not decide about %s: %v", i.Kind, err)
	}
}

func (w *world) anyRunning() *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.running {
		if p != nil && !p.killed.Load() {
			return p
		}
	}
	return nil
}
