package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// value decodes a node into v, as the field's tags say. It goes on after every problem, so that one run shows all.
func (l *loader) value(n *node, v reflect.Value, f field, path string) {
	t := v.Type()
	switch {
	case n.kind == "": // what was here has been refused
	case n.kind == kindNull:
		l.mistake(path, "has no value; write "+want(f, t)+" or remove the key")
	case t == strategiesType:
		l.strategies(n, v, f, path)
	case t == durationType, t == sizeType:
		l.scalar(n, v, f, path)
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		l.value(n, v.Elem(), f, path)
	case t.Kind() == reflect.Struct:
		if n.kind != kindMap {
			l.wrongType(n, f, t, path)
			return
		}
		l.group(n, v, path)
	case t.Kind() == reflect.Slice:
		l.list(n, v, f, path)
	case t.Kind() == reflect.Map:
		l.table(n, v, f, path)
	default:
		l.scalar(n, v, f, path)
	}
}

// group decodes the keys of a struct: defaults first, then what is written, then what is missing.
func (l *loader) group(n *node, v reflect.Value, path string) {
	fields := fieldsOf(v.Type())
	section := l.sectionOf(n, v.Type())
	known := map[string]bool{}
	for _, f := range fields {
		for _, k := range f.keys() {
			known[k] = true
		}
	}
	for _, e := range n.entries {
		l.places[child(path, e.key)] = e.at
		if !known[e.key] && (section == nil || e.key != section.Type) {
			l.unknownKey(child(path, e.key), e.key, v.Type(), fields)
		}
	}
	for _, f := range fields {
		target := v.Field(f.index)
		switch f.typ {
		case secretType:
			l.secret(n, target, f, path)
			continue
		case fileType:
			l.fileValue(n, target, f, path)
			continue
		}
		written := n.get(f.name)
		if f.deflt != "" && (written == nil || target.Kind() != reflect.Slice) {
			setDefault(target, f)
		}
		switch {
		case written != nil:
			l.value(written, target, f, child(path, f.name))
		case f.required:
			l.missing(path, f)
		case target.Kind() == reflect.Struct:
			fillDefaults(target)
		}
	}
	if section != nil {
		l.section(section, n, v, path)
	}
}

// sectionOf returns the adapter's section that belongs in this EHR or channel, or nil.
func (l *loader) sectionOf(n *node, t reflect.Type) *Section {
	of := sectionHost(t)
	typ := n.get("type")
	if of == "" || typ == nil {
		return nil
	}
	for i, s := range l.opts.Sections {
		if s.Of == of && s.Type == typ.text {
			return &l.opts.Sections[i]
		}
	}
	return nil
}

// sectionHost is what Section.Of calls a type that may hold a section.
func sectionHost(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[EHR]():
		return "ehr"
	case reflect.TypeFor[Channel]():
		return "channel"
	default:
		return ""
	}
}

// section decodes and validates an adapter's own keys. An absent section is decoded as an empty one, so that it has its
// defaults and its required keys are asked for.
func (l *loader) section(s *Section, n *node, v reflect.Value, path string) {
	own := s.New()
	path = child(path, s.Type)
	before := len(l.problems)
	written := n.get(s.Type)
	if written == nil {
		written = &node{kind: kindMap}
	}
	l.value(written, reflect.ValueOf(own).Elem(), field{doc: "the keys of " + s.Type}, path)
	if len(l.problems) == before {
		for _, p := range own.Validate() {
			full := path + "." + strings.TrimPrefix(p.Path, ".")
			if p.Path == "" {
				full = path
			}
			l.add(p.Kind, full, l.place(full), p.Text)
		}
	}
	v.FieldByName("Own").Set(reflect.ValueOf(own))
}

// unknownKey reports a key nobody reads, with the nearest one that exists.
func (l *loader) unknownKey(path, key string, t reflect.Type, fields []field) {
	var names []string
	for _, f := range fields {
		names = append(names, f.keys()...)
	}
	for _, s := range l.opts.Sections {
		if s.Of != sectionHost(t) {
			continue
		}
		if s.Type == key {
			l.mistake(path, fmt.Sprintf("belongs to type %s only; remove it or correct the type", s.Type))
			return
		}
		names = append(names, s.Type)
	}
	if near := nearest(key, names); near != "" {
		l.mistake(path, fmt.Sprintf("unknown key %s; did you mean %s?", quote(key), near))
		return
	}
	if groups := groupsWith(key, reflect.TypeFor[Config](), ""); len(groups) > 0 && len(groups) < 3 {
		l.mistake(path, fmt.Sprintf("key %s is not read here; it belongs under %s, check the indentation", quote(key), strings.Join(groups, " or ")))
		return
	}
	l.mistake(path, fmt.Sprintf("unknown key %s; the keys here are %s", quote(key), strings.Join(names, ", ")))
}

// groupsWith finds the groups of a configuration that have a key, for one that was indented wrongly.
func groupsWith(key string, t reflect.Type, path string) []string {
	var out []string
	for _, f := range fieldsOf(t) {
		if slices.Contains(f.keys(), key) {
			out = append(out, firstOf(path, "no group"))
		}
		if inner := element(f.typ); inner.Kind() == reflect.Struct && inner != secretType && inner != fileType {
			out = append(out, groupsWith(key, inner, strings.TrimPrefix(path+"."+f.name, ".")+pathSuffix(f.typ))...)
		}
	}
	return out
}

func (l *loader) missing(path string, f field) {
	name := f.name
	if f.typ == secretType {
		name = fileKey(f.name) + " (or " + f.name + ")"
	}
	l.mistake(child(path, f.name), fmt.Sprintf("is missing; add %s: %s", name, f.doc))
}

func (l *loader) wrongType(n *node, f field, t reflect.Type, path string) {
	text := fmt.Sprintf("is %s; write %s", n.kind, want(f, t))
	if t.Kind() == reflect.String && (n.kind == kindInteger || n.kind == kindFloat || n.kind == kindBool) {
		text += ", in quotes"
	}
	l.mistake(path, text)
}

// want names what a field takes.
func want(f field, t reflect.Type) string {
	switch {
	case t == secretType || t == fileType:
		return string(kindText)
	case t == durationType:
		return "a duration such as 30s"
	case t == sizeType:
		return "a size such as 25MB"
	case t == strategiesType:
		return "one of " + strings.Join(f.enum, ", ") + ", or a list of them"
	case len(f.enum) > 0 && t.Kind() == reflect.String:
		return "one of " + strings.Join(f.enum, ", ")
	}
	switch t.Kind() {
	case reflect.Pointer:
		return want(f, t.Elem())
	case reflect.Bool:
		return string(kindBool)
	case reflect.Int:
		return string(kindInteger)
	case reflect.Float64:
		return string(kindFloat)
	case reflect.Slice:
		return string(kindList)
	case reflect.Struct, reflect.Map:
		return string(kindMap)
	default:
		return string(kindText)
	}
}

func (l *loader) list(n *node, v reflect.Value, f field, path string) {
	if n.kind != kindList {
		l.wrongType(n, f, v.Type(), path)
		return
	}
	seen := map[string]bool{}
	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		at := index(path, i)
		l.places[at] = item.at
		l.value(item, out.Index(i), f, at)
		if item.kind == kindText && seen[item.text] {
			l.mistake(at, "is written twice in this list; keep one")
		}
		if item.kind == kindText {
			seen[item.text] = true
		}
	}
	v.Set(out)
}

func (l *loader) table(n *node, v reflect.Value, f field, path string) {
	if n.kind != kindMap {
		l.wrongType(n, f, v.Type(), path)
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.entries))
	for _, e := range n.entries {
		at := child(path, e.key)
		l.places[at] = e.at
		if bad := checkFormat(f.keyFormat, e.key); bad != "" {
			l.mistake(at, "the key "+bad)
		}
		item := reflect.New(v.Type().Elem()).Elem()
		l.value(e.value, item, f, at)
		out.SetMapIndex(reflect.ValueOf(e.key), item)
	}
	v.Set(out)
}

// strategies decodes the one field that is a word or a list of words.
func (l *loader) strategies(n *node, v reflect.Value, f field, path string) {
	switch n.kind {
	case kindText:
		one := reflect.New(reflect.TypeFor[Strategy]()).Elem()
		l.scalar(n, one, f, path)
		v.Set(reflect.ValueOf(Strategies{Strategy(one.String())}))
	case kindList:
		l.list(n, v, f, path)
	default:
		l.wrongType(n, f, v.Type(), path)
	}
}
