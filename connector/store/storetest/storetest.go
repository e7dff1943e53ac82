// Package storetest is what every connector.Store must do, as tests. Run it on each engine.
package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartwire/chartwire/connector"
)

// Run holds a store to its contract. open gives a new, empty store with this lease that closes with the test. Times that the
// tests hand to the store are the machine's, because a store may keep leases by its own clock.
func Run(t *testing.T, open func(t *testing.T, lease time.Duration) connector.Store) {
	for _, group := range []struct {
		name  string
		lease time.Duration
		cases []testCase
	}{
		{"rows", long, rowCases}, {"items", long, itemCases}, {"lanes", long, laneCases}, {"leases", short, leaseCases},
		{"claimers", long, claimerCases}, {"commit", long, commitCases}, {"rehome", long, rehomeCases}, {"chart", long, chartCases}, {"arrival", long, arrivalCases}, {"adt", long, adtCases}, {"desk", long, deskCases}, {"page", long, pageCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			s := open(t, group.lease)
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) { c.run(newFixture(t, s)) })
			}
		})
	}
}

// A long lease does not end during a test. A short one does: on Postgres only the database's own clock ends it, and the
// test asks until it has.
const (
	long  = time.Hour
	short = 50 * time.Millisecond
)

type testCase struct {
	name string
	run  func(f *fixture)
}

// fixture is one EHR connection in the store, which no other case uses.
type fixture struct {
	*testing.T
	s   connector.Store
	ehr string
	now time.Time
}

var fixtures atomic.Int64

func newFixture(t *testing.T, s connector.Store) *fixture {
	f := &fixture{T: t, s: s, now: time.Now().UTC().Truncate(time.Microsecond)}
	f.ehr = f.id()
	f.update(func(tx connector.Tx) error {
		return tx.PutEHR(connector.EHRRow{ID: f.ehr, Name: fmt.Sprintf("ehr-%d", fixtures.Add(1))})
	})
	return f
}

func (f *fixture) id() string { return connector.NewID(f.now) }

// update commits fn and fails the test where that fails.
func (f *fixture) update(fn func(tx connector.Tx) error) {
	f.Helper()
	if err := f.s.Update(f.Context(), f.ehr, fn); err != nil {
		f.Fatalf("Update: %v", err)
	}
}

// refused runs fn in an Update that must fail with want.
func (f *fixture) refused(want error, fn func(tx connector.Tx) error) {
	f.Helper()
	if err := f.s.Update(f.Context(), f.ehr, fn); !errors.Is(err, want) {
		f.Fatalf("Update = %v, want %v", err, want)
	}
}

func (f *fixture) view(fn func(tx connector.Tx) error) {
	f.Helper()
	if err := f.s.View(f.Context(), fn); err != nil {
		f.Fatalf("View: %v", err)
	}
}

// same compares what was read with what was written.
func same[T any](f *fixture, what string, want T) func(got T, err error) {
	return func(got T, err error) {
		f.Helper()
		if err != nil {
			f.Errorf("%s: %v", what, err)
			return
		}
		if d := cmp.Diff(want, got); d != "" {
			f.Errorf("%s differs (-want +got):\n%s", what, d)
		}
	}
}

// absent wants ErrNotFound.
func absent[T any](f *fixture, what string) func(got T, err error) {
	return func(_ T, err error) {
		f.Helper()
		if !errors.Is(err, connector.ErrNotFound) {
			f.Errorf("%s = %v, want ErrNotFound", what, err)
		}
	}
}

// thread gives a thread with everything set.
func (f *fixture) thread(ext string) connector.Thread {
	return connector.Thread{
		ID: f.id(), EHR: f.ehr, Channel: "sms", Ext: ext,
		Info: connector.ThreadInfo{ID: ext, Subject: "Wunde am Knie", Topic: "wound", Priority: connector.Urgent,
			Encounter: &connector.Identifier{System: "urn:visit", Value: "V-17"}, About: []string{"Procedure/p1"}},
		Patient: connector.PatientKey{Identifiers: []connector.Identifier{{System: "urn:mrn", Value: "0012345"}},
			Name: &connector.HumanName{Family: "Öztürk", Given: []string{"Ayşe", "N."}}, BirthDate: "1980-02-29", Phone: "+4915112345678"},
		Changed: true, Bound: connector.Binding{Reference: "Patient/" + ext, At: f.now, How: "identifier"},
		Closed: true, Header: f.id(), Strategy: connector.AsCommunication, NextSeq: 12, LastSent: f.now.Add(-time.Hour),
		LastMsg: "m-11", CreatedAt: f.now,
	}
}

// message gives a message revision with everything set; its time has an offset.
func (f *fixture) message(thread, ext string, revision int) connector.MessageRow {
	sent := f.now.In(time.FixedZone("", 5*3600+45*60))
	ada := connector.Participant{Role: connector.RoleProxy, ID: "u-9", Name: "Ada Öz", Relationship: "MTH",
		Identifier: &connector.Identifier{System: "urn:u", Value: "9"}}
	m := connector.MessageRow{
		ID: f.id(), EHR: f.ehr, Thread: thread, Revision: revision,
		Message: connector.Message{ID: ext, Sequence: 3, Direction: connector.FromPatient, SentAt: sent, Sender: ada,
			Recipients: []connector.Participant{{Role: connector.RolePool, ID: "nurses"}},
			Text:       "Es tut weh. <b>&amp; \u2028 \U0001F9B5", InReplyTo: "m-2", Language: "de", Priority: connector.Stat,
			Attachments: []connector.Attachment{{ID: "a1", Filename: "knie.jpg", ContentType: "image/jpeg", Size: 3, SHA256: "ab", URL: "https://m.example/a1"}}},
		Client: f.id(), Born: f.id(), Requested: true,
		Delivery:  connector.Delivery{State: connector.Delivered, At: sent, Reason: "none"},
		Retracted: &connector.Retraction{At: sent, By: &ada, Reason: "wrong person"}, ReceivedAt: f.now,
	}
	if revision > 1 {
		m.Client = ""
		m.Corrected = &connector.Correction{Version: revision, At: sent, By: &ada}
	}
	return m
}

// item gives an exchange item on the chart lane.
func (f *fixture) item(thread string, state connector.ItemState) connector.Item {
	return connector.Item{
		ID: f.id(), EHR: f.ehr, Thread: thread, Lane: connector.LaneChart, Kind: connector.ItemExchange, Message: f.id(),
		State: state, Channel: "sms", Direction: connector.FromPatient, CommittedAt: f.now,
	}
}

// tallies gives this EHR's counts by "channel/direction/state".
func (f *fixture) tallies(tx connector.Tx) map[string]int64 {
	f.Helper()
	all, err := tx.Tallies()
	if err != nil {
		f.Fatalf("Tallies: %v", err)
	}
	out := map[string]int64{}
	for _, t := range all {
		if t.EHR == f.ehr {
			out[strings.Join([]string{t.Channel, string(t.Direction), string(t.State)}, "/")] = t.N
		}
	}
	return out
}
