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
