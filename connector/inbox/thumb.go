package inbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"sync"

	"golang.org/x/image/draw"

	"github.com/chartwire/chartwire/connector"
)

// A patient's picture is decoded by us to make it small, so it decides how much memory and time that takes. These bound both: what
// asks for more is shown as a file, and can be opened by itself.
const (
	thumbPixels  = 320       // the longer side of a thumbnail
	thumbMemory  = 160 << 20 // bytes of a decoded picture, with what its decoder keeps beside it
	thumbScans   = 20        // of a JPEG; ordinary progressive ones have ten. Each walks the whole picture, however little it says
	thumbsAtOnce = 2
	thumbsKept   = 256
)

// thumbnails makes small pictures, few at a time, and remembers the last.
type thumbnails struct {
	slots chan struct{}
	mu    sync.Mutex
	made  map[[sha256.Size]byte]thumb
	order [][sha256.Size]byte // oldest first
}

// thumb is a small picture; none where none can be made.
type thumb struct {
	data []byte
	kind string
}

func newThumbnails() *thumbnails {
	return &thumbnails{slots: make(chan struct{}, thumbsAtOnce), made: map[[sha256.Size]byte]thumb{}}
}

// of gives the small picture of one. ErrNotFound where none can be made; the context's error where others are made first.
func (t *thumbnails) of(ctx context.Context, data []byte) (small []byte, kind string, err error) {
	key := sha256.Sum256(data)
	made, ok := t.kept(key)
	if !ok {
		select {
		case t.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, "", context.Cause(ctx)
		}
		defer func() { <-t.slots }()
		if made, ok = t.kept(key); !ok { // its page asks for it in several places
			made.data, made.kind, _ = thumbnail(data)
			t.keep(key, made)
		}
	}
	if made.data == nil {
		return nil, "", connector.ErrNotFound
	}
	return made.data, made.kind, nil
}

func (t *thumbnails) kept(key [sha256.Size]byte) (thumb, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	made, ok := t.made[key]
	return made, ok
}

func (t *thumbnails) keep(key [sha256.Size]byte, made thumb) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.made[key]; ok {
		return
	}
	t.made[key], t.order = made, append(t.order, key)
	if len(t.order) > thumbsKept {
		delete(t.made, t.order[0])
		t.order = t.order[1:]
	}
}

// thumbnail makes a small picture of one, upright, as a JPEG or, where it is see-through, a PNG. What a camera wrote into the original
// beside its pixels, such as the place, is not in it. false where the bytes are no picture, or one that takes too much. The
// first picture of several counts.
func thumbnail(data []byte) (small []byte, kind string, ok bool) {
	from := kindOf(data)
	f, is := formats[from]
	if !is || !affordable(from, f, data) {
		return nil, "", false
	}
	full, err := f.decode(bytes.NewReader(data))
	if err != nil {
		return nil, "", false
	}
	w, h := full.Bounds().Dx(), full.Bounds().Dy()
	if longer := max(w, h); longer > thumbPixels {
		w, h = max(1, w*thumbPixels/longer), max(1, h*thumbPixels/longer)
	}
	to := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.ApproxBiLinear.Scale(to, to.Bounds(), full, full.Bounds(), draw.Src, nil)
	to = upright(to, orientation(data))
	var out bytes.Buffer
	if to.Opaque() {
		err = jpeg.Encode(&out, to, &jpeg.Options{Quality: 80})
		kind = "image/jpeg"
	} else {
		err = png.Encode(&out, to)
		kind = "image/png"
	}
	return out.Bytes(), kind, err == nil
}

// affordable says whether decoding a picture stays within bounds, by what its header says.
func affordable(kind string, f format, data []byte) bool {
	if kind == "image/jpeg" {
		return affordableJPEG(data)
	}
	c, err := f.config(bytes.NewReader(data))
	if err != nil {
		return false
	}
	size := 4 // bytes of a pixel
	switch c.ColorModel {
	case color.RGBA64Model, color.NRGBA64Model:
		size = 8
	}
	if kind == "image/png" {
		size *= 2 // an interlaced one is decoded in parts
	}
	return c.Width*c.Height <= thumbMemory/size // its sides are bounded: kindOf
}

// affordableJPEG reads a JPEG's markers: how large its components are, whether their coefficients are kept until the end, and how
// many scans there are (ITU-T T.81, B.1 and B.2).
func affordableJPEG(data []byte) bool {
	memory, scans := 0, 0
	for at := 2; at+4 <= len(data); {
		if data[at] != 0xff { // what is between: of a scan, or broken
			next := bytes.IndexByte(data[at:], 0xff)
			if next < 0 {
				break
			}
			at += next
			continue
		}
		marker := data[at+1]
		if marker == 0xff { // padding
			at++
			continue
		}
		if marker < 0xc0 || marker >= 0xd0 && marker <= 0xd9 { // a stuffed byte, or a marker without a segment
			at += 2
			continue
		}
		size := int(binary.BigEndian.Uint16(data[at+2:]))
		end := at + 2 + size
		if size < 2 || end > len(data) {
			break
		}
		switch marker {
		case 0xda:
			scans++
		case 0xc0, 0xc1, 0xc2:
			memory = max(memory, frameMemory(data[at+4:end], marker == 0xc2))
		}
		at = end
	}
	return memory > 0 && memory <= thumbMemory && scans <= thumbScans
}

// frameMemory is how many bytes a JPEG's frame takes once decoded; beyond thumbMemory where it cannot be told.
func frameMemory(header []byte, progressive bool) int {
	const tooMuch = thumbMemory + 1
	if len(header) < 6 || len(header) < 6+3*int(header[5]) {
		return tooMuch
	}
	h, w := int(binary.BigEndian.Uint16(header[1:])), int(binary.BigEndian.Uint16(header[3:]))
	var across, down, sum int
	for n := range int(header[5]) {
		x, y := int(header[7+3*n]>>4), int(header[7+3*n]&15)
		across, down, sum = max(across, x), max(down, y), sum+x*y
	}
	if w == 0 || h == 0 || across*down == 0 || w > maxPixels/h {
		return tooMuch
	}
	samples := w * h / (across * down) * sum
	if progressive {
		return 5 * samples // a sample and its coefficient of four bytes
	}
	if header[5] == 4 {
		return 2 * samples // converted
	}
	return samples
}
