package hl7v2

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/ehr/ehrtest"
	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/hl7/mllp"
	sandbox "github.com/chartwire/chartwire/adapters/sandbox/engine"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

const county = "urn:oid:2.16.840.1.113883.19.5"

// engine is the sandbox's interface engine, strict as that is, over connections in memory. It can be told what to answer instead.
type engine struct {
	strict  *sandbox.Engine
	t       *testing.T
	mu      sync.Mutex
	stored  [][]byte
	reply   func(control string) []byte
	hangUp  bool
	dialed  int
	refuse  error // of dialing
	running sync.WaitGroup
}

func (n *engine) dial(context.Context) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refuse != nil {
		return nil, n.refuse
	}
	n.dialed++
	ours, theirs := net.Pipe()
	n.running.Go(func() { n.serve(theirs) })
	return ours, nil
}

func (n *engine) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	in := mllp.NewReader(conn, 0)
	for {
		message, err := in.Next()
		if err != nil {
			return
		}
		if answer, stay := n.take(message); len(answer) > 0 {
			if _, err := conn.Write(answer); err != nil || !stay {
				return
			}
		} else if !stay {
			return
		}
	}
}

// take stores a message, unless it is told to reply otherwise, and gives what is answered.
func (n *engine) take(message []byte) (answer []byte, stay bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	h, err := hl7.ParseHeader(message, hl7.Options{})
	if err != nil {
		n.t.Errorf("the engine cannot read the header: %v", err)
		return nil, false
	}
	if n.reply != nil {
		return n.reply(h.ControlID), false
	}
	answers, err := n.strict.Handle(n.t.Context(), message)
	if err != nil {
		n.t.Errorf("the engine cannot answer: %v", err)
	}
	if came := n.strict.Arrivals(); came[len(came)-1].Code == hl7.AckAA {
		n.stored = append(n.stored, message)
	}
	if n.hangUp {
		n.hangUp = false
		return nil, false
	}
	for _, a := range answers {
		f, err := mllp.Frame(a)
		if err != nil {
			n.t.Error(err)
		}
		answer = append(answer, f...)
	}
	return answer, true
}

func (n *engine) set(change func(*engine)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(n)
}

// policy is a connection's, in the mode that the two acknowledgements asked for make.
func policy(accept, application hl7.When) filing.Policy {
	return filing.Policy{InlineBytes: 1 << 20, NoteType: r4.NewCoding("http://loinc.org", "34748-4", ""), MDM: filing.MDM{
		Header: hl7.MSH{SendingApplication: hl7.HD{Namespace: "CHARTWIRE"}, ReceivingApplication: hl7.HD{Namespace: "EHR"}, ProcessingID: "P",
			AcceptAck: accept, ApplicationAck: application},
		Authorities:  map[string]filing.Authority{county: {Namespace: "COUNTY", Type: "MR"}, "urn:alias": {Namespace: "COUNTY", Type: "MR"}, "urn:plan": {Namespace: "PLAN", Type: "MB"}},
		PatientClass: "O", DocumentType: "PR", Completion: "DO"}}
}

// connected is an adapter and the engine it talks to.
func connected(t *testing.T, accept, application hl7.When) (*EHR, *engine) {
	t.Helper()
	county := hl7.HD{Namespace: "COUNTY"}
	strict, err := sandbox.New(sandbox.Options{Now: time.Now, Patients: []sandbox.Patient{{Ref: "Patient/cho",
		Identifiers: []hl7.CX{{ID: "MRN-1", Authority: county, Type: "MR"}}, Names: []hl7.XPN{{Family: "Cho", Given: "Daniel"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	n := &engine{t: t, strict: strict}
	e := New(Options{Policy: policy(accept, application), Dial: n.dial, Now: func() time.Time { return time.Unix(1700000000, 0) }})
	t.Cleanup(func() { _ = e.Close(); n.running.Wait() })
	return e, n
}

func key(ids ...string) connector.PatientKey {
	k := connector.PatientKey{Name: &connector.HumanName{Family: "Cho", Given: []string{"Daniel"}}}
	for i := 0; i < len(ids); i += 2 {
		k.Identifiers = append(k.Identifiers, connector.Identifier{System: ids[i], Value: ids[i+1]})
	}
	return k
}

// rig is a pair as the suite wants it.
func rig(t *testing.T, accept, application hl7.When) *ehrtest.Rig {
	e, n := connected(t, accept, application)
	return &ehrtest.Rig{
		EHR: e, Base: "https://connector.clinic.example/sid", Channel: "texting", Enhanced: accept != "",
		Patient: key(county, "MRN-1"), Nobody: key("urn:nobody", "1"), Twins: key(county, "MRN-1", county, "MRN-2"), Other: "Patient/other",
		Secrets: []string{"MRN-1", "Cho"},
		Stored: func(string) [][]byte {
			n.mu.Lock()
			defer n.mu.Unlock()
			return append([][]byte(nil), n.stored...)
		},
		Reply:  func(raw func(string) []byte) { n.set(func(n *engine) { n.reply = raw }) },
		HangUp: func() { n.set(func(n *engine) { n.hangUp = true }) },
		Words: func(stored []byte) string {
			m, err := hl7.Parse(stored, hl7.Options{MaxSegments: 1 << 20})
			if err != nil {
				t.Errorf("the engine cannot read what it got: %v", err)
				return ""
			}
			d, err := hl7.ReadMDM(m)
			if err != nil {
				t.Errorf("the engine got no document: %v", err)
			}
			words, ok := filing.Words([]byte(hl7.TextOf(d.Content)))
			if !ok {
				t.Error("the document does not say where its words end")
			}
			return string(words)
		},
	}
}

// TestConformance runs the suite in both modes of acknowledgement.
func TestConformance(t *testing.T) {
	for name, mode := range map[string][2]hl7.When{"original": {}, "enhanced": {hl7.Always, hl7.Always}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ehrtest.Run(t, ehrtest.Harness{Strategy: connector.AsMDM, Threads: true, Start: func(t *testing.T) *ehrtest.Rig { return rig(t, mode[0], mode[1]) }})
		})
	}
}

func TestTexts(t *testing.T) {
	ehrtest.Texts(t, ehrtest.Harness{Strategy: connector.AsMDM, Start: func(t *testing.T) *ehrtest.Rig { return rig(t, "", "") }})
}
