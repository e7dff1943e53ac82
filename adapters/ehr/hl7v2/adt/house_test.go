package adt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/ehr/hl7v2"
	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store"
)

const (
	county = "urn:oid:1.2"   // numbers of the county's record, MR
	state  = "urn:oid:1.3"   // of the state, SS
	visits = "urn:oid:1.2.9" // of the county's visits
)

var authorities = map[string]filing.Authority{
	county: {Namespace: "COUNTY", Type: "MR"}, "urn:alias": {Namespace: "COUNTY", Type: "MR"},
	state: {Namespace: "STATE", Type: "SS"}, visits: {Namespace: "COUNTY", Type: "VN"},
}

// house is a feed and the connection that asks what it has told.
type house struct {
	t     testing.TB
	store *store.DB
	feed  *Feed
	ehr   *EHR
	sent  int
	audit []connector.AuditEntry // of the feed's commits
}

func newHouse(t testing.TB) *house {
	t.Helper()
	keys, err := seal.Generate(clock.System.Now())
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), "sqlite::memory:", store.Options{Sealer: keys})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Update(t.Context(), "", func(tx connector.Tx) error { return tx.PutEHR(connector.EHRRow{ID: "E", Name: "county"}) }); err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, store: db, ehr: Over(hl7v2.New(hl7v2.Options{}), db, "E", authorities)}
	h.feed = h.over(heard{db, h})
	return h
}

func (h *house) over(s connector.Store) *Feed {
	return NewFeed(Options{Store: s, ID: "E", Name: "county", Now: clock.System.Now, Authorities: authorities, Zone: time.FixedZone("", -7*3600),
		Sending: hl7.HD{Namespace: "ADT"}, Facility: hl7.HD{Namespace: "COUNTY"}, Processing: "P"})
}

// news is an ADT message of an event, recorded at hh:mm of one day; control is its MSH-10 and "" a new one.
func (h *house) news(event, at, control string, segments ...string) []byte {
	if control == "" {
		h.sent++
		control = fmt.Sprint("C", h.sent)
	}
	stamp := "20261120" + strings.ReplaceAll(at, ":", "")
	return []byte("MSH|^~\\&|ADT|COUNTY|CW|CLINIC|" + stamp + "||ADT^" + event + "|" + control + "|P|2.5.1\rEVN|" + event + "|" + stamp + "\r" +
		strings.Join(segments, "\r") + "\r")
}

// tell has the feed take a message and gives the codes and errors it is answered with.
func (h *house) tell(message []byte) string {
	h.t.Helper()
	answers, err := h.feed.Handle(h.t.Context(), message)
	if err != nil {
		h.t.Fatal(err)
	}
	return said(h.t, answers)
}

func said(t testing.TB, answers [][]byte) string {
	t.Helper()
	var out []string
	for _, raw := range answers {
		m, err := hl7.Parse(raw, hl7.Options{})
		if err != nil {
			t.Fatal(err)
		}
		a, err := hl7.ReadAck(m)
		if err != nil {
			t.Fatal(err)
		}
		s := string(a.Code)
		for _, e := range a.Errors {
			s += " " + string(e.Condition())
			if len(e.Locations) > 0 {
				s += " " + e.Locations[0].String()
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// who says whom a channel that gives these systems and values finds: the record's numbers, family name, birth date and what it
// was replaced by, or why nobody.
func (h *house) who(pairs ...string) string {
	h.t.Helper()
	var k connector.PatientKey
	for i := 0; i < len(pairs); i += 2 {
		k.Identifiers = append(k.Identifiers, connector.Identifier{System: pairs[i], Value: pairs[i+1]})
	}
	return h.asked(k)
}

func (h *house) asked(k connector.PatientKey) string {
	h.t.Helper()
	p, err := h.ehr.Match(h.t.Context(), k)
	switch {
	case errors.Is(err, connector.ErrNoMatch):
		return "nobody"
	case errors.Is(err, connector.ErrAmbiguous):
		return "several"
	case err != nil:
		h.t.Fatal(err)
	}
	var out []string
	for _, i := range p.Identifiers {
		out = append(out, i.Value)
	}
	for _, n := range p.Names {
		out = append(out, n.Family)
	}
	out = append(append(out, p.BirthDate), p.Phones...)
	if p.ReplacedBy != "" {
		out = append(out, "replaced by "+h.number(p.ReplacedBy))
	}
	if p.Active != (p.ReplacedBy == "") {
		h.t.Errorf("active is %v", p.Active)
	}
	return strings.Join(out, " ")
}

// number is the first number of the patient with a reference.
func (h *house) number(reference string) string {
	p, err := h.ehr.Match(h.t.Context(), connector.PatientKey{Reference: reference})
	if err != nil || len(p.Identifiers) == 0 {
		h.t.Fatalf("%s: %v", reference, err)
	}
	return p.Identifiers[0].Value
}

const (
	ann  = "PID|1||100^^^COUNTY^MR||Roe^Ann||19800229|F|||||5551234567"
	bob  = "PID|1||200^^^COUNTY^MR||Doe^Bob||19700101|M"
	pv1  = "PV1|1|I|||||||||||||||||V1"
	none = "nobody"
)

func key(system, value string) connector.PatientKey {
	return connector.PatientKey{Identifiers: []connector.Identifier{{System: system, Value: value}}}
}

// heard is a store that shows what is audited.
type heard struct {
	connector.Store
	h *house
}

type heardTx struct {
	connector.Tx
	h *house
}

func (s heard) Update(ctx context.Context, shard string, fn func(connector.Tx) error) error {
	return s.Store.Update(ctx, shard, func(tx connector.Tx) error { return fn(heardTx{tx, s.h}) })
}

func (t heardTx) Audit(a connector.AuditEntry) error {
	t.h.audit = append(t.h.audit, a)
	return t.Tx.Audit(a)
}

// audited is the audit log, in order.
func (h *house) audited() (out []string) {
	for _, a := range h.audit {
		out = append(out, fmt.Sprintf("%s %s %d %s", a.Kind, a.Action, a.Outcome, a.Detail["outcome"]+a.Detail["codes"]))
	}
	return out
}
