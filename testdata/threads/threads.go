// Package threads embeds the bundled message threads: channel events as a messaging platform would post them, one NDJSON
// file a thread, and the media some of them point at. Between them they show every event type and the texts that break
// careless connectors. All people in them are invented.
package threads

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed *.ndjson media
var files embed.FS

// Names lists the bundled threads in order, without extension.
func Names() []string {
	entries, err := fs.Glob(files, "*.ndjson")
	if err != nil {
		panic("a constant pattern always parses: " + err.Error())
	}
	for i, e := range entries {
		entries[i] = strings.TrimSuffix(e, ".ndjson")
	}
	return entries
}

// Read returns the events of one thread in delivery order, a line each.
func Read(name string) ([][]byte, error) {
	raw, err := files.ReadFile(name + ".ndjson")
	if err != nil {
		return nil, fmt.Errorf("no bundled thread %q; there are %s", name, strings.Join(Names(), ", "))
	}
	return Lines(raw), nil
}

// All returns the events of every thread, one thread after the other.
func All() [][]byte {
	var out [][]byte
	for _, name := range Names() {
		events, err := Read(name)
		if err != nil {
			panic("an embedded file always reads: " + err.Error())
		}
		out = append(out, events...)
	}
	return out
}

// Lines splits NDJSON into its events, leaving out blank lines.
func Lines(raw []byte) [][]byte {
	var out [][]byte
	for _, line := range bytes.Split(raw, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			out = append(out, line)
		}
	}
	return out
}

// Medium is one attachment the threads point at by url: its path under the platform's /media/, type and content.
type Medium struct {
	ID, ContentType string
	Data            []byte
}

var contentTypes = map[string]string{".png": "image/png", ".pdf": "application/pdf"}

// Media returns every embedded attachment.
func Media() []Medium {
	names, err := fs.Glob(files, "media/*")
	if err != nil {
		panic("a constant pattern always parses: " + err.Error())
	}
	var out []Medium
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			panic("an embedded file always reads: " + err.Error())
		}
		out = append(out, Medium{ID: path.Base(name), ContentType: contentTypes[path.Ext(name)], Data: data})
	}
	return out
}
