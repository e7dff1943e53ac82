package webhook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/decode"
)

// Decode verifies a delivery and reads its one event, whose Key is the webhook-id. It is pure but for the clock that
// timestamps are held against. Errors are *connector.SignatureError, and then nothing of the body was read, or
// *connector.DecodeError; with that one the event is still returned, holding only Key and Raw, so that the caller can
// keep the body under the key it came with.
func (c *Channel) Decode(in connector.Inbound) ([]connector.Event, error) {
	id, refused := c.verify(in)
	if refused != nil {
		return nil, refused
	}
	ev, err := c.event(in.Body)
	ev.Key, ev.Raw = id, in.Body
	return []connector.Event{ev}, err
}

// DecodeLine reads one line of an NDJSON file of events. Such a file has no signature; whoever reads it vouches for it.
// Key is the lower-case hex SHA-256 of the line without its line end. The error is as of Decode.
func (c *Channel) DecodeLine(line []byte) (connector.Event, error) {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	ev, err := c.event(line)
	sum := sha256.Sum256(line)
	ev.Key, ev.Raw = hex.EncodeToString(sum[:]), line
	return ev, err
}

// event reads a body by the contract's schema. Its error is a *connector.DecodeError, or nil.
func (c *Channel) event(body []byte) (connector.Event, error) {
	if c.maxBody > 0 && int64(len(body)) > c.maxBody {
		return connector.Event{}, &connector.DecodeError{Text: "the body is larger than the channel takes"}
	}
	var w *wireEvent
	if _, err := decode.Strict(body, &w, decode.Options{UnknownFields: c.unknown}); err != nil {
		return connector.Event{}, undecodable(err)
	}
	if w == nil {
		return connector.Event{}, &connector.DecodeError{Text: "want an object, found null"}
	}
	if bytes.Contains(body, []byte("null")) {
		if pointer, found := knownNull(body); found {
			return connector.Event{}, &connector.DecodeError{Pointer: pointer, Text: "null is not a value of this field; leave it out"}
		}
	}
	k := &checker{}
	ev := k.event(w)
	if k.err != nil {
		return connector.Event{}, k.err
	}
	return ev, nil
}

func undecodable(err error) *connector.DecodeError {
	var p *decode.Problem
	if errors.As(err, &p) {
		return &connector.DecodeError{Pointer: p.Pointer, Text: p.Text}
	}
	return &connector.DecodeError{Text: "the body could not be read"}
}
