package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Markdown renders the reference of every key, with the adapters' sections, for docs/config.md. It is made from the same
// struct tags the loader reads.
func Markdown(sections ...Section) string {
	var b strings.Builder
	b.WriteString("Durations are written as `30s`, `4h`; sizes as `5MB`, `512KiB`. A key marked *secret* is given as `NAME`, or as\n`NAME_file` with the name of a file, never both. Paths are relative to the configuration's folder.\n")
	m := markdown{out: &b, sections: sections}
	m.group("", reflect.TypeFor[Config](), "The whole file.")
	return b.String()
}

type markdown struct {
	out      *strings.Builder
	sections []Section
}

// group writes the table of one struct, then those of the structs in it.
func (m markdown) group(path string, t reflect.Type, doc string) {
	heading := "Top level"
	if path != "" {
		heading = "`" + path + "`"
	}
	fmt.Fprintf(m.out, "\n### %s\n\n%s\n\n| Key | Value | Default | What it is |\n|---|---|---|---|\n", heading, doc)
	fields := fieldsOf(t)
	for _, f := range fields {
		fmt.Fprintf(m.out, "| `%s` | %s | %s | %s |\n", f.name, cell(valueWords(f)), cell(defaultWords(f)), cell(f.doc))
	}
	for _, f := range fields {
		inner := element(f.typ)
		if inner.Kind() != reflect.Struct || f.typ == secretType || f.typ == fileType {
			continue
		}
		m.group(strings.TrimPrefix(path+"."+f.name, ".")+pathSuffix(f.typ), inner, f.doc)
	}
	for _, s := range m.sections {
		if s.Of == sectionHost(t) {
			m.group(path+"."+s.Type, reflect.TypeOf(s.New()).Elem(), "Keys of type "+s.Type+".")
		}
	}
}

func pathSuffix(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice:
		return "[]"
	case reflect.Map:
		return ".*"
	default:
		return ""
	}
}

// valueWords says how a field is written.
func valueWords(f field) string {
	var words string
	switch {
	case f.typ == secretType:
		words = "secret"
		if f.format == "jwk" || f.format == "pem" {
			words += " (" + strings.ToUpper(f.format) + ")"
		}
	case f.typ == fileType:
		words = "file"
	case f.typ == durationType:
		words = "duration"
	case f.typ == sizeType:
		words = "size"
	case f.typ == strategiesType:
		words = "one or a list of " + codeList(f.enum)
	case len(f.enum) > 0:
		words = codeList(f.enum)
	default:
		words = kindWords(f.typ)
	}
	if f.min != "" || f.max != "" {
		words += fmt.Sprintf(", `%s` to `%s`", f.min, f.max)
	}
	return words
}

func kindWords(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "`true`, `false`"
	case reflect.Int:
		return "whole number"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "list"
	case reflect.Map:
		return "map"
	case reflect.Struct, reflect.Pointer:
		return "group"
	default:
		return "text"
	}
}

func defaultWords(f field) string {
	switch {
	case f.required:
		return "required"
	case f.deflt != "":
		return "`" + f.deflt + "`"
	case f.typ.Kind() == reflect.Bool:
		return "`false`"
	default:
		return ""
	}
}

func codeList(words []string) string {
	quoted := slices.Clone(words)
	for i, w := range quoted {
		quoted[i] = "`" + w + "`"
	}
	return strings.Join(quoted, ", ")
}

// cell keeps a text inside its table cell.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
