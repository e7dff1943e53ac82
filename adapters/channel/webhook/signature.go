package webhook

import (
	"crypto/hmac"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/chartwire/chartwire/connector"
)

// tolerance is how far a delivery's timestamp may lie from our clock, either way (Standard Webhooks, "Replay attacks").
const tolerance = 5 * time.Minute

// maxID bounds the webhook-id in bytes. Standard Webhooks sets none; an id is a key of ours and is kept for ever.
const maxID = 256

// verify checks a delivery against every live secret and gives its webhook-id. The body is signed as bytes and not looked
// into. The error says why in words that hold nothing of the delivery.
//
// The library's Verify reads the wall clock; its Sign is used instead and the timestamp is held against ours.
func (c *Channel) verify(in connector.Inbound) (string, *connector.SignatureError) {
	id, err := single(in.Header, standardwebhooks.HeaderWebhookID)
	if err != nil {
		return "", err
	}
	if !printable(id) || len(id) > maxID {
		return "", refuse("header webhook-id is not 1 to %d printable ASCII characters", maxID)
	}
	stamp, err := single(in.Header, standardwebhooks.HeaderWebhookTimestamp)
	if err != nil {
		return "", err
	}
	at, err := c.fresh(stamp)
	if err != nil {
		return "", err
	}
	given := strings.Fields(strings.Join(in.Header[http.CanonicalHeaderKey(standardwebhooks.HeaderWebhookSignature)], " "))
	if len(given) == 0 {
		return "", refuse("header webhook-signature is missing")
	}
	ok := false
	for _, signer := range c.signers {
		want, failed := signer.Sign(id, at, in.Body)
		if failed != nil {
			return "", refuse("the signature could not be computed")
		}
		for _, g := range given {
			// Every pair is compared, so that the time taken does not tell which secret was right.
			ok = hmac.Equal([]byte(g), []byte(want)) || ok
		}
	}
	if !ok {
		return "", refuse("no signature of version v1 is right for this body under any live secret")
	}
	return id, nil
}

// fresh reads the timestamp header, whole seconds since 1970, and holds it against our clock.
func (c *Channel) fresh(stamp string) (time.Time, *connector.SignatureError) {
	secs, err := strconv.ParseInt(stamp, 10, 64)
	// Only the canonical spelling: the signature is over the number, so another spelling would not be covered by it.
	if err != nil || strconv.FormatInt(secs, 10) != stamp {
		return time.Time{}, refuse("header webhook-timestamp is not whole seconds since 1970")
	}
	at, now := time.Unix(secs, 0), c.now()
	switch {
	case at.Before(now.Add(-tolerance)):
		return time.Time{}, refuse("webhook-timestamp is more than 5 minutes old")
	case at.After(now.Add(tolerance)):
		return time.Time{}, refuse("webhook-timestamp is more than 5 minutes ahead")
	}
	return at, nil
}

// sign gives the three headers of a body that leaves, by the first secret.
func (c *Channel) sign(id string, at time.Time, body []byte) (http.Header, error) {
	signature, err := c.signers[0].Sign(id, at, body)
	if err != nil {
		return nil, err
	}
	h := http.Header{}
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return h, nil
}

// single gives the one value of a header. Two are refused: which one was signed would be a guess.
func single(header map[string][]string, name string) (string, *connector.SignatureError) {
	switch values := header[http.CanonicalHeaderKey(name)]; {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return "", refuse("header %s is missing", name)
	case len(values) > 1:
		return "", refuse("header %s is there more than once", name)
	default:
		return values[0], nil
	}
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

func refuse(format string, args ...any) *connector.SignatureError {
	return &connector.SignatureError{Text: fmt.Sprintf(format, args...)}
}
