package config

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scalar decodes a text, number, duration, size or boolean.
func (l *loader) scalar(n *node, v reflect.Value, f field, path string) {
	if !takes(v.Type(), n.kind) {
		l.wrongType(n, f, v.Type(), path)
		return
	}
	if bad := setScalar(v, n.text); bad != "" {
		l.mistake(path, quote(n.text)+" "+bad)
		return
	}
	if v.Kind() == reflect.String {
		if len(f.enum) > 0 && !slices.Contains(f.enum, n.text) {
			l.notAllowed(n.text, f, path)
		} else if bad := checkFormat(f.format, n.text); bad != "" {
			l.mistake(path, bad)
		}
		return
	}
	l.bounds(v, f, path)
}

func (l *loader) notAllowed(text string, f field, path string) {
	hint := ""
	if near := nearest(text, f.enum); near != "" {
		hint = fmt.Sprintf(" (did you mean %s?)", near)
	}
	l.mistake(path, fmt.Sprintf("%s is not allowed; write one of %s%s", quote(text), strings.Join(f.enum, ", "), hint))
}

// takes says which kinds of YAML value a Go type is written as.
func takes(t reflect.Type, k kind) bool {
	switch {
	case t == durationType:
		return k == kindText
	case t == sizeType:
		return k == kindText || k == kindInteger
	}
	switch t.Kind() {
	case reflect.String:
		return k == kindText
	case reflect.Bool:
		return k == kindBool
	case reflect.Int:
		return k == kindInteger
	case reflect.Float64:
		return k == kindInteger || k == kindFloat
	default:
		return false
	}
}

// setScalar sets v from its written form and returns what is wrong with that form, or "".
func setScalar(v reflect.Value, text string) string {
	switch v.Type() {
	case durationType:
		d, err := parseDuration(text)
		if err != nil {
			return err.Error()
		}
		v.SetInt(int64(d))
		return ""
	case sizeType:
		n, err := ParseSize(text)
		if err != nil {
			return err.Error()
		}
		v.SetInt(int64(n))
		return ""
	case strategiesType:
		v.Set(reflect.ValueOf(Strategies{Strategy(text)}))
		return ""
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		v.SetBool(text == "true")
	case reflect.Int:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return "is not a whole number in range; write a smaller one"
		}
		v.SetInt(n)
	case reflect.Float64:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return "is not a number in range; write a plain number such as 50"
		}
		v.SetFloat(n)
	default:
		return "has a type the configuration does not know"
	}
	return ""
}

// bounds checks min and max of a number, duration or size.
func (l *loader) bounds(v reflect.Value, f field, path string) {
	low, high := bound(v.Type(), f.min), bound(v.Type(), f.max)
	if low.IsValid() && less(v, low) || high.IsValid() && less(high, v) {
		l.mistake(path, fmt.Sprintf("%s is out of range; write %s to %s", written(v), f.min, f.max))
	}
}

func bound(t reflect.Type, text string) reflect.Value {
	if text == "" {
		return reflect.Value{}
	}
	v := reflect.New(t).Elem()
	if bad := setScalar(v, text); bad != "" {
		panic("config: bound " + text + " " + bad)
	}
	return v
}

func less(a, b reflect.Value) bool {
	if a.Kind() == reflect.Float64 {
		return a.Float() < b.Float()
	}
	return a.Kind() != reflect.Bool && a.Int() < b.Int()
}

// written is a scalar as it would be written in the file.
func written(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return formatDuration(x)
	case Size:
		return x.String()
	default:
		return fmt.Sprint(x)
	}
}
