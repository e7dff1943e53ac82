package demo

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/fhir/client"
	"github.com/chartwire/chartwire/fhir/r4"
	"github.com/chartwire/chartwire/fhir/smart"
)

// onChart is one resource as the EHR has it now.
type onChart struct {
	ResourceType string
	ID           string
	Status       string
	Meta         struct {
		VersionID   string    `json:"versionId"`
		LastUpdated time.Time `json:"lastUpdated"`
	}
	Identifier []struct{ System, Value string }
	Subject    struct{ Reference string }
	Payload    []chartPayload
	Content    []struct{ Attachment chartFile }

	text    []byte // of an entry that is told by what its text cites
	created time.Time
	place   int // among all entries read, where creation times are equal
}

type chartPayload struct {
	ContentString     string
	ContentAttachment *chartFile
	ContentReference  struct{ Reference string }
}

type chartFile struct{ ContentType, Data, URL string }

// reader reads the chart with a client of its own.
type reader struct {
	c        *client.Client
	messages map[string][]*onChart // by message identifier value
	headers  map[string]int
	seen     map[string]bool       // entries told by what their text cites, by reference
	threads  map[string][]*onChart // transcripts, by thread
}

// readFHIR collects everything with our identifiers from the EHR.
func (r *run) readFHIR(ctx context.Context) (*reader, error) {
	out, err := r.reader()
	if err != nil {
		return nil, err
	}
	for _, kind := range []string{"Communication", "DocumentReference"} {
		if err := out.all(ctx, kind, url.Values{"_count": {"500"}, "_sort": {"_lastUpdated"}}); err != nil {
			return nil, err
		}
	}
	return out, out.creations(ctx)
}

// reader is a client of its own.
func (r *run) reader() (*reader, error) {
	hc := &http.Client{}
	cfg := client.Config{HTTP: hc, Base: r.base, Now: r.clock.Now, Timeout: 2 * time.Minute, MaxBody: 256 << 20}
	if r.backend != nil {
		found, err := smart.Discover(context.Background(), hc, r.base)
		if err != nil {
			return nil, err
		}
		cfg.Auth, err = smart.NewBackend(smart.BackendConfig{HTTP: hc, TokenURL: found.TokenEndpoint, ClientID: backendID, Key: r.backend,
			Scopes: []string{"system/Communication.rs", "system/DocumentReference.rs", "system/Binary.r"}, Now: r.clock.Now})
		if err != nil {
			return nil, err
		}
	}
	c, err := client.New(cfg)
	if err != nil {
		return nil, err
	}
	return &reader{c: c, messages: map[string][]*onChart{}, headers: map[string]int{}, threads: map[string][]*onChart{}, seen: map[string]bool{}}, nil
}

// all pages through the matches of a search.
func (c *reader) all(ctx context.Context, kind string, params url.Values) error {
	page, err := c.c.Search(ctx, kind, params)
	if err != nil {
		return err
	}
	for {
		for _, e := range page.Matches() {
			o := &onChart{}
			if err := json.Unmarshal(e.Resource, o); err != nil {
				return err
			}
			o.place = len(c.messages) + len(c.headers)
			if err := c.note(ctx, o); err != nil {
				return err
			}
		}
		next, ok, err := c.c.Next(ctx, page)
		if err != nil || !ok {
			return err
		}
		page = next
	}
}

// note takes down what an entry is, by its identifiers; a note that carries none says it in its text.
func (c *reader) note(ctx context.Context, o *onChart) error {
	o.created = o.Meta.LastUpdated
	if len(o.Identifier) == 0 && len(o.Content) > 0 {
		text, err := c.bytes(ctx, &o.Content[0].Attachment)
		if err != nil {
			return err
		}
		if in, value, ok := filing.CitedID(text); ok && in == channel {
			c.messages[value] = append(c.messages[value], o)
		}
		if in, value, ok := filing.CitedTranscript(text); ok && in == channel {
			o.text = text
			c.version(value, o)
		}
	}
	for _, id := range o.Identifier {
		switch id.System {
		case identityBase + "/" + channel + "/message":
			c.messages[id.Value] = append(c.messages[id.Value], o)
		case identityBase + "/" + channel + "/thread":
			c.headers[id.Value]++
		case identityBase + "/" + channel + "/transcript":
			c.version(id.Value, o)
		}
	}
	return nil
}

// creations asks for the first version of what was changed since: order is that of creation.
func (c *reader) creations(ctx context.Context) error {
	for _, found := range c.messages {
		for _, o := range found {
			if o.Meta.VersionID == "1" || o.Meta.VersionID == "" {
				continue
			}
			resp, err := c.c.Read(ctx, o.ResourceType+"/"+o.ID+"/_history/1", o.ResourceType)
			if err != nil {
				return err
			}
			var first onChart
			if err := json.Unmarshal(resp.Body, &first); err != nil {
				return err
			}
			o.created = first.Meta.LastUpdated
		}
	}
	return nil
}

// entries is chart.
func (c *reader) entries(thread string, m *entry) []shown {
	value := thread + "/" + m.ID
	if m.Revision > 1 {
		value += fmt.Sprintf("/r%d", m.Revision)
	}
	var out []shown
	for _, o := range c.messages[value] {
		out = append(out, resource{o, c})
	}
	return append(out, c.told(thread, m)...)
}

// strays is chart: threads that were begun more than once.
func (c *reader) strays(expectation) int {
	twice := 0
	for _, n := range c.headers {
		twice += n - 1
	}
	return twice
}

// resource is an entry and who reads its files.
type resource struct {
	*onChart
	from *reader
}

func (r resource) patient() string { return r.Subject.Reference }

func (r resource) created() time.Time { return r.onChart.created }

func (r resource) shows(ctx context.Context, m *entry) (bool, error) {
	return r.from.same(ctx, m, r.onChart)
}

// same says whether the entry has the message's exact words and files, and stands as retracted when it was taken back.
func (c *reader) same(ctx context.Context, m *entry, o *onChart) (bool, error) {
	if m.Retracted {
		return o.Status == "entered-in-error", nil
	}
	if o.Status == "entered-in-error" {
		return false, nil
	}
	if o.text != nil {
		return saysExactly(o.text, m.Text), nil
	}
	if o.ResourceType == "DocumentReference" {
		data, err := c.bytes(ctx, &o.Content[0].Attachment)
		return bytes.Contains(data, []byte(m.Text)), err
	}
	text, files := "", []string{}
	for n, p := range o.Payload {
		if p.ContentAttachment == nil {
			if text == "" {
				text = p.ContentString
			}
			continue
		}
		data, err := c.bytes(ctx, p.ContentAttachment)
		if err != nil {
			return false, err
		}
		if n == 0 && m.Text != "" && strings.HasPrefix(p.ContentAttachment.ContentType, "text/plain") {
			text = string(data) // words a FHIR string cannot carry
			continue
		}
		files = append(files, hash(data))
	}
	return text == m.Text && slices.Equal(files, m.Attachments), nil
}

// bytes gives a file's content, inline or from its Binary.
func (c *reader) bytes(ctx context.Context, f *chartFile) ([]byte, error) {
	if f.Data != "" || f.URL == "" {
		return base64.StdEncoding.DecodeString(f.Data)
	}
	resp, err := c.c.Read(ctx, r4.LocalID(f.URL), "Binary")
	if err != nil {
		return nil, err
	}
	var b struct{ Data string }
	if err := json.Unmarshal(resp.Body, &b); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(b.Data)
}
