package demo

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/platform"
	"github.com/chartwire/chartwire/adapters/sandbox/seed"
	"github.com/chartwire/chartwire/testdata/threads"
)

// envelope is the part of a channel event this package reads. It is decoded here, apart from the connector's own decoder,
// so that what the chart must show does not depend on the code under demonstration.
type envelope struct {
	Type string
	Data struct {
		Thread  struct{ ID string }
		Patient *struct{ Identifiers []seed.Identifier }
		Message *struct {
			ID          string
			Sequence    int
			Direction   string
			SentAt      time.Time `json:"sent_at"`
			Text        string
			Attachments []eventFile
		}
		Correction *struct {
			MessageID   string `json:"message_id"`
			Version     int
			Text        string
			Attachments []eventFile
		}
		Retraction *struct {
			MessageID string `json:"message_id"`
		}
	}
}

type eventFile struct{ URL, Data string }

// entry is one message revision the chart must show.
type entry struct {
	ID          string   `json:"id"`
	Revision    int      `json:"revision"`
	Text        string   `json:"-"`
	TextSHA256  string   `json:"text_sha256"`
	Retracted   bool     `json:"retracted"`
	Attachments []string `json:"attachments"`
	Late        bool     `json:"late,omitempty"`
	Internal    bool     `json:"internal,omitempty"` // written by staff for each other

	sequence int
	sent     time.Time
}

type thread struct {
	ID       string          `json:"id"`
	Patient  seed.Identifier `json:"patient_identifier"`
	Messages []*entry        `json:"messages"`
}

// expectation is what the chart must show, for our own read-back and, as a file, for an independent one.
type expectation struct {
	Base    string    `json:"base"`
	Channel string    `json:"channel"`
	As      string    `json:"as"` // the strategy everything is filed as
	Threads []*thread `json:"threads"`
}

// expect works it out from the events that were given and the messages the platform took from us.
func (r *run) expect(late map[string]bool) expectation {
	x := expectation{Base: identityBase, Channel: channel, As: or(r.o.As, "communication")}
	byID := map[string]*thread{}
	get := func(id string) *thread {
		t := byID[id]
		if t == nil {
			t = &thread{ID: id}
			byID[id] = t
			x.Threads = append(x.Threads, t)
		}
		return t
	}
	for _, raw := range r.events {
		var e envelope
		_ = json.Unmarshal(raw, &e) // seed.FromEvents has read it
		get(e.Data.Thread.ID).take(&e)
	}
	for _, m := range r.platform.Received() {
		get(m.Taken.ThreadID).sent(m)
	}
	for _, t := range x.Threads {
		t.order(late)
	}
	x.Threads = slices.DeleteFunc(x.Threads, func(t *thread) bool { return len(t.Messages) == 0 })
	return x
}

// take notes one event.
func (t *thread) take(e *envelope) {
	if p := e.Data.Patient; p != nil && t.Patient == (seed.Identifier{}) {
		t.Patient = p.Identifiers[0]
	}
	switch {
	case e.Type == "message.created" && t.find(e.Data.Message.ID, 1) == nil:
		m := e.Data.Message
		t.Messages = append(t.Messages, &entry{ID: m.ID, Revision: 1, Text: m.Text, Attachments: hashes(m.Attachments), sequence: m.Sequence, sent: m.SentAt, Internal: m.Direction == "internal"})
	case e.Type == "message.corrected" && t.find(e.Data.Correction.MessageID, e.Data.Correction.Version) == nil:
		c := e.Data.Correction
		t.Messages = append(t.Messages, &entry{ID: c.MessageID, Revision: c.Version, Text: c.Text, Attachments: hashes(c.Attachments)})
	case e.Type == "message.retracted":
		t.Messages = append(t.Messages, &entry{ID: e.Data.Retraction.MessageID, Revision: -1})
	}
}

// sent notes a message the platform took from us.
func (t *thread) sent(m platform.Received) {
	e := &entry{ID: m.Taken.MessageID, Revision: 1, Text: m.Message.Text, sequence: m.Taken.Sequence, Attachments: []string{}}
	e.sent, _ = time.Parse(time.RFC3339, m.Message.SentAt)
	if t.Patient == (seed.Identifier{}) {
		var p struct{ Identifiers []seed.Identifier }
		if json.Unmarshal(m.Message.Patient, &p) == nil && len(p.Identifiers) > 0 {
			t.Patient = p.Identifiers[0]
		}
	}
	t.Messages = append(t.Messages, e)
}

func (t *thread) find(id string, revision int) *entry {
	for _, m := range t.Messages {
		if m.ID == id && m.Revision == revision {
			return m
		}
	}
	return nil
}

// order puts first versions in thread order, each followed by its revisions, and applies retractions.
func (t *thread) order(late map[string]bool) {
	place := map[string]*entry{}
	for _, m := range t.Messages {
		m.TextSHA256 = hash([]byte(m.Text))
		if m.Revision == 1 {
			place[m.ID] = m
			m.Late = late[t.ID+"/"+m.ID]
		}
	}
	for _, m := range t.Messages {
		if first := place[m.ID]; first != nil {
			m.Internal = first.Internal
		}
		if m.Revision != -1 {
			continue
		}
		for _, o := range t.Messages {
			o.Retracted = o.Retracted || o.ID == m.ID
		}
	}
	t.Messages = slices.DeleteFunc(t.Messages, func(m *entry) bool { return m.Revision == -1 || place[m.ID] == nil })
	slices.SortStableFunc(t.Messages, func(a, b *entry) int {
		x, y := place[a.ID], place[b.ID]
		if x.sequence > 0 && y.sequence > 0 {
			return cmp.Or(cmp.Compare(x.sequence, y.sequence), cmp.Compare(a.Revision, b.Revision))
		}
		return cmp.Or(x.sent.Compare(y.sent), cmp.Compare(x.ID, y.ID), cmp.Compare(a.Revision, b.Revision))
	})
}

// hashes are the SHA-256 of the files of a message, fetched ones from the bundled media.
func hashes(files []eventFile) []string {
	out := []string{}
	for _, f := range files {
		data, err := base64.StdEncoding.DecodeString(f.Data)
		if f.URL != "" {
			data, err = mediumAt(f.URL), nil
		}
		if err == nil {
			out = append(out, hash(data))
		}
	}
	return out
}

func mediumAt(url string) []byte {
	for _, m := range threads.Media() {
		if len(url) > len(m.ID) && url[len(url)-len(m.ID):] == m.ID {
			return m.Data
		}
	}
	return nil
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// write puts the expectation into a file for an independent reader of the chart.
func (x expectation) write(name string) error {
	raw, err := json.MarshalIndent(x, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, raw, 0o600)
}
