package web_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/ingest"
	"github.com/chartwire/chartwire/connector/seal"
	"github.com/chartwire/chartwire/connector/store"
	"github.com/chartwire/chartwire/connector/web"
)

var start = time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)

const (
	mercy, county = "E-MERCY", "E-COUNTY" // ehr_ids
	secret        = "the channel's secret"
	notifySecret  = "the hook's secret"
	ana, ben      = "Practitioner/prac-ana", "Practitioner/prac-ben"
	maxEvent      = 64 << 10
	patientZero   = "pt-zero" // the EHR cannot be asked for this one
)

// world is a web.Server on a real store and a real ingest, with a small signing channel.
type world struct {
	t       *testing.T
	store   *spy
	clock   *clock.Fake
	channel *signed
	server  *web.Server
	log     *bytes.Buffer
	told    []string // EHRs that Notify was called for
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: clock.NewFake(start), log: &bytes.Buffer{}}
	sealer, err := seal.Generate(start)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), "sqlite::memory:", store.Options{Sealer: sealer, Clock: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w.store, w.channel = &spy{Store: db}, &signed{clock: w.clock}
	w.update(func(tx connector.Tx) error {
		return errors.Join(tx.PutEHR(connector.EHRRow{ID: mercy, Name: "mercy"}), tx.PutEHR(connector.EHRRow{ID: county, Name: "county"}))
	})
	w.serve(func(*web.Options) {})
	return w
}

// serve builds the server anew with changed options.
func (w *world) serve(change func(*web.Options)) {
	w.t.Helper()
	line := func(name, ehr string) web.Channel {
		return web.Channel{Decoder: w.channel, MaxBody: maxEvent,
			Ingest: ingest.Channel{Name: name, EHR: ehr, DefaultPool: "nurse-triage", Consent: "assumed", Receipts: "read"}}
	}
	o := web.Options{
		Store: w.store, Ingest: ingest.New(w.store, w.clock.Now), Clock: w.clock, Version: "test",
		Log:      slog.New(slog.NewTextHandler(w.log, nil)),
		Channels: map[string]web.Channel{"texting": line("texting", mercy), "paging": line("paging", county)},
		EHRs:     map[string]web.EHR{"mercy": {ID: mercy, Name: "mercy", Header: "X-Chartwire-Notify", Secret: notifySecret}, "county": {ID: county, Name: "county", Header: "X-Chartwire-Notify"}},
		Tokens: []web.Token{
			{Name: "desk", Hash: sha256.Sum256([]byte("desk")), EHR: mercy, Role: connector.RoleStaff, Write: true, ActAs: []string{ana}, People: map[string]string{ana: "prac-ana"}},
			{Name: "many", Hash: sha256.Sum256([]byte("many")), EHR: mercy, Role: connector.RoleClinician, Write: true, ActAs: []string{ana, ben}},
			{Name: "reader", Hash: sha256.Sum256([]byte("reader")), EHR: mercy, Role: connector.RoleStaff, ActAs: []string{ana}},
			{Name: "county", Hash: sha256.Sum256([]byte("county")), EHR: county, Role: connector.RoleStaff, Write: true, ActAs: []string{ben}},
		},
		JWKS:    []byte(`{"keys":[{"kty":"EC","kid":"k1","crv":"P-384","x":"eA","y":"eQ"}]}`),
		Notify:  func(ehr string) { w.told = append(w.told, ehr) },
		Patient: patients,
		Metrics: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "chartwire_exchanges 0\n") }),
	}
	change(&o)
	var err error
	if w.server, err = web.New(o); err != nil {
		w.t.Fatal(err)
	}
}

// patients is an EHR with one patient.
func patients(_ context.Context, ehr, reference string) (connector.PatientKey, error) {
	switch {
	case ehr == mercy && reference == "Patient/pt-theo":
		return connector.PatientKey{Reference: reference, Identifiers: []connector.Identifier{{System: "urn:oid:1.2", Value: "MRN1"}},
			Name: &connector.HumanName{Family: "Whitlock", Given: []string{"Theo"}}}, nil
	case ehr == mercy && reference == "Patient/pt-amara":
		return connector.PatientKey{Reference: reference, Identifiers: []connector.Identifier{{System: "urn:oid:1.2", Value: "MRN2"}}}, nil
	case reference == "Patient/"+patientZero:
		return connector.PatientKey{}, &connector.Retry{Reason: connector.EHRUnavailable, Cause: errors.New("connection refused")}
	default:
		return connector.PatientKey{}, connector.ErrNoMatch
	}
}

func (w *world) update(fn func(tx connector.Tx) error) {
	w.t.Helper()
	if err := w.store.Store.Update(context.Background(), "test", fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) view(fn func(tx connector.Tx) error) {
	w.t.Helper()
	if err := w.store.View(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// parked gives the parked items, oldest first.
func (w *world) parked() (out []connector.Item) {
	w.t.Helper()
	w.view(func(tx connector.Tx) (err error) {
		out, err = tx.OpenItems("", []connector.ItemState{connector.Parked}, 100)
		return err
	})
	return out
}

func (w *world) thread(channel, ext string) (t connector.Thread) {
	w.t.Helper()
	w.view(func(tx connector.Tx) (err error) {
		t, err = tx.ThreadByExt(mercy, channel, ext)
		return err
	})
	return t
}

// answer is what came back.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	problem web.Problem // of an error
}

// want fails the test unless the answer has this status, and, of an error, this code.
func (a answer) want(t *testing.T, status int, code string) answer {
	t.Helper()
	if a.status != status || a.problem.Code != code {
		t.Fatalf("answered %d %q, want %d %q: %s", a.status, a.problem.Code, status, code, a.body)
	}
	return a
}

func (a answer) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
}

// do sends a request to the public listener and holds both sides of it to the document. header is name, value, …
func (w *world) do(method, path, body string, header ...string) answer {
	w.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for n := 0; n < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	return w.send(r, body)
}

func (w *world) send(r *http.Request, body string) answer {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.server.Public().ServeHTTP(rec, r)
	a := answer{status: rec.Code, header: rec.Header(), body: rec.Body.Bytes()}
	if a.status >= 400 {
		a.into(w.t, &a.problem)
		if a.problem.Status != a.status || a.header.Get("Content-Type") != "application/problem+json" {
			w.t.Errorf("not a problem of its status: %s", a.body)
		}
	}
	w.holdSecurityHeaders(a.header)
	conform(w.t, r, body, a)
	return a
}

// api is a JSON call with a token ("" for none).
func (w *world) api(token, method, path, body string, header ...string) answer {
	w.t.Helper()
	if token != "" {
		header = append(header, "Authorization", "Bearer "+token)
	}
	if body != "" {
		header = append(header, "Content-Type", "application/json")
	}
	return w.do(method, path, body, header...)
}

// post posts a signed event to channel texting.
func (w *world) post(id, body string) answer {
	w.t.Helper()
	return w.do(http.MethodPost, "/channels/texting/events", body, signature(w.clock.Now(), id, body)...)
}

func signature(at time.Time, id, body string) []string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	return []string{"Content-Type", "application/json", "webhook-id", id, "webhook-timestamp", stamp, "webhook-signature", mac(id, stamp, []byte(body))}
}

func mac(id, stamp string, body []byte) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(id + "." + stamp + "."))
	h.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// signed is a channel as small as one can be: it verifies before it reads, and reads two types of the contract.
type signed struct {
	clock  clock.Clock
	parsed int // bodies it looked into
	fail   any // Decode panics with it
}

func (s *signed) Decode(in connector.Inbound) ([]connector.Event, error) {
	if s.fail != nil {
		panic(s.fail)
	}
	h := http.Header(in.Header)
	id, stamp := h.Get("webhook-id"), h.Get("webhook-timestamp")
	if !hmac.Equal([]byte(h.Get("webhook-signature")), []byte(mac(id, stamp, in.Body))) {
		return nil, &connector.SignatureError{Text: "no signature is right"}
	}
	s.parsed++
	var b struct {
		Type      connector.EventType
		Timestamp time.Time
		Data      struct {
			Thread  *connector.ThreadInfo
			Patient *connector.PatientKey
			Message *connector.Message
			Consent *connector.Consent
		}
	}
	if err := json.Unmarshal(in.Body, &b); err != nil {
		return nil, &connector.DecodeError{Pointer: "/data", Text: "cannot be read"}
	}
	return []connector.Event{{Key: id, Type: b.Type, Timestamp: b.Timestamp, Thread: b.Data.Thread, Patient: b.Data.Patient,
		Message: b.Data.Message, Consent: b.Data.Consent, Raw: in.Body}}, nil
}

func (*signed) Send(context.Context, connector.Outgoing) (connector.Handover, error) {
	return connector.Handover{}, errors.New("web never sends")
}

// said is an event of the contract: a message of a patient.
func said(thread, message, sender, text string) string {
	b, _ := json.Marshal(map[string]any{"type": "message.created", "timestamp": start, "data": map[string]any{
		"thread":  map[string]any{"id": thread, "subject": "Rash"},
		"patient": map[string]any{"identifiers": []any{map[string]any{"system": "urn:oid:1.2", "value": "MRN1"}}},
		"message": map[string]any{"id": message, "sequence": 1, "direction": "from_patient", "sent_at": "2026-11-22T11:59:00-06:00",
			"sender": map[string]any{"role": "patient", "id": sender}, "text": text}}})
	return string(b)
}

// revoked is an event of the contract: a patient's word that nothing may be sent any more.
func revoked(thread string) string {
	b, _ := json.Marshal(map[string]any{"type": "consent.updated", "timestamp": start, "data": map[string]any{
		"thread": map[string]any{"id": thread}, "consent": map[string]any{"state": "revoked", "at": start}}})
	return string(b)
}

// spy records what is audited in committed transactions.
type spy struct {
	connector.Store
	mu       sync.Mutex
	audited  []connector.AuditEntry
	refusals []string // channel, source, why
	fail     error    // of every commit
}

type spyTx struct {
	connector.Tx
	audited  []connector.AuditEntry
	refusals []string
}

func (t *spyTx) Audit(a connector.AuditEntry) error {
	t.audited = append(t.audited, a)
	return t.Tx.Audit(a)
}

func (t *spyTx) CountRefusal(ehr, channel, source, why string, at time.Time) error {
	t.refusals = append(t.refusals, channel+" "+source+" "+why)
	return t.Tx.CountRefusal(ehr, channel, source, why, at)
}

func (s *spy) Update(ctx context.Context, shard string, fn func(connector.Tx) error) error {
	if s.fail != nil {
		return s.fail
	}
	var last *spyTx
	err := s.Store.Update(ctx, shard, func(tx connector.Tx) error {
		last = &spyTx{Tx: tx}
		return fn(last)
	})
	if err == nil {
		s.mu.Lock()
		s.audited = append(s.audited, last.audited...)
		s.refusals = append(s.refusals, last.refusals...)
		s.mu.Unlock()
	}
	return err
}

// last gives the audit row written last.
func (s *spy) last(t *testing.T) connector.AuditEntry {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.audited) == 0 {
		t.Fatal("nothing was audited")
	}
	return s.audited[len(s.audited)-1]
}
