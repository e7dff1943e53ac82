package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// platform is a messaging platform in this process.
type platform struct {
	now func() time.Time

	mu     sync.Mutex
	sent   []connector.Outgoing
	at     []time.Time
	answer func(n int, m connector.Outgoing) (connector.Handover, error) // n counts from 1; nil takes all
	files  map[string][]byte                                             // by url
	fetch  error                                                         // of every file that is not there
	onSend func(m connector.Outgoing)
}

func (p *platform) Decode(connector.Inbound) ([]connector.Event, error) {
	return nil, errors.New("nothing is decoded here")
}

func (p *platform) Send(_ context.Context, m connector.Outgoing) (connector.Handover, error) {
	if p.onSend != nil {
		p.onSend(m)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent, p.at = append(p.sent, m), append(p.at, p.now())
	if p.answer != nil {
		return p.answer(len(p.sent), m)
	}
	return p.taken(m), nil
}

// taken is the answer of a platform that took the message.
func (p *platform) taken(m connector.Outgoing) connector.Handover {
	h := connector.Handover{MessageID: fmt.Sprintf("p-%d", len(p.sent)), ThreadID: m.ThreadID, At: p.now()}
	if h.ThreadID == "" {
		h.ThreadID = "new-" + m.ClientID
	}
	return h
}

func (p *platform) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sent)
}

func (p *platform) set(change func(p *platform)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

func (p *platform) Fetch(_ context.Context, a connector.Attachment) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b, ok := p.files[a.URL]; ok {
		return b, nil
	}
	if p.fetch != nil {
		return nil, p.fetch
	}
	return nil, &connector.Retry{Cause: errors.New("not there yet")}
}
