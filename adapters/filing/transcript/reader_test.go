package transcript_test

import (
	"bytes"
	"compress/zlib"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

// document is a PDF of ours, read back: enough of a reader to see what a page shows.
type document struct {
	inflated []byte // the file with its streams uncompressed
	pages    [][]shown
	glyphs   map[string][]byte // of each font by its resource name: CIDToGIDMap
}

// shown is one string on a page.
type shown struct{ x, y, font, text string }

var (
	object   = regexp.MustCompile(`(?s)(\d+) 0 obj\n(.*?)endobj`)
	stream   = regexp.MustCompile(`(?s)^(.*?)stream\n(.*)\nendstream`)
	drawing  = regexp.MustCompile(`(?s)BT /(F[0-9a-f]+) [0-9.]+ Tf ET|BT ([0-9.-]+) ([0-9.-]+) Td \((.*?)\) Tj ET`)
	embedded = regexp.MustCompile(`/(F[0-9a-f]+) (\d+) 0 R`)
)

// opened reads a PDF back.
func opened(t *testing.T, file []byte) document {
	t.Helper()
	d := document{glyphs: map[string][]byte{}}
	dicts, streams := map[string]string{}, map[string][]byte{}
	at := 0
	for _, m := range object.FindAllSubmatchIndex(file, -1) {
		number, body := string(file[m[2]:m[3]]), file[m[4]:m[5]]
		d.inflated = append(d.inflated, file[at:m[4]]...)
		at = m[5]
		dicts[number] = string(body)
		if s := stream.FindSubmatch(body); s != nil {
			dicts[number] = string(s[1])
			streams[number] = s[2]
			if strings.Contains(string(s[1]), "/FlateDecode") {
				streams[number] = inflate(t, s[2])
			}
			body = append([]byte(regexp.MustCompile(`/Length \d+`).ReplaceAllString(string(s[1]), "/Length")), streams[number]...)
		}
		d.inflated = append(d.inflated, body...)
	}
	d.inflated = append(d.inflated, regexp.MustCompile(`(?s)xref.*?trailer`).ReplaceAll(file[at:], []byte("trailer"))...)
	d.inflated = regexp.MustCompile(`startxref\n\d+`).ReplaceAll(d.inflated, []byte("startxref"))
	for i := 1; i <= len(dicts); i++ {
		dict := dicts[strconv.Itoa(i)]
		if strings.HasPrefix(dict, "<</Type /Page\n") {
			content := regexp.MustCompile(`/Contents (\d+) 0 R`).FindStringSubmatch(dict)
			d.pages = append(d.pages, page(t, streams[content[1]]))
		}
	}
	for _, f := range embedded.FindAllStringSubmatch(string(file), -1) {
		number, _ := strconv.Atoi(f[2])
		table := regexp.MustCompile(`/CIDToGIDMap (\d+) 0 R`).FindStringSubmatch(dicts[strconv.Itoa(number+1)])
		if table == nil {
			t.Fatalf("font %s has no glyphs", f[1])
		}
		d.glyphs[f[1]] = streams[table[1]]
	}
	return d
}

func inflate(t *testing.T, b []byte) []byte {
	t.Helper()
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// page lists the strings of a content stream in the order they are drawn.
func page(t *testing.T, content []byte) []shown {
	t.Helper()
	var all []shown
	font := ""
	for len(content) > 0 {
		m := drawing.FindSubmatchIndex(content)
		if m == nil {
			break
		}
		if m[2] >= 0 {
			font = string(content[m[2]:m[3]])
			content = content[m[1]:]
			continue
		}
		raw, n := literal(content[m[8]:])
		all = append(all, shown{x: string(content[m[4]:m[5]]), y: string(content[m[6]:m[7]]), font: font, text: utf16BE(t, raw)})
		content = content[m[8]+n:]
	}
	return all
}

// literal reads a literal string up to its closing parenthesis (PDF 32000-1, 7.3.4.2) and says how long it is.
func literal(b []byte) (out []byte, n int) {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case ')':
			return out, i + 1
		case '\\':
			i++
			if b[i] == 'r' {
				out = append(out, '\r')
			} else {
				out = append(out, b[i])
			}
		case '\r':
			out = append(out, '\n') // an end of line that is not escaped is read as LF
		default:
			out = append(out, b[i])
		}
	}
	return out, len(b)
}

func utf16BE(t *testing.T, b []byte) string {
	t.Helper()
	if len(b)%2 != 0 {
		t.Fatalf("a string of %d bytes", len(b))
	}
	var units []uint16
	for i := 0; i < len(b); i += 2 {
		units = append(units, uint16(b[i])<<8|uint16(b[i+1]))
	}
	return string(utf16.Decode(units))
}

// all is every string on every page.
func (d document) all() string {
	var b strings.Builder
	for _, p := range d.pages {
		for _, s := range p {
			b.WriteString(s.text + "\n")
		}
	}
	return b.String()
}

// checkGlyphs fails where a string uses a character its font was not given a glyph for.
func (d document) checkGlyphs(t *testing.T, name string) {
	t.Helper()
	for _, p := range d.pages {
		for _, s := range p {
			table := d.glyphs[s.font]
			for _, r := range s.text {
				if len(table) <= int(r)*2+1 || table[r*2] == 0 && table[r*2+1] == 0 {
					t.Errorf("%s: %U of %q has no glyph in font %s", name, r, s.text, s.font)
				}
			}
		}
	}
}
