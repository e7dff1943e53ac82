package inbox

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"runtime"
	"testing"

	"github.com/chartwire/chartwire/connector"
)

// scanBomb is a progressive JPEG of so many scans that say nothing, each of which a decoder walks the whole picture for.
func scanBomb(w, h, comps, scans int) []byte {
	var b bytes.Buffer
	b.Write([]byte{0xff, 0xd8})
	q := append([]byte{0xff, 0xdb, 0, 67, 0}, bytes.Repeat([]byte{1}, 64)...)
	b.Write(q)
	b.Write([]byte{0xff, 0xc2, 0, byte(8 + 3*comps), 8, byte(h >> 8), byte(h), byte(w >> 8), byte(w), byte(comps)})
	for c := range comps {
		b.Write([]byte{byte(c + 1), 0x11, 0})
	}
	dht := []byte{0xff, 0xc4, 0, 20, 0x10, 1}
	dht = append(dht, make([]byte, 15)...)
	b.Write(append(dht, 0xe0)) // one code of one bit: the next 16384 to 32767 blocks have nothing
	blocks := (w + 7) / 8 * ((h + 7) / 8)
	var bits []byte
	for n := 0; n < blocks; n += 32767 {
		bits = append(bits, 0)
		for range 14 {
			bits = append(bits, 1)
		}
	}
	for len(bits)%8 != 0 {
		bits = append(bits, 1)
	}
	var scan bytes.Buffer
	for n := 0; n < len(bits); n += 8 {
		v := byte(0)
		for _, bit := range bits[n : n+8] {
			v = v<<1 | bit
		}
		scan.WriteByte(v)
		if v == 0xff {
			scan.WriteByte(0)
		}
	}
	for n := range scans {
		b.Write([]byte{0xff, 0xda, 0, 8, 1, byte(n%comps + 1), 0, 1, 63, 0})
		b.Write(scan.Bytes())
	}
	b.Write([]byte{0xff, 0xd9})
	return b.Bytes()
}

// TestPicturesThatTakeTooMuchAreNotDecoded: each of these passes for a picture, is small to send, and would take minutes of a
// processor, or hundreds of MB.
func TestPicturesThatTakeTooMuchAreNotDecoded(t *testing.T) {
	deep := bytes.Buffer{}
	if err := png.Encode(&deep, image.NewRGBA64(image.Rect(0, 0, 6300, 6300))); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"many scans": scanBomb(6300, 6300, 1, 300), "coefficients": scanBomb(6300, 6300, 4, 4), "wide samples": deep.Bytes(),
		"few pixels and endless scans": scanBomb(640, 480, 3, thumbScans+1),
	} {
		if kindOf(data) == "" {
			t.Fatalf("%s: it does not even pass for a picture", name)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, ok := thumbnail(data)
		runtime.ReadMemStats(&after)
		if took := (after.TotalAlloc - before.TotalAlloc) >> 20; ok || took > 1 {
			t.Errorf("%s: %d bytes, made: %v, took %d MB", name, len(data), ok, took)
		}
	}
}

// TestOrdinaryPicturesAreAffordable: what phones and browsers make is within the bounds.
func TestOrdinaryPicturesAreAffordable(t *testing.T) {
	if _, _, ok := thumbnail(scanBomb(3000, 2250, 3, 10)); !ok {
		t.Error("a progressive JPEG of 7 megapixels in full colour, ten scans, is refused")
	}
	screen := bytes.Buffer{}
	if err := png.Encode(&screen, image.NewNRGBA(image.Rect(0, 0, 1440, 3200))); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := thumbnail(screen.Bytes()); !ok {
		t.Error("a screenshot is refused")
	}
}

// TestThumbnailsAreMadeOnce: one that was made, or could not be, is remembered, and the oldest of many is forgotten.
func TestThumbnailsAreMadeOnce(t *testing.T) {
	of := func(shade uint8) []byte {
		to := image.NewGray(image.Rect(0, 0, 8, 8))
		to.SetGray(0, 0, color.Gray{shade})
		var out bytes.Buffer
		if err := png.Encode(&out, to); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	made := newThumbnails()
	first, kind, err := made.of(t.Context(), of(1))
	if err != nil || kind != "image/jpeg" {
		t.Fatal(kind, err)
	}
	if _, _, err := made.of(t.Context(), []byte("no picture")); !errors.Is(err, connector.ErrNotFound) {
		t.Error(err)
	}
	made.slots <- struct{}{}
	made.slots <- struct{}{} // nothing can be made now
	again, _, err := made.of(t.Context(), of(1))
	if err != nil || &again[0] != &first[0] {
		t.Errorf("it is made anew: %v", err)
	}
	if _, _, err := made.of(t.Context(), []byte("no picture")); !errors.Is(err, connector.ErrNotFound) {
		t.Error(err)
	}
	<-made.slots
	for n := range thumbsKept {
		if _, _, err := made.of(t.Context(), append(of(2), byte(n), byte(n>>8))); err != nil {
			t.Fatal(err)
		}
	}
	if len(made.made) != thumbsKept || len(made.order) != thumbsKept {
		t.Errorf("%d are remembered", len(made.made))
	}
}

func FuzzAffordableJPEG(f *testing.F) {
	f.Add(scanBomb(64, 48, 3, 3))
	f.Add([]byte{0xff, 0xd8, 0xff, 0xc2, 0, 3, 8})
	f.Fuzz(func(_ *testing.T, data []byte) { affordableJPEG(data) })
}
