package r4

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrDuplicateKey is returned for a JSON object that holds a key twice: which value counts is
// then undefined, so it is neither patched nor believed.
var ErrDuplicateKey = errors.New("a JSON object holds the same key twice")

// object is a JSON object in the order it was written.
type object struct {
	keys []string
	vals map[string]json.RawMessage
}

// parseObject reads one JSON object and nothing after it.
func parseObject(raw []byte) (*object, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	o := &object{vals: map[string]json.RawMessage{}}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, errors.New("not a JSON object")
		}
		key, _ := tok.(string)
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return nil, errors.New("not a JSON object")
		}
		if _, dup := o.vals[key]; dup {
			return nil, ErrDuplicateKey
		}
		o.set(key, v)
	}
	if _, err := dec.Token(); err != nil {
		return nil, errors.New("not a JSON object")
	}
	if dec.More() {
		return nil, errors.New("text after the JSON object")
	}
	return o, nil
}

func (o *object) has(key string) bool { _, ok := o.vals[key]; return ok }

func (o *object) set(key string, v json.RawMessage) {
	if !o.has(key) {
		o.keys = append(o.keys, key)
	}
	o.vals[key] = v
}

func (o *object) remove(key string) {
	if !o.has(key) {
		return
	}
	delete(o.vals, key)
	kept := o.keys[:0]
	for _, k := range o.keys {
		if k != key {
			kept = append(kept, k)
		}
	}
	o.keys = kept
}

func (o *object) bytes() []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, k := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		name, _ := Marshal(k) // a string always marshals
		b.Write(name)
		b.WriteByte(':')
		b.Write(o.vals[k])
	}
	b.WriteByte('}')
	return b.Bytes()
}

// Patch changes the named top-level fields of a resource and nothing else: the values of all
// other fields keep their bytes, their order and their number spelling. A field of set that is
// not there yet is appended; a _field sibling is only touched when named. Use it for updates of
// a resource the server gave us, so that contained resources, extensions and fields unknown to
// us survive. Errors: raw is not one JSON object, [ErrDuplicateKey], or a value of set does not
// marshal; the resource is then left alone.
func Patch(raw []byte, set map[string]any, remove ...string) ([]byte, error) {
	o, err := parseObject(raw)
	if err != nil {
		return nil, fmt.Errorf("patch: %w", err)
	}
	for _, k := range sortedKeys(set) {
		v, err := Marshal(set[k])
		if err != nil {
			return nil, fmt.Errorf("patch %s: %w", k, err)
		}
		o.set(k, v)
	}
	for _, k := range remove {
		o.remove(k)
	}
	return o.bytes(), nil
}

// merge brings the change from base to now (two encodings of our view) into raw (the server's
// bytes), keeping everything in raw that our view does not know.
func merge(raw, base, now json.RawMessage) json.RawMessage {
	if bytes.Equal(base, now) {
		return raw
	}
	switch kindOf(raw, base, now) {
	case '{':
		return mergeObjects(raw, base, now)
	case '[':
		return mergeArrays(raw, base, now)
	default:
		return now
	}
}

// kindOf is the common first byte of the values, or 0 where they differ in kind.
func kindOf(values ...json.RawMessage) byte {
	var kind byte
	for i, v := range values {
		v = bytes.TrimLeft(v, " \t\r\n")
		if len(v) == 0 || (i > 0 && v[0] != kind) {
			return 0
		}
		kind = v[0]
	}
	return kind
}

func mergeObjects(raw, base, now json.RawMessage) json.RawMessage {
	r, errR := parseObject(raw)
	b, errB := parseObject(base)
	n, errN := parseObject(now)
	if errR != nil || errB != nil || errN != nil {
		return now
	}
	for _, k := range b.keys {
		if !n.has(k) {
			r.remove(k)
		}
	}
	for _, k := range n.keys {
		switch {
		case !b.has(k) && !r.has(k):
			r.remove("_" + k) // it explained why there was no value
			r.set(k, n.vals[k])
		case b.has(k) && r.has(k):
			r.set(k, merge(r.vals[k], b.vals[k], n.vals[k]))
		case !bytes.Equal(b.vals[k], n.vals[k]):
			r.set(k, n.vals[k])
		}
	}
	return r.bytes()
}

// mergeArrays keeps the server's element wherever ours did not change, also when it moved, and
// merges one that changed in its place. It never carries unknown fields to another element.
func mergeArrays(raw, base, now json.RawMessage) json.RawMessage {
	var r, b, n []json.RawMessage
	if json.Unmarshal(raw, &r) != nil || json.Unmarshal(base, &b) != nil || json.Unmarshal(now, &n) != nil || len(r) != len(b) {
		return now
	}
	used := make([]bool, len(b))
	out := make([]json.RawMessage, len(n))
	for i := range n {
		for j := range b {
			if !used[j] && bytes.Equal(b[j], n[i]) {
				used[j], out[i] = true, r[j]
				break
			}
		}
	}
	for i := range n {
		switch {
		case out[i] != nil:
		case i < len(b) && !used[i]:
			used[i], out[i] = true, merge(r[i], b[i], n[i])
		default:
			out[i] = n[i]
		}
	}
	merged, err := Marshal(out)
	if err != nil {
		return now
	}
	return merged
}
