package ehr

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// resource is a parsed FHIR resource: JSON objects as maps, numbers as json.Number so that no digit changes.
type resource = map[string]any

const maxDepth = 64

// parse reads one JSON object strictly (RFC 8259 with I-JSON's demands, RFC 7493): valid UTF-8, no duplicate names, no
// lone surrogates, no trailing data, at most maxDepth deep.
func parse(raw []byte) (resource, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("body is not valid UTF-8")
	}
	if i := loneSurrogate(raw); i >= 0 {
		return nil, fmt.Errorf("lone surrogate escape at byte %d", i)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	v, err := parseValue(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("data after the resource at byte %d", dec.InputOffset())
	}
	obj, ok := v.(resource)
	if !ok {
		return nil, errors.New("body is not a JSON object")
	}
	return obj, nil
}

func parseValue(dec *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d at byte %d", maxDepth, dec.InputOffset())
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("not JSON at byte %d: %w", dec.InputOffset(), err)
	}
	switch tok {
	case json.Delim('{'):
		obj := resource{}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil, fmt.Errorf("not JSON at byte %d: %w", dec.InputOffset(), err)
			}
			name, _ := key.(string)
			if _, dup := obj[name]; dup {
				return nil, fmt.Errorf("duplicate name at byte %d", dec.InputOffset())
			}
			if obj[name], err = parseValue(dec, depth+1); err != nil {
				return nil, err
			}
		}
		_, err := dec.Token()
		return obj, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := parseValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	return tok, nil
}

// loneSurrogate finds a \uD800–\uDFFF escape without its partner, which encoding/json would replace silently; -1 if none.
func loneSurrogate(raw []byte) int {
	for i := 0; i+1 < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		hi, ok := escape(raw[i:])
		if !ok {
			i++ // skip what is escaped, a backslash too
			continue
		}
		switch {
		case hi >= 0xDC00 && hi <= 0xDFFF:
			return i
		case hi >= 0xD800 && hi <= 0xDBFF:
			lo, ok := escape(raw[i+6:])
			if !ok || lo < 0xDC00 || lo > 0xDFFF {
				return i
			}
			i += 11
		default:
			i += 5
		}
	}
	return -1
}

func escape(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// encode writes a resource without escaping <, > and &, so that text stays readable byte for byte.
func encode(r any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		panic("a parsed JSON value always encodes: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func copyValue(v any) any {
	switch v := v.(type) {
	case resource:
		out := make(resource, len(v))
		for k, x := range v {
			out[k] = copyValue(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = copyValue(x)
		}
		return out
	}
	return v
}

func str(r resource, key string) string {
	s, _ := r[key].(string)
	return s
}

// walk calls visit for every object in v with its FHIRPath-like path, outermost first.
func walk(v any, path string, visit func(obj resource, path string) error) error {
	switch v := v.(type) {
	case resource:
		if err := visit(v, path); err != nil {
			return err
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if err := walk(v[k], path+"."+k, visit); err != nil {
				return err
			}
		}
	case []any:
		for i, x := range v {
			if err := walk(x, fmt.Sprintf("%s[%d]", path, i), visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// lexical refuses what FHIR JSON forbids everywhere (R4 §2.6.2, datatypes string): null outside primitive arrays, empty
// objects, arrays and strings, blank strings, control characters other than tab, CR and LF.
func lexical(v any, path string) *failure {
	switch v := v.(type) {
	case nil:
		return fail(400, "invalid", "null is not allowed here").at(path)
	case string:
		if strings.TrimSpace(v) == "" {
			return fail(422, "invalid", "a string must not be empty or blank").at(path)
		}
		for _, r := range v {
			if r < 0x20 && r != '\t' && r != '\n' && r != '\r' {
				return fail(422, "invalid", "a string must not hold the control character U+%04X", r).at(path)
			}
		}
	case resource:
		if len(v) == 0 {
			return fail(422, "invalid", "an object must not be empty").at(path)
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if f := lexical(v[k], path+"."+k); f != nil {
				return f
			}
		}
	case []any:
		if len(v) == 0 {
			return fail(422, "invalid", "an array must not be empty").at(path)
		}
		for i, x := range v {
			if x == nil {
				continue // padding between primitives and their extensions
			}
			if f := lexical(x, fmt.Sprintf("%s[%d]", path, i)); f != nil {
				return f
			}
		}
	}
	return nil
}
