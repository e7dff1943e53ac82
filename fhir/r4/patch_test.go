package r4

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
)

func TestPatch(t *testing.T) {
	raw := `{ "resourceType" : "Patient", "n": 1.2300, "_birthDate":{"id":"x"}, "a":[1,2.0], "gone":true, "big":12345678901234567890 }`
	got, err := Patch([]byte(raw), map[string]any{"a": []int{3}, "new": "<&>"}, "gone", "never-there")
	if err != nil {
		t.Fatal(err)
	}
	want := `{"resourceType":"Patient","n":1.2300,"_birthDate":{"id":"x"},"a":[3],"big":12345678901234567890,"new":"<&>"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPatchRefuses(t *testing.T) {
	if _, err := Patch([]byte(`{"a":1,"a":2}`), nil); !errors.Is(err, ErrDuplicateKey) {
		t.Errorf("duplicate key: %v", err)
	}
	for _, raw := range []string{``, `[]`, `{`, `{"a":1`, `{} x`, `null`} {
		if out, err := Patch([]byte(raw), nil); err == nil {
			t.Errorf("%q patched to %s", raw, out)
		}
	}
	if _, err := Patch([]byte(`{}`), map[string]any{"a": func() {}}); err == nil {
		t.Error("a value that is no JSON was taken")
	}
}

// FuzzPatch: whatever the document, every field not named keeps its value byte for byte.
func FuzzPatch(f *testing.F) {
	f.Add([]byte(serverBytes), "status")
	f.Add([]byte(`{"a":1.0,"\u0061b":[]}`), "ab")
	f.Fuzz(func(t *testing.T, raw []byte, key string) {
		out, err := Patch(raw, map[string]any{key: 1})
		if err != nil {
			return
		}
		before, err := parseObject(raw)
		if err != nil {
			t.Fatal("patched what cannot be parsed")
		}
		after, err := parseObject(out)
		if err != nil {
			t.Fatalf("patched to what cannot be parsed: %s", out)
		}
		named, _ := Marshal(key)
		var name string
		_ = json.Unmarshal(named, &name) // as JSON spells it
		if string(after.vals[name]) != "1" {
			t.Fatalf("%q is %s", key, after.vals[name])
		}
		for k, v := range before.vals {
			if k != name && k != key && !bytes.Equal(v, after.vals[k]) {
				t.Fatalf("%q changed from %s to %s", k, v, after.vals[k])
			}
		}
	})
}

// FuzzParse: what parses is written back unchanged in meaning.
func FuzzParse(f *testing.F) {
	for _, raw := range examples(f) {
		f.Add(raw)
	}
	f.Add([]byte(serverBytes))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := parseAny(raw)
		if err != nil {
			return
		}
		got, err := c.MarshalJSON()
		if err != nil || !bytes.Equal(got, raw) {
			t.Fatalf("unchanged, but written as %s (%v)", got, err)
		}
		if c, ok := c.(*Communication); ok {
			c.SetSent(fixedTime)
			if _, err := c.MarshalJSON(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
