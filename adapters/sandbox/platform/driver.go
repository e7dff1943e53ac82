package platform

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// MediaOrigin stands for this platform's own origin in event files, whose writer cannot know the port: the driver
// replaces it by Options.Base in what it posts.
const MediaOrigin = "https://media.texting.example"

// Delivery is one posting of one event. Posted again, it has the same ID and the same bytes.
type Delivery struct {
	ID   string // webhook-id
	Body []byte
}

// Order says how the events of a list are delivered.
type Order struct {
	Shuffle bool    // permute within windows of Window deliveries
	Window  int     // 0 means 50
	Repeat  float64 // the fraction of events delivered a second time, somewhere in the same window
	Seed    uint64
}

// Deliveries makes the deliveries of a list of events. The id of an event is the sha256 of its line.
func Deliveries(events [][]byte, o Order) []Delivery {
	window := o.Window
	if window == 0 {
		window = 50
	}
	random := rand.New(rand.NewPCG(o.Seed, 0xde11))
	var out []Delivery
	for len(events) > 0 {
		n := min(window, len(events))
		var batch []Delivery
		for _, e := range events[:n] {
			sum := sha256.Sum256(bytes.TrimSpace(e))
			d := Delivery{ID: hex.EncodeToString(sum[:]), Body: bytes.TrimSpace(e)}
			batch = append(batch, d)
			if random.Float64() < o.Repeat {
				batch = append(batch, d)
			}
		}
		if o.Shuffle {
			random.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
		}
		out = append(out, batch...)
		events = events[n:]
	}
	return out
}

// Attempt is one try to post a delivery.
type Attempt struct {
	ID     string
	Status int // 0 where no answer came
	Err    string
}

// Attempts returns every try so far, in the order the answers came.
func (p *Platform) Attempts() []Attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Attempt(nil), p.attempts...)
}

// Refused returns the deliveries answered 4xx other than 429: they are not tried again.
func (p *Platform) Refused() []Attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Attempt(nil), p.refused...)
}

// SetTarget is where events are posted: Chartwire's /channels/{name}/events.
func (p *Platform) SetTarget(url string) {
	p.mu.Lock()
	p.target = url
	p.mu.Unlock()
	p.kick()
}

// envelope is what the platform itself reads of an event.
type envelope struct {
	Type string `json:"type"`
	Data struct {
		Thread  struct{ ID string } `json:"thread"`
		Message struct {
			ID       string
			Sequence int
		} `json:"message"`
	} `json:"data"`
}

// Load makes the threads and messages of scripted events known, so that the sequence of a reply comes after the scripted
// ones whatever the order of delivery. Post does it by itself for what it is given.
func (p *Platform) Load(events [][]byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, raw := range events {
		var e envelope
		if err := json.Unmarshal(raw, &e); err != nil {
			return fmt.Errorf("event %d cannot be read: %w", i+1, err)
		}
		if e.Data.Thread.ID == "" {
			continue
		}
		t := p.threads[e.Data.Thread.ID]
		if t == nil {
			t = &thread{messages: map[string]bool{}}
			p.threads[e.Data.Thread.ID] = t
		}
		if e.Data.Message.ID != "" {
			t.messages[e.Data.Message.ID] = true
			t.last = max(t.last, e.Data.Message.Sequence)
		}
	}
	return nil
}

// Reserve gives the next sequence of a thread to a message made outside the script; 0 for a thread it does not know.
func (p *Platform) Reserve(threadID string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.threads[threadID]
	if t == nil {
		return 0
	}
	t.last++
	return t.last
}

// Post signs and posts the deliveries, each until it is answered other than with 429 or 5xx, and returns when all are
// through or the context ends. Deliveries of one thread go one after the other in the order given; Options.Workers
// threads at a time. A 4xx is recorded in Refused and is no error. Errors: the context's, an event that cannot be read, no
// target.
func (p *Platform) Post(ctx context.Context, deliveries []Delivery) error {
	events := make([][]byte, len(deliveries))
	for i, d := range deliveries {
		events[i] = d.Body
	}
	if err := p.Load(events); err != nil {
		return err
	}
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	if target == "" {
		return errors.New("platform: SetTarget has not been called")
	}
	lanes := make([][]Delivery, p.opts.Workers)
	for _, d := range deliveries {
		var e envelope
		_ = json.Unmarshal(d.Body, &e) // Load has read it
		h := fnv.New32a()
		_, _ = h.Write([]byte(e.Data.Thread.ID))
		i := int(h.Sum32() % uint32(len(lanes)))
		lanes[i] = append(lanes[i], d)
	}
	errs := make([]error, len(lanes))
	var wg sync.WaitGroup
	for i, lane := range lanes {
		wg.Go(func() {
			for _, d := range lane {
				if errs[i] = p.deliver(ctx, d); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// deliver posts one delivery until it is answered for good. The error is the context's.
func (p *Platform) deliver(ctx context.Context, d Delivery) error {
	if p.opts.Base != "" {
		d.Body = bytes.ReplaceAll(d.Body, []byte(`"`+MediaOrigin+`/`), []byte(`"`+p.opts.Base+`/`))
	}
	pause := 50 * time.Millisecond
	for {
		a, retryAfter := p.try(ctx, d)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		again := a.Status == 0 || a.Status == http.StatusTooManyRequests || a.Status >= 500
		p.mu.Lock()
		p.attempts = append(p.attempts, a)
		if !again && a.Status/100 != 2 {
			p.refused = append(p.refused, a)
		}
		p.mu.Unlock()
		if !again {
			return nil
		}
		if err := p.opts.Wait(ctx, max(pause, retryAfter)); err != nil {
			return err
		}
		pause = min(2*pause, 5*time.Second)
	}
}

func (p *Platform) try(ctx context.Context, d Delivery) (Attempt, time.Duration) {
	a := Attempt{ID: d.ID}
	now := p.opts.Now()
	signature, err := p.hooks[0].Sign(d.ID, now, d.Body)
	if err != nil {
		a.Err = "signing failed"
		return a, 0
	}
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(d.Body))
	if err != nil {
		a.Err = "the target is not a URL"
		return a, 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(standardwebhooks.HeaderWebhookID, d.ID)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	resp, err := p.opts.HTTPClient.Do(req)
	if err != nil {
		a.Err = err.Error()
		return a, 0
	}
	_ = resp.Body.Close()
	a.Status = resp.StatusCode
	return a, retryAfter(resp.Header.Get("Retry-After"), now)
}

// retryAfter reads both forms of the header (RFC 9110 §10.2.3); 0 where there is none.
func retryAfter(h string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(h); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(h); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
