package inbox

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"testing"
)

// sides says, as EXIF 2.32 words it, which side of what was seen the stored picture's first row and first column are.
var sides = map[int][2]string{1: {"top", "left"}, 2: {"top", "right"}, 3: {"bottom", "right"}, 4: {"bottom", "left"},
	5: {"left", "top"}, 6: {"right", "top"}, 7: {"right", "bottom"}, 8: {"left", "bottom"}}

// held is a photo of m as a camera stores it that is held so: the pixel in a row and a column is that many steps from the sides
// that those are.
func held(m *image.RGBA, orientation int) *image.RGBA {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	size := image.Rect(0, 0, w, h)
	if orientation >= 5 {
		size = image.Rect(0, 0, h, w)
	}
	out := image.NewRGBA(size)
	for row := range size.Dy() {
		for col := range size.Dx() {
			x, y := 0, 0
			for n, steps := range []int{row, col} {
				switch sides[orientation][n] {
				case "top":
					y = steps
				case "bottom":
					y = h - 1 - steps
				case "left":
					x = steps
				case "right":
					x = w - 1 - steps
				}
			}
			out.SetRGBA(col, row, m.RGBAAt(x, y))
		}
	}
	return out
}

var corners = []color.RGBA{{220, 30, 30, 255}, {30, 180, 40, 255}, {40, 60, 220, 255}, {235, 220, 40, 255}}

// scene is a high picture with another colour in each quarter.
func scene() *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, 480, 640))
	for y := range 640 {
		for x := range 480 {
			m.SetRGBA(x, y, corners[2*(y/320)+x/240])
		}
	}
	return m
}

// exif puts a TIFF block with these fields of a first directory into a JPEG, after its first bytes.
func exif(t testing.TB, m image.Image, order binary.AppendByteOrder, fields ...[4]uint32) []byte {
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, nil); err != nil {
		t.Fatal(err)
	}
	tiff := []byte("II*\x00")
	if order == binary.BigEndian {
		tiff = []byte("MM\x00*")
	}
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, uint16(len(fields)))
	for _, f := range fields {
		tiff = order.AppendUint16(order.AppendUint16(tiff, uint16(f[0])), uint16(f[1]))
		tiff = order.AppendUint16(order.AppendUint32(tiff, f[2]), uint16(f[3]))
		tiff = append(tiff, 0, 0)
	}
	segment := append([]byte("Exif\x00\x00"), order.AppendUint32(tiff, 0)...)
	head := binary.BigEndian.AppendUint16([]byte{0xff, 0xd8, 0xff, 0xe1}, uint16(len(segment)+2))
	return append(append(head, segment...), out.Bytes()[2:]...)
}

// TestThumbnailIsUpright: whichever way the phone was held, and whichever way round it writes its numbers.
func TestThumbnailIsUpright(t *testing.T) {
	for o := range sides {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			name := fmt.Sprint(o, " ", order)
			data := exif(t, held(scene(), o), order, [4]uint32{0x010f, 2, 1, 0}, [4]uint32{0x0112, 3, 1, uint32(o)})
			small, kind, ok := thumbnail(data)
			if !ok || kind != "image/jpeg" {
				t.Fatalf("%s: no thumbnail", name)
			}
			got, err := jpeg.Decode(bytes.NewReader(small))
			if err != nil || got.Bounds().Dx() != 240 || got.Bounds().Dy() != 320 {
				t.Errorf("%s: %v %v, want it high", name, got.Bounds(), err)
				continue
			}
			for n, want := range corners {
				r, g, b, _ := got.At(60+120*(n%2), 80+160*(n/2)).RGBA()
				for c, v := range []uint32{r >> 8, g >> 8, b >> 8} {
					if d := int(v) - int([]uint8{want.R, want.G, want.B}[c]); d < -25 || d > 25 {
						t.Errorf("%s: quarter %d is %d %d %d, want %v", name, n, r>>8, g>>8, b>>8, want)
						break
					}
				}
			}
		}
	}
}

// TestOrientationThatCannotBeRead counts as none, and the photo is shown as its pixels are.
func TestOrientationThatCannotBeRead(t *testing.T) {
	m := held(scene(), 6)
	good := exif(t, m, binary.BigEndian, [4]uint32{0x0112, 3, 1, 6})
	if orientation(good) != 6 {
		t.Fatal("the good one is not read")
	}
	changed := func(at int, b ...byte) []byte {
		out := bytes.Clone(good)
		copy(out[at:], b)
		return out
	}
	const tiff = 12 // SOI, marker and size, "Exif", two zeros
	for name, data := range map[string][]byte{
		"nothing":                nil,
		"no picture":             []byte("Exif"),
		"no EXIF":                picture(t, "image/jpeg", 8, 8, 255),
		"a PNG":                  picture(t, "image/png", 8, 8, 255),
		"zero":                   exif(t, m, binary.BigEndian, [4]uint32{0x0112, 3, 1, 0}),
		"nine":                   exif(t, m, binary.BigEndian, [4]uint32{0x0112, 3, 1, 9}),
		"two values":             exif(t, m, binary.BigEndian, [4]uint32{0x0112, 3, 2, 6}),
		"a long":                 exif(t, m, binary.BigEndian, [4]uint32{0x0112, 4, 1, 6}),
		"another tag":            exif(t, m, binary.BigEndian, [4]uint32{0x0132, 3, 1, 6}),
		"no byte order":          changed(tiff, 'X', 'X'),
		"a directory far away":   changed(tiff+4, 0xff, 0xff, 0xff, 0xff),
		"more fields than bytes": changed(tiff+8, 0xff, 0xff, 0x01, 0x11),
		"another APP1":           changed(6, 'h', 't', 't', 'p'),
		"a segment too long":     changed(4, 0xff, 0xff)[:200],
		"a segment too short":    changed(4, 0, 1),
		"cut in EXIF":            good[:tiff+6],
		"EXIF after the pixels":  append(picture(t, "image/jpeg", 8, 8, 255), good[2:]...),
	} {
		if got := orientation(data); got != 1 {
			t.Errorf("%s: %d", name, got)
		}
	}
	filled := append([]byte{0xff, 0xd8, 0xff, 0xff}, good[2:]...)
	if got := orientation(filled); got != 6 {
		t.Errorf("fill bytes before a marker: %d", got)
	}
}

// FuzzOrientation: whatever bytes come, it answers with a number that can be turned by, and a thumbnail is made or not.
func FuzzOrientation(f *testing.F) {
	small := image.NewRGBA(image.Rect(0, 0, 3, 2))
	for o := range sides {
		f.Add(exif(f, held(small, o), binary.LittleEndian, [4]uint32{0x0112, 3, 1, uint32(o)}))
	}
	f.Add([]byte{0xff, 0xd8, 0xff, 0xe1, 0, 8, 'E', 'x', 'i', 'f', 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		o := orientation(data)
		if o < 1 || o > 8 {
			t.Fatalf("orientation %d", o)
		}
		turned := upright(small, o)
		if w, h := turned.Rect.Dx(), turned.Rect.Dy(); w*h != 6 || (o >= 5) != (h == 3) {
			t.Fatalf("turned by %d it is %d×%d", o, w, h)
		}
	})
}
