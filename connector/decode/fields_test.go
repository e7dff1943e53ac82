package decode

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

type (
	inner  struct{ A, B, C string }
	Deeper struct{ C, D string }
	Tagged struct {
		X string `json:"b"`
	}
	Other struct{ B2, D string }
	Outer struct {
		inner
		*Deeper
		Tagged `json:"tagged"`
		Other
		A      int    `json:"a,omitempty"`
		Odd    string `json:"\x7f"`
		Dash   string `json:"-,"`
		Quoted int    `json:",string"`
		Func   string `json:"fünc"`
	}
	hides1 struct {
		hides3
		E string
	}
	hides2 struct{ E string }
	hides3 struct{ E, F string }
	Hidden struct { // two E at one depth hide each other and the deeper one
		hides1
		hides2
		F int
	}
	Ring struct {
		Name string `json:"name"`
		Next *Ring  `json:"next"`
		All  []Ring `json:"all"`
	}
)

// The names we hold for known must be the ones encoding/json fills.
func TestFieldNamesAgreeWithEncodingJSON(t *testing.T) {
	names := []string{"a", "A", "B", "b", "C", "D", "B2", "tagged", "Tagged", "X", "Odd", "\\u007f", "-", "Quoted", "fünc", "inner", "Deeper", "Other", "name", "E", "F"}
	for _, typ := range []reflect.Type{reflect.TypeFor[Outer](), reflect.TypeFor[inner](), reflect.TypeFor[Tagged](), reflect.TypeFor[Ring](), reflect.TypeFor[Hidden](), reflect.TypeFor[message]()} {
		for _, name := range names {
			v := reflect.New(typ).Interface()
			dec := json.NewDecoder(strings.NewReader(`{"` + name + `":null}`))
			dec.DisallowUnknownFields()
			// It knows a name in any case; ours is known only if the case agrees too.
			theirs := dec.Decode(v) == nil
			unknown, err := Strict([]byte(`{"`+name+`":null}`), v, Options{})
			if err != nil {
				t.Fatal(err)
			}
			ours := len(unknown) == 0
			if ours && !theirs {
				t.Errorf("%v: %q is known to us, not to encoding/json", typ, name)
			}
			if exact := exactName(v, name); ours != exact {
				t.Errorf("%v: %q known = %v, encoding/json writes it: %v", typ, name, ours, exact)
			}
		}
	}
}

// exactName asks encoding/json's encoder, which uses the same fields, whether it
// writes one of this name.
func exactName(v any, name string) bool {
	switch o := v.(type) {
	case *Outer:
		o.A, o.Deeper = 1, &Deeper{} // so that nothing is left out
	}
	out, _ := json.Marshal(v)
	var m map[string]json.RawMessage
	_ = json.Unmarshal(out, &m)
	if u, err := unescape(name); err == nil {
		name = u
	}
	_, ok := m[name]
	return ok
}

func unescape(s string) (out string, err error) {
	err = json.Unmarshal([]byte(`"`+s+`"`), &out)
	return out, err
}
