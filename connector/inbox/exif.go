package inbox

import (
	"bytes"
	"encoding/binary"
	"image"
)

// How much of a photo's head is looked through for how it was held: markers before its pixels, and fields of its first directory.
const (
	maxSegments = 64
	maxTags     = 512
)

// orientation says how a JPEG's pixels have to be turned to be looked at, 1 to 8 as EXIF 2.32 §4.6.4 numbers them. 1, as they are, is
// also the answer where it does not say, or what it says cannot be read.
func orientation(data []byte) int {
	if len(data) < 4 || data[0] != 0xff || data[1] != 0xd8 {
		return 1
	}
	rest := data[2:]
	for range maxSegments {
		for len(rest) > 1 && rest[0] == 0xff && rest[1] == 0xff { // fill bytes
			rest = rest[1:]
		}
		if len(rest) < 4 || rest[0] != 0xff || rest[1] == 0xda || rest[1] == 0xd9 { // its pixels begin, or it ends
			return 1
		}
		size := int(binary.BigEndian.Uint16(rest[2:]))
		if size < 2 || len(rest) < 2+size {
			return 1
		}
		segment := rest[4 : 2+size]
		if tiff, is := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); is && rest[1] == 0xe1 {
			return inTIFF(tiff)
		}
		rest = rest[2+size:]
	}
	return 1
}

// inTIFF finds the orientation, tag 0x0112, in the first directory of EXIF's TIFF block.
func inTIFF(tiff []byte) int {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(tiff, []byte("II*\x00")):
		order = binary.LittleEndian
	case bytes.HasPrefix(tiff, []byte("MM\x00*")):
		order = binary.BigEndian
	default:
		return 1
	}
	if len(tiff) < 8 {
		return 1
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 1
	}
	tags := tiff[at+2:]
	for range min(int(order.Uint16(tiff[at:])), maxTags) {
		if len(tags) < 12 {
			return 1
		}
		const short = 3
		if order.Uint16(tags) == 0x0112 {
			value := int(order.Uint16(tags[8:]))
			if order.Uint16(tags[2:]) != short || order.Uint32(tags[4:]) != 1 || value < 1 || value > 8 {
				return 1
			}
			return value
		}
		tags = tags[12:]
	}
	return 1
}

// upright turns a picture as its orientation says.
func upright(m *image.RGBA, orientation int) *image.RGBA {
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	var from func(x, y int) (int, int) // where a pixel of the upright picture is in m
	switch orientation {
	case 2:
		from = func(x, y int) (int, int) { return w - 1 - x, y }
	case 3:
		from = func(x, y int) (int, int) { return w - 1 - x, h - 1 - y }
	case 4:
		from = func(x, y int) (int, int) { return x, h - 1 - y }
	case 5:
		from = func(x, y int) (int, int) { return y, x }
	case 6:
		from = func(x, y int) (int, int) { return y, h - 1 - x }
	case 7:
		from = func(x, y int) (int, int) { return w - 1 - y, h - 1 - x }
	case 8:
		from = func(x, y int) (int, int) { return w - 1 - y, x }
	default:
		return m
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	if orientation >= 5 {
		out = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range out.Rect.Dy() {
		for x := range out.Rect.Dx() {
			sx, sy := from(x, y)
			out.SetRGBA(x, y, m.RGBAAt(m.Rect.Min.X+sx, m.Rect.Min.Y+sy))
		}
	}
	return out
}
