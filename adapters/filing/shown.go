package filing

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/connector"
)

// shown is what the writes of one plan put on the chart, whatever their form: JSON of any API, a form, or an HL7 v2 message.
type shown struct {
	words, files map[string]bool  // SHA-256, as the receipts will be compared
	fields       map[string][]any // values of JSON members, by name, at any depth
	values       map[string]bool  // every string of the JSON
	text         string           // everything a person can read
	er7          string           // the HL7 v2 messages as they are
	recipients   int              // named where software finds them
	updates      bool             // an entry that is there is changed
	replaces     bool             // an entry says that it replaces another
	inError      bool             // an entry is marked as entered in error
}

func shownBy(writes []connector.Write) shown {
	s := shown{words: map[string]bool{}, files: map[string]bool{}, fields: map[string][]any{}, values: map[string]bool{}}
	var text strings.Builder
	for _, w := range writes {
		if w.Expect.Text != "" {
			s.words[w.Expect.Text] = true
		}
		for _, sum := range w.Expect.Attachments {
			s.files[sum] = true
		}
		if w.Update != nil {
			s.updates = true
			s.inError = s.inError || w.Update.Set["status"] == "entered-in-error"
			continue
		}
		switch kind, params, _ := mime.ParseMediaType(w.Header["Content-Type"]); kind {
		case connector.ER7:
			s.message(w.Body, &text)
			continue
		case "multipart/form-data":
			s.parts(multipart.NewReader(bytes.NewReader(w.Body), params["boundary"]), &text)
			continue
		case "application/x-www-form-urlencoded":
			s.form(string(w.Body), &text)
			continue
		}
		var body any
		if json.Unmarshal(w.Body, &body) == nil {
			s.walk("", body, &text)
		}
	}
	s.text = text.String()
	for _, list := range s.fields["recipient"] {
		if all, ok := list.([]any); ok {
			s.recipients = max(s.recipients, len(all))
		}
	}
	for _, list := range s.fields["relatesTo"] {
		all, _ := list.([]any)
		for _, one := range all {
			relation, _ := one.(map[string]any)
			s.replaces = s.replaces || relation["code"] == "replaces"
		}
	}
	return s
}

// message reads an HL7 v2 document message: its text is spread over segments, a line each, and escaped.
func (s *shown) message(body []byte, text *strings.Builder) {
	s.er7 += string(body) + "\n"
	size := len(body) + 1 // the plan made it: whatever its length, it is read
	m, err := hl7.Parse(body, hl7.Options{MaxBytes: size, MaxSegments: size, MaxParts: size})
	if err != nil {
		return
	}
	d, err := hl7.ReadMDM(m)
	if err != nil {
		return
	}
	s.replaces = s.replaces || d.Event == "T10"
	told := hl7.TextOf(d.Content)
	s.tells([]byte(told))
	text.WriteString(told + "\n")
}

// parts reads a form whose fields are files: those of text can be read by a person.
func (s *shown) parts(r *multipart.Reader, text *strings.Builder) {
	for part, err := r.NextRawPart(); err == nil; part, err = r.NextRawPart() {
		raw, _ := io.ReadAll(part) // of memory: it ends where the part does
		if utf8.Valid(raw) {
			text.WriteString(string(raw) + "\n")
		}
	}
}

// form reads a form of plain fields.
func (s *shown) form(body string, text *strings.Builder) {
	fields, _ := url.ParseQuery(body) // what it could read
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		for _, v := range fields[name] {
			s.fields[name] = append(s.fields[name], v)
			s.walk(name, v, text)
		}
	}
	if fields.Get("priority") == "1" { // such an API knows high and normal, and no name for the former
		s.fields["priority"] = append(s.fields["priority"], string(connector.Urgent), string(connector.ASAP), string(connector.Stat))
	}
}

func (s *shown) walk(name string, v any, text *strings.Builder) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			s.fields[k] = append(s.fields[k], v[k])
			s.walk(k, v[k], text)
		}
	case []any:
		for _, one := range v {
			s.walk(name, one, text)
		}
	case string:
		s.values[v] = true
		if name == "data" { // an Attachment's: the text of a note is in it
			if raw, err := base64.StdEncoding.DecodeString(v); err == nil && utf8.Valid(raw) {
				v = string(raw)
				s.tells(raw)
			}
		}
		text.WriteString(v + "\n")
	}
}

// tells takes the words of the messages that a transcript tells.
func (s shown) tells(text []byte) {
	said, _ := transcript.Words(text)
	for _, one := range said {
		s.words[connector.Hash(one.Words)] = true
	}
}

// strings are the texts of the members with this name.
func (s shown) strings(name string) []string {
	var out []string
	for _, v := range s.fields[name] {
		if text, ok := v.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

// names says whether the entry of a message is referred to where software finds it: by its symbol, or in a document message
// by the document's id.
func (s shown) names(message connector.Identifier) bool {
	return s.values[connector.SymMessage(message.Value)] || strings.Contains(s.er7, connector.ControlID(message)+"-v")
}

// author is the resource type of who the entry says it is from, where software finds it; "" for nobody.
func (s shown) author() string {
	for _, name := range []string{"sender", "author"} {
		for _, v := range s.fields[name] {
			if all, ok := v.([]any); ok && len(all) > 0 {
				v = all[0]
			}
			ref, _ := v.(map[string]any)
			literal, _ := ref["reference"].(string)
			kind, _ := ref["type"].(string)
			switch {
			case literal == connector.SymPatient:
				return "Patient"
			case literal != "":
				return typeOf(literal, firstNonEmpty(kind, "Person"))
			case kind != "":
				return kind
			}
		}
	}
	return ""
}
