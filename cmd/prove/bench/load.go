package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/chartwire/chartwire/adapters/sandbox/traffic"
)

// clients is how many of them post at once, to the connector and to every reference.
const clients = 16

// event is one event as it is posted; its key is thread/message, which is what the relay goes by.
type event struct {
	key    string
	body   []byte
	signed string
	at     string
}

// events makes traffic: messages of generated conversations, in threads that overlap, named apart from those of other
// runs by a prefix.
func events(threads, messages int, prefix string) ([]event, error) {
	return generated(fmt.Sprintf("threads=%d,messages=%d,nostatus", threads, messages), prefix)
}

// eventsWithNews are events with the news that messages to patients were delivered, and how many messages are among them.
func eventsWithNews(threads, messages int, prefix string) ([]event, int, error) {
	all, err := generated(fmt.Sprintf("threads=%d,messages=%d", threads, messages), prefix)
	return all, threads * messages, err
}

func generated(spec, prefix string) ([]event, error) {
	made, err := traffic.Generate(spec, 1)
	if err != nil {
		return nil, err
	}
	out := make([]event, 0, len(made.Events))
	for _, raw := range made.Events {
		raw = bytes.Replace(raw, []byte(`"id":"gen-`), []byte(`"id":"`+prefix), 1)
		var e struct {
			Data struct {
				Thread  struct{ ID string }
				Message struct{ ID string }
				Status  struct {
					Message string `json:"message_id"`
				}
			}
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, err
		}
		key := e.Data.Thread.ID + "/" + e.Data.Message.ID
		if e.Data.Message.ID == "" {
			key = e.Data.Thread.ID + "/news-" + e.Data.Status.Message
		}
		out = append(out, event{key: key, body: raw})
	}
	return out, nil
}

// sign signs events as of now, before anything is measured.
func sign(all []event, secret string) error {
	hook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return err
	}
	at := now()
	for i := range all {
		all[i].at = strconv.FormatInt(at.Unix(), 10)
		if all[i].signed, err = hook.Sign(all[i].key, at, all[i].body); err != nil {
			return err
		}
	}
	return nil
}

// poster posts events as a platform does, over connections it keeps.
type poster struct {
	url    string
	client *http.Client
}

func newPoster(url string) *poster {
	return &poster{url, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4 * clients, DisableCompression: true}, Timeout: time.Minute}}
}

func (p *poster) close() { p.client.CloseIdleConnections() }

// post gives an error where the event was not taken.
func (p *poster) post(ctx context.Context, e *event) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(e.body))
	if err != nil {
		return err
	}
	req.Header["Content-Type"] = []string{"application/json"}
	req.Header["Webhook-Id"] = []string{e.key}
	req.Header["Webhook-Timestamp"] = []string{e.at}
	req.Header["Webhook-Signature"] = []string{e.signed}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	return taken(resp)
}

// taken reads an answer to its end; an error where the event was not taken.
func taken(resp *http.Response) error {
	_, err := io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("an event was answered with %s", resp.Status)
	}
	return err
}

// pour posts all events as the function of that name does.
func (p *poster) pour(ctx context.Context, all []event) (time.Duration, error) {
	return pour(all, func(_ int, e *event) error { return p.post(ctx, e) })
}

// pour has a number of clients post all events, each taking the next one when its last was acknowledged, and gives the time it took.
func pour(all []event, post func(client int, e *event) error) (time.Duration, error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	start := now()
	for client := range clients {
		wg.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(all) {
					return
				}
				if err := post(client, &all[i]); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	wg.Wait()
	took := now().Sub(start)
	if e := failed.Load(); e != nil {
		return took, *e
	}
	return took, nil
}
