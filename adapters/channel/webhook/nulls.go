package webhook

import (
	"bytes"
	"encoding/json"
	"reflect"
	"sort"
	"strconv"
	"strings"
)

// knownNull finds a null where the contract wants a value. Go reads a null into a pointer as "absent", the schema refuses
// it; fields the contract does not have may hold one. It walks the body a second time and is only called for bodies that
// hold the four letters at all. The body is known to be strict JSON.
func knownNull(body []byte) (pointer string, found bool) {
	var tree any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&tree) != nil {
		return "", false
	}
	return nullIn(tree, reflect.TypeFor[wireEvent](), "")
}

func nullIn(v any, t reflect.Type, at string) (string, bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := v.(type) {
	case nil:
		return at, true
	case []any:
		if t.Kind() != reflect.Slice {
			return "", false
		}
		for i, e := range v {
			if p, found := nullIn(e, t.Elem(), at+"/"+strconv.Itoa(i)); found {
				return p, true
			}
		}
	case map[string]any:
		if t.Kind() != reflect.Struct {
			return "", false
		}
		names := fieldTypes(t)
		keys := make([]string, 0, len(v))
		for key := range v {
			keys = append(keys, key)
		}
		sort.Strings(keys) // the same body always names the same place
		for _, key := range keys {
			if ft, known := names[key]; known {
				if p, found := nullIn(v[key], ft, at+"/"+key); found {
					return p, true
				}
			}
		}
	}
	return "", false
}

// fieldTypes gives the fields of a wire struct by their JSON names.
func fieldTypes(t reflect.Type) map[string]reflect.Type {
	out := make(map[string]reflect.Type, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		out[name] = f.Type
	}
	return out
}
