package preview

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"unicode/utf8"

	"github.com/chartwire/chartwire/connector"
)

// Upload is one file of a request that is a form of files, as its Body has it: a list of these. Text is what a person can read,
// Data what nobody can.
type Upload struct {
	Field string `json:"field"`
	Name  string `json:"name"`
	Type  string `json:"type"`
	Text  string `json:"text,omitempty"`
	Data  []byte `json:"base64,omitempty"`
}

// uploads is the body of a write that is a form of files; false for any other.
func (r *recorder) uploads(w connector.Write) (json.RawMessage, bool) {
	kind, params, err := mime.ParseMediaType(w.Header["Content-Type"])
	if err != nil || kind != "multipart/form-data" {
		return nil, false
	}
	all := []Upload{}
	parts := multipart.NewReader(bytes.NewReader(w.Body), params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, false
		}
		raw, err := io.ReadAll(part)
		if err != nil {
			return nil, false
		}
		u := Upload{Field: part.FormName(), Name: part.FileName(), Type: part.Header.Get("Content-Type")}
		switch symbol := r.media.symbolOf(raw); {
		case symbol != "":
			u.Text = symbol
		case utf8.Valid(raw):
			u.Text = string(raw)
		default:
			u.Data = raw
		}
		all = append(all, u)
	}
	body, err := json.Marshal(all)
	return body, err == nil
}
