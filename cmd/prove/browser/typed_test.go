package browser

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/chartwire/chartwire/testdata/threads"
)

// types types into the composer and does something else in the same moment, as a hand does that is quicker than a second.
func types(t *testing.T, in *Page, words, then string) {
	t.Helper()
	_, err := Get(in, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(() => {
		const text = document.getElementById('text')
		text.value += %q
		text.dispatchEvent(new Event('input', {bubbles: true}))
		%s
	})()`, words, then)))
	done(t, err)
}

// holds says what is in the composer.
func holds(t *testing.T, in *Page, want string) {
	t.Helper()
	if got, err := in.Value("#text"); err != nil || got != want {
		t.Errorf("the composer holds %q (%v), want %q", got, err, want)
	}
}

// TestTypedIsKept: what is typed in the last moment before another page takes the place of this one is there when one comes back,
// whatever brings the other page.
func TestTypedIsKept(t *testing.T) {
	need(t)
	for _, cookies := range []Cookies{Allowed, Refused} {
		t.Run(string(cookies), func(t *testing.T) {
			c := openClinic(t, threads.All())
			b := c.browse(t, cookies)
			in := c.threadOf(b, ana)
			want := ""
			for n, c := range []struct{ then, is string }{
				{"document.querySelector('nav a').click()", "#list"},
				{"document.getElementById('w-claim').click()", "//div[@id='work-hold'][contains(.,'Give back')]"},
				{"document.querySelector('#assign').value = document.querySelector('#assign').options[1].value; document.querySelector('#assign').form.requestSubmit()", "//*[@id='say'][contains(.,'Assigned')]"},
				{"cw.again()", "#page:not(.old)"},
			} {
				words := []string{"One. ", "Two. ", "Three. ", "Four. "}[n]
				want += words
				types(t, in, words, "cw.page().classList.add('old'); "+c.then)
				done(t, in.See("#page:not(.old)"))
				done(t, in.See(c.is))
				if n == 0 {
					done(t, in.Click("//a[@data-row][.//b[.=\"Theo's rash\"]]"))
					done(t, in.See("#entries"))
				}
				holds(t, in, want)
			}
			if cookies == Refused {
				return
			}
			c.leaves(t, b, in, want+"Five. ")
		})
	}
}

// leaves types once more and leaves for an address of its own, with which the page ends, and comes back once what it sent last is kept.
func (c *clinic) leaves(t *testing.T, b *Browser, in *Page, want string) {
	t.Helper()
	at, err := in.Location()
	done(t, err)
	sent := make(chan bool, 9)
	c.app.Gate(func(w http.ResponseWriter, q *http.Request) bool {
		if !strings.HasSuffix(q.URL.Path, "/draft") {
			return false
		}
		c.app.next.ServeHTTP(w, q)
		sent <- true
		return true
	})
	types(t, in, "Five. ", "")
	done(t, in.Go(appSite+"/app/none"))
	select {
	case <-sent:
	case <-time.After(patience):
		t.Fatal("what was typed last was not sent")
	}
	again := open(t, b, at)
	done(t, again.See("#text"))
	holds(t, again, want)
}

// TestNewMessageFindsItsDraft: where the page of a new message is fetched anew in the moment something is typed, it shows that.
func TestNewMessageFindsItsDraft(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	in := open(t, c.browse(t, Allowed), c.direct(theo, ana))
	done(t, in.Click("#new"))
	done(t, in.See("#write[data-begins]"))
	types(t, in, "Your results are in.", "cw.page().classList.add('old'); cw.again()")
	done(t, in.See("#page:not(.old) #text"))
	holds(t, in, "Your results are in.")
}

// TestDraftIsTriedAgain: what the server did not keep is told not to be kept, is tried again, and until then nothing takes the page's
// place but by its user's wish.
func TestDraftIsTriedAgain(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	b := c.browse(t, Allowed)
	in := c.threadOf(b, ana)
	var down atomic.Bool
	c.meets(t, func(w http.ResponseWriter, q *http.Request) bool {
		return answered(w, down.Load() && strings.HasSuffix(q.URL.Path, "/draft"), http.StatusServiceUnavailable,
			`{"title":"Chartwire cannot save now","text":"Its store does not answer."}`)
	})
	const notKept = "//p[@id='c-state'][contains(.,'Not kept yet')][contains(.,'Its store does not answer.')]"
	down.Store(true)
	done(t, in.Type("#text", "Please bring Theo in."))
	done(t, in.See(notKept))
	mark := c.app.Mark()
	down.Store(false)
	done(t, in.See("//p[@id='c-state'][.='Draft kept.']"))
	for _, a := range c.app.Since(mark) {
		if strings.HasSuffix(a.URL, "/draft") && a.Header.Get("X-Chartwire-Quiet") == "" {
			t.Error("a page that tries again keeps its user signed in")
		}
	}
	down.Store(true)
	for _, away := range []string{"document.querySelector('nav a').click()", "document.getElementById('send').click()"} {
		types(t, in, " At two.", away)
		done(t, in.See("//*[@id='alarm'][contains(.,'not kept yet, so nothing else was done')]"))
		done(t, in.See(notKept))
	}
	holds(t, in, "Please bring Theo in. At two. At two.")
	done(t, in.See("//button[@id='alarm-act'][.='Go on all the same']"))
	types(t, in, "", "document.querySelector('nav a').click()")
	done(t, in.Click("//button[@id='alarm-act'][.='Leave without it']"))
	done(t, in.See("#list"))
	if n := len(c.platform.Received()); n != 0 {
		t.Errorf("%d messages went", n)
	}
}

// TestRefusedFileKeepsTheText: where a file is not taken, what was typed beside it is kept all the same.
func TestRefusedFileKeepsTheText(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	in := c.threadOf(c.browse(t, Allowed), ana)
	program := filepath.Join(t.TempDir(), "setup.exe")
	done(t, os.WriteFile(program, []byte("MZ\x90\x00 not a file for a chart"), 0o600))
	types(t, in, "Please bring Theo in.", "")
	done(t, in.Choose("#files", program))
	done(t, in.See("#problem"))
	done(t, in.See("//p[@id='c-state'][.='Draft kept.']"))
	home(t, in)
	c.thread(in, "Theo's rash")
	holds(t, in, "Please bring Theo in.")
}
