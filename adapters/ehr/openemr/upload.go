package openemr

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/connector"
)

// kind is the type of every write: what FHIR shows a document as.
const kind = "DocumentReference"

// plain is the type of a note's document.
const plain = "text/plain; charset=utf-8"

// CategoryPath is how the API spells a document category: "Medical Record/Letters" is /medical_record/letters. The error says
// what cannot be a category and what to write.
func CategoryPath(name string) (string, error) {
	var out strings.Builder
	for part := range strings.SplitSeq(strings.TrimPrefix(name, "/"), "/") {
		if part = strings.ToLower(strings.TrimSpace(part)); !categoryName.MatchString(part) {
			return "", errors.New("is no document category; write the names from the top one down as OpenEMR shows them, with / between them, such as Chartwire or Medical Record/Letters")
		}
		out.WriteString("/" + strings.ReplaceAll(part, " ", "_"))
	}
	return out.String(), nil
}

var categoryName = regexp.MustCompile(`^[\pL\pN][\pL\pN ()&.'_-]{0,99}$`)

// upload is one document on its way: the only file of a form.
type upload struct {
	name string
	kind string // Content-Type
	data []byte
}

// suffixes are the types of files a document can have, as their content shows. OpenEMR looks at the content too, and declines
// what its list of file types has not.
var suffixes = map[string]string{"image/png": ".png", "image/jpeg": ".jpg", "application/pdf": ".pdf"}

func carries(a connector.Attachment) bool {
	_, ok := suffixes[http.DetectContentType(a.Data)]
	return ok
}

// fileName is what a document is called: the EHR keeps letters, digits, _ and one suffix as they are.
func fileName(id connector.Identifier, suffix string) string {
	return "chartwire_" + connector.ControlID(id) + suffix
}

// call makes the request that uploads a piece. The patient's number is put in the place of their reference when it is sent.
func (e *EHR) call(p filing.Piece) (connector.Write, error) {
	u := upload{name: fileName(p.ID, ".txt"), kind: plain, data: p.Text}
	if p.File != nil {
		u.kind = http.DetectContentType(p.File.Data)
		u.name, u.data = fileName(p.ID, suffixes[u.kind]), p.File.Data
	}
	return connector.Write{
		Method: http.MethodPost, URL: "patient/" + connector.SymPatient + "/document?" + url.Values{"path": {e.category}}.Encode(),
		Header: map[string]string{"Content-Type": "multipart/form-data; boundary=" + u.boundary()},
		Body:   u.encode(), Type: kind, Expect: connector.Expect{Status: "current"},
	}, nil
}

// boundary is a line no file holds: it is made of the file's own hash.
func (u upload) boundary() string { return "chartwire" + connector.Hash(u.data)[:40] }

func (u upload) encode() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=\"document\"; filename=\"%s\"\r\nContent-Type: %s\r\n\r\n", u.boundary(), u.name, u.kind)
	b.Write(u.data)
	fmt.Fprintf(&b, "\r\n--%s--\r\n", u.boundary())
	return b.Bytes()
}

// read reads the document back out of a write of ours, and refuses any other body.
func read(w connector.Write) (upload, error) {
	_, params, err := mime.ParseMediaType(w.Header["Content-Type"])
	if err != nil {
		return upload{}, errors.New("the Content-Type is not that of a form")
	}
	part, err := multipart.NewReader(bytes.NewReader(w.Body), params["boundary"]).NextRawPart()
	if err != nil {
		return upload{}, errors.New("the form has no whole part")
	}
	u := upload{name: part.FileName(), kind: part.Header.Get("Content-Type")}
	if u.data, err = io.ReadAll(part); err != nil {
		return upload{}, errors.New("the form's part is cut short")
	}
	if !bytes.Equal(u.encode(), w.Body) {
		return upload{}, errors.New("the form is not one document and nothing else")
	}
	return u, nil
}

// Gate reads the form that would leave as the EHR does: one document, called after the write's identity, with exactly the words
// or the file the write says.
func (e *EHR) Gate(w connector.Write) error {
	u, err := read(w)
	if err != nil {
		return refusedByGate(err.Error())
	}
	switch {
	case u.name != fileName(w.Identity, path.Ext(u.name)):
		return refusedByGate("the document is not called after the write's identity")
	case u.kind == plain && w.Expect.Text != "" && wordsOf(u.data) != w.Expect.Text:
		return refusedByGate("the document does not hold the message's exact words")
	case u.kind == plain && wordsOf(u.data) == "":
		return refusedByGate("the document is no note")
	case u.kind != plain && !slices.Equal(w.Expect.Attachments, []string{connector.Hash(u.data)}):
		return refusedByGate("the document is not the file of the message")
	}
	return nil
}

// wordsOf is the hash of the words in a note, "" where it is none.
func wordsOf(note []byte) string {
	words, ok := filing.Words(note)
	if !ok {
		return ""
	}
	return connector.Hash(words)
}

func refusedByGate(sentence string) error {
	return &connector.Refused{Reason: connector.GateRefused, Detail: connector.Protect(sentence)}
}
