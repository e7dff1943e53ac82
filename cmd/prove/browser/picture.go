package browser

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"slices"

	"github.com/chromedp/chromedp"
)

// Picture is the whole page as a PNG, width CSS pixels wide and at least height high, in the 256 colours it has most of: that is
// enough for letters on plain grounds, and a third of the bytes.
func (p *Page) Picture(width, height int64) ([]byte, error) {
	taken, err := Get(p, func(ctx context.Context, t *chromedp.Target) ([]byte, error) {
		if _, err := chromedp.EmulateViewport(width, height)(ctx, t); err != nil {
			return nil, err
		}
		// What sticks to the top of the window would stand where the page was scrolled to.
		if _, err := chromedp.Evaluate[chromedp.Void]("scrollTo(0, 0)")(ctx, t); err != nil {
			return nil, err
		}
		return chromedp.FullScreenshot(100)(ctx, t)
	})
	if err != nil {
		return nil, fmt.Errorf("browser: the page cannot be taken a picture of: %w", err)
	}
	drawn, err := png.Decode(bytes.NewReader(taken))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, fewer(drawn))
	return out.Bytes(), err
}

// fewer draws a picture in its 256 most frequent colours, each other one as the nearest of them.
func fewer(from image.Image) *image.Paletted {
	b := from.Bounds()
	count := map[color.RGBA]int{}
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(from.At(x, y)).(color.RGBA) }
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	all := make([]color.RGBA, 0, len(count))
	for c := range count {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b color.RGBA) int {
		return cmp.Or(count[b]-count[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	var palette color.Palette
	for _, c := range all[:min(len(all), 256)] {
		palette = append(palette, c)
	}
	index := map[color.RGBA]uint8{}
	for _, c := range all {
		index[c] = uint8(palette.Index(c))
	}
	out := image.NewPaletted(b, palette)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			out.SetColorIndex(x, y, index[at(x, y)])
		}
	}
	return out
}
