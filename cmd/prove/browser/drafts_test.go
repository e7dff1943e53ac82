package browser

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// nora and owen are patients of one thread, by turns.
var (
	nora = patient{"MRN900011", "Nora", "Field", "1980-02-03"}
	owen = patient{"MRN900012", "Owen", "Brook", "1975-11-12"}
)

// noted is a message of Nora's with a photo of a phone that was held upright, in the thread Knee.
func noted(t *testing.T, at time.Time) []byte {
	t.Helper()
	w := words{Thread: "knee", Subject: "Knee", ID: "k-1", Sequence: 1, Sender: "Nora Field", Text: "It looks like this since Monday.", Patient: nora}
	var event map[string]any
	done(t, json.Unmarshal(w.event(at), &event))
	photo := uprightPhoto(t)
	message := event["data"].(map[string]any)["message"].(map[string]any)
	message["attachments"] = []any{map[string]any{"id": "a-k-1", "filename": "knee.jpg", "content_type": "image/jpeg", "size": len(photo), "data": base64.StdEncoding.EncodeToString(photo)}}
	out, err := json.Marshal(event)
	done(t, err)
	return out
}

// uprightPhoto is stored lying, 640 wide and 480 high, and says by its EXIF that it has to be turned to the right. Upright it has a
// light sky above and a dark ground below.
func uprightPhoto(t *testing.T) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 640, 480))
	for y := range 480 {
		for x := range 640 { // its left half is what is above
			c := color.RGBA{uint8(150 + y/8), 205, 240, 255}
			if x >= 320 {
				c = color.RGBA{90, uint8(60 + y/8), 40, 255}
			}
			m.SetRGBA(x, y, c)
		}
	}
	var out bytes.Buffer
	done(t, jpeg.Encode(&out, m, nil))
	const right = 6
	exif := append([]byte("Exif\x00\x00MM\x00*"), 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, right, 0, 0, 0, 0, 0, 0)
	head := binary.BigEndian.AppendUint16([]byte{0xff, 0xd8, 0xff, 0xe1}, uint16(len(exif)+2))
	return append(append(head, exif...), out.Bytes()[2:]...)
}

// withKnee is a clinic in which Nora wrote about her knee.
func withKnee(t *testing.T) *clinic {
	t.Helper()
	now := time.Now().Add(-time.Hour)
	other := words{Thread: "back", Subject: "Back", ID: "b-1", Sequence: 1, Sender: "Owen Brook", Text: "My back is better.", Patient: owen}
	return openClinic(t, append(staffed(now), noted(t, now), other.event(now)))
}

// writes has a draft kept of what is typed, and waits until the whole of it is: where the typing stood still for a second, that it is
// kept is said of its beginning.
func writes(t *testing.T, in *Page, text string) {
	t.Helper()
	done(t, in.Type("#text", text))
	done(t, in.See("//p[@id='c-state'][contains(.,'Draft kept')]"))
	_, err := Get(in, chromedp.Evaluate[chromedp.Void]("cw.keep()", chromedp.EvalAwaitPromise))
	done(t, err)
}

// home goes back to the patient's page.
func home(t *testing.T, in *Page) {
	t.Helper()
	done(t, in.Click("//nav//a[.='Patient']"))
	done(t, in.See("#list"))
}

// threeDrafts has a doctor begin two new messages and a reply, and gives the patient's page.
func (c *clinic) threeDrafts(b *Browser) *Page {
	c.t.Helper()
	t := c.t
	in := open(t, b, c.direct(nora.MRN, ana))
	for topic, text := range map[string]string{"results": "Your results are in.", "refill": "The refill is ready."} {
		done(t, in.Click("#new"))
		done(t, in.See("#write[data-begins]"))
		choose(t, in, "#topic", topic)
		writes(t, in, text)
		if at, err := Get(in, evaluated("document.getElementById('page').dataset.here")); err != nil || !strings.Contains(at, "/new?draft=") {
			t.Errorf("once it is kept the page is found at %s (%v)", at, err)
		}
		home(t, in)
	}
	c.thread(in, "Knee")
	writes(t, in, "Please keep it still.")
	home(t, in)
	done(t, in.See("#drafts"))
	return in
}

// strayDraft has a doctor begin a reply in a thread that then names another patient, and gives the first patient's page.
func (c *clinic) strayDraft(b *Browser) *Page {
	c.t.Helper()
	t := c.t
	in := open(t, b, c.direct(nora.MRN, ana))
	c.thread(in, "Knee")
	writes(t, in, "Please keep the knee still.")
	other := words{Thread: "knee", Subject: "Knee", ID: "k-2", Sequence: 2, Sender: "Owen Brook", Text: "And mine?", Patient: owen}
	c.post([][]byte{other.event(time.Now())})
	home(t, in)
	done(t, in.See("//ul[@id='drafts']//b[.='Reply that cannot be sent']"))
	return in
}

// TestDrafts: everything one has begun for a patient is listed, opens where it was left, also after a reload, and can be thrown away.
func TestDrafts(t *testing.T) {
	need(t)
	axe, err := LoadAxe(t.Context(), *packages)
	done(t, err)
	c, found := withKnee(t), 0
	for _, cookies := range []Cookies{Allowed, Refused} {
		t.Run(string(cookies), func(t *testing.T) {
			in := c.threeDrafts(c.browse(t, cookies))
			if n, err := in.Count("#drafts > li"); err != nil || n != 3 {
				t.Fatalf("%d drafts are listed (%v): %s", n, err, text(t, in, "#list"))
			}
			done(t, in.Resize(400, 900))
			found += themes(t, axe, in)
			for _, want := range []string{"Your results are in.", "The refill is ready.", "Please keep it still."} {
				done(t, in.Click("//ul[@id='drafts']//a[contains(.,"+quoted(want)+")]"))
				done(t, in.See("#write"))
				if got, err := in.Value("#text"); err != nil || got != want {
					t.Errorf("it opens %q (%v), want %q", got, err, want)
				}
				if cookies == Allowed {
					at, err := in.Location()
					done(t, err)
					done(t, in.Go(at))
					done(t, in.See("#write"))
					if got, err := in.Value("#text"); err != nil || got != want {
						t.Errorf("reloaded it is %q (%v), want %q", got, err, want)
					}
				}
				found += themes(t, axe, in)
				home(t, in)
			}
			done(t, in.Click("#new"))
			done(t, in.See("#c-more"))
			if got, err := in.Value("#text"); err != nil || got != "" {
				t.Errorf("a new message begins with %q (%v)", got, err)
			}
			home(t, in)
			for left := 2; left >= 0; left-- {
				drop := "//ul[@id='drafts']/li[1]//button[contains(@id,'-drop')]"
				done(t, in.Click(drop))
				done(t, in.See(drop+"[.='Press again to discard']"))
				done(t, in.Click(drop))
				done(t, in.See(fmt.Sprintf("//div[@id='list'][count(.//ul[@id='drafts']/li)=%d]", left)))
			}
		})
	}
	book.Add(figureOf("I5-axe-drafts", float64(found), "=0", "violations in the list of drafts and the composer of each, two themes"))
}

// TestStrayDraft: a reply to a thread that names another patient now is found under its own, as text, and under nobody else.
func TestStrayDraft(t *testing.T) {
	need(t)
	axe, err := LoadAxe(t.Context(), *packages)
	done(t, err)
	c := withKnee(t)
	b := c.browse(t, ThirdParty)
	in := c.strayDraft(b)
	const row = "//ul[@id='drafts']/li"
	if got, err := in.Value("#drafts textarea"); err != nil || got != "Please keep the knee still." {
		t.Errorf("what was written is %q (%v)", got, err)
	}
	if got := text(t, in, row); !strings.Contains(got, "names another patient now") || strings.Contains(got, "Owen") || strings.Contains(got, owen.MRN) {
		t.Errorf("it says %q", got)
	}
	if n, err := in.Count("#drafts a"); err != nil || n != 0 {
		t.Errorf("%d links lead from it (%v)", n, err)
	}
	found := 0
	for _, width := range []int64{400, 1280} {
		done(t, in.Resize(width, 900))
		found += themes(t, axe, in)
	}
	book.Add(figureOf("I5-axe-stray", float64(found), "=0", "violations of a draft that cannot be sent, two themes, two widths"))
	done(t, in.Click(row+"//button[@data-copy]"))
	done(t, in.See(row+"//button[@data-copy][.='Copied' or .='Selected: copy it with Ctrl+C']"))
	there := open(t, b, c.direct(owen.MRN, ana))
	done(t, there.See("#list"))
	if got := text(t, there, "#list"); strings.Contains(got, "knee still") {
		t.Errorf("under the other patient stands %q", got)
	}
	if n := len(c.platform.Received()); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}

// TestUprightPhoto: a photo of a phone that was held upright is upright in its thumbnail, as the browser itself shows the whole one.
func TestUprightPhoto(t *testing.T) {
	need(t)
	c := withKnee(t)
	in := open(t, c.browse(t, Refused), c.direct(nora.MRN, ana))
	c.thread(in, "Knee")
	if got := shownSize(t, in, ".photo img"); got != "240x320" {
		t.Errorf("the thumbnail is %s", got)
	}
	done(t, in.Click(".photo"))
	done(t, in.See("#zoom[open]"))
	if got := shownSize(t, in, "#zoom-img"); got != "480x640" {
		t.Errorf("the whole photo is %s", got)
	}
}

// shownSize waits for a picture and gives its size as the browser turned it.
func shownSize(t *testing.T, in *Page, selector string) string {
	t.Helper()
	done(t, in.See(selector))
	_, err := Get(in, chromedp.Evaluate[bool](fmt.Sprintf(`(() => {
		const i = document.querySelector(%q), told = () => i.setAttribute('data-size', i.naturalWidth + 'x' + i.naturalHeight)
		i.addEventListener('load', told)
		if (i.complete && i.naturalWidth) told()
		return true
	})()`, selector)))
	done(t, err)
	done(t, in.See(selector+"[data-size]"))
	size, err := Get(in, evaluated(fmt.Sprintf("document.querySelector(%q).dataset.size", selector)))
	done(t, err)
	return size
}

// TestFocusOfWhoeverWritesAlready: a field that is used the moment its page comes keeps the focus. Otherwise what is typed would be
// taken for keys, of which one resolves the thread.
func TestFocusOfWhoeverWritesAlready(t *testing.T) {
	need(t)
	c := withKnee(t)
	in := open(t, c.browse(t, Allowed), c.direct(nora.MRN, ana))
	done(t, in.See("#list"))
	_, err := Get(in, chromedp.Evaluate[bool](`(() => {
		document.addEventListener('htmx:afterSwap', () => document.getElementById('text')?.focus(), {once: true})
		document.addEventListener('htmx:afterSettle', () => setTimeout(() => document.body.dataset.settled = document.activeElement.id, 0), {once: true})
		return true
	})()`))
	done(t, err)
	c.thread(in, "Knee")
	done(t, in.See("body[data-settled]"))
	if got, err := Get(in, evaluated("document.body.dataset.settled")); err != nil || got != "text" {
		t.Errorf("the focus is on %q (%v)", got, err)
	}
}
