package inbox

import (
	"bytes"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/image/webp"
)

// What a message may carry.
const (
	maxFileBytes = 10 << 20
	maxFiles     = 10         // the send contract's
	maxPixels    = 40_000_000 // of a picture that is decoded: what a good phone takes
	maxNameRunes = 120
)

// format is a kind of picture that may be sent and shown.
type format struct {
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

var formats = map[string]format{
	"image/jpeg": {jpeg.DecodeConfig, jpeg.Decode},
	"image/png":  {png.DecodeConfig, png.Decode},
	"image/gif":  {gif.DecodeConfig, gif.Decode},
	"image/webp": {webp.DecodeConfig, webp.Decode},
}

// endings are how the name of a file of each safe type may end.
var endings = map[string][]string{
	"image/jpeg": {".jpg", ".jpeg", ".jpe", ".jfif"}, "image/png": {".png"}, "image/gif": {".gif"}, "image/webp": {".webp"},
	"application/pdf": {".pdf"}, "text/plain": {".txt", ".text"},
}

// kindOf says what a file is, by its bytes alone; "" where it is none of the safe types, or claims to be one and cannot be read
// as it.
func kindOf(data []byte) string {
	kind, _, err := mime.ParseMediaType(http.DetectContentType(data))
	if err != nil {
		return ""
	}
	switch kind {
	case "application/pdf":
		if !bytes.Contains(data[max(0, len(data)-1024):], []byte("%%EOF")) {
			return ""
		}
	case "text/plain":
		if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 || bytes.HasPrefix(bytes.TrimLeft(data, "\ufeff \t\r\n"), []byte("<")) {
			return ""
		}
	default:
		f, ok := formats[kind]
		if !ok {
			return ""
		}
		if c, err := f.config(bytes.NewReader(data)); err != nil || c.Width < 1 || c.Height < 1 || c.Width > maxPixels/c.Height {
			return ""
		}
	}
	return kind
}

// examine says what an upload is and how it is called from now on, or what is wrong with it.
func examine(u Upload) (kind, name string, wrong *Wrong) {
	name = cleanName(u.Name)
	refuse := func(text string, args ...any) (string, string, *Wrong) {
		return "", "", &Wrong{Field: "files", Text: fmt.Sprintf(text, args...)}
	}
	switch {
	case len(u.Data) == 0:
		return refuse("%s is empty. Choose another file.", name)
	case len(u.Data) > maxFileBytes:
		return refuse("%s is larger than %d MB, which is the most a message can carry. Send a smaller picture, or say where it can be found.", name, maxFileBytes>>20)
	}
	kind = kindOf(u.Data)
	if kind == "" {
		return refuse("%s is not a picture (JPEG, PNG, GIF, WebP of up to 40 megapixels), a PDF or a plain text, whatever its name says. Choose another file.", name)
	}
	ending := strings.ToLower(path.Ext(name))
	if ending == "" {
		return kind, name + endings[kind][0], nil
	}
	for _, known := range endings[kind] {
		if ending == known {
			return kind, name, nil
		}
	}
	return refuse("%s is called %s and is %s inside. Rename it if that is what you want to send.", name, ending, kind)
}

// cleanName takes out of a file's name what belongs to no name: folders, control characters, and marks that turn the direction
// of writing, by which fdp.exe reads exe.pdf.
func cleanName(name string) string {
	name = path.Base(strings.ReplaceAll(strings.ToValidUTF8(name, ""), `\`, "/"))
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '/' {
			return -1
		}
		return r
	}, name))
	if runes := []rune(name); len(runes) > maxNameRunes {
		ending := []rune(path.Ext(name))
		name = string(runes[:maxNameRunes-min(len(ending), 10)]) + string(ending[:min(len(ending), 10)])
	}
	if name == "" || strings.Trim(name, ".") == "" {
		return "file"
	}
	return name
}
