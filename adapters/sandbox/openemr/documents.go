package openemr

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

// upload takes the file of the field "document" into the category of the query's path. What is declined is a 404 whose body is
// null, whatever the reason.
func (s *Server) upload(r *http.Request, pid string) *ehr.Response {
	patient := s.whose(pid)
	if patient == "" {
		return badPid()
	}
	name, data, ok := fileOf(r)
	kind := sniffed(data)
	category, exists := s.category(r.URL.Query().Get("path"))
	if !ok || !exists || len(data) == 0 || string(data) == "0" || !white(kind) || path.Ext(name) == "" {
		return answer(http.StatusNotFound, nil)
	}
	if err := s.keep(Document{Patient: patient, Category: category, Name: unfit.ReplaceAllString(name, "_"), Type: kind, Data: data}); err != nil {
		return answer(http.StatusInternalServerError, envelope(nil, err.Error()))
	}
	return answer(http.StatusOK, true)
}

func fileOf(r *http.Request) (name string, data []byte, ok bool) {
	form, err := r.MultipartReader()
	if err != nil {
		return "", nil, false
	}
	for {
		part, err := form.NextPart()
		if err != nil {
			return "", nil, false
		}
		if part.FormName() != "document" || part.FileName() == "" {
			continue
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return "", nil, false
		}
		_, err = form.NextPart()
		return part.FileName(), data, err == io.EOF
	}
}

var unfit = regexp.MustCompile(`[^a-zA-Z0-9_.]`)

// category finds the category a path names: small letters, no spaces. One of one level need not exist: the document is then in
// none. ok is false for a path below one that does not.
func (s *Server) category(path string) (name string, ok bool) {
	plain := func(name string) string { return strings.NewReplacer(" ", "", "_", "").Replace(strings.ToLower(name)) }
	wanted, found := strings.CutPrefix(path, "/")
	if !found {
		return "", false
	}
	for _, c := range s.o.Categories {
		if plain(c) == plain(wanted) {
			return c, true
		}
	}
	return "", !strings.Contains(wanted, "/")
}

// sniffed is what the content of a file shows it to be, as libmagic sees it: text holds no control characters but those of
// terminals and printers.
func sniffed(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		return "image/png"
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		return "image/jpeg"
	case bytes.HasPrefix(data, []byte("%PDF-")):
		return "application/pdf"
	case !utf8.Valid(data):
		return "application/octet-stream"
	}
	for _, b := range data {
		if b < 0x07 || b > 0x0d && b < 0x20 && b != 0x1b || b == 0x7f {
			return "application/octet-stream"
		}
	}
	return "text/plain"
}

// white says whether the list of file types that may be uploaded has one.
func white(kind string) bool {
	return strings.HasPrefix(kind, "text/") || strings.HasPrefix(kind, "image/") || kind == "application/pdf"
}

// keep puts a document on the chart. One whose name the patient has already gets another name: both are there.
func (s *Server) keep(d Document) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := map[string]bool{}
	for _, have := range s.documents {
		taken[have.Patient+" "+have.Name] = true
	}
	ext := path.Ext(d.Name)
	for stem, n := strings.TrimSuffix(d.Name, ext), 1; taken[d.Patient+" "+d.Name]; n++ {
		d.Name = fmt.Sprintf("%s_%d%s", stem, n, ext)
	}
	d.ID, d.Created = len(s.documents)+1, s.o.Now()
	d.UUID = fmt.Sprintf("9e%06x-c0de-4bad-8001-%012x", d.ID, d.ID)
	for _, r := range []map[string]any{binary(d), reference(d, s.o.FHIR.Base())} {
		raw, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if _, err := s.o.FHIR.Put(raw); err != nil {
			return err
		}
	}
	s.documents = append(s.documents, d)
	return nil
}

func binary(d Document) map[string]any {
	return map[string]any{"resourceType": "Binary", "id": d.UUID, "contentType": d.Type, "data": base64.StdEncoding.EncodeToString(d.Data)}
}

// reference is how FHIR shows a document: by an identifier of OpenEMR's own, its name being the attachment's title.
func reference(d Document, base string) map[string]any {
	attachment := map[string]any{"contentType": d.Type, "url": base + "/Binary/" + d.UUID, "title": d.Name}
	r := map[string]any{
		"resourceType": "DocumentReference", "id": d.UUID, "identifier": []any{map[string]any{"value": d.UUID}}, "status": "current",
		"type":    map[string]any{"coding": []any{map[string]any{"system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "UNK"}}},
		"subject": map[string]any{"reference": d.Patient}, "date": d.Created.UTC().Format(time.RFC3339),
		"content": []any{map[string]any{"attachment": attachment}},
	}
	if d.Category != "" {
		r["category"] = []any{map[string]any{"text": d.Category}}
	}
	return r
}

// list answers the patient's documents of a category; none is a 404, as is a category there is not.
func (s *Server) list(r *http.Request, pid string) *ehr.Response {
	patient := s.whose(pid)
	if patient == "" {
		return badPid()
	}
	category, _ := s.category(r.URL.Query().Get("path"))
	var rows []map[string]any
	for _, d := range s.Documents() {
		if d.Patient == patient && d.Category == category && category != "" {
			rows = append(rows, map[string]any{"filename": d.Name, "id": d.ID, "mimetype": d.Type, "docdate": d.Created.Format(time.DateOnly)})
		}
	}
	if len(rows) == 0 {
		return answer(http.StatusNotFound, nil)
	}
	return answer(http.StatusOK, rows)
}
