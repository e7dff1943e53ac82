package hl7v2

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/hl7/mllp"
	"github.com/chartwire/chartwire/connector"
)

// Options is what one connection needs. Dial is required to reach the engine; planning needs none of it.
type Options struct {
	Policy filing.Policy
	// Resends says that the engine knows a repeat by MSH-10 and answers it as it answered the first (hl7.resend: same-id).
	Resends bool
	// Echo lets Check send the engine one message without a patient, to see it answer (hl7.echo: NMQ^N01).
	Echo bool
	// Dial makes a connection to the engine, TLS where that is configured. A TLS connection may come before its handshake.
	Dial func(ctx context.Context) (net.Conn, error)
	// Fence is asked just before a message's first byte; its error ends the attempt with nothing sent. nil lets it go.
	Fence func(ctx context.Context) error
	Now   func() time.Time // when an answer of the engine is confirmed, and an echo sent; required with Dial
}

// EHR is one connection. One message at a time is under way on it, in the order they come. It is safe for concurrent use.
type EHR struct {
	policy  filing.Policy
	resends bool
	echo    bool
	client  *mllp.Client
	dial    func(ctx context.Context) (net.Conn, error)
	now     func() time.Time
}

var (
	_ connector.EHR        = (*EHR)(nil)
	_ connector.VisitNamer = (*EHR)(nil)
)

// New makes the adapter. It makes no connection.
func New(o Options) *EHR {
	e := &EHR{policy: o.Policy, resends: o.Resends, echo: o.Echo, dial: o.Dial, now: o.Now}
	if e.now == nil {
		e.now = func() time.Time { return time.Time{} } // nothing is called
	}
	if o.Dial != nil {
		// An application's answer is waited for on the connection the message went out on; one that comes on another is not
		// known here, and the outcome stays open.
		e.client = mllp.NewClient(mllp.ClientConfig{Dial: o.Dial, Ready: o.Fence, SameConnection: true, Confirm: confirm(o.Policy.MDM.Header, o.Now)})
	}
	return e
}

// Close ends the connection and whatever waits on it.
func (e *EHR) Close() error {
	if e.client != nil {
		e.client.Close()
	}
	return nil
}

// Planned is what the connection plans with: the engine declares nothing, so nothing is learned of it.
func (e *EHR) Planned() connector.Traits {
	return connector.Traits{Strategy: connector.AsMDM, Echo: connector.EchoNone, Resends: e.resends, Replaces: true}
}

// Open connects. The error is a *connector.Retry where the engine cannot be reached.
func (e *EHR) Open(ctx context.Context) (connector.Traits, error) {
	if e.client == nil {
		return connector.Traits{}, &connector.Retry{Reason: connector.EHRUnavailable, Cause: errors.New("the connection has no way to its engine")}
	}
	if err := e.client.Connect(ctx); err != nil {
		return connector.Traits{}, &connector.Retry{Reason: connector.EHRUnavailable, Cause: err}
	}
	return e.Planned(), nil
}

// patientPrefix is what the references of [filing.PatientReference] begin with.
const patientPrefix = "Patient/"

// Match believes the channel: the patient is who has the identifier (match: trust-identifiers). Nothing is asked of the engine.
// Of several identifiers with an assigning authority the first by [filing.Assigned] names the patient, a medical record number
// before others. ErrNoMatch: none has one. ErrAmbiguous: two of one authority and type differ.
func (e *EHR) Match(_ context.Context, k connector.PatientKey) (connector.Patient, error) {
	if len(k.Identifiers) == 0 {
		if !ours(k.Reference) {
			return connector.Patient{}, connector.ErrNoMatch
		}
		return connector.Patient{Reference: k.Reference, Active: true}, nil // it was bound to before
	}
	all := filing.Assigned(e.policy.MDM.Authorities, k)
	if len(all) == 0 {
		return connector.Patient{}, connector.ErrNoMatch
	}
	for i := 1; i < len(all); i++ { // sorted: those of one authority and type stand together
		if all[i].Authority == all[i-1].Authority && all[i].Type == all[i-1].Type {
			return connector.Patient{}, connector.ErrAmbiguous
		}
	}
	return connector.Patient{Reference: filing.PatientReference(all[0]), Active: true, Identifiers: k.Identifiers}, nil
}

// ours says whether a reference has the form of those Match gives: 20 characters of base32.
func ours(reference string) bool {
	id, ok := strings.CutPrefix(reference, patientPrefix)
	return ok && len(id) == 20 && strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// Plan gives the messages of x by policy.
func (e *EHR) Plan(x connector.Exchange) ([]connector.Write, error) {
	return filing.Plan(e.policy, e.Planned(), x)
}

// NamesVisit implements connector.VisitNamer.
func (e *EHR) NamesVisit(visit connector.Identifier) bool { return e.policy.MDM.NamesVisit(visit) }

// Find cannot know: an engine is not asked what is on the chart.
func (e *EHR) Find(context.Context, connector.Write) (connector.Receipt, error) {
	return connector.Receipt{}, connector.ErrNotSearchable
}

// Retract says what a person has to do: which document is meant is not ours to change once it is in the chart.
func (e *EHR) Retract(_ connector.Write, reference string) (connector.Write, error) {
	return connector.Write{}, &connector.Refused{Reason: connector.NotExpressible, Detail: connector.Protect(
		"Chartwire cannot take back a document it sent to this EHR. Mark document " + strings.TrimPrefix(reference, kind+"/") +
			" (TXA-12) as entered in error in the chart by hand.")}
}

// confirm acknowledges an application's answer that asks for it.
func confirm(ours hl7.MSH, now func() time.Time) func(hl7.Ack) ([]byte, error) {
	return func(a hl7.Ack) ([]byte, error) {
		if a.Header.ControlID == "" {
			return nil, errors.New("the answer has no MSH-10 to confirm")
		}
		c := hl7.AckTo(a.Header, hl7.AckCA, connector.ControlID(connector.Identifier{System: "confirm", Value: a.Header.ControlID}), hl7.At(now()))
		if c.Header.SendingApplication == (hl7.HD{}) {
			c.Header.SendingApplication, c.Header.SendingFacility = ours.SendingApplication, ours.SendingFacility
		}
		m, err := c.Message()
		if err != nil {
			return nil, err
		}
		return m.Encode()
	}
}
