package ehr

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// FuzzParse: what the strict reader takes is JSON, and writing it and reading it again changes nothing.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"a":1.10,"b":[null,"\ud83d\ude42",{"c":false}]}`, `{"a":"\\ud800"}`, `{"a":"\ud800"}`, `{"a":1,"a":2}`, `[]`, `{} {}`, "{\"a\":\"\xff\"}",
		`{"a":"<&>\u2028"}`, `{"a":1e400}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := parse(raw)
		if err != nil {
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("took what is not JSON: %q", raw)
		}
		again, err := parse(encode(r))
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Fatalf("%q became %q: %v", raw, encode(r), err)
		}
		if bytes.Contains(encode(r), []byte(`\u003c`)) && !bytes.Contains(raw, []byte("u003")) {
			t.Fatalf("text was escaped that need not be: %q", encode(r))
		}
	})
}
