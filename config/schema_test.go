package config

import (
	"bytes"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	yaml "github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compileSchema compiles the schema, which also holds it against the 2020-12 meta-schema.
func compileSchema(t *testing.T, sections ...Section) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema(sections...)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// plain is a YAML file as the values a schema validates.
func plain(t *testing.T, file []byte) any {
	t.Helper()
	j, err := yaml.YAMLToJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(j))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSchemaTakesWhatTheLoaderTakes: the example, the good configurations and what is printed of them are valid.
func TestSchemaTakesWhatTheLoaderTakes(t *testing.T) {
	schema := compileSchema(t)
	if err := schema.Validate(plain(t, Example)); err != nil {
		t.Errorf("the example: %v", err)
	}
	for _, file := range yamlFiles(t, goodDir) {
		cfg, problems := parseFile(t, file)
		if cfg == nil {
			t.Fatal(problems)
		}
		if err := schema.Validate(plain(t, cfg.YAML())); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestSchemaRefuses lists the bad configurations whose mistake a schema can see: an editor shows those while typing.
func TestSchemaRefuses(t *testing.T) {
	schema := compileSchema(t)
	for _, name := range []string{
		"unknown-key", "wrong-type", "missing-required", "missing-groups", "enum", "ehr-type", "list-twice", "number-range", "name",
		"reference", "token-hash", "secret-both", "store-unknown", "no-value", "size", "duration", "filing-as-empty",
	} {
		cfg, _ := parseFile(t, filepath.Join(badDir, name+".yaml"))
		if cfg != nil {
			t.Errorf("%s is not refused by the loader", name)
		}
		if err := schema.Validate(plain(t, readTestFile(t, filepath.Join(badDir, name+".yaml")))); err == nil {
			t.Errorf("%s is valid by the schema", name)
		}
	}
}

// TestEveryTag holds the struct tags themselves against their rules: without doc there is no reference, and a default
// or bound that does not parse would panic in front of a user.
func TestEveryTag(t *testing.T) {
	eachField(reflect.TypeFor[Config](), "", func(path string, owner reflect.Type, f field) {
		if f.doc == "" || !strings.HasSuffix(f.doc, ".") {
			t.Errorf("%s: doc is %q, want a sentence", path, f.doc)
		}
		if f.required && f.deflt != "" {
			t.Errorf("%s is required and has a default", path)
		}
		name, _, _ := strings.Cut(f.format, ":")
		if _, ok := formats[name]; name != "" && !ok {
			t.Errorf("%s: there is no format %s", path, name)
		}
		for what, text := range map[string]string{"default": f.deflt, "min": f.min, "max": f.max} {
			if text == "" {
				continue
			}
			v := reflect.New(f.typ).Elem()
			if bad := setScalar(v, text); bad != "" {
				t.Errorf("%s: %s %q %s", path, what, text, bad)
			}
			l := &loader{places: map[string]position{}}
			n := &node{kind: kindText, text: text}
			if k := f.typ.Kind(); k == reflect.Int || k == reflect.Float64 {
				n.kind = kindInteger
			}
			if what == "default" {
				l.value(n, v, f, path)
			}
			for _, p := range l.problems {
				t.Errorf("the default of %s is refused: %v", path, p)
			}
		}
		exported := owner.Field(f.index)
		if !exported.IsExported() {
			t.Errorf("%s is not exported", path)
		}
	})
}

// eachField visits every configured field below a type.
func eachField(t reflect.Type, path string, visit func(path string, owner reflect.Type, f field)) {
	for _, f := range fieldsOf(t) {
		at := strings.TrimPrefix(path+"."+f.name, ".")
		visit(at, t, f)
		if inner := element(f.typ); inner.Kind() == reflect.Struct && inner != secretType && inner != fileType {
			eachField(inner, at+pathSuffix(f.typ), visit)
		}
	}
}

// TestMarkdownHasEveryKey: the reference names every key, its default and its words.
func TestMarkdownHasEveryKey(t *testing.T) {
	text := Markdown(textSection)
	for group := range strings.SplitSeq(text, "\n### ") {
		for i, line := range strings.Split(group, "\n") {
			if strings.HasPrefix(line, "| ") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != 5 {
				t.Errorf("line %d is no row of four cells: %s", i, line)
			}
		}
	}
	eachField(reflect.TypeFor[Config](), "", func(path string, _ reflect.Type, f field) {
		group := "Top level"
		if i := strings.LastIndex(path, "."); i >= 0 {
			group = "`" + path[:i] + "`"
		}
		_, rest, ok := strings.Cut(text, "\n### "+group+"\n")
		if !ok {
			t.Errorf("there is no table %s", group)
			return
		}
		table, _, _ := strings.Cut(rest, "\n### ")
		if !strings.Contains(table, "| `"+f.name+"` |") || !strings.Contains(table, cell(f.doc)) {
			t.Errorf("%s is not in the table of %s", path, group)
		}
	})
	if !strings.Contains(text, "\n### `channels[].twilio`\n") || !strings.Contains(text, "| `from` |") {
		t.Error("the adapter's section is not in the reference")
	}
}
