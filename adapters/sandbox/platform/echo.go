package platform

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// follow queues what a platform says about a message it took: the echo, then the states. The caller holds mu.
func (p *Platform) follow(m Message, taken Taken) {
	message := map[string]any{
		"id": taken.MessageID, "sequence": taken.Sequence, "direction": "to_patient", "sent_at": m.SentAt, "sender": m.Sender,
		"recipients": m.Recipients, "client_message_id": m.ClientMessageID,
	}
	for name, value := range map[string]string{
		"text": m.Text, "in_reply_to": m.InReplyTo, "language": m.Language, "priority": m.Priority,
	} {
		if value != "" {
			message[name] = value
		}
	}
	if len(m.Attachments) > 0 {
		message["attachments"] = m.Attachments
	}
	thread := map[string]any{"id": taken.ThreadID}
	for name, value := range map[string]string{"subject": m.Subject, "topic": m.Topic} {
		if value != "" {
			thread[name] = value
		}
	}
	data := map[string]any{"thread": thread, "message": message}
	if m.Patient != nil {
		data["patient"] = m.Patient
	}
	p.queue("message.created", data)
	p.queueStates(m, taken)
	p.kickLocked()
}

func (p *Platform) queueStates(m Message, taken Taken) {
	state := func(name, reason string) {
		status := map[string]any{"message_id": m.ClientMessageID, "state": name, "at": p.opts.Now().UTC().Format(time.RFC3339Nano)}
		if reason != "" {
			status["reason"] = reason
		}
		p.queue("message.status", map[string]any{"thread": map[string]any{"id": taken.ThreadID}, "status": status})
	}
	reason := ""
	if p.opts.Fail != nil {
		reason = p.opts.Fail(m)
	}
	for _, name := range p.opts.Receipts {
		if reason != "" && name != "sent" {
			break
		}
		state(name, "")
	}
	if reason != "" {
		state("failed", reason)
	}
}

// queue puts an event of the platform's own into the outbox. The caller holds mu.
func (p *Platform) queue(kind string, data map[string]any) {
	p.serial++
	raw, err := json.Marshal(map[string]any{"type": kind, "timestamp": p.opts.Now().UTC().Format(time.RFC3339Nano), "data": data})
	if err != nil {
		panic("an event of plain values always marshals: " + err.Error())
	}
	p.outbox = append(p.outbox, Delivery{ID: fmt.Sprintf("sbx-evt-%d", p.serial), Body: raw})
}

func (p *Platform) kick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kickLocked()
}

// kickLocked starts the outbox where there is something to post and somewhere to post it.
func (p *Platform) kickLocked() {
	if len(p.outbox) == 0 || p.working || p.target == "" || p.ctx.Err() != nil {
		return
	}
	p.working = true
	p.idle = make(chan struct{})
	p.wg.Go(p.drain)
}

// drain posts the outbox in order, each event until it is taken.
func (p *Platform) drain() {
	for {
		p.mu.Lock()
		if len(p.outbox) == 0 || p.ctx.Err() != nil {
			p.working = false
			close(p.idle)
			p.mu.Unlock()
			return
		}
		next := p.outbox[0]
		p.mu.Unlock()
		if err := p.deliver(p.ctx, next); err == nil {
			p.mu.Lock()
			p.outbox = p.outbox[1:]
			p.mu.Unlock()
		}
	}
}

// Idle waits until the platform has posted all it had to say of its own.
func (p *Platform) Idle(ctx context.Context) error {
	p.mu.Lock()
	idle := p.idle
	p.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
