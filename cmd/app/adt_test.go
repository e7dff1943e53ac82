package app_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/hl7/mllp"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// identity is a certificate for this machine that is its own authority, in PEM.
func identity(t *testing.T) (cert, key string) {
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
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}

// fed is a house whose EHR is an interface engine that takes documents and sends ADT messages.
type fed struct {
	*house
	engine         *docEngine
	states         chan connector.Item
	sequence       map[string]int // of each thread, the last
	ours, oursKey  string         // our certificate
	their, theyKey string         // the engine's
}

func (f *fed) Attempted(string, string, connector.Reason) {}
func (f *fed) Alarm(string, connector.Reason, string)     {}
func (f *fed) Moved(_, _ string, i connector.Item)        { f.states <- i }

func newFed(t *testing.T, adt string) *fed {
	f := &fed{house: newHouse(t), engine: newDocEngine(t, "127.0.0.1"), states: make(chan connector.Item, 1000), sequence: map[string]int{}}
	f.ours, f.oursKey = identity(t)
	f.their, f.theyKey = identity(t)
	f.write("ours.pem", f.ours)
	f.write("ours.key", f.oursKey)
	f.write("engine.pem", f.their)
	f.write("chartwire.yaml", `
server: {public_url: "https://connector.clinic.example"}
identity: {base: "`+base+`"}
seal: {keyset_file: keyset.json}
ehrs:
  - name: county
    type: hl7v2
    address: mllp://`+f.engine.address+`
    timezone: America/Denver
    organization: Organization/county
    match: adt
    adt: {listen: "127.0.0.1:0", sending: ADT^COUNTY`+adt+`}
    hl7:
      sending: CHARTWIRE^CLINIC
      receiving: EHR^COUNTY
      ack: original
      authorities: {"urn:oid:1.2": {namespace: COUNTY}, "urn:oid:1.3": {namespace: STATE, type: SS}, "urn:oid:1.2.9": {namespace: COUNTY, type: VN}}
channels:
  - {name: texting, type: webhook, class: secure, ehr: county, secret_file: texting.secret, consent: assumed}
`)
	f.observe = f
	f.run()
	return f
}

const mutualTLS = `, tls: {cert_file: ours.pem, key_file: ours.key, ca_file: engine.pem}`

// says posts a message of a thread about a patient, who has a number of a system, a name and a birth date.
func (f *fed) says(thread, message, system, number, family, birth string) {
	f.t.Helper()
	f.sequence[thread]++
	body := fmt.Sprintf(`{"type":"message.created","timestamp":"2026-11-22T18:00:01Z","data":{"thread":{"id":%q,"encounter":{"system":"urn:oid:1.2.9","value":"V1"}},`+
		`"patient":{"identifiers":[{"system":%q,"value":%q}],"name":{"family":%q,"given":["Ann"]},"birth_date":%q},"message":{"id":%q,"sequence":%d,`+
		`"direction":"from_patient","sent_at":"2026-11-22T12:00:00-06:00","sender":{"role":"patient","id":"u-1"},"text":"It itches badly."}}}`,
		thread, system, number, family, birth, message, f.sequence[thread])
	if code, said := f.post("e-"+message, body, channelKey, clock.System.Now()); code != 202 {
		f.t.Fatalf("answered %d: %s", code, said)
	}
}

// is waits until the exchange of a message is in a state, for a reason. What is held of a new thread is its header.
func (f *fed) is(message string, state connector.ItemState, reason connector.Reason) {
	f.t.Helper()
	for late := time.After(20 * time.Second); ; {
		select {
		case i := <-f.states:
			theirs := i.MsgKey == message && i.Kind == connector.ItemExchange || i.Kind == connector.ItemHeader && state == connector.Held
			if theirs && i.State == state && i.Reason == reason {
				return
			}
		case <-late:
			f.t.Fatalf("%s is not %s for %q: %s", message, state, reason, f.log.String())
		}
	}
}

// adt is an ADT message.
func adt(event, control, at string, segments ...string) string {
	return "MSH|^~\\&|ADT|COUNTY|CW|CLINIC|" + at + "||ADT^" + event + "|" + control + "|P|2.5.1\rEVN|" + event + "|" + at + "\r" + strings.Join(segments, "\r") + "\r"
}

// send sends an ADT message with a certificate and gives how it was answered. The error is one of the connection.
func (f *fed) send(message, cert, key string) (string, error) {
	f.t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(f.ours))
	own, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		f.t.Fatal(err)
	}
	return f.sendOver(message, func(ctx context.Context) (net.Conn, error) {
		return (&tls.Dialer{Config: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{own}}}).DialContext(ctx, "tcp", f.app.ADT("county"))
	})
}

func (f *fed) sendOver(message string, dial func(context.Context) (net.Conn, error)) (string, error) {
	c := mllp.NewClient(mllp.ClientConfig{Dial: dial, SameConnection: true})
	defer c.Close()
	ctx, cancel := context.WithTimeout(f.t.Context(), 10*time.Second)
	defer cancel()
	a, err := c.Send(ctx, []byte(message))
	if err != nil || a.Application == nil {
		return "", err
	}
	return string(a.Application.Code), nil
}

func (f *fed) plain(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", f.app.ADT("county"))
}

// taken is the next document at the engine.
func (f *fed) taken() hl7.MDM {
	f.t.Helper()
	select {
	case d := <-f.engine.taken:
		return d
	case <-time.After(20 * time.Second):
		f.t.Fatalf("nothing came to the engine: %s", f.log.String())
		return hl7.MDM{}
	}
}

// TestADTFeed: what the platform says of a patient is filed once the EHR's own feed has told of the same patient, and held where
// they differ or the patient was merged into another one.
func TestADTFeed(t *testing.T) {
	f := newFed(t, mutualTLS)
	tell := func(message string) {
		t.Helper()
		if got, err := f.send(message, f.their, f.theyKey); err != nil || got != "AA" {
			t.Fatalf("answered %q: %v", got, err)
		}
	}
	const system = "urn:oid:1.2"
	f.says("t-1", "m-1", system, "100", "Roe", "1980-02-29")
	f.is("m-1", connector.Held, connector.NoPatient)
	registered := adt("A04", "C1", "20261120100000", "PID|1||100^^^COUNTY^MR~S9^^^STATE^SS||Roe^Ann||19800229", "PV1|1|O|||||||||||||||||V1")
	tell(registered)
	f.is("m-1", connector.Filed, "")
	if d := f.taken(); d.Patient.Identifiers[0].ID != "100" || d.Visit.Visit.ID != "V1" {
		t.Errorf("filed under %v, visit %q", d.Patient.Identifiers, d.Visit.Visit.ID)
	}

	f.says("t-9", "m-9", "urn:oid:1.3", "S9", "Roe", "1980-02-29") // by another number of the same patient
	f.is("m-9", connector.Filed, "")
	if d := f.taken(); d.Patient.Identifiers[0].ID != "100" || d.Patient.Identifiers[0].Authority.Namespace != "COUNTY" {
		t.Errorf("filed under %v, want the number of the record", d.Patient.Identifiers)
	}

	tell(adt("A04", "C2", "20261120100100", "PID|1||200^^^COUNTY^MR||Poe^Ann||19700101"))
	f.says("t-2", "m-2", system, "200", "Poe", "1971-01-01")
	f.is("m-2", connector.Held, connector.PatientDisagrees)
	tell(adt("A08", "C3", "20261120100200", "PID|1||200^^^COUNTY^MR||Poe^Ann||19710101"))
	f.is("m-2", connector.Filed, "")
	if d := f.taken(); d.Patient.Identifiers[0].ID != "200" || d.Visit.Visit.ID != "" {
		t.Errorf("filed under %v, visit %q: it is another patient's", d.Patient.Identifiers, d.Visit.Visit.ID)
	}

	tell(adt("A40", "C4", "20261120100300", "PID|1||200^^^COUNTY^MR||Poe^Ann||19710101", "MRG|100^^^COUNTY^MR"))
	tell(registered) // sent again, it makes nobody a patient anew
	f.says("t-1", "m-3", system, "100", "Roe", "1980-02-29")
	f.is("m-3", connector.Held, connector.PatientInactive)
	f.says("t-2", "m-4", system, "200", "Poe", "1971-01-01")
	f.is("m-4", connector.Filed, "")
	if d := f.taken(); d.Patient.Identifiers[0].ID != "200" {
		t.Errorf("filed under %v", d.Patient.Identifiers)
	}
	if log := f.log.String(); strings.Contains(log, "Roe") || strings.Contains(log, "S9") || strings.Contains(log, "ADT feed takes") {
		t.Errorf("the log: %s", log)
	}
}

// TestADTFeedIsClosedToOthers: with mutual TLS nobody is heard whose certificate is another's, or who speaks no TLS; and each is
// counted in the audit log.
func TestADTFeedIsClosedToOthers(t *testing.T) {
	f := newFed(t, mutualTLS)
	message := adt("A04", "C1", "20261120100000", "PID|1||100^^^COUNTY^MR||Roe^Ann||19800229")
	cert, key := identity(t)
	if got, err := f.send(message, cert, key); err == nil || got != "" {
		t.Errorf("another's certificate was answered %q, %v", got, err)
	}
	if got, err := f.sendOver(message, f.plain); err == nil || got != "" {
		t.Errorf("plaintext was answered %q, %v", got, err)
	}
	f.says("t-1", "m-1", "urn:oid:1.2", "100", "Roe", "1980-02-29")
	f.is("m-1", connector.Held, connector.NoPatient)
	if got, err := f.send(message, f.their, f.theyKey); err != nil || got != "AA" {
		t.Errorf("the engine's own was answered %q, %v", got, err)
	}
	f.is("m-1", connector.Filed, "")
}

// TestADTFeedInPlaintext: on this machine it is taken, and said aloud.
func TestADTFeedInPlaintext(t *testing.T) {
	f := newFed(t, "")
	if got, err := f.sendOver(adt("A04", "C1", "20261120100000", "PID|1||100^^^COUNTY^MR||Roe^Ann||19800229"), f.plain); err != nil || got != "AA" {
		t.Errorf("answered %q, %v", got, err)
	}
	if log := f.log.String(); !strings.Contains(log, "PLAINTEXT: this ADT feed") || strings.Contains(log, "Roe") {
		t.Errorf("the log: %s", log)
	}
}
