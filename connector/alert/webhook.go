package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/chartwire/chartwire/connector/clock"
)

// tellWithin bounds one try.
const tellWithin = 10 * time.Second

// Webhook tells by POST, signed as Standard Webhooks has it. The notice's id is the webhook-id, so a repeat can be told.
type Webhook struct {
	url    string
	signer *standardwebhooks.Webhook
	http   *http.Client
	clock  clock.Clock
}

// NewWebhook posts to url through the guarded client; secret is one whsec_… An error is a mistake in the configuration.
func NewWebhook(address, secret string, client *http.Client, c clock.Clock) (*Webhook, error) {
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, errors.New("the secret of the alert webhook is not whsec_ and base64")
	}
	return &Webhook{url: address, signer: signer, http: client, clock: c}, nil
}

// Tell is Teller. Any 2xx is taken.
func (w *Webhook) Tell(ctx context.Context, n Notice) error {
	body, err := json.Marshal(struct {
		Type string    `json:"type"`
		At   time.Time `json:"timestamp"`
		Data Alert     `json:"data"`
	}{n.Type, n.At, n.Alert})
	if err != nil {
		return err
	}
	now := w.clock.Now()
	signature, err := w.signer.Sign(n.ID, now, body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("alerts.url is not a URL")
	}
	req.GetBody = nil // no repeat but ours
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(standardwebhooks.HeaderWebhookID, n.ID)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	resp, err := w.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) { // its URL may hold a token
			err = u.Err
		}
		return fmt.Errorf("alerts.url did not answer: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("alerts.url answered %d", resp.StatusCode)
	}
	return nil
}
