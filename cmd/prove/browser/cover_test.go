package browser

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/chartwire/chartwire/testdata/threads"
)

const goOn = "//dialog[@id='cover']//button[normalize-space(.)='Go on with this patient']"

// uncovered is how often the inbox was told that somebody looked whose page it is.
func (c *clinic) uncovered() int {
	n := 0
	for _, a := range c.app.Since(0) {
		if a.Method == http.MethodPost && strings.HasSuffix(a.URL, "/uncover") {
			n++
		}
	}
	return n
}

// TestCoverStays until its button is clicked, whatever is pressed meanwhile: also in a browser that closes any dialog by Esc. What was
// being written below it stands there afterwards, and a letter that is pressed while the page is covered does nothing with its thread.
func TestCoverStays(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	b := c.browse(t, Allowed)
	for name, before := range map[string]string{"closedby": "''", "any browser": "document.getElementById('cover').removeAttribute('closedby'), ''"} {
		t.Run(name, func(t *testing.T) {
			in := c.threadOf(b, ana)
			_, err := Get(in, evaluated(before))
			done(t, err)
			done(t, in.Type("#text", "Please bring Theo in."))
			told := c.uncovered()
			open(t, b, c.direct(rosa, ana))
			done(t, in.See("#cover[open]"))
			for range 4 {
				done(t, in.Press(kb.Escape))
				if !truth(t, in, "new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(() => drawn(document.querySelector('#cover').matches(':modal')))))") {
					t.Fatal("the page shows itself, and nobody looked whose it is")
				}
			}
			_, err = Get(in, evaluated("document.activeElement.blur(), ''"))
			done(t, err)
			done(t, in.Press("e"))
			if n := c.uncovered(); n != told {
				t.Fatalf("the inbox was told %d times that somebody looked", n-told)
			}
			done(t, in.Click(goOn))
			done(t, in.Gone("#cover[open]"))
			if n := c.uncovered(); n != told+1 {
				t.Errorf("the inbox was told %d times that somebody looked", n-told)
			}
			if got, err := in.Value("#text"); err != nil || got != "Please bring Theo in." {
				t.Errorf("what was written below the cover is %q (%v)", got, err)
			}
			if got := text(t, in, "#thread-head"); strings.Contains(got, "nobody waits") {
				t.Errorf("a key acted below the cover: %q", got)
			}
			done(t, in.Click("#send"))
			done(t, in.Click(".undo button"))
			done(t, in.See("//textarea[@id='text'][contains(.,'Theo in')]"))
			done(t, in.Click("#discard"))
			done(t, in.Click("//button[@id='discard'][.='Press again to discard']"))
			done(t, in.See("//textarea[@id='text'][string-length(.)=0]"))
		})
	}
}

// TestCoverWaitsForNothing: the page is covered at once, and what is written is kept below the cover.
func TestCoverWaitsForNothing(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	b := c.browse(t, Allowed)
	in := c.threadOf(b, ana)
	slow := make(chan struct{})
	c.app.Gate(func(_ http.ResponseWriter, q *http.Request) bool {
		if strings.HasSuffix(q.URL.Path, "/draft") {
			<-slow
		}
		return false
	})
	done(t, in.Type("#text", "Please bring Theo in."))
	open(t, b, c.direct(rosa, ana))
	err := in.See("#cover[open]")
	close(slow)
	done(t, err)
	done(t, in.Click(goOn))
	done(t, in.See("//p[@id='c-state'][contains(.,'Draft kept')]"))
}

// TestCoverWithoutItsEvent: where a stream hangs the page does not hear that it is covered, and looks when it is before somebody's eyes
// again (H2). Send would be refused anyway.
func TestCoverWithoutItsEvent(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	b := c.browse(t, Allowed)
	hangs := make(chan struct{})
	defer close(hangs)
	c.app.Gate(func(_ http.ResponseWriter, q *http.Request) bool {
		if strings.HasSuffix(q.URL.Path, "/live") {
			<-hangs
		}
		return false
	})
	for name, event := range map[string]string{"focus": "dispatchEvent(new Event('focus')), ''", "visible": "document.dispatchEvent(new Event('visibilitychange')), ''"} {
		t.Run(name, func(t *testing.T) {
			in := c.threadOf(b, ana)
			done(t, open(t, b, c.direct(rosa, ana)).See("[data-row]"))
			if n, err := in.Count("#cover[open]"); err != nil || n != 0 {
				t.Fatalf("the page heard of it all the same (%v)", err)
			}
			_, err := Get(in, evaluated(event))
			done(t, err)
			done(t, in.See("#cover[open]"))
			done(t, in.Click(goOn))
			done(t, in.Gone("#cover[open]"))
		})
	}
}

// TestKeysWithoutTheirPlace: a key whose place the page does not have does nothing, and spoils nothing of the pages that come after: one
// that is to be covered is.
func TestKeysWithoutTheirPlace(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	c.hire()
	b := c.browse(t, Allowed)
	reader := open(t, b, c.direct(theo, stranger))
	done(t, reader.See("[data-row]"))
	done(t, reader.Press("ja"))
	done(t, reader.See("#entries"))
	done(t, reader.See("body:has(#say:not(:empty))"))

	in := open(t, b, c.direct(theo, ana))
	done(t, in.Click("#new"))
	writes(t, in, "Your results are in.")
	home(t, in)
	done(t, in.Press("ja"))
	done(t, in.See("#write[data-begins]"))
	open(t, b, c.direct(rosa, ana))
	done(t, in.See("#cover[open]"))
	_, err := Get(in, evaluated("cw.page().classList.add('old'), cw.go(cw.page().dataset.here), ''"))
	done(t, err)
	done(t, in.See("#page:not(.old) #cover[open]"))
	if got := b.Seen.Exceptions(); len(got) > 0 {
		t.Errorf("exceptions %q", got)
	}
}
