package config

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	yaml "github.com/goccy/go-yaml"
)

// YAML writes the configuration with its defaults filled in and every secret as [secret], or as the file it is in. What
// it writes can be read again, but for inline secrets.
func (c *Config) YAML() []byte {
	b, err := yaml.MarshalWithOptions(printStruct(reflect.ValueOf(c).Elem()), yaml.IndentSequence(true), yaml.UseSingleQuote(false))
	if err != nil {
		panic("config: print: " + err.Error()) // only texts, numbers, lists and maps of ours get here
	}
	return b
}

// printStruct lists the fields that have something to say, in their order.
func printStruct(v reflect.Value) yaml.MapSlice {
	var out yaml.MapSlice
	for _, f := range fieldsOf(v.Type()) {
		value := v.Field(f.index)
		if secret, ok := value.Interface().(Secret); ok {
			if secret.File != "" {
				out = append(out, yaml.MapItem{Key: fileKey(f.name), Value: secret.File})
			} else if secret.IsSet() {
				out = append(out, yaml.MapItem{Key: f.name, Value: redacted})
			}
			continue
		}
		if e, ok := v.Interface().(EHR); ok && f.name == "watch" && !e.SpeaksFHIR() {
			continue // its defaults are there in the struct, but the key is not allowed
		}
		if p := printValue(value); p != nil {
			out = append(out, yaml.MapItem{Key: f.name, Value: p})
		}
	}
	switch x := v.Interface().(type) {
	case EHR:
		out = printOwn(withoutUnused(out, x), string(x.Type), x.Own)
	case Channel:
		out = printOwn(out, string(x.Type), x.Own)
	}
	return out
}

func printOwn(out yaml.MapSlice, key string, own any) yaml.MapSlice {
	if own == nil {
		return out
	}
	if section := printStruct(reflect.ValueOf(own).Elem()); len(section) > 0 {
		out = append(out, yaml.MapItem{Key: key, Value: section})
	}
	return out
}

// printValue is a value as YAML, nil where it is empty.
func printValue(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Duration:
		return formatDuration(x)
	case Size:
		return x.String()
	case File:
		return emptyAsNil(x.Path)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return printValue(v.Elem())
	case reflect.Struct:
		if s := printStruct(v); len(s) > 0 {
			return s
		}
		return nil
	case reflect.Slice:
		if v.Len() == 0 {
			return nil
		}
		items := make([]any, v.Len())
		for i := range items {
			items[i] = printValue(v.Index(i))
		}
		return items
	case reflect.Map:
		return printMap(v)
	case reflect.String:
		return emptyAsNil(v.String())
	case reflect.Float64:
		// 50, not 50.0: the way it is written in the file.
		if n := v.Float(); n == math.Trunc(n) {
			return int64(n)
		}
		return v.Float()
	default:
		return v.Interface()
	}
}

func printMap(v reflect.Value) any {
	if v.Len() == 0 {
		return nil
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	var out yaml.MapSlice
	for _, k := range keys {
		out = append(out, yaml.MapItem{Key: k.String(), Value: printValue(v.MapIndex(k))})
	}
	return out
}

func emptyAsNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}
