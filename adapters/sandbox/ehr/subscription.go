package ehr

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// subscription is an active R4 rest-hook Subscription: an empty POST to the endpoint for each matching commit (R4 §2.45).
type subscription struct {
	id       string
	query    *query
	endpoint string
	header   http.Header
	wake     chan struct{}
	stop     context.CancelFunc
	pending  int // guarded by Server.mu
}

// Notification is one attempt to tell a subscriber.
type Notification struct {
	Subscription string
	Endpoint     string
	Time         time.Time
	Status       int    // 0 where there was no answer
	Err          string // "" after a 2xx
}

// maxNotifyFailures is how many attempts in a row may fail before the Subscription goes to status error.
const maxNotifyFailures = 5

// Notifications returns every attempt so far, in order.
func (s *Server) Notifications() []Notification {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return append([]Notification(nil), s.notified...)
}

func (s *Server) checkSubscription(r resource) *failure {
	channel, _ := r["channel"].(resource)
	status := str(r, "status")
	switch {
	case status != "requested" && status != "off":
		return fail(422, "business-rule", "a client may set status requested or off; the server sets the others").at("Subscription.status")
	case str(channel, "type") != "rest-hook":
		return fail(422, "not-supported", "only rest-hook channels are supported").at("Subscription.channel.type")
	case channel["payload"] != nil:
		return fail(422, "not-supported", "notifications are empty here: no payload").at("Subscription.channel.payload")
	}
	u, err := url.Parse(str(channel, "endpoint"))
	if err != nil || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return fail(422, "value", "the endpoint must be https (or http on loopback)").at("Subscription.channel.endpoint")
	}
	_, f := s.parseCriteria(str(r, "criteria"))
	return f
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *Server) parseCriteria(criteria string) (*query, *failure) {
	typ, raw, _ := strings.Cut(criteria, "?")
	if !knownType(typ) {
		return nil, fail(422, "value", "the criteria name no known type").at("Subscription.criteria")
	}
	values, f := queryOf(raw)
	if f != nil {
		return nil, f
	}
	return s.parseQuery(typ, values)
}

// activate makes a requested Subscription active, as a server does after taking it, and stops one that is off. The caller
// holds mu.
func (s *Server) activate(v *version) {
	if old := s.subs[v.id]; old != nil {
		old.stop()
		delete(s.subs, v.id)
	}
	r, err := parse(v.raw)
	if err != nil || str(r, "status") != "requested" || s.ctx.Err() != nil {
		return
	}
	channel, _ := r["channel"].(resource)
	q, f := s.parseCriteria(str(r, "criteria"))
	if f != nil {
		return
	}
	ctx, stop := context.WithCancel(s.ctx)
	sub := &subscription{id: v.id, query: q, endpoint: str(channel, "endpoint"), header: http.Header{}, wake: make(chan struct{}, 1), stop: stop}
	list, _ := channel["header"].([]any)
	for _, h := range list {
		line, _ := h.(string)
		if name, val, ok := strings.Cut(line, ":"); ok {
			sub.header.Add(strings.TrimSpace(name), strings.TrimSpace(val))
		}
	}
	r["status"] = "active"
	s.put("Subscription", v.id, r, s.now(), http.MethodPut, s.opts.Base)
	s.subs[v.id] = sub
	s.wg.Go(func() { s.notifyLoop(ctx, sub) })
}

// announce tells every subscription whose criteria the new version meets. The caller holds mu.
func (s *Server) announce(v *version) {
	for _, sub := range s.subs {
		if sub.query.typ == v.typ && sub.query.holds(v) {
			sub.pending++
			select {
			case sub.wake <- struct{}{}:
			default:
			}
		}
	}
}

func (s *Server) notifyLoop(ctx context.Context, sub *subscription) {
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-sub.wake:
		}
		for s.takePending(sub) {
			n := s.notify(ctx, sub)
			if ctx.Err() != nil {
				return
			}
			failures++
			if n.Err == "" {
				failures = 0
			}
			s.mu.Lock()
			s.notified = append(s.notified, n)
			if failures == maxNotifyFailures {
				s.breakSubscription(sub)
			}
			s.mu.Unlock()
		}
	}
}

func (s *Server) takePending(sub *subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub.pending == 0 {
		return false
	}
	sub.pending--
	return true
}

func (s *Server) notify(ctx context.Context, sub *subscription) Notification {
	n := Notification{Subscription: "Subscription/" + sub.id, Endpoint: sub.endpoint, Time: s.now()}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, sub.endpoint, http.NoBody)
	if err != nil {
		n.Err = "the endpoint is not a URL"
		return n
	}
	req.Header = sub.header.Clone()
	resp, err := s.opts.HTTPClient.Do(req)
	if err != nil {
		n.Err = err.Error()
		return n
	}
	_ = resp.Body.Close()
	n.Status = resp.StatusCode
	if resp.StatusCode/100 != 2 {
		n.Err = resp.Status
	}
	return n
}

// breakSubscription sets status error and stops telling. The caller holds mu.
func (s *Server) breakSubscription(sub *subscription) {
	if s.subs[sub.id] != sub {
		return
	}
	delete(s.subs, sub.id)
	if v := s.get("Subscription", sub.id); v != nil {
		if r, err := parse(v.raw); err == nil {
			r["status"], r["error"] = "error", "the endpoint failed repeatedly"
			s.put("Subscription", sub.id, r, s.now(), http.MethodPut, s.opts.Base)
		}
	}
	sub.stop()
}
