package adapters_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters"
	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/hl7/mllp"
	"github.com/chartwire/chartwire/config"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/deliver"
	"github.com/chartwire/chartwire/connector/egress"
	"github.com/chartwire/chartwire/connector/ingest"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store"
)

const county = "urn:oid:2.16.840.1.113883.19.5"

func legacy() config.EHR {
	return config.EHR{Name: "county", Type: config.HL7v2, Timezone: "America/Denver", Organization: "Organization/county", Match: config.MatchTrustIdentifiers,
		Filing: config.Filing{NoteType: config.Coding{System: "http://loinc.org", Code: "34748-4"}, Encounter: config.Encounter{Policy: config.EncounterWhenKnown}},
		Limits: config.Limits{InlineBytes: 1 << 20},
		HL7: &config.HL7{Sending: "CHARTWIRE^CLINIC", Receiving: "EHR^COUNTY", ProcessingID: "T", PatientClass: "O", DocumentType: "PR", Completion: "DO",
			Ack: config.AckEnhanced, Resend: config.ResendPark, Authorities: map[string]config.Authority{county: {Namespace: "COUNTY", Type: "MR"}}}}
}

// TestHL7v2NotAvailable: what this version lacks is refused by name, with what to write instead.
func TestHL7v2NotAvailable(t *testing.T) {
	for want, change := range map[string]func(*config.EHR){
		"when-known, required or never": func(c *config.EHR) { c.Filing.Encounter.Policy = config.EncounterRecent },
		"hl7 is missing":                func(c *config.EHR) { c.HL7 = nil },
	} {
		c := legacy()
		change(&c)
		if _, err := adapters.EHR(adapters.EHRParts{Config: c, Base: "urn:b"}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "county") {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestHL7v2ADT: a connection that knows its patients by an ADT feed plans without one, names no visit nobody told of, and is the
// only kind that has a feed.
func TestHL7v2ADT(t *testing.T) {
	const visits = "urn:oid:1.2.9"
	plan := func(c config.EHR, encounter string) string {
		t.Helper()
		c.HL7.Authorities[visits] = config.Authority{Namespace: "COUNTY", Type: "VN"}
		ehr, err := adapters.EHR(adapters.EHRParts{Config: c, Base: "urn:b", Now: clock.System.Now})
		if err != nil {
			t.Fatal(err)
		}
		x := connector.Exchange{Kind: connector.ItemExchange, Base: "urn:b", Channel: "texting", Revision: 1, Received: sent, Encounter: encounter,
			Thread: connector.ThreadInfo{ID: "t-1", Encounter: &connector.Identifier{System: visits, Value: "V1"}},
			Who:    connector.PatientKey{Identifiers: []connector.Identifier{{System: county, Value: "MRN-1"}}}, Message: *message("m-1", 1, connector.FromPatient, "hello").Message}
		writes, err := ehr.Plan(x)
		if err != nil || len(writes) != 1 {
			t.Fatalf("%d writes: %v", len(writes), err)
		}
		return string(writes[0].Body)
	}
	trusts, fed := legacy(), legacy()
	fed.Filing.Encounter.Policy = config.EncounterOpen // which its feed tells of
	fed.Match, fed.ADT = config.MatchADT, &config.ADT{Listen: "127.0.0.1:0", Sending: "ADT^COUNTY"}
	for name, c := range map[string]struct {
		config    config.EHR
		encounter string
		want      bool
	}{"the platform is believed": {trusts, "", true}, "nobody told of it": {fed, "", false}, "it was told of": {fed, filing.VisitReference(hl7.CX{ID: "V1", Authority: hl7.HD{Namespace: "COUNTY"}}), true}} {
		if got := strings.Contains(plan(c.config, c.encounter), "V1^^^COUNTY^VN"); got != c.want {
			t.Errorf("%s: the visit is named: %v", name, got)
		}
	}
	if adapters.ADT(adapters.EHRParts{Config: fed}) == nil || adapters.ADT(adapters.EHRParts{Config: trusts}) != nil {
		t.Error("the feeds are not where they are configured")
	}
}

// TestHL7v2Resends: only where the configuration says that the engine knows repeats.
func TestHL7v2Resends(t *testing.T) {
	for resend, want := range map[config.Resend]bool{config.ResendPark: false, config.ResendSameID: true} {
		c := legacy()
		c.HL7.Resend = resend
		ehr, err := adapters.EHR(adapters.EHRParts{Config: c, Base: "urn:b"})
		if err != nil {
			t.Fatal(err)
		}
		if got := ehr.(interface{ Planned() connector.Traits }).Planned().Resends; got != want {
			t.Errorf("%s: %v", resend, got)
		}
	}
}

// receiver is an interface engine behind mutual TLS that keeps what it takes.
type receiver struct {
	t      *testing.T
	mu     sync.Mutex
	taken  []hl7.MDM
	silent map[string]bool // MSH-10 of messages it takes and never answers
}

func (r *receiver) handle(_ context.Context, message []byte) ([][]byte, error) {
	m, err := hl7.Parse(message, hl7.Options{})
	if err != nil {
		return nil, err
	}
	d, err := hl7.ReadMDM(m)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.taken = append(r.taken, d)
	silent := r.silent[d.Header.ControlID]
	r.mu.Unlock()
	if silent {
		return nil, net.ErrClosed
	}
	var out [][]byte
	for _, code := range []hl7.AckCode{hl7.AckCA, hl7.AckAA} {
		m, err := hl7.AckTo(d.Header, code, string(code), d.Header.Time).Message()
		if err != nil {
			return nil, err
		}
		raw, err := m.Encode()
		if err != nil {
			return nil, err
		}
		out = append(out, raw)
	}
	return out, nil
}

func (r *receiver) messages() []hl7.MDM {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]hl7.MDM(nil), r.taken...)
}

// identity makes a certificate for this machine that is its own authority, in PEM.
func identity(t *testing.T) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// listen starts the engine and gives the guarded way to it.
func (r *receiver) listen() func(context.Context) (net.Conn, error) {
	r.t.Helper()
	cert, key := identity(r.t)
	own, err := tls.X509KeyPair(cert, key)
	if err != nil {
		r.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- (&mllp.Server{Handle: r.handle}).Serve(ctx, tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}))
	}()
	r.t.Cleanup(func() { stop(); <-ended })
	guard, err := egress.New(egress.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(l.Addr().String())
	dial, err := guard.Stream("ehr county", egress.Endpoint{Host: host, Port: port, TLS: &egress.TLS{CA: cert, Cert: cert, Key: key}})
	if err != nil {
		r.t.Fatal(err)
	}
	return dial
}

// moves tells of each state an item takes.
type moves struct{ states chan connector.Item }

func (moves) Attempted(string, string, connector.Reason)      {}
func (moves) Alarm(string, connector.Reason, string)          {}
func (m moves) Moved(_ string, _ string, item connector.Item) { m.states <- item }

// TestHL7v2Files: events of a thread, through the store and the engine's lanes, become documents at an interface engine over
// mutual TLS; a message that is taken and never answered is left to a person and not sent again.
func TestHL7v2Files(t *testing.T) {
	const lease, deadline = time.Minute, time.Minute
	r := &receiver{t: t, silent: map[string]bool{control("t-1/m-3"): true}}
	c, passes := clock.NewFake(clock.System.Now()), 20*time.Millisecond // at each look, so that no lease ends while the machine stands still
	ehr, err := adapters.EHR(adapters.EHRParts{Config: legacy(), Base: "urn:b", Dial: r.listen(), Fence: egress.CheckFence, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := seal.Generate(time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), "sqlite::memory:", store.Options{Sealer: keys, Clock: c, Lease: lease})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(t.Context(), "", func(tx connector.Tx) error { return tx.PutEHR(connector.EHRRow{ID: "E", Name: "county"}) }); err != nil {
		t.Fatal(err)
	}
	seen := moves{make(chan connector.Item, 1000)}
	engine, err := deliver.New(deliver.Options{Store: db, Clock: c, Observe: seen,
		Connections: []deliver.Connection{{ID: "E", Name: "county", EHR: ehr, Base: "urn:b", Mode: "live", Concurrent: 1, TrustIDs: true, Deadline: deadline}},
		Lines:       []deliver.Line{{Name: "texting", EHR: "E", Channel: silence{}, Receipts: "delivered", GapWait: time.Minute}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	defer func() { stop(); <-ended }()
	in := ingest.New(db, c.Now)
	accept := func(ev connector.Event) {
		t.Helper()
		ev.Timestamp, ev.Thread = sent, &connector.ThreadInfo{ID: "t-1", Subject: "Readings"}
		ev.Patient = &connector.PatientKey{Identifiers: []connector.Identifier{{System: county, Value: "MRN-1"}}, Name: &connector.HumanName{Family: "Cho", Given: []string{"Daniel"}}}
		ev.Raw = []byte(ev.Key)
		if _, err := in.Accept(t.Context(), ingest.Channel{Name: "texting", EHR: "E", Consent: "assumed", Receipts: "delivered"}, ev); err != nil {
			t.Fatal(err)
		}
	}
	wait := func(key string, kind connector.ItemKind, want connector.ItemState, reason connector.Reason) {
		t.Helper()
		for late := time.After(2 * time.Minute); ; {
			select {
			case i := <-seen.states:
				if i.MsgKey == key && i.Kind == kind && i.State == want && (reason == "" || i.Reason == reason) {
					return
				}
			case <-late:
				t.Fatalf("%s of %s is not %s", kind, key, want)
			case <-time.After(20 * time.Millisecond):
				c.Advance(passes)
			}
		}
	}
	words := `he said "{patient}" and {header}` + "\nMSH|^~\\&|"
	accept(message("m-1", 1, connector.FromPatient, words))
	wait("m-1", connector.ItemExchange, connector.Filed, "")
	accept(message("m-2", 2, connector.Internal, "not for the chart"))
	wait("m-2", connector.ItemExchange, connector.NotDue, "")
	accept(connector.Event{Key: "c", Type: connector.MessageCorrected, MessageID: "m-1", Correction: &connector.Correction{Version: 2, Text: "other words", At: sent.Add(time.Minute)}})
	wait("m-1", connector.ItemCorrection, connector.Filed, "")
	accept(connector.Event{Key: "r", Type: connector.MessageRetracted, MessageID: "m-1", Retraction: &connector.Retraction{At: sent.Add(time.Hour), Reason: "wrong thread"}})
	wait("m-1", connector.ItemRetraction, connector.Filed, "")
	accept(message("m-3", 3, connector.FromPatient, "unanswered"))
	wait("m-3", connector.ItemExchange, connector.Unknown, "")
	passes = lease + deadline // until then it may still arrive
	wait("m-3", connector.ItemExchange, connector.Parked, connector.NotSearchable)
	passes = 20 * time.Millisecond
	accept(message("m-4", 4, connector.FromPatient, "after it"))
	wait("m-4", connector.ItemExchange, connector.Filed, "")

	var chain []string
	for _, d := range r.messages() {
		chain = append(chain, d.Event+" "+strings.TrimPrefix(d.TXA.Document.ID, control("t-1/m-1"))+" "+strings.TrimPrefix(d.TXA.Parent.ID, control("t-1/m-1")))
		if d.Patient.Identifiers[0].ID != "MRN-1" || d.Header.ProcessingID != "T" {
			t.Errorf("%s is of %v", d.Event, d.Patient.Identifiers)
		}
	}
	want := "T02 -v1 ,T10 -v2 -v1,T10 -retracted -v2,T02 " + control("t-1/m-3") + "-v1 ,T02 " + control("t-1/m-4") + "-v1 "
	if got := strings.Join(chain, ","); got != want {
		t.Errorf("the engine took\n%s, want\n%s", got, want)
	}
	if got, ok := filing.Words([]byte(hl7.TextOf(r.messages()[0].Content))); !ok || string(got) != words {
		t.Errorf("the words are %q", got)
	}
	var thread connector.Thread
	if err := db.View(t.Context(), func(tx connector.Tx) (err error) { thread, err = tx.ThreadByExt("E", "texting", "t-1"); return err }); err != nil || thread.Bound.How != "trusted" {
		t.Errorf("bound by %q: %v", thread.Bound.How, err)
	}
}

var sent = time.Date(2026, 11, 22, 13, 3, 11, 0, time.FixedZone("", -5*3600))

func message(id string, seq int64, way connector.Direction, text string) connector.Event {
	return connector.Event{Key: id, Type: connector.MessageCreated, Message: &connector.Message{ID: id, Sequence: seq, Direction: way, SentAt: sent,
		Sender: connector.Participant{Role: connector.RoleStaff, ID: "s"}, Recipients: []connector.Participant{{Role: connector.RolePool, ID: "nurses"}}, Text: text}}
}

// silence is a channel nothing is sent on.
type silence struct{}

func (silence) Decode(connector.Inbound) ([]connector.Event, error) { return nil, nil }
func (silence) Send(context.Context, connector.Outgoing) (connector.Handover, error) {
	return connector.Handover{}, &connector.Refused{Reason: connector.SendRefused}
}

// control is MSH-10 of what has this value in the channel of these tests.
func control(value string) string {
	return connector.ControlID(connector.Identifier{System: "urn:b/texting/message", Value: value})
}
