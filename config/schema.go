package config

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"
)

// SchemaID is the identifier of the JSON Schema, for editors' `# yaml-language-server: $schema=` line.
const SchemaID = "https://chartwire.example/schemas/config.json"

// Schema returns the JSON Schema (2020-12) of a configuration, with the adapters' sections merged in. It is made from
// the same struct tags the loader reads. What needs more than one key or a look at a file is for Parse alone.
func Schema(sections ...Section) []byte {
	r := reflector()
	s := r.ReflectFromType(reflect.TypeFor[Config]())
	s.ID, s.Title = SchemaID, "Chartwire configuration"
	describe(s, reflect.TypeFor[Config](), s.Definitions, map[reflect.Type]bool{})
	conditions(s.Definitions["EHR"])
	hosts := map[string]*jsonschema.Schema{"ehr": s.Definitions["EHR"], "channel": s.Definitions["Channel"]}
	for _, section := range sections {
		hosts[section.Of].Properties.Set(section.Type, sectionSchema(section))
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic("config: schema: " + err.Error()) // a schema of our own types always marshals
	}
	return append(b, '\n')
}

func reflector() *jsonschema.Reflector {
	return &jsonschema.Reflector{
		FieldNameTag:               "yaml",
		ExpandedStruct:             true,
		Anonymous:                  true,
		RequiredFromJSONSchemaTags: true,
		Mapper:                     scalarSchema,
		AdditionalFields:           twins,
	}
}

// sectionSchema writes an adapter's keys out in place, so that its type names cannot meet ours.
func sectionSchema(section Section) *jsonschema.Schema {
	t := reflect.TypeOf(section.New()).Elem()
	r := reflector()
	r.DoNotReference = true
	s := r.ReflectFromType(t)
	s.Version = ""
	s.Description = "Keys of type " + section.Type + "."
	describe(s, t, nil, map[reflect.Type]bool{})
	return s
}

// scalarSchema maps our scalar types to how they are written.
func scalarSchema(t reflect.Type) *jsonschema.Schema {
	switch t {
	case durationType:
		return &jsonschema.Schema{Type: "string", Pattern: durationPattern}
	case sizeType:
		zero := json.Number("0")
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string", Pattern: sizePattern}, {Type: "integer", Minimum: zero}}}
	case secretType, fileType:
		one := uint64(1)
		return &jsonschema.Schema{Type: "string", MinLength: &one}
	case strategiesType:
		word := &jsonschema.Schema{Type: "string"}
		one := uint64(1)
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{word, {Type: "array", Items: word, MinItems: &one, UniqueItems: true}}}
	default:
		return nil
	}
}

// twins adds the NAME_file key of every secret.
func twins(t reflect.Type) []reflect.StructField {
	if t.Kind() != reflect.Struct {
		return nil
	}
	var out []reflect.StructField
	for _, f := range fieldsOf(t) {
		if f.typ == secretType {
			out = append(out, reflect.StructField{
				Name: t.Field(f.index).Name + "File",
				Type: reflect.TypeFor[string](),
				Tag:  reflect.StructTag(`yaml:"` + fileKey(f.name) + `"`),
			})
		}
	}
	return out
}

// describe adds to the schema of a struct what its tags say, and goes on into the structs it holds.
func describe(s *jsonschema.Schema, t reflect.Type, defs jsonschema.Definitions, done map[reflect.Type]bool) {
	if defs != nil && done[t] {
		return
	}
	done[t] = true
	for _, f := range fieldsOf(t) {
		p, ok := s.Properties.Get(f.name)
		if !ok {
			continue
		}
		p.Description = f.doc
		describeField(s, p, f)
		if inner := element(f.typ); inner.Kind() == reflect.Struct && inner != secretType && inner != fileType {
			describe(structSchema(p, inner, defs), inner, defs, done)
		}
	}
}

// structSchema finds the schema of the struct a property is, points to or holds.
func structSchema(p *jsonschema.Schema, t reflect.Type, defs jsonschema.Definitions) *jsonschema.Schema {
	switch {
	case defs != nil:
		return defs[t.Name()]
	case p.Items != nil:
		return p.Items
	case p.AdditionalProperties != nil && p.Type == "object" && p.Properties == nil:
		return p.AdditionalProperties
	default:
		return p
	}
}

func describeField(s, p *jsonschema.Schema, f field) {
	if f.deflt != "" {
		p.Default = defaultValue(f)
	}
	switch {
	case f.typ == secretType:
		describeSecret(s, f)
	case f.required:
		s.Required = append(s.Required, f.name)
	}
	leaf := p
	if f.typ.Kind() == reflect.Slice && p.Items != nil {
		leaf = p.Items
		p.UniqueItems = leaf.Type == "string"
	}
	if f.typ.Kind() == reflect.Map && f.typ.Elem().Kind() == reflect.String {
		leaf = p.AdditionalProperties
	}
	if leaf == nil || leaf.Ref != "" {
		return
	}
	words := []*jsonschema.Schema{leaf}
	if f.typ == strategiesType {
		words = []*jsonschema.Schema{p.OneOf[0], p.OneOf[1].Items}
	}
	for _, w := range words {
		w.Enum = nil
		for _, e := range f.enum {
			w.Enum = append(w.Enum, e)
		}
	}
	if f.typ != secretType && f.typ != fileType {
		leaf.Pattern = firstOf(leaf.Pattern, formatPattern(f.format))
	}
	if k := f.typ.Kind(); k == reflect.Int && f.typ != sizeType || k == reflect.Float64 {
		p.Minimum, p.Maximum = json.Number(f.min), json.Number(f.max)
	}
}

// describeSecret says that one of NAME and NAME_file is given, never both.
func describeSecret(s *jsonschema.Schema, f field) {
	if p, ok := s.Properties.Get(fileKey(f.name)); ok {
		p.Description = "File that holds " + f.name + ", relative to the configuration's folder. " + f.doc
		one := uint64(1)
		p.MinLength = &one
	}
	value, file := &jsonschema.Schema{Required: []string{f.name}}, &jsonschema.Schema{Required: []string{fileKey(f.name)}}
	if f.required {
		s.AllOf = append(s.AllOf, &jsonschema.Schema{OneOf: []*jsonschema.Schema{value, file}})
		return
	}
	s.AllOf = append(s.AllOf, &jsonschema.Schema{Not: &jsonschema.Schema{Required: []string{f.name, fileKey(f.name)}}})
}

// conditions says what the EHR types need.
func conditions(ehr *jsonschema.Schema) {
	is := jsonschema.NewProperties()
	is.Set("type", &jsonschema.Schema{Const: string(HL7v2)})
	ehr.If = &jsonschema.Schema{Properties: is, Required: []string{"type"}}
	ehr.Then = &jsonschema.Schema{Required: []string{"address", "match", "hl7"}}
	ehr.Else = &jsonschema.Schema{Required: []string{"base_url"}}
}

// defaultValue is a default as JSON would write it.
func defaultValue(f field) any {
	v := reflect.New(f.typ).Elem()
	setDefault(v, f)
	switch f.typ.Kind() {
	case reflect.Bool, reflect.Int, reflect.Float64:
		return v.Interface()
	default:
		return f.deflt // durations, sizes and words are texts
	}
}

// formatPattern is the regular expression of a format that has one.
func formatPattern(tag string) string {
	name, arg, _ := strings.Cut(tag, ":")
	switch name {
	case "name":
		return nameRegexp.String()
	case "sha256":
		return sha256Regexp.String()
	case "phone":
		return phoneRegexp.String()
	case "ref":
		return "^(" + arg + ")/[A-Za-z0-9.-]{1,64}$"
	case "url", "origin", "endpoint", "issuer":
		return "^https?://"
	case "mllp":
		return "^mllps?://"
	case "echo":
		return `^NMQ\^N01$`
	case "store":
		return "^(sqlite:|postgres(ql)?://)"
	default:
		return ""
	}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
