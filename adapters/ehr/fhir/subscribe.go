package fhir

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
	"github.com/chartwire/chartwire/fhir/r4"
)

// criteria of our subscription: what becomes active, and what of it is revoked or changed.
const criteria = "CommunicationRequest?status=active,revoked"

// Subscribe asks the EHR to notify address with the header ("Name: value") of every CommunicationRequest that concerns us
// (R4 rest-hook, empty payload: nothing about a patient travels in it). A subscription that is there already is kept; one
// with another header gets ours. Errors: *connector.Refused, *Retry; polling goes on in any case.
func (e *EHR) Subscribe(ctx context.Context, address, header string) error {
	if err := e.ready(); err != nil {
		return err
	}
	theirs, err := e.subscriptions(ctx, address)
	if err != nil {
		return err
	}
	for _, s := range theirs {
		switch {
		case len(s.Channel.Header) == 0, slices.Contains(s.Channel.Header, header): // some EHRs do not show headers
			return nil
		default:
			return e.resubscribe(ctx, s, header)
		}
	}
	body, err := r4.NewSubscription(criteria, address, "Send messages written in the EHR to patients", header).MarshalJSON()
	if err != nil {
		return &connector.Refused{Reason: connector.GateRefused, Detail: connector.Protect("the subscription cannot be written as FHIR")}
	}
	if err := e.Gate(connector.Write{Body: body}); err != nil {
		return err
	}
	if _, err := e.client.Create(ctx, body, ""); err != nil {
		return readError(err)
	}
	return nil
}

type subscription struct {
	ID       string `json:"id"`
	Status   string `json:"status"`
	Criteria string `json:"criteria"`
	Channel  struct {
		Type     string   `json:"type"`
		Endpoint string   `json:"endpoint"`
		Payload  string   `json:"payload"`
		Header   []string `json:"header"`
	} `json:"channel"`
	raw []byte
}

// subscriptions are those of ours that work.
func (e *EHR) subscriptions(ctx context.Context, address string) ([]subscription, error) {
	e.mu.RLock()
	can := e.can("Subscription", "search-type")
	e.mu.RUnlock()
	if !can {
		return nil, nil
	}
	params := url.Values{}
	if e.searchable("Subscription", "url") {
		params.Set("url", address)
	}
	entries, _, err := e.search(ctx, "Subscription", params)
	if err != nil {
		return nil, readError(err)
	}
	var out []subscription
	for _, entry := range entries {
		s := subscription{raw: entry.Resource}
		if json.Unmarshal(entry.Resource, &s) == nil && s.Channel.Endpoint == address && s.Channel.Type == "rest-hook" &&
			strings.HasPrefix(s.Criteria, "CommunicationRequest?") && (s.Status == "active" || s.Status == "requested") {
			out = append(out, s)
		}
	}
	return out, nil
}

func (e *EHR) resubscribe(ctx context.Context, s subscription, header string) error {
	channel := map[string]any{"type": s.Channel.Type, "endpoint": s.Channel.Endpoint, "header": []string{header}}
	body, err := r4.Patch(s.raw, map[string]any{"channel": channel, "criteria": criteria, "status": "requested"}, "error")
	if err != nil {
		return &connector.Refused{Reason: connector.GateRefused, Detail: connector.Protect("the EHR's subscription cannot be changed safely")}
	}
	if _, err := e.client.Update(ctx, "Subscription/"+s.ID, body, client.ETag(headOf(s.raw).Meta.VersionID)); err != nil {
		return readError(err)
	}
	return nil
}
