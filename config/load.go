package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Options are the parts of Parse that differ between callers; the zero value is right for most.
type Options struct {
	// Dir is the folder relative paths in the configuration are relative to; the folder of the file's name where empty.
	Dir string
	// ReadFile reads secret and certificate files; nil reads the file system. It gets an absolute path or one under Dir.
	ReadFile func(path string) ([]byte, error)
	// Sections are the adapters' own keys.
	Sections []Section
}

// Section is the keys one adapter adds: a group named like its type, under each EHR or channel of that type.
// It is passed in Options, to Schema and to Markdown; nothing registers itself.
type Section struct {
	// Of is "ehr" or "channel".
	Of string
	// Type is the EHR's or channel's type and the name of the key.
	Type string
	// New returns a pointer to a struct tagged as the ones in this package. Parse leaves it in Own.
	New func() Validator
}

// Validator is an adapter's own part of the configuration. Validate is called with defaults filled in and reports rules
// that concern more than one key: Path is relative to the section ("from", "numbers[0]"), Text as in Problem, Kind
// Mistake or Warning; the rest is filled in by Parse.
type Validator interface {
	Validate() []Problem
}

// Load reads and checks the file at path. It returns all problems at once, in the order of the file. The Config is nil
// if and only if one of them is a Mistake; a missing secret file leaves a usable Config whose Secret is Missing.
// Callers print the problems and ask Fatal whether to go on.
func Load(path string, sections ...Section) (*Config, []Problem) {
	b, err := readConfig(path)
	if err != nil {
		return nil, []Problem{{File: path, Text: fileTrouble(err) + "; give the configuration's name with --config FILE"}}
	}
	return Parse(path, b, Options{Sections: sections})
}

// readConfig reads at most one byte more than Parse accepts, and no pipe or device.
func readConfig(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxBytes+1))
}

// Parse checks the configuration b, which was read from a file called name. It returns what Load does.
func Parse(name string, b []byte, opts Options) (*Config, []Problem) {
	if opts.Dir == "" {
		opts.Dir = filepath.Dir(name)
	}
	if opts.ReadFile == nil {
		opts.ReadFile = readSecretFile
	}
	l := &loader{file: name, opts: opts, places: map[string]position{}}
	cfg := &Config{File: name, Dir: opts.Dir}
	if root := l.parse(b); root != nil {
		l.places["$"] = root.at
		l.value(root, reflect.ValueOf(cfg).Elem(), field{}, "$")
		if root.kind == kindMap {
			l.rules(cfg)
		}
	}
	problems := sortProblems(l.problems)
	for i := range cfg.Pools {
		cfg.Pools[i].Name = firstOf(cfg.Pools[i].Name, cfg.Pools[i].ID)
	}
	if Fatal(problems, false) {
		return nil, problems
	}
	return cfg, problems
}

// loader is one Parse under way.
type loader struct {
	file     string
	opts     Options
	problems []Problem
	places   map[string]position // of every path that was written
}

// add reports a problem at a known place.
func (l *loader) add(k Kind, path string, at position, text string) {
	l.problems = append(l.problems, Problem{Kind: k, File: l.file, Line: at.line, Column: at.column, Path: path, Text: text})
}

// whole reports a problem of the whole file.
func (l *loader) whole(text string) { l.add(Mistake, "", position{}, text) }

// mistake reports a problem at a path: at its place, or at the nearest thing around it that was written.
func (l *loader) mistake(path, text string) { l.add(Mistake, path, l.place(path), text) }

// warn is mistake for a Warning.
func (l *loader) warn(path, text string) { l.add(Warning, path, l.place(path), text) }

// given reports whether a path was written in the file.
func (l *loader) given(path string) bool { _, ok := l.places[path]; return ok }

func (l *loader) place(path string) position {
	for path != "" {
		if at, ok := l.places[path]; ok {
			return at
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			break
		}
		path = path[:cut]
	}
	return position{}
}

// child and index extend a path.
func child(path, key string) string {
	for _, r := range key {
		if r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return path + "[" + quote(key) + "]"
		}
	}
	return path + "." + key
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// clip bounds what an error repeats of the file.
func clip(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}

// quote is clip in quotes, with everything escaped that could move a terminal's cursor.
func quote(s string) string { return strconv.Quote(clip(s)) }

var (
	errNotRegular = errors.New("not a regular file")
	errTooLarge   = errors.New("too large")
)

// maxSecretBytes is far above any key, keyset or certificate chain.
const maxSecretBytes = 256 << 10

// readSecretFile reads a small regular file; a pipe or device could hang or never end.
func readSecretFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	if info.Size() > maxSecretBytes {
		return nil, errTooLarge
	}
	return os.ReadFile(path)
}

// fileTrouble says what is wrong with a file, without its absolute path.
func fileTrouble(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "may not be read by this user"
	case errors.Is(err, errNotRegular):
		return "is a folder or device, not a file"
	case errors.Is(err, errTooLarge):
		return fmt.Sprintf("is larger than %s", Size(maxSecretBytes))
	default:
		return "cannot be read"
	}
}
