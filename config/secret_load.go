package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
)

// secret decodes NAME or NAME_file. Nothing it reports holds the value, also not a value of the wrong type.
func (l *loader) secret(n *node, v reflect.Value, f field, path string) {
	inline, file := n.get(f.name), n.get(fileKey(f.name))
	at := child(path, f.name)
	switch {
	case inline != nil && file != nil:
		l.mistake(child(path, fileKey(f.name)), fmt.Sprintf("both %s and %s are given; keep one, better the file", f.name, fileKey(f.name)))
	case inline != nil:
		if l.filled(inline, at) {
			text := trimNewline(inline.text)
			v.Set(reflect.ValueOf(Secret{content: &text}))
			l.secretContent(text, f, at)
		}
	case file != nil:
		at = child(path, fileKey(f.name))
		if !l.filled(file, at) {
			return
		}
		s := Secret{File: file.text}
		if b, ok := l.readFile(file.text, at); ok {
			text := trimNewline(string(b))
			s.content = &text
			l.secretContent(text, f, at)
		}
		v.Set(reflect.ValueOf(s))
	case f.required:
		l.missing(path, f)
	}
}

// fileValue decodes a field of type File, whose key already ends in _file.
func (l *loader) fileValue(n *node, v reflect.Value, f field, path string) {
	written, at := n.get(f.name), child(path, f.name)
	if written == nil {
		if f.required {
			l.missing(path, f)
		}
		return
	}
	if !l.filled(written, at) {
		return
	}
	b, ok := l.readFile(written.text, at)
	if ok {
		l.secretContent(string(b), f, at)
	}
	v.Set(reflect.ValueOf(File{Path: written.text, content: b}))
}

// filled asks for a text that is not empty.
func (l *loader) filled(n *node, path string) bool {
	switch {
	case n.kind == "":
		return false
	case n.kind == kindNull || n.kind == kindText && strings.TrimSpace(n.text) == "":
		l.mistake(path, "is empty; write a text or remove the key")
	case n.kind != kindText:
		l.wrongType(n, field{}, reflect.TypeFor[string](), path)
	default:
		return true
	}
	return false
}

func (l *loader) secretContent(text string, f field, path string) {
	if strings.TrimSpace(text) == "" {
		l.mistake(path, "names an empty file; put the content in it")
	} else if bad := checkFormat(f.format, text); bad != "" {
		l.mistake(path, bad)
	}
}

// readFile reads a file named in the configuration. One that is not there is a MissingSecret, one that is something
// else a Mistake.
func (l *loader) readFile(name, path string) ([]byte, bool) {
	full := name
	if !filepath.IsAbs(name) {
		full = filepath.Join(l.opts.Dir, name)
	}
	b, err := l.opts.ReadFile(full)
	if err == nil {
		return b, true
	}
	if pastedSecret.MatchString(name) {
		l.mistake(path, "is the secret itself, not a file's name; put it in a file and write the file's name here")
		return nil, false
	}
	// A secret pasted here by mistake must not be repeated, whatever its form.
	shown := "the file named here"
	if len(name) <= 120 && fileName.MatchString(name) {
		shown = quote(name)
	}
	if errors.Is(err, errNotRegular) || errors.Is(err, errTooLarge) {
		l.mistake(path, fmt.Sprintf("%s %s; name the file that holds the value", shown, fileTrouble(err)))
	} else {
		l.add(MissingSecret, path, l.place(path), fmt.Sprintf("%s %s; put the file there or correct its name", shown, fileTrouble(err)))
	}
	return nil, false
}

// pastedSecret is how a webhook secret, a JSON key or token, and PEM start.
var pastedSecret = regexp.MustCompile(`^\s*(whsec_|\{|eyJ|-----BEGIN)`)

// fileName is what a file's name looks like and a pasted secret does not: it starts as a path or ends in an extension.
var fileName = regexp.MustCompile(`^(\.{0,2}/[A-Za-z0-9._/ -]+|[A-Za-z0-9._/ -]+\.[A-Za-z0-9]{1,8})$`)

// trimNewline removes the one line break editors put at the end of a file.
func trimNewline(s string) string {
	return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
}
