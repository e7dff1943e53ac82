package app_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/hl7/mllp"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// docEngine is an interface engine that takes documents.
type docEngine struct {
	address string
	taken   chan hl7.MDM
}

func newDocEngine(t *testing.T) *docEngine {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &docEngine{address: l.Addr().String(), taken: make(chan hl7.MDM, 10)}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- (&mllp.Server{Handle: e.handle}).Serve(ctx, l) }()
	t.Cleanup(func() { stop(); <-ended })
	return e
}

func (e *docEngine) handle(_ context.Context, message []byte) ([][]byte, error) {
	m, err := hl7.Parse(message, hl7.Options{})
	if err != nil {
		return nil, err
	}
	d, err := hl7.ReadMDM(m)
	if err != nil {
		return nil, err
	}
	e.taken <- d
	ack, err := hl7.AckTo(d.Header, hl7.AckAA, "A1", d.Header.Time).Message()
	if err != nil {
		return nil, err
	}
	raw, err := ack.Encode()
	return [][]byte{raw}, err
}

// TestInterfaceEngine: an event that names the patient by an identifier alone is filed with an interface engine, by a
// configuration as an administrator writes one; that it goes out in plaintext is said in the log.
func TestInterfaceEngine(t *testing.T) {
	engine := newDocEngine(t)
	h := newHouse(t)
	h.write("chartwire.yaml", `
server: {public_url: "https://connector.clinic.example"}
identity: {base: "`+base+`"}
seal: {keyset_file: keyset.json}
ehrs:
  - name: county
    type: hl7v2
    address: mllp://`+engine.address+`
    timezone: America/Denver
    organization: Organization/county
    match: trust-identifiers
    hl7: {sending: CHARTWIRE^CLINIC, receiving: EHR^COUNTY, ack: original, authorities: {"urn:oid:1.2": {namespace: COUNTY}}}
channels:
  - {name: texting, type: webhook, class: secure, ehr: county, secret_file: texting.secret, consent: assumed}
`)
	filed := &filedCount{want: 1, as: connector.Filed, done: make(chan struct{}), seen: map[string]bool{}}
	h.observe = filed
	h.run()
	if code, said := h.post("e-1", itches, channelKey, clock.System.Now()); code != 202 {
		t.Fatalf("answered %d: %s", code, said)
	}
	select {
	case d := <-engine.taken:
		if d.Event != "T02" || d.Patient.Identifiers[0].ID != "MRN204502" || d.Patient.Identifiers[0].Authority.Namespace != "COUNTY" || d.Header.Enhanced() {
			t.Errorf("the engine took %s of %v", d.Event, d.Patient.Identifiers)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("nothing came to the engine; parked: %v; %s", h.parked(), h.log.String())
	}
	select {
	case <-filed.done:
	case <-time.After(20 * time.Second):
		t.Errorf("it is acknowledged and not filed: %s", h.log.String())
	}
	if log := h.log.String(); !strings.Contains(log, "PLAINTEXT") || strings.Contains(log, "MRN204502") {
		t.Errorf("the log: %s", log)
	}
}
