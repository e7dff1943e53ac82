package app_test

import (
	"context"
	"net"
	"net/netip"
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

func newDocEngine(t *testing.T, ip string) *docEngine {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
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

// county configures an interface engine alone; more are further keys of its connection.
func (h *house) county(address string, more ...string) {
	h.write("chartwire.yaml", `
server: {public_url: "https://connector.clinic.example"}
identity: {base: "`+base+`"}
seal: {keyset_file: keyset.json}
ehrs:
  - name: county
    type: hl7v2
    address: "`+address+`"
    `+strings.Join(more, "\n    ")+`
    timezone: America/Denver
    organization: Organization/county
    match: trust-identifiers
    hl7: {sending: CHARTWIRE^CLINIC, receiving: EHR^COUNTY, ack: original, authorities: {"urn:oid:1.2": {namespace: COUNTY}}}
channels:
  - {name: texting, type: webhook, class: secure, ehr: county, secret_file: texting.secret, consent: assumed}
`)
}

// filesAt runs the house, and an event of its platform becomes a document at the engine.
func (h *house) filesAt(engine *docEngine) {
	t := h.t
	t.Helper()
	filed := &filedCount{kind: connector.ItemExchange, want: 1, as: connector.Filed, done: make(chan struct{}), seen: map[string]bool{}}
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
}

// TestInterfaceEngine: an event that names the patient by an identifier alone is filed with an interface engine, by a
// configuration as an administrator writes one; that it goes out in plaintext is said in the log.
func TestInterfaceEngine(t *testing.T) {
	engine := newDocEngine(t, "127.0.0.1")
	h := newHouse(t)
	h.county("mllp://" + engine.address)
	h.filesAt(engine)
	if log := h.log.String(); !strings.Contains(log, "PLAINTEXT: this EHR connection sends patients' data unencrypted to a port of this machine") || strings.Contains(log, "MRN204502") {
		t.Errorf("the log: %s", log)
	}
}

// TestPlaintextToAnotherMachine: documents go to an address in a network that was named for it, and each start says so aloud,
// before anything is sent. That nothing goes outside is egress's to show.
func TestPlaintextToAnotherMachine(t *testing.T) {
	const said = "PLAINTEXT: this EHR connection sends patients' data UNENCRYPTED to another machine"
	t.Run("documents", func(t *testing.T) {
		ip := privateAddress(t)
		engine := newDocEngine(t, ip.String())
		h := newHouse(t)
		h.county("mllp://"+engine.address, "plaintext_to: ["+netip.PrefixFrom(ip, ip.BitLen()).String()+"]")
		h.filesAt(engine)
		if log := h.log.String(); !strings.Contains(log, said) || strings.Contains(log, "MRN204502") {
			t.Errorf("the log: %s", log)
		}
	})
	t.Run("start", func(t *testing.T) {
		h := newHouse(t)
		h.county("mllp://engine.invalid:2575", "plaintext_to: [10.20.30.0/24]")
		h.run()
		if log := h.log.String(); !strings.Contains(log, said) || !strings.Contains(log, "10.20.30.0/24") {
			t.Errorf("the log: %s", log)
		}
	})
}

// privateAddress is an address of this machine in a private network, so that what is sent there passes for another machine's.
func privateAddress(t *testing.T) netip.Addr {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsPrivate() {
			return p.Addr()
		}
	}
	t.Skip("SKIPPED, NOT RUN: this machine has no address in a private network, so nothing was filed to another machine in plaintext")
	return netip.Addr{}
}
