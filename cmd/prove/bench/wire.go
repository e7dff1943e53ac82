package bench

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// wire posts events over connections of its own, one a client, with as little work as HTTP/1.1 allows. It is for the
// measurements whose reference has no clients at all: what theirs cost would count against the connector, on the same cores.
type wire struct {
	to    *url.URL
	conns []net.Conn
	in    []*bufio.Reader
}

func dialWire(ctx context.Context, address string) (*wire, error) {
	to, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	w := &wire{to: to}
	for range clients {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", to.Host)
		if err != nil {
			w.close()
			return nil, err
		}
		w.conns = append(w.conns, c)
		w.in = append(w.in, bufio.NewReader(c))
	}
	return w, nil
}

func (w *wire) close() {
	for _, c := range w.conns {
		_ = c.Close()
	}
}

// post sends one event and waits for its answer; an error where it was not taken.
func (w *wire) post(client int, e *event) error {
	c := w.conns[client]
	if err := c.SetDeadline(now().Add(time.Minute)); err != nil {
		return err
	}
	b := make([]byte, 0, 512+len(e.body))
	b = fmt.Appendf(b, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nWebhook-Id: %s\r\n"+
		"Webhook-Timestamp: %s\r\nWebhook-Signature: %s\r\n\r\n", w.to.Path, w.to.Host, len(e.body), e.key, e.at, e.signed)
	if _, err := c.Write(append(b, e.body...)); err != nil {
		return err
	}
	resp, err := http.ReadResponse(w.in[client], nil)
	if err != nil {
		return err
	}
	return taken(resp)
}

func (w *wire) pour(all []event) (time.Duration, error) { return pour(all, w.post) }
