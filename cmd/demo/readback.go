package demo

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/client"
	"github.com/chartwire/chartwire/fhir/smart"
)

// Summary is the line chartwire demo --once --json ends with. The last four counts but Seconds are read back from the EHR.
type Summary struct {
	Accepted     int     `json:"accepted"`
	Filed        int     `json:"filed"`
	Sent         int     `json:"sent"`
	Held         int     `json:"held"`
	NotDue       int     `json:"not_due"`
	Parked       int     `json:"parked"`
	Unknown      int     `json:"unknown"`
	Late         int     `json:"late"`
	OnChart      int     `json:"on_chart"`
	Duplicates   int     `json:"duplicates"`
	OutOfOrder   int     `json:"out_of_order"`
	WrongPatient int     `json:"wrong_patient"`
	Seconds      float64 `json:"seconds"`
}

// clean says whether the chart is what was sent.
func (s Summary) clean() error {
	if s.Duplicates != 0 || s.OutOfOrder != 0 || s.WrongPatient != 0 || s.Unknown != 0 || s.OnChart+s.NotDue+s.Held+s.Parked != s.Accepted {
		return ErrNotClean
	}
	return nil
}

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
	Payload    []struct {
		ContentString     string
		ContentAttachment *chartFile
	}
	Content []struct{ Attachment chartFile }

	created time.Time
	place   int // among all entries read, where creation times are equal
}

type chartFile struct{ ContentType, Data, URL string }

// reader reads the chart with a client of its own.
type reader struct {
	c        *client.Client
	messages map[string][]*onChart // by message identifier value
	headers  map[string]int
	patients map[string]string
}

// summary reads our tallies and the EHR's chart, and compares the chart with what was sent.
func (r *run) summary(ctx context.Context) (Summary, error) {
	var s Summary
	t, err := r.tallies(ctx)
	if err != nil {
		return s, err
	}
	for _, n := range t {
		s.Accepted += n
	}
	s.Filed, s.Held, s.NotDue, s.Parked = t[connector.Filed], t[connector.Held]+t[connector.Waiting], t[connector.NotDue], t[connector.Parked]
	s.Unknown = t[connector.Unknown] + t[connector.Filing]
	unfinished, err := r.parkedFollowUps(ctx)
	if err != nil {
		return s, err
	}
	s.Filed, s.Parked = s.Filed-unfinished, s.Parked+unfinished
	s.Sent = len(r.platform.Received())
	late, err := r.late(ctx)
	if err != nil {
		return s, err
	}
	s.Late = len(late)
	x := r.expect(late)
	if r.o.Expect != "" {
		if err := x.write(r.o.Expect); err != nil {
			return s, err
		}
	}
	chart, err := r.read(ctx)
	if err != nil {
		return s, fmt.Errorf("the chart could not be read back: %w", err)
	}
	for _, th := range x.Threads {
		if err := chart.compare(ctx, th, r.refs.Patients[th.Patient], &s); err != nil {
			return s, err
		}
	}
	for _, n := range chart.headers {
		s.Duplicates += n - 1
	}
	s.Seconds = float64(r.clock.Now().Sub(r.began).Milliseconds()) / 1000
	return s, nil
}

// parkedFollowUps counts exchanges whose first version is filed and whose correction or retraction is parked: the chart
// does not show their newest state, so they count as parked.
func (r *run) parkedFollowUps(ctx context.Context) (int, error) {
	n := 0
	err := r.app.Store().View(ctx, func(tx connector.Tx) error {
		n = 0
		items, err := tx.OpenItems("", []connector.ItemState{connector.Parked}, 1_000_000)
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, i := range items {
			if (i.Kind != connector.ItemCorrection && i.Kind != connector.ItemRetraction) || seen[i.Thread+i.MsgKey] {
				continue
			}
			seen[i.Thread+i.MsgKey] = true
			m, err := tx.MessageByExt(i.EHR, i.Thread, i.MsgKey, 1)
			if errors.Is(err, connector.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			of, err := tx.ItemsOf(i.EHR, m.Thread, m.ID)
			if err != nil {
				return err
			}
			for _, x := range of {
				if x.Kind == connector.ItemExchange && x.State == connector.Filed {
					n++
				}
			}
		}
		return nil
	})
	return n, err
}

// late lists the messages our tables say were filed after later ones of their thread; their order is apart.
func (r *run) late(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	err := r.app.Store().View(ctx, func(tx connector.Tx) error {
		clear(out)
		items, err := tx.OpenItems("", []connector.ItemState{connector.Filed}, 10_000_000)
		if err != nil {
			return err
		}
		for _, i := range items {
			if !i.Late || i.Kind != connector.ItemExchange {
				continue
			}
			t, err := tx.Thread(i.EHR, i.Thread)
			if err != nil {
				return err
			}
			out[t.Ext+"/"+i.MsgKey] = true
		}
		return nil
	})
	return out, err
}

// read collects everything with our identifiers from the EHR.
func (r *run) read(ctx context.Context) (*reader, error) {
	if r.sandbox != nil {
		r.sandbox.EndFaults() // they are for the connector, not for who checks it
	}
	hc := &http.Client{}
	cfg := client.Config{HTTP: hc, Base: r.base, Now: r.clock.Now, Timeout: 2 * time.Minute, MaxBody: 256 << 20}
	if r.backend != nil {
		found, err := smart.Discover(ctx, hc, r.base)
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
	out := &reader{c: c, messages: map[string][]*onChart{}, headers: map[string]int{}}
	for _, kind := range []string{"Communication", "DocumentReference"} {
		if err := out.all(ctx, kind); err != nil {
			return nil, err
		}
	}
	return out, out.creations(ctx)
}

// all pages through a type.
func (c *reader) all(ctx context.Context, kind string) error {
	page, err := c.c.Search(ctx, kind, url.Values{"_count": {"500"}, "_sort": {"_lastUpdated"}})
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
			c.note(o)
		}
		next, ok, err := c.c.Next(ctx, page)
		if err != nil || !ok {
			return err
		}
		page = next
	}
}

func (c *reader) note(o *onChart) {
	o.created = o.Meta.LastUpdated
	for _, id := range o.Identifier {
		switch id.System {
		case identityBase + "/" + channel + "/message":
			c.messages[id.Value] = append(c.messages[id.Value], o)
		case identityBase + "/" + channel + "/thread":
			c.headers[id.Value]++
		}
	}
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

// compare holds one thread against the chart.
func (c *reader) compare(ctx context.Context, t *thread, patient string, s *Summary) error {
	newest := map[string]*entry{}
	var before *onChart
	for _, m := range t.Messages {
		value := t.ID + "/" + m.ID
		if m.Revision > 1 {
			value += fmt.Sprintf("/r%d", m.Revision)
		}
		newest[m.ID] = m
		found := c.messages[value]
		if len(found) == 0 {
			newest[m.ID] = nil
			continue
		}
		s.Duplicates += len(found) - 1
		o := found[0]
		if o.Subject.Reference != patient {
			s.WrongPatient++
		}
		same, err := c.same(ctx, m, o)
		if err != nil {
			return err
		}
		if !same || o.Subject.Reference != patient {
			newest[m.ID] = nil
		}
		if m.Revision == 1 && !m.Late {
			if before != nil && o.created.Before(before.created) {
				s.OutOfOrder++
			}
			before = o
		}
	}
	for _, m := range newest {
		if m != nil {
			s.OnChart++
		}
	}
	return nil
}

// same says whether the entry has the message's exact words and files, and stands as retracted when it was taken back.
func (c *reader) same(ctx context.Context, m *entry, o *onChart) (bool, error) {
	if m.Retracted {
		return o.Status == "entered-in-error", nil
	}
	if o.Status == "entered-in-error" {
		return false, nil
	}
	if o.ResourceType == "DocumentReference" {
		data, err := base64.StdEncoding.DecodeString(o.Content[0].Attachment.Data)
		return err == nil && bytes.Contains(data, []byte(m.Text)), nil
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
	resp, err := c.c.Read(ctx, f.URL, "Binary")
	if err != nil {
		return nil, err
	}
	var b struct{ Data string }
	if err := json.Unmarshal(resp.Body, &b); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(b.Data)
}
