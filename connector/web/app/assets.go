package app

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"
)

// htmx.js is htmx.org 2.0.11 (Zero-Clause BSD), dist/htmx.min.js as published on npm, SHA-256
// d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717. TestVendored holds the file to it.
//
//go:embed assets
var assetFiles embed.FS

// assets are the files that pages link: each has an address that names its content, so that a browser keeps it for ever.
type assets struct {
	at   map[string]string // name → file name with the hash
	file map[string]asset  // file name with the hash → content
}

type asset struct {
	kind           string
	plain, gzipped []byte
}

var embedded = loadAssets(assetFiles)

func loadAssets(files fs.FS) *assets {
	a := &assets{at: map[string]string{}, file: map[string]asset{}}
	names, err := fs.Glob(files, "assets/*")
	if err != nil || len(names) == 0 {
		panic("app: no assets are embedded")
	}
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	for _, n := range names {
		b, err := fs.ReadFile(files, n)
		if err != nil {
			panic("app: " + err.Error())
		}
		sum := sha256.Sum256(b)
		name, ext := path.Base(n), path.Ext(n)
		hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:8]) + ext
		a.at[name] = "/app/assets/" + hashed
		a.file[hashed] = asset{kind: kinds[ext], plain: b, gzipped: newSqueezer(gzip.BestCompression).squeeze(b)}
	}
	return a
}

// squeezer compresses; its buffers are worth keeping.
type squeezer struct {
	out bytes.Buffer
	w   *gzip.Writer
}

func newSqueezer(level int) *squeezer {
	var z squeezer
	var err error
	if z.w, err = gzip.NewWriterLevel(&z.out, level); err != nil {
		panic("app: " + err.Error()) // the level is none
	}
	return &z
}

// squeezers are those of pages, which are compressed as they go out.
var squeezers = sync.Pool{New: func() any { return newSqueezer(gzip.BestSpeed) }}

// squeeze gives b compressed, until it is called again.
func (z *squeezer) squeeze(b []byte) []byte {
	z.out.Reset()
	z.w.Reset(&z.out)
	_, err := z.w.Write(b)
	if err == nil {
		err = z.w.Close()
	}
	if err != nil {
		panic("app: " + err.Error()) // a buffer takes everything
	}
	return z.out.Bytes()
}

// takesGzip says whether a browser takes a compressed answer.
func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return strings.ReplaceAll(q, " ", "") != "q=0"
		}
	}
	return false
}

// asset serves one file. An address of an older build is gone; the page that linked it is reloaded anyway.
func (p *pages) asset(c echo.Context) error {
	name := param(c, "file")
	a, ok := p.assets.file[name]
	if !ok {
		return p.show(c, nothingHere)
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	h.Set("ETag", `"`+name+`"`)
	if strings.Contains(c.Request().Header.Get("If-None-Match"), `"`+name+`"`) {
		return c.NoContent(http.StatusNotModified)
	}
	body := a.plain
	if takesGzip(c.Request()) {
		body = a.gzipped
		h.Set("Content-Encoding", "gzip")
	}
	return c.Blob(http.StatusOK, a.kind, body)
}
