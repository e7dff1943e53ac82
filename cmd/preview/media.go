package preview

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/chartwire/chartwire/connector"
)

// media is a channel that fetches nothing. Bytes of the declared size stand for a file, and begin as one of its type does, so that
// what is decided by size or content is decided as it will be. In what is shown a symbol stands for them.
type media struct {
	mu  sync.Mutex
	all []standIn
}

type standIn struct {
	data    []byte
	symbol  string
	encoded []byte // base64 of data
	sha1    []byte // base64 of its SHA-1, which is Attachment.hash (FHIR R4, Attachment)
}

// beginnings are what files of a type begin with: adapters look at the content where their EHR does.
var beginnings = map[string]string{"image/png": "\x89PNG\r\n\x1a\n", "image/jpeg": "\xff\xd8\xff", "image/gif": "GIF89a", "application/pdf": "%PDF-1.7\n"}

// sumSymbol stands for the hash of bytes whose event declares none.
const sumSymbol = "{SHA-256 of the bytes}"

// largestStandIn is more than any channel takes (media_max).
const largestStandIn = 256 << 20

func (*media) Decode(connector.Inbound) ([]connector.Event, error) { return nil, nil }

func (*media) Send(context.Context, connector.Outgoing) (connector.Handover, error) {
	return connector.Handover{}, &connector.Refused{Reason: connector.SendRefused}
}

// Fetch gives the bytes that stand for a file. Two files never have the same.
func (m *media) Fetch(_ context.Context, a connector.Attachment) ([]byte, error) {
	kind, _, _ := strings.Cut(a.ContentType, ";")
	data := []byte(beginnings[strings.ToLower(strings.TrimSpace(kind))] + "the bytes fetched from " + a.URL)
	from := strings.NewReplacer(`"`, "%22", `\`, "%5C").Replace(a.URL) // it stands in JSON
	symbol := "{the bytes fetched from " + from + "}"
	if size := min(a.Size, largestStandIn); size > 0 {
		data = append(data, make([]byte, max(0, int(size)-len(data)))...)[:size]
		symbol = fmt.Sprintf("{the %d bytes fetched from %s}", a.Size, from)
	}
	encoded, sum := base64.StdEncoding.AppendEncode(nil, data), sha1.Sum(data)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, standIn{data, symbol, encoded, base64.StdEncoding.AppendEncode(nil, sum[:])})
	return data, nil
}

// symbolOf gives what is shown in the place of data, "" where these are a file's own bytes.
func (m *media) symbolOf(data []byte) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.all {
		if bytes.Equal(s.data, data) {
			return s.symbol
		}
	}
	return ""
}

// summed gives x with a symbol for the hash of each file whose bytes only stand for others and whose event declares none.
func (m *media) summed(x connector.Exchange) connector.Exchange {
	x.Message.Attachments = slices.Clone(x.Message.Attachments)
	for i := range x.Message.Attachments {
		if a := &x.Message.Attachments[i]; a.SHA256 == "" && len(a.Data) > 0 && m.symbolOf(a.Data) != "" {
			a.SHA256 = sumSymbol
		}
	}
	return x
}

// shown is a body with symbols in the place of what stands for files, and of their hashes.
func (m *media) shown(body []byte) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.all {
		body = bytes.ReplaceAll(body, s.encoded, []byte(s.symbol))
		body = bytes.ReplaceAll(body, s.sha1, []byte("{SHA-1 of the bytes}"))
	}
	return body
}
