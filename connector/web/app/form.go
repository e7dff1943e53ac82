package app

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector/inbox"
)

// The limits of a form.
const (
	maxFiles  = 10
	maxField  = 128 << 10 // bytes of one field: 20,000 characters and their escapes
	maxFields = 100
)

var (
	errForm    = errors.New("the form cannot be read")
	errTooMany = fmt.Errorf("more than %d files", maxFiles)
)

// form is what a form sent. Files never touch a disk.
type form struct {
	url.Values
	files []inbox.Upload
}

func (f form) get(name string) string { return f.Get(name) }

// readForm reads a post's body within the limits. Fields that came before what is too large are in what it gives beside the
// error, so that a page can keep what was written. What is too large or cannot be read is counted as a refusal; where it cannot be
// counted, that is the error.
func (p *pages) readForm(c echo.Context) (form, error) {
	f, err := p.readBody(c)
	var large *http.MaxBytesError
	why := ""
	switch {
	case errors.As(err, &large), errors.Is(err, errTooMany):
		why = "size"
	case errors.Is(err, errForm):
		why = "unreadable"
	default:
		return f, err
	}
	if uncounted := p.o.Refused(c.Request().Context(), source(c), why); uncounted != nil {
		return f, uncounted
	}
	return f, err
}

func (p *pages) readBody(c echo.Context) (form, error) {
	f := form{Values: url.Values{}}
	limit := p.o.MaxBody[session(c).EHR]
	if limit == 0 {
		limit = maxBody
	}
	r := c.Request()
	r.Body = http.MaxBytesReader(c.Response(), r.Body, limit)
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil:
		return f, errForm
	case kind == "application/x-www-form-urlencoded":
		b, err := io.ReadAll(io.LimitReader(r.Body, 8*maxField+1))
		if err != nil {
			return f, err
		}
		if len(b) > 8*maxField {
			return f, &http.MaxBytesError{Limit: 8 * maxField}
		}
		if f.Values, err = url.ParseQuery(string(b)); err != nil {
			return form{Values: url.Values{}}, errForm
		}
		return f, nil
	case kind == "multipart/form-data":
		return f, f.parts(multipart.NewReader(r.Body, params["boundary"]))
	}
	return f, errForm
}

// parts reads the parts of a form with files, in order.
func (f *form) parts(r *multipart.Reader) error {
	for n := 0; ; n++ {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil || n >= maxFields {
			return bodyError(err)
		}
		if err := f.part(part); err != nil {
			return err
		}
	}
}

func (f *form) part(part *multipart.Part) error {
	_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil {
		return errForm
	}
	name, isFile := params["filename"]
	if !isFile {
		b, err := io.ReadAll(io.LimitReader(part, maxField+1))
		if err != nil {
			return bodyError(err)
		}
		if len(b) > maxField {
			return &http.MaxBytesError{Limit: maxField}
		}
		f.Add(params["name"], string(b))
		return nil
	}
	data, err := io.ReadAll(part)
	if err != nil {
		return bodyError(err)
	}
	if name == "" && len(data) == 0 {
		return nil // a field for files that was left empty
	}
	if len(f.files) == maxFiles {
		return errTooMany
	}
	// Some browsers give a whole path; only its last part is a name, and no part of it may steer a header or a page.
	f.files = append(f.files, inbox.Upload{Name: path.Base(strings.ReplaceAll(name, `\`, "/")), Data: data})
	return nil
}

// bodyError keeps the error of a body that is too large; any other says that the form cannot be read.
func bodyError(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return large
	}
	return errForm
}

// draft is a composer's content.
func (f form) draft(thread string) inbox.DraftIn {
	version, _ := strconv.ParseInt(f.get("version"), 10, 64)
	return inbox.DraftIn{ID: f.get("draft"), Version: version, Thread: thread, Channel: f.get("channel"), Topic: f.get("topic"), To: f.Values["to"],
		Text: newlines.Replace(f.get("text")), Urgent: f.get("urgent") != "", Template: f.get("template"), Bind: f.get("bind"),
		AddFiles: f.files, DropFiles: f.Values["drop"]}
}

// newlines undoes what browsers do to the lines of a form's text.
var newlines = strings.NewReplacer("\r\n", "\n")

// work is an act with a thread.
func (f form) work(thread, act string) inbox.WorkIn {
	shown, _ := strconv.ParseInt(f.get("shown"), 10, 64) // what is none was not shown
	return inbox.WorkIn{Thread: thread, Act: act, To: f.get("to"), Shown: shown}
}
