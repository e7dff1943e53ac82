package r4

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"strings"
)

// Problem says why a resource could not be built: the element and one plain sentence. It never
// holds the element's value, so it can be logged and shown.
type Problem struct {
	Path string // FHIRPath-like, e.g. "Communication.payload[0].contentString"
	Text string // what is wrong with it
}

// Error implements error.
func (p *Problem) Error() string { return p.Path + ": " + p.Text }

// Marshal encodes v without escaping <, > and & (they are legal in JSON, and what is sent
// should look like what was said). The output is deterministic for the types of this package.
func Marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// encode checks the resource body and marshals it. body is a struct whose first field is
// resourceType. It refuses what JSON encoding would silently change (invalid UTF-8) or what R4
// forbids in any resource (empty elements, control characters, malformed codes and dates).
func encode(resourceType string, body any) ([]byte, error) {
	if err := checkValue(resourceType, "", reflect.ValueOf(body)); err != nil {
		return nil, err
	}
	return Marshal(body)
}

var (
	codePattern = regexp.MustCompile(`^[^\s]+(\s[^\s]+)*$`)
	idPattern   = regexp.MustCompile(`^[A-Za-z0-9\-.]{1,64}$`)
	// referencePattern is a relative reference, with an optional version.
	referencePattern = regexp.MustCompile(`^[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(/_history/[A-Za-z0-9\-.]{1,64})?$`)
	// symbolPattern is a placeholder the caller fills in before sending.
	symbolPattern = regexp.MustCompile(`^\{[^{}\s]+\}$`)
)

var (
	rawMessageType = reflect.TypeFor[json.RawMessage]()
	payloadType    = reflect.TypeFor[Payload]()
	attachmentType = reflect.TypeFor[Attachment]()
)

// checkValue walks v. name is the JSON name of the element, which decides the rule for strings.
func checkValue(path, name string, v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return checkValue(path, name, v.Elem())
	case reflect.Slice:
		return checkSlice(path, name, v)
	case reflect.Struct:
		return checkStruct(path, v)
	case reflect.String:
		return checkString(path, name, v.String())
	default:
		return nil
	}
}

func checkSlice(path, name string, v reflect.Value) error {
	if v.Type() == rawMessageType {
		if !json.Valid(v.Bytes()) {
			return &Problem{path, "the nested resource is not JSON"}
		}
		return nil
	}
	for i := range v.Len() {
		if err := checkValue(fmt.Sprintf("%s[%d]", path, i), name, v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func checkStruct(path string, v reflect.Value) error {
	switch v.Type() {
	case payloadType:
		if err := v.Interface().(Payload).check(path); err != nil {
			return err
		}
	case attachmentType:
		if a := v.Interface().(Attachment); a.Data != nil && a.ContentType == nil {
			return &Problem{path + ".contentType", "required where there is data (att-1)"}
		}
	}
	if v.IsZero() {
		return &Problem{path, "the element is empty; leave it out"}
	}
	t := v.Type()
	for i := range t.NumField() {
		field, value := t.Field(i), v.Field(i)
		if field.Anonymous {
			if err := checkStruct(path, value); err != nil {
				return err
			}
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" || name == "resourceType" {
			continue
		}
		if value.IsZero() && (strings.Contains(options, "omitempty") || value.Kind() == reflect.Int) {
			continue // absent, or the first code of an enum
		}
		if value.Kind() == reflect.Slice && value.Len() == 0 {
			if strings.Contains(options, "omitempty") {
				continue
			}
			return &Problem{path + "." + name, "at least one is required"}
		}
		if err := checkValue(path+"."+name, name, value); err != nil {
			return err
		}
	}
	return nil
}

// checkString applies the R4 data type the element name has everywhere in the resources built
// here; names not listed are of type string or markdown.
func checkString(path, name, s string) error {
	ok := true
	kind := "a string: UTF-8 text, not blank, no control characters, at most 1 MiB"
	switch name {
	case "data", "hash":
		ok, kind = s != "" && len(s)%4 == 0, "base64"
	case "id", "versionId":
		ok, kind = idPattern.MatchString(s), "an id: 1–64 letters, digits, '-' and '.'"
	case "code", "contentType", "language", "intent":
		ok, kind = CarriableString(s) && codePattern.MatchString(s), "a code: no surrounding or doubled white space"
	case "reference":
		ok, kind = validReference(s), "a reference: Type/id, an absolute URL, urn:uuid, #contained or a conditional Type?query"
	case "system", "url", "fullUrl", "profile", "type", "endpoint", "source", "implicitRules":
		ok, kind = validURI(s), "a URI: no white space or control characters"
	case "sent", "received", "authoredOn", "creation", "time", "start", "end", "occurrenceDateTime",
		"occurredDateTime", "date", "recorded", "lastModified", "lastUpdated", "timestamp":
		ok, kind = dateTimePattern.MatchString(s), "a dateTime with time and offset"
	case "birthDate":
		ok, kind = datePattern.MatchString(s), "a date"
	default:
		ok = CarriableString(s)
	}
	if !ok {
		return &Problem{path, "not " + kind}
	}
	return nil
}

// validURI accepts what net/url can parse and what has no white space. The R4 uri type is as wide.
func validURI(s string) bool {
	if !CarriableString(s) || strings.ContainsAny(s, " \t\r\n") {
		return false
	}
	_, err := url.Parse(s)
	return err == nil
}

// validReference accepts the literal forms of R4 references §2.3.0.1 and a {symbol}.
func validReference(s string) bool {
	switch {
	case symbolPattern.MatchString(s) || referencePattern.MatchString(s):
		return true
	case strings.HasPrefix(s, "#"):
		return idPattern.MatchString(s[1:])
	case !validURI(s):
		return false
	case strings.HasPrefix(s, "urn:uuid:"), strings.HasPrefix(s, "urn:oid:"):
		return len(s) > len("urn:uuid:")
	}
	if u, err := url.Parse(s); err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") {
		return true
	}
	resourceType, query, found := strings.Cut(s, "?") // conditional reference, transactions only
	return found && query != "" && referencePattern.MatchString(resourceType+"/x")
}
