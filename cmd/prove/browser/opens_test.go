package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/chartwire/chartwire/testdata/threads"
)

// truth evaluates a condition on a page.
func truth(t *testing.T, p *Page, condition string) bool {
	t.Helper()
	is, err := Get(p, chromedp.Evaluate[bool](condition, chromedp.EvalAwaitPromise))
	done(t, err)
	return is
}

// inSight is whether an element is whole between the page's head and the window's lower edge.
func inSight(t *testing.T, p *Page, selector string) bool {
	t.Helper()
	return truth(t, p, fmt.Sprintf(`(() => {
		const r = document.querySelector(%q).getBoundingClientRect()
		return r.top >= document.querySelector('.top').getBoundingClientRect().bottom && r.bottom <= innerHeight
	})()`, selector))
}

// TestThreadOpensAtWhatWaits: in a side pane and at full width a thread opens at the oldest message that waits for an answer, with
// the composer's text below it in sight, and stands still from the first frame on; the keys go on from there. Once nobody waits it
// opens at the newest.
func TestThreadOpensAtWhatWaits(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	c.confide()
	b := c.browse(t, Allowed)
	const oldest = "//li[contains(@class,'entry')][.//p[starts-with(.,'Almost gone this morning')]]"
	for _, size := range [][2]int64{{400, 900}, {1280, 900}} {
		t.Run(fmt.Sprint(size[0]), func(t *testing.T) {
			in := open(t, b, c.direct(theo, ana))
			done(t, in.See("[data-row]"))
			done(t, in.Gone("//div[@id='list']//*[contains(.,'on the way to the chart')]")) // what is filed meanwhile moves what is below it
			done(t, in.Resize(size[0], size[1]))
			_, err := Get(in, evaluated(`window.at = []; (function look() {
				if (document.querySelector('#entries')) at.push(scrollY)
				if (at.length < 12) requestAnimationFrame(look)
			})(), ''`))
			done(t, err)
			c.thread(in, "Theo's rash")
			done(t, in.See(oldest))
			if !truth(t, in, `document.activeElement.matches('.entry') && document.activeElement.innerText.includes('Almost gone this morning')`) {
				t.Error("the focus is not at the oldest message that waits")
			}
			if !inSight(t, in, ".entry:focus") || !inSight(t, in, "#text") || !inSight(t, in, "#entries > :last-child") {
				t.Error("what waits and the composer are not in sight together")
			}
			if !truth(t, in, `new Promise(tell => (function wait() { at.length < 12 ? requestAnimationFrame(wait) : tell(at.every(y => y === at[0]) && at[0] > 0) })())`) {
				where, _ := Get(in, evaluated("at.join()"))
				t.Errorf("the thread stood at %s in its first frames", where)
			}
			done(t, in.See("//*[@id='say'][contains(.,\"Theo's rash\")]"))
			done(t, in.Press("\t"))
			if !truth(t, in, `document.activeElement.matches('a, button, select, textarea, input, summary') && !!(4 & [...document.querySelectorAll('.entry')].find(e => e.innerText.includes('Almost gone')).compareDocumentPosition(document.activeElement))`) {
				t.Error("Tab does not go on from the message")
			}
		})
	}
	in := c.threadOf(b, ana)
	done(t, in.Renewed(func() error { return in.Press("e") }))
	done(t, in.See("//div[@id='thread-head'][contains(.,'nobody waits')]"))
	done(t, in.Press("u"))
	done(t, in.See("#list"))
	c.thread(in, "Theo's rash")
	done(t, in.See("#entries > .entry:last-child:focus"))
}

// TestFolded: what can be done with a thread is open beside it where there is room, and in a side pane folded above it, until the
// user opens it: also in a window that is made narrow.
func TestFolded(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	in := c.threadOf(c.browse(t, Allowed), ana)
	done(t, in.See("#work[open]"))
	done(t, in.Resize(400, 900))
	done(t, in.See("#work:not([open])"))
	done(t, in.Resize(1280, 900))
	done(t, in.See("#work[open]"))
	done(t, in.Resize(400, 900))
	done(t, in.See("#work:not([open])"))
	unfold(t, in)
	for _, width := range []int64{1280, 400} {
		done(t, in.Resize(width, 900))
		if !truth(t, in, `new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(() => drawn(document.querySelector('#work').open))))`) {
			t.Errorf("what the user opened is closed at %d", width)
		}
	}
}

// TestSideParts: in a side pane a reply that can be taken back is whole in sight, taken back is written on at its end, and where a
// colleague was quicker, what they wrote is one press away.
func TestSideParts(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	b := c.browse(t, Allowed)
	in := c.threadOf(b, ana)
	done(t, in.Resize(400, 700))
	done(t, in.Type("#text", "Please bring Theo in this afternoon."))
	done(t, in.Click("#send"))
	done(t, in.See(".undo button:focus"))
	if !inSight(t, in, ".entry:has(.undo)") {
		t.Error("what goes out in a moment is not in sight")
	}
	done(t, in.Click(".undo button"))
	done(t, in.See("#text:focus"))
	done(t, in.Press(" At two."))
	if got, err := in.Value("#text"); err != nil || got != "Please bring Theo in this afternoon. At two." {
		t.Errorf("written on: %q (%v)", got, err)
	}
	other := c.threadOf(b, dev)
	done(t, other.Type("#text", "I have called his mother."))
	done(t, other.Click("#send"))
	done(t, other.See(".undo button"))
	done(t, in.Click("#send"))
	done(t, in.See("#clash:focus"))
	done(t, in.Click(Called("a", "Read it first")))
	done(t, in.See("//*[@id='entries']/*[last()][contains(.,'I have called his mother.')]"))
	if !inSight(t, in, "#entries > :last-child") {
		t.Error("what the colleague wrote is not in sight")
	}
}
