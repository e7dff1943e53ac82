package app

import (
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/labstack/echo/v4"
)

// safeImages may be shown in a page; everything else is only ever saved. SVG is not among them: it is a program.
var safeImages = []string{"image/jpeg", "image/png", "image/gif", "image/webp"}

// file serves an attachment. What its sender calls it counts for nothing: only bytes that are one of the safe images are
// shown, and even those in a sandbox of their own.
func (p *pages) file(c echo.Context) error {
	ctx, cancel := within(c)
	defer cancel()
	name, kind, data, err := p.o.Desk.File(ctx, session(c), param(c, "thread"), param(c, "message"), param(c, "attachment"), c.QueryParams().Has("thumb"))
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
	disposition := "attachment"
	if kind = bare(kind); slices.Contains(safeImages, kind) && http.DetectContentType(data) == kind {
		disposition = "inline"
	} else {
		kind = "application/octet-stream"
	}
	params := map[string]string{}
	if n := printable(name); n != "" {
		params["filename"] = n
	}
	h.Set("Content-Disposition", mime.FormatMediaType(disposition, params))
	return c.Blob(http.StatusOK, kind, data)
}

func bare(kind string) string {
	k, _, err := mime.ParseMediaType(kind)
	if err != nil {
		return ""
	}
	return k
}

// printable leaves out what could steer a header or a file system, and the marks that turn a name's direction around.
func printable(name string) string {
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || strings.ContainsRune(`/\:*?"<>|`, r) {
			return -1
		}
		return r
	}, name)
	return strings.Trim(name, ". ")
}
