package config

import (
	"reflect"
	"strings"
	"time"
)

// field is what the tags of one struct field say.
type field struct {
	index     int
	name      string
	doc       string
	deflt     string
	required  bool
	enum      []string
	format    string
	keyFormat string
	min, max  string
	typ       reflect.Type
}

var (
	secretType     = reflect.TypeFor[Secret]()
	fileType       = reflect.TypeFor[File]()
	durationType   = reflect.TypeFor[time.Duration]()
	sizeType       = reflect.TypeFor[Size]()
	strategiesType = reflect.TypeFor[Strategies]()
)

// fieldsOf lists the configured fields of a struct type, in their order.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("yaml")
		if name == "" || name == "-" {
			continue
		}
		var enum []string
		if e := f.Tag.Get("enum"); e != "" {
			enum = strings.Split(e, "|")
		}
		out = append(out, field{
			index: i, name: name, doc: f.Tag.Get("doc"), deflt: f.Tag.Get("default"),
			required: f.Tag.Get("required") == "true", enum: enum,
			format: f.Tag.Get("format"), keyFormat: f.Tag.Get("keyformat"),
			min: f.Tag.Get("min"), max: f.Tag.Get("max"), typ: f.Type,
		})
	}
	return out
}

// fileKey is the key of a secret's file twin.
func fileKey(name string) string { return name + "_file" }

// keys are the names a field may be written under.
func (f field) keys() []string {
	if f.typ == secretType {
		return []string{f.name, fileKey(f.name)}
	}
	return []string{f.name}
}

// element is the type of what a list, map or pointer holds, else the type itself.
func element(t reflect.Type) reflect.Type {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return t.Elem()
	default:
		return t
	}
}

// Defaults sets the defaults of the struct tags in every field of *v that is still zero, in lists and groups too. It is
// for configurations made in code; Parse does it by itself, and there an explicit zero stays.
func Defaults(v any) { fillDefaults(reflect.ValueOf(v).Elem()) }

func fillDefaults(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fillDefaults(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			fillDefaults(v.Index(i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			item := reflect.New(v.Type().Elem()).Elem()
			item.Set(v.MapIndex(k))
			fillDefaults(item)
			v.SetMapIndex(k, item)
		}
	case reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			target := v.Field(f.index)
			if f.deflt != "" && target.IsZero() {
				setDefault(target, f)
			}
			fillDefaults(target)
		}
	}
}

// setDefault sets one field from its tag. A tag that does not parse is a mistake of this package or of an adapter; a
// test holds every tag against its type.
func setDefault(v reflect.Value, f field) {
	if err := setScalar(v, f.deflt); err != "" {
		panic("config: default of " + f.name + ": " + err)
	}
}
