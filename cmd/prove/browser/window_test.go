package browser

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/chartwire/chartwire/testdata/threads"
)

// named waits until the window is called so.
func named(t *testing.T, in *Page, want string) {
	t.Helper()
	title := "//title[.='" + want + " · Messages']"
	if err := in.Do(chromedp.WaitReady(title, by(title))); err != nil {
		got, _ := Get(in, evaluated("document.title"))
		t.Errorf("the window is called %q, want %q", got, want)
	}
}

// TestWindowIsNamed: the window is called by the page it shows, also where script put that into the last one's place.
func TestWindowIsNamed(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	for _, cookies := range []Cookies{Allowed, Refused} {
		t.Run(string(cookies), func(t *testing.T) {
			b := c.browse(t, cookies)
			in := open(t, b, c.direct(theo, ana))
			done(t, in.See("#list"))
			named(t, in, "Threads")
			c.thread(in, "Theo's rash")
			named(t, in, "Thread")
			done(t, in.Press("u"))
			done(t, in.Click("#new"))
			named(t, in, "New message")
			done(t, in.Click(Called("button", "Sign out")))
			named(t, in, "You have signed out")
		})
	}
}

// TestLastMinutes: before a session ends for want of anything done its user can go on with it; before it ends whatever is done, they
// are told when, and offered nothing that cannot work.
func TestLastMinutes(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	in := c.threadOf(c.browse(t, Allowed), ana)
	_, err := Get(in, evaluated("cw.page().dataset.left = '60', cw.arrive(), ''"))
	done(t, err)
	done(t, in.See("//*[@id='alarm'][contains(.,'in two minutes because nothing was done')]//button[.='Stay signed in']"))
	_, err = Get(in, evaluated("cw.page().dataset.last = '09:31', cw.arrive(), ''"))
	done(t, err)
	done(t, in.See("//*[@id='alarm'][contains(.,'You will be signed out at 09:31, whatever is done')]"))
	if n, err := in.Count("#alarm button:not([hidden])"); err != nil || n != 0 {
		t.Errorf("%d things are offered that cannot work (%v)", n, err)
	}
}

// TestRefusedNote: a note of a page that was covered meanwhile is not kept and not lost, and is kept once somebody looked whose page it
// is. In a narrow window its field is in sight.
func TestRefusedNote(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	b := c.browse(t, Allowed)
	in := c.threadOf(b, ana)
	done(t, in.Resize(400, 900))
	unfold(t, in)
	done(t, in.Type("#note", "Called the mother."))
	_, err := Get(in, evaluated("cw.cover = () => {}, ''")) // the stream is late
	done(t, err)
	other := open(t, b, c.direct(rosa, ana))
	done(t, other.See("#list"))
	done(t, in.Click(Called("button", "Keep the note")))
	done(t, in.See("#note-problem:focus"))
	if got, err := in.Value("#note"); err != nil || got != "Called the mother." {
		t.Errorf("the note is %q (%v)", got, err)
	}
	done(t, in.Click(Called("button", "Keep it about this patient")))
	done(t, in.See("//li[contains(@class,'note')]"+Saying("p", "Called the mother.")))
}
