package decode

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// node is what a Go type wants of the JSON at its place. A nil node wants
// nothing: whatever comes is its own business (any, json.RawMessage, scalars).
type node struct {
	typ    reflect.Type
	fields map[string]*node    // by exact name; nil where not a struct
	folded map[string]struct{} // the same names, case folded
	elem   *node               // of array elements or map values
	isMap  bool
	own    bool // has its own UnmarshalJSON or UnmarshalText
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

	nodes sync.Map // reflect.Type → *node, for types asked for
)

// nodeOf gives the node of a type, building it once.
func nodeOf(t reflect.Type) *node {
	if n, ok := nodes.Load(t); ok {
		return n.(*node)
	}
	n, _ := nodes.LoadOrStore(t, build(t, map[reflect.Type]*node{}))
	return n.(*node)
}

// build makes the node of t; done holds the structs under way, since types may
// hold themselves.
func build(t reflect.Type, done map[reflect.Type]*node) *node {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if p := reflect.PointerTo(t); p.Implements(jsonUnmarshaler) || p.Implements(textUnmarshaler) {
		return &node{typ: t, own: true}
	}
	if n, ok := done[t]; ok {
		return n
	}
	switch t.Kind() {
	case reflect.Struct:
		n := &node{typ: t, fields: map[string]*node{}, folded: map[string]struct{}{}}
		done[t] = n
		for name, f := range fieldsOf(t) {
			n.folded[fold(name)] = struct{}{}
			n.fields[name] = build(f.typ, done)
		}
		return n
	case reflect.Map, reflect.Slice, reflect.Array:
		n := &node{typ: t, isMap: t.Kind() == reflect.Map}
		done[t] = n
		n.elem = build(t.Elem(), done)
		return n
	default:
		return nil
	}
}

type field struct {
	typ    reflect.Type
	tagged bool
}

// fieldsOf gives the JSON fields of a struct by encoding/json's rules: the
// shallowest wins, at one depth the tagged one, and where that leaves two, none.
func fieldsOf(t reflect.Type) map[string]field {
	chosen := map[string]field{}
	settled := map[string]bool{} // names seen at a shallower depth
	visited := map[reflect.Type]bool{}
	for level := []reflect.Type{t}; len(level) > 0; {
		found := map[string][]field{}
		var next []reflect.Type
		for _, st := range level {
			if visited[st] {
				continue
			}
			copies := 0 // a type embedded twice at one depth hides its own fields
			for _, other := range level {
				if other == st {
					copies++
				}
			}
			for i := range st.NumField() {
				name, f, embedded := fieldOf(st.Field(i))
				switch {
				case embedded != nil:
					next = append(next, embedded)
				case name != "":
					found[name] = append(found[name], slices.Repeat([]field{f}, min(copies, 2))...)
				}
			}
			visited[st] = true
		}
		for name, fs := range found {
			if settled[name] {
				continue
			}
			settled[name] = true
			if tagged := slices.DeleteFunc(slices.Clone(fs), func(f field) bool { return !f.tagged }); len(tagged) > 0 {
				fs = tagged
			}
			if len(fs) == 1 {
				chosen[name] = fs[0]
			}
		}
		level = next
	}
	return chosen
}

// fieldOf reads one struct field: a JSON field by name, or an embedded struct
// whose fields are promoted, or neither.
func fieldOf(sf reflect.StructField) (name string, f field, embedded reflect.Type) {
	ft := sf.Type
	if ft.Kind() == reflect.Pointer && (sf.Anonymous || ft.Name() == "") {
		ft = ft.Elem()
	}
	if !sf.IsExported() && !(sf.Anonymous && ft.Kind() == reflect.Struct) {
		return "", field{}, nil
	}
	tag := sf.Tag.Get("json")
	if tag == "-" {
		return "", field{}, nil
	}
	name, _, _ = strings.Cut(tag, ",")
	if !validName(name) {
		name = ""
	}
	if name == "" && sf.Anonymous && ft.Kind() == reflect.Struct {
		return "", field{}, ft
	}
	f = field{typ: sf.Type, tagged: name != ""}
	if name == "" {
		name = sf.Name
	}
	return name, f, nil
}

// validName is encoding/json's rule for the name in a tag; another is ignored.
func validName(name string) bool {
	for _, c := range name {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return false
		}
	}
	return name != ""
}

// fold gives equal strings for names that encoding/json takes for the same.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				return next // wrapped around: the smallest of its kind
			}
			r = next
		}
	}, name)
}
