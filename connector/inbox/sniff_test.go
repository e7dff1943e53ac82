package inbox

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
)

func picture(t *testing.T, kind string, w, h int, alpha uint8) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for n := range w * h {
		m.SetNRGBA(n%w, n/w, color.NRGBA{uint8(n), 90, 30, alpha})
	}
	var out bytes.Buffer
	var err error
	switch kind {
	case "image/jpeg":
		err = jpeg.Encode(&out, m, nil)
	case "image/gif":
		err = gif.Encode(&out, m, nil)
	default:
		err = png.Encode(&out, m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// vast is a PNG that says it has more pixels than may be decoded; its checksum is right.
func vast(t *testing.T) []byte {
	data := picture(t, "image/png", 4, 4, 255)
	binary.BigEndian.PutUint32(data[16:], 8000)
	binary.BigEndian.PutUint32(data[20:], 8000)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}

const pdf = "%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"

func TestExamine(t *testing.T) {
	jpg := picture(t, "image/jpeg", 8, 8, 255)
	for name, c := range map[string]struct {
		u          Upload
		kind, name string
		says       string
	}{
		"photo":           {Upload{"knee.JPG", jpg}, "image/jpeg", "knee.JPG", ""},
		"png":             {Upload{"a.png", picture(t, "image/png", 8, 8, 9)}, "image/png", "a.png", ""},
		"gif":             {Upload{"a.gif", picture(t, "image/gif", 8, 8, 255)}, "image/gif", "a.gif", ""},
		"webp":            {Upload{"a.webp", webpPixel}, "image/webp", "a.webp", ""},
		"pdf":             {Upload{"plan.pdf", []byte(pdf)}, "application/pdf", "plan.pdf", ""},
		"text":            {Upload{"note.txt", []byte("Größe: 3 mm\n")}, "text/plain", "note.txt", ""},
		"no ending":       {Upload{`C:\photos\knee`, jpg}, "image/jpeg", "knee.jpg", ""},
		"turned name":     {Upload{"../x\u202egpj.jpg\r\n", jpg}, "image/jpeg", "xgpj.jpg", ""},
		"empty":           {Upload{"a.txt", nil}, "", "", "a.txt is empty"},
		"oversized":       {Upload{"a.txt", bytes.Repeat([]byte("a"), maxFileBytes+1)}, "", "", "larger than 10 MB"},
		"html":            {Upload{"a.txt", []byte("<html><script>alert(1)</script>")}, "", "", "whatever its name says"},
		"svg":             {Upload{"a.txt", []byte("  <svg onload=alert(1)>")}, "", "", "whatever its name says"},
		"program":         {Upload{"a.pdf", []byte("MZ\x90\x00\x03\x00\x00\x00")}, "", "", "whatever its name says"},
		"zip":             {Upload{"a.pdf", []byte("PK\x03\x04abcdefgh")}, "", "", "whatever its name says"},
		"torn pdf":        {Upload{"a.pdf", []byte(pdf[:40])}, "", "", "whatever its name says"},
		"torn photo":      {Upload{"a.jpg", jpg[:20]}, "", "", "whatever its name says"},
		"vast picture":    {Upload{"a.png", vast(t)}, "", "", "whatever its name says"},
		"text with zeros": {Upload{"a.txt", []byte("ab\xff\xfe c")}, "", "", "whatever its name says"},
		"disguised":       {Upload{"plan.pdf", jpg}, "", "", "plan.pdf is called .pdf and is image/jpeg inside"},
		"page as text":    {Upload{"a.html", []byte("hello")}, "", "", "a.html is called .html and is text/plain inside"},
	} {
		kind, called, wrong := examine(c.u)
		switch {
		case c.says == "" && wrong != nil:
			t.Errorf("%s: refused: %v", name, wrong)
		case c.says != "" && (wrong == nil || !strings.Contains(wrong.Text, c.says) || wrong.Field != "files"):
			t.Errorf("%s: says %+v, want %q", name, wrong, c.says)
		case kind != c.kind || called != c.name:
			t.Errorf("%s: %s %q, want %s %q", name, kind, called, c.kind, c.name)
		}
	}
}

func TestCleanNameKeepsTheEndingOfALongOne(t *testing.T) {
	got := cleanName(strings.Repeat("ä", 300) + ".jpeg")
	if r := []rune(got); len(r) != maxNameRunes || !strings.HasSuffix(got, "ä.jpeg") {
		t.Errorf("%d runes: %q", len(r), got)
	}
	for _, n := range []string{"", "..", "/", "\u202e", "\x00"} {
		if got := cleanName(n); got != "file" {
			t.Errorf("%q becomes %q", n, got)
		}
	}
}

func TestThumbnail(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		kind string
		w, h int
	}{
		"wide photo":  {picture(t, "image/jpeg", 1280, 640, 255), "image/jpeg", 320, 160},
		"high png":    {picture(t, "image/png", 100, 1000, 255), "image/jpeg", 32, 320},
		"see-through": {picture(t, "image/png", 400, 400, 40), "image/png", 320, 320},
		"small stays": {picture(t, "image/gif", 20, 10, 255), "image/jpeg", 20, 10},
		"a line":      {picture(t, "image/png", 2000, 1, 255), "image/jpeg", 320, 1},
		"webp":        {webpPixel, "image/jpeg", 1, 1},
	} {
		small, kind, ok := thumbnail(c.data)
		if !ok || kind != c.kind {
			t.Errorf("%s: %s %v", name, kind, ok)
			continue
		}
		got, _, err := image.DecodeConfig(bytes.NewReader(small))
		if err != nil || got.Width != c.w || got.Height != c.h {
			t.Errorf("%s: %d×%d %v, want %d×%d", name, got.Width, got.Height, err, c.w, c.h)
		}
	}
	for name, data := range map[string][]byte{"vast": vast(t), "pdf": []byte(pdf), "torn": picture(t, "image/jpeg", 64, 64, 255)[:200]} {
		if _, _, ok := thumbnail(data); ok {
			t.Errorf("%s has a thumbnail", name)
		}
	}
}

// webpPixel is a WebP picture of one pixel.
var webpPixel = []byte("\x52\x49\x46\x46\x22\x00\x00\x00\x57\x45\x42\x50\x56\x50\x38\x20\x16\x00\x00\x00\x30\x01\x00\x9d\x01\x2a\x01\x00\x01\x00\x0e\xc0\xfe\x25\xa4\x00\x03\x70\x00\x00\x00\x00")
