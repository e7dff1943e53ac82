// Package platform is the sandbox's messaging platform, the counterpart of a webhook channel: it takes messages by the
// send contract, serves media, and posts signed events. It refuses what breaks the contract.
package platform

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/contracts"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Options configure a Platform. Secrets and Now are required.
type Options struct {
	// Secrets are the channel's whsec_ secrets: the first signs, any verifies.
	Secrets []string
	// Now is the clock of signatures and events.
	Now func() time.Time
	// Base is the URL this platform is reached at, without a trailing slash; media hang below it.
	Base string
	// HTTPClient posts events; nil means http.DefaultClient.
	HTTPClient *http.Client
	// Receipts are the states a taken message goes through, in order; nil means sent, delivered, read; an empty
	// non-nil slice none.
	Receipts []string
	// Fail, where set, gives the reason a taken message cannot be delivered: a failed status follows in place of the
	// receipts after sent. "" delivers it.
	Fail func(m Message) string
	// Workers is how many events are posted at a time; events of one thread go one after the other. 0 means 8.
	Workers int
	// Wait pauses between tries; nil waits on a timer. It returns the context's error when that ends first.
	Wait func(ctx context.Context, d time.Duration) error
	// Before may answer a request to /messages in place of the platform, which then takes nothing: it returns true.
	Before func(w http.ResponseWriter, r *http.Request) bool
	// After may answer in place of the platform when the message has been taken: it returns true.
	After func(w http.ResponseWriter, r *http.Request) bool
}

// Message is a message Chartwire sent, as channel-send.schema.json describes it.
type Message struct {
	ClientMessageID string          `json:"client_message_id"`
	ThreadID        string          `json:"thread_id,omitempty"`
	Subject         string          `json:"subject,omitempty"`
	Topic           string          `json:"topic,omitempty"`
	Priority        string          `json:"priority,omitempty"`
	Patient         json.RawMessage `json:"patient,omitempty"`
	Sender          json.RawMessage `json:"sender"`
	Recipients      json.RawMessage `json:"recipients"`
	SentAt          string          `json:"sent_at"`
	Text            string          `json:"text,omitempty"`
	Language        string          `json:"language,omitempty"`
	InReplyTo       string          `json:"in_reply_to,omitempty"`
	Attachments     []Attachment    `json:"attachments,omitempty"`
}

// Attachment is an inline attachment of a Message.
type Attachment struct {
	ID          string `json:"id"`
	Filename    string `json:"filename,omitempty"`
	ContentType string `json:"content_type"`
	SHA256      string `json:"sha256,omitempty"`
	Data        string `json:"data"`
}

// Taken is the platform's answer to a message.
type Taken struct {
	MessageID string `json:"message_id"`
	ThreadID  string `json:"thread_id"`
	Sequence  int    `json:"sequence"`
	At        string `json:"at"`
}

// Received is one message the platform took, with what it answered and how often it was posted.
type Received struct {
	Message Message
	Taken   Taken
	Body    []byte
	Times   int
}

// thread is what the platform knows of a conversation.
type thread struct {
	last     int // highest sequence scripted or given
	messages map[string]bool
}

// Platform is the messaging platform: an http.Handler for /messages and /media/{id}, and the driver that posts events. It
// is safe for concurrent use.
type Platform struct {
	opts     Options
	hooks    []*standardwebhooks.Webhook
	mu       sync.Mutex
	threads  map[string]*thread
	received []*Received
	byID     map[string]*Received
	media    map[string]media
	target   string
	outbox   []Delivery // what it has to say of its own
	working  bool
	idle     chan struct{} // closed while the outbox is empty
	attempts []Attempt
	refused  []Attempt
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	serial   int
}

type media struct {
	contentType string
	data        []byte
}

// New makes a Platform that knows no thread. An error says which option is missing or wrong.
func New(opts Options) (*Platform, error) {
	if len(opts.Secrets) == 0 || opts.Now == nil {
		return nil, errors.New("platform: Options.Secrets and Options.Now are required")
	}
	p := &Platform{opts: opts, threads: map[string]*thread{}, byID: map[string]*Received{}, media: map[string]media{}}
	for i, secret := range opts.Secrets {
		hook, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return nil, fmt.Errorf("platform: secret %d is not a whsec_ secret", i+1)
		}
		p.hooks = append(p.hooks, hook)
	}
	if p.opts.HTTPClient == nil {
		p.opts.HTTPClient = http.DefaultClient
	}
	if p.opts.Receipts == nil {
		p.opts.Receipts = []string{"sent", "delivered", "read"}
	}
	if p.opts.Workers == 0 {
		p.opts.Workers = 8
	}
	if p.opts.Wait == nil {
		p.opts.Wait = waitTimer
	}
	p.idle = make(chan struct{})
	close(p.idle)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

func waitTimer(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Close stops posting. It returns when nothing is under way.
func (p *Platform) Close() {
	p.mu.Lock() // the outbox does not start between the two
	p.cancel()
	p.mu.Unlock()
	p.wg.Wait()
}

// AddMedia puts an attachment at Base/media/{id}.
func (p *Platform) AddMedia(id, contentType string, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.media[id] = media{contentType, data}
}

// Received returns every message taken, in order.
func (p *Platform) Received() []Received {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Received, 0, len(p.received))
	for _, r := range p.received {
		out = append(out, *r)
	}
	return out
}

func (p *Platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, isMedia := strings.CutPrefix(r.URL.Path, "/media/")
	switch {
	case isMedia && r.Method == http.MethodGet:
		p.serveMedia(w, id)
	case r.URL.Path == "/messages" && r.Method == http.MethodPost:
		p.serveMessage(w, r)
	case r.URL.Path == "/messages":
		w.Header().Set("Allow", http.MethodPost)
		writeError(w, http.StatusMethodNotAllowed, "messages are posted")
	default:
		writeError(w, http.StatusNotFound, "no such endpoint")
	}
}

func (p *Platform) serveMedia(w http.ResponseWriter, id string) {
	p.mu.Lock()
	m, ok := p.media[id]
	p.mu.Unlock()
	if !ok {
		writeError(w, http.StatusNotFound, "no such attachment")
		return
	}
	w.Header().Set("Content-Type", m.contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(m.data)))
	_, _ = w.Write(m.data)
}

const maxMessage = 64 << 20

func (p *Platform) serveMessage(w http.ResponseWriter, r *http.Request) {
	if p.opts.Before != nil && p.opts.Before(w, r) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
	if err != nil {
		writeError(w, http.StatusRequestEntityTooLarge, "the message is larger than 64 MiB or was cut short")
		return
	}
	taken, status, text := p.take(r, body)
	if text != "" {
		writeError(w, status, text)
		return
	}
	if p.opts.After != nil && p.opts.After(w, r) {
		return
	}
	writeJSON(w, http.StatusOK, taken)
}

// tolerance is how far a signature's timestamp may be from now (Standard Webhooks, "Verifying webhook authenticity").
const tolerance = 5 * time.Minute

// verify checks a signature against every secret, and its timestamp against our clock.
func (p *Platform) verify(body []byte, h http.Header) bool {
	seconds, err := strconv.ParseInt(h.Get(standardwebhooks.HeaderWebhookTimestamp), 10, 64)
	if err != nil || p.opts.Now().Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return false
	}
	for _, hook := range p.hooks {
		if hook.VerifyIgnoringTimestamp(body, h) == nil {
			return true
		}
	}
	return false
}

// take checks a message against the contract and takes it, once per webhook-id. A refusal comes as status and text.
func (p *Platform) take(r *http.Request, body []byte) (Taken, int, string) {
	if !p.verify(body, r.Header) {
		return Taken{}, http.StatusUnauthorized, "the Standard Webhooks signature is missing, wrong or stale"
	}
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return Taken{}, http.StatusUnsupportedMediaType, "Content-Type must be application/json"
	}
	if err := contracts.Send(body); err != nil {
		return Taken{}, http.StatusBadRequest, "the message " + err.Error()
	}
	var m Message
	if err := json.Unmarshal(body, &m); err != nil {
		return Taken{}, http.StatusBadRequest, "the message cannot be read"
	}
	if id := r.Header.Get(standardwebhooks.HeaderWebhookID); id != m.ClientMessageID {
		return Taken{}, http.StatusBadRequest, "webhook-id must be the client_message_id"
	}
	if m.Text == "" && len(m.Attachments) == 0 {
		return Taken{}, http.StatusBadRequest, "a message has text or attachments"
	}
	if text := checkAttachments(m.Attachments); text != "" {
		return Taken{}, http.StatusBadRequest, text
	}
	return p.accept(m, body)
}

func checkAttachments(list []Attachment) string {
	for _, a := range list {
		data, err := base64.StdEncoding.DecodeString(a.Data)
		if err != nil {
			return "an attachment's data is not base64"
		}
		if sum := sha256.Sum256(data); a.SHA256 != "" && a.SHA256 != hex.EncodeToString(sum[:]) {
			return "an attachment's sha256 is not that of its data"
		}
	}
	return ""
}

func (p *Platform) accept(m Message, body []byte) (Taken, int, string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if before := p.byID[m.ClientMessageID]; before != nil {
		before.Times++
		if string(before.Body) != string(body) {
			return Taken{}, http.StatusConflict, "this webhook-id came with another body before"
		}
		return before.Taken, 0, ""
	}
	threadID := m.ThreadID
	p.serial++
	if threadID == "" {
		threadID = fmt.Sprintf("sbx-thread-%d", p.serial)
		p.threads[threadID] = &thread{messages: map[string]bool{}}
	}
	t := p.threads[threadID]
	switch {
	case t == nil:
		return Taken{}, http.StatusNotFound, "no such thread"
	case m.InReplyTo != "" && !t.messages[m.InReplyTo]:
		return Taken{}, http.StatusUnprocessableEntity, "in_reply_to is not a message of this thread"
	}
	t.last++
	taken := Taken{
		MessageID: fmt.Sprintf("sbx-msg-%d", p.serial), ThreadID: threadID, Sequence: t.last,
		At: p.opts.Now().UTC().Format(time.RFC3339Nano),
	}
	t.messages[taken.MessageID] = true
	t.messages[m.ClientMessageID] = true
	got := &Received{Message: m, Taken: taken, Body: body, Times: 1}
	p.received = append(p.received, got)
	p.byID[m.ClientMessageID] = got
	p.follow(m, taken)
	return taken, 0, ""
}

func writeError(w http.ResponseWriter, status int, text string) {
	writeJSON(w, status, map[string]string{"error": text})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("an answer of plain values always marshals: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}
