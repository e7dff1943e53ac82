// Package channeltest is the conformance suite of connector.Channel. A channel adapter's test calls Run with what only it
// knows (how its platform signs, and how it says "taken"); the suite plays the platform, hostile and honest, and holds the
// adapter to what the engine relies on:
//
//   - no event, and no word of the body, before the signature is right, whatever one bit of it is changed;
//   - deliveries up to five minutes old or ahead by the injected clock, and no others;
//   - every answer to a send classified by connector's outcome errors, one request a call, no redirect followed;
//   - attachments from configured origins alone, within their limits, and byte for byte what was declared.
package channeltest

import (
	"net/http"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// Env is what the suite gives the adapter to run in.
type Env struct {
	Now         func() time.Time
	HTTP        *http.Client // without a guarded dialer, since the suite's platform is on loopback
	SendURL     string
	MediaOrigin string // scheme://host:port
	MediaMax    int64  // bytes
}

// Subject is the adapter under test.
type Subject struct {
	New func(t *testing.T, e Env) connector.Channel
	// Deliver makes a delivery as the platform would: this body, under this key, sent at this time.
	Deliver func(t *testing.T, key string, body []byte, at time.Time) connector.Inbound
	// Events are bodies the channel can decode.
	Events [][]byte
	// Taken writes the platform's answer to a message it took.
	Taken func(h connector.Handover) (contentType string, body []byte)
	// Sent checks a request the adapter made to hand over m; body is what was read of it.
	Sent func(t *testing.T, m connector.Outgoing, r *http.Request, body []byte)
}

// Now is the suite's time.
var Now = time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)

// Run holds the subject to the suite.
func Run(t *testing.T, s Subject) {
	t.Run("signature", func(t *testing.T) { signature(t, s) })
	t.Run("freshness", func(t *testing.T) { freshness(t, s) })
	t.Run("undecodable", func(t *testing.T) { undecodable(t, s) })
	t.Run("send", func(t *testing.T) { sends(t, s) })
	t.Run("fetch", func(t *testing.T) { fetches(t, s) })
}

// at gives the channel with a clock that stands still.
func at(t *testing.T, s Subject, now time.Time) connector.Channel {
	t.Helper()
	return s.New(t, Env{Now: func() time.Time { return now }, HTTP: http.DefaultClient})
}
