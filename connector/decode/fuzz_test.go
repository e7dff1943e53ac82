package decode

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"
)

func FuzzStrict(f *testing.F) {
	for _, s := range []string{
		`{"type":"x","data":{"messages":[{"id":"1","Id":"2","reply":{"size":1e2}}],"tags":{"a":"b"}}}`,
		`{"a":1,"a":2}`, `[1,-0.5e+7,"\ud83d\ude00\n",null,true,{}]`, `{"\u0061":[[[]]],"a":0}`, "\xff", `"`, `{"type":"\ud800"}`,
		`{"data":{"People":{"x":{"kind":"text","sent_at":"2026-03-08T01:59:59Z"}}},"DATA":{"pair":[1,2]}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var got any
		_, err := Strict(in, &got, Options{})
		if err != nil {
			p := problem(t, err)
			if len(p.Pointer) > maxPointer || !utf8.ValidString(p.Pointer) || p.Offset < 0 || p.Offset > len(in) {
				t.Fatalf("bad problem %+v", p)
			}
			return
		}
		if !json.Valid(in) || !utf8.Valid(in) {
			t.Fatal("accepted what is not JSON in UTF-8")
		}
		var want any
		if err := json.Unmarshal(in, &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("encoding/json: %v; values %v and %v", err, got, want)
		}
		typed(t, in)
	})
}

// typed checks a body against encoding/json reading only what is spelled exactly.
func typed(t *testing.T, in []byte) {
	var got, want body
	unknown, err := Strict(in, &got, Options{})
	_, refused := Strict(in, new(body), Options{UnknownFields: Refuse})
	if err != nil {
		problem(t, err)
		if refused == nil {
			t.Fatal("refusing unknown fields accepts more")
		}
		return
	}
	if (len(unknown) == 0) != (refused == nil) {
		t.Fatalf("unknown fields %q, refused: %v", unknown, refused)
	}
	if len(unknown) > 0 {
		return
	}
	if err := json.Unmarshal(in, &want); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("encoding/json: %v; values %+v and %+v", err, got, want)
	}
}
