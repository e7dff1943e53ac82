package rig

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector/clock"
)

// Load is traffic: senders that each hold one conversation after the other.
type Load struct {
	Senders  int           // 8
	Messages int           // a thread: 4
	Pause    time.Duration // of a sender between messages: 0
	Threads  int           // in all; 0 goes on until Until is closed or the context ends
	Replies  int           // every nth thread is answered through the API; 0 is none
	Closes   bool          // threads are closed: every other one after its first message, the rest at their end
	Prefix   string        // of thread ids: "p"
	Shuffled bool          // messages come in any order within tens, and every fifth comes again much later
	Seed     uint64

	Until <-chan struct{} // closed: no thread is begun any more, those begun are ended; nil is never
}

// over says whether the load shall begin no more threads.
func (l Load) over() bool {
	select {
	case <-l.Until:
		return true
	default:
		return false
	}
}

// Send runs the load until all threads are through, Until is closed, or the context ends, which is no error: what was
// begun and not acknowledged by then is attempted and not acked.
func (w *World) Send(ctx context.Context, l Load) error {
	if l.Senders == 0 {
		l.Senders = 8
	}
	if l.Messages == 0 {
		l.Messages = 4
	}
	if l.Prefix == "" {
		l.Prefix = "p"
	}
	var wg sync.WaitGroup
	errs := make(chan error, l.Senders)
	for n := range l.Senders {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s := &sender{w: w, l: l, random: rand.New(rand.NewPCG(l.Seed, uint64(n)))}
			for t := n; (l.Threads == 0 || t < l.Threads) && !l.over(); t += l.Senders {
				if err := s.thread(ctx, t); err != nil {
					if ctx.Err() == nil {
						errs <- err
					}
					return
				}
			}
		}()
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

// sender posts one event at a time, each until it is acknowledged, as a platform does.
type sender struct {
	w      *World
	l      Load
	random *rand.Rand
}

// thread holds one conversation: some neighbours change places, some events come twice.
func (s *sender) thread(ctx context.Context, t int) error {
	id := fmt.Sprintf("%s%06d", s.l.Prefix, t)
	var all []Message
	for n := range s.l.Messages {
		all = append(all, Message{Thread: id, ID: fmt.Sprintf("m-%d", n+1), Seq: n + 1, Patient: t % patients,
			Text: fmt.Sprintf("%s says %d: the cough is better – 38.2 °C at 7.", id, n+1)})
	}
	replied := s.l.Replies > 0 && t%s.l.Replies == 0
	if replied { // the platform has to know the thread, to give the reply its place in it
		var events [][]byte
		for _, m := range all {
			events = append(events, m.event(s.w.clock.Now()))
		}
		if err := s.w.Platform.Load(events); err != nil {
			return err
		}
	}
	for n, d := range s.deliveries(all) {
		if s.l.Closes && n == 1 && t%2 == 0 { // each message that comes from here on makes a version of its own
			if err := s.close(ctx, id); err != nil {
				return err
			}
		}
		for range d.times {
			if err := s.post(ctx, d.m, d.event); err != nil {
				return err
			}
		}
		if s.l.Pause > 0 {
			if err := clock.Sleep(ctx, s.w.clock, s.l.Pause); err != nil {
				return err
			}
		}
	}
	if s.l.Closes && t%2 == 1 {
		if err := s.close(ctx, id); err != nil {
			return err
		}
	}
	if !replied {
		return nil
	}
	m := Message{Thread: id, Patient: t % patients, Text: id + " is answered: keep the appointment.", Reply: true}
	return s.promised(ctx, m, func(base string) (*http.Request, error) { return s.reply(ctx, base, m) })
}

// close has the platform say that a thread is over.
func (s *sender) close(ctx context.Context, thread string) error {
	at := s.w.clock.Now().UTC().Format(time.RFC3339)
	event, err := json.Marshal(map[string]any{"type": "thread.closed", "timestamp": at, "data": map[string]any{"thread": map[string]any{"id": thread}}})
	if err != nil {
		return err
	}
	return s.until(ctx, s.delivered(event))
}

// delivery is an event on its way, and how often it comes.
type delivery struct {
	m     Message
	event []byte
	times int
}

// deliveries are a conversation's events in the order they come.
func (s *sender) deliveries(all []Message) []delivery {
	if s.l.Shuffled {
		for from := 0; from < len(all); from += 10 {
			part := all[from:min(from+10, len(all))]
			s.random.Shuffle(len(part), func(a, b int) { part[a], part[b] = part[b], part[a] })
		}
	} else {
		for n := 0; n+1 < len(all); n++ {
			if s.random.IntN(10) == 0 {
				all[n], all[n+1] = all[n+1], all[n]
			}
		}
	}
	var out, again []delivery
	for _, m := range all {
		d := delivery{m, m.event(s.w.clock.Now()), 1}
		switch {
		case s.l.Shuffled && s.random.IntN(5) == 0:
			again = append(again, d)
		case !s.l.Shuffled && s.random.IntN(20) == 0:
			d.times = 2
		}
		out = append(out, d)
	}
	return append(out, again...)
}

// post posts an event of a message until it is acknowledged and the acknowledgement is on disk.
func (s *sender) post(ctx context.Context, m Message, event []byte) error {
	return s.promised(ctx, m, s.delivered(event))
}

// delivered is the request that carries an event.
func (s *sender) delivered(event []byte) func(base string) (*http.Request, error) {
	sum := sha256.Sum256(event)
	id := hex.EncodeToString(sum[:])
	return func(base string) (*http.Request, error) {
		req, err := http.NewRequest(http.MethodPost, base+"/channels/"+Channel+"/events", bytes.NewReader(event))
		if err != nil {
			return nil, err
		}
		at := strconv.FormatInt(s.w.clock.Now().Unix(), 10)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("webhook-id", id)
		req.Header.Set("webhook-timestamp", at)
		req.Header.Set("webhook-signature", sign(s.w.Platform.Secret(), id+"."+at+"."+string(event)))
		return req, nil
	}
}

// sign is Standard Webhooks' signature. It is written out here so that the proof shares nothing with what it proves.
func sign(secret, content string) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		panic("the sandbox's secret is base64: " + err.Error())
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(content))
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func (s *sender) reply(ctx context.Context, base string, m Message) (*http.Request, error) {
	body, err := json.Marshal(map[string]string{"text": m.Text})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/v1/threads/"+Channel+":"+m.Thread+"/messages", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", m.key())
	return req, nil
}

// retryAfter is a sender's pause where nobody answers, or with 503.
const retryAfter = 20 * time.Millisecond

// answerWithin is how long a sender waits for one answer: a stopped process keeps its connections open.
const answerWithin = 5 * time.Second

// promised repeats a message's request until it is acknowledged, and keeps the acknowledgement.
func (s *sender) promised(ctx context.Context, m Message, request func(base string) (*http.Request, error)) error {
	s.w.Acks.attempt(m)
	if err := s.until(ctx, request); err != nil {
		return err
	}
	return s.w.Acks.ack(m)
}

// until repeats a request at any replica until it is acknowledged. Another answer than 2xx, 429 and 5xx ends the run:
// nothing the load sends is wrong.
func (s *sender) until(ctx context.Context, request func(base string) (*http.Request, error)) error {
	for ctx.Err() == nil {
		base := s.w.Replicas[s.random.IntN(len(s.w.Replicas))].Public()
		if base != "" {
			req, err := request(base)
			if err != nil {
				return err
			}
			status, err := answer(ctx, req)
			switch {
			case err != nil: // nobody there, or gone before the answer
			case status/100 == 2:
				return nil
			case status != http.StatusTooManyRequests && status < 500:
				return fmt.Errorf("chartwire answered %d to %s of the load", status, req.URL.Path)
			}
		}
		if err := clock.Sleep(ctx, s.w.clock, retryAfter); err != nil {
			return err
		}
	}
	return ctx.Err()
}

var wire = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

func answer(ctx context.Context, req *http.Request) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	resp, err := wire.Do(req.WithContext(ctx))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}
