package ingest

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// sameMessage says whether two messages of one id are one: direction, sender, instant, words and files.
func sameMessage(a, b *connector.Message) bool {
	return a.Direction == b.Direction && a.Sender.Key() == b.Sender.Key() && a.SentAt.Equal(b.SentAt) && sameWords(a, b)
}

func sameWords(a, b *connector.Message) bool {
	return a.Text == b.Text && sameFiles(a.Attachments, b.Attachments)
}

// sameFiles compares attachments by id and hash, in any order. A file whose hash is not known yet is taken for the same.
func sameFiles(a, b []connector.Attachment) bool {
	if len(a) != len(b) {
		return false
	}
	hashes := make(map[string]string, len(a))
	for _, f := range a {
		hashes[f.ID] = f.SHA256
	}
	for _, f := range b {
		h, ok := hashes[f.ID]
		if !ok || h != "" && f.SHA256 != "" && h != f.SHA256 {
			return false
		}
	}
	return true
}

// digest names a content, to tell whether one conflict is another. It is kept sealed.
func digest(revision int, m *connector.Message) string {
	files := make([]string, 0, len(m.Attachments))
	for _, f := range m.Attachments {
		files = append(files, f.ID+" "+f.SHA256)
	}
	slices.Sort(files)
	// Encoding a struct of these types cannot fail.
	b, _ := json.Marshal(struct {
		Revision                int
		Direction, Sender, Text string
		SentAt                  time.Time
		Files                   string
	}{revision, string(m.Direction), m.Sender.Key(), m.Text, m.SentAt.UTC(), strings.Join(files, "\n")})
	return connector.Hash(b)
}

// keepFiles puts the bytes given inline beside the message row and takes them out of it. It says whether a file has to be
// fetched.
func keepFiles(tx connector.Tx, m *connector.MessageRow) (fetch bool, err error) {
	m.Message.Attachments = slices.Clone(m.Message.Attachments)
	for i := range m.Message.Attachments {
		a := &m.Message.Attachments[i]
		if a.Data == nil && a.URL != "" {
			fetch = true
			continue
		}
		data := a.Data
		if data == nil {
			data = []byte{} // an empty file given inline is there
		}
		if err := tx.PutBlob(m.EHR, m.Thread, m.ID, a.ID, data); err != nil {
			return false, err
		}
		a.Data = nil
	}
	return fetch, nil
}
