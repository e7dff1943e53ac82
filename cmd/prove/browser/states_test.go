package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/chartwire/chartwire/testdata/threads"
)

// dev is a doctor of the bundled threads; stranger works at the EHR with no role there that the configuration names.
const dev, stranger = "prac-dev", "stranger"

// state is what a page can come to look like that no link leads to.
type state struct {
	name string
	is   string // a place that only this state shows
	of   func(t *testing.T, c *clinic, b *Browser) *Page
}

// states are those of one clinic. The last has its EHR refuse connections and turns the clock on, so nothing comes after it.
var states = []state{
	{"cover", "#cover[open]", func(t *testing.T, c *clinic, b *Browser) *Page {
		in := c.threadOf(b, ana)
		open(t, b, c.direct(rosa, ana))
		return in
	}},
	{"collision", "#clash", func(t *testing.T, c *clinic, b *Browser) *Page {
		in := c.threadOf(b, ana)
		done(t, in.Type("#text", "Please bring Theo in this afternoon."))
		other := c.threadOf(b, dev)
		done(t, other.Type("#text", "I have called his mother."))
		done(t, other.Click("#send"))
		done(t, other.See(".undo button"))
		done(t, in.Click("#send"))
		return in
	}},
	{"ended", "//*[@data-over][.//h1[.='Your session is over']]", func(t *testing.T, c *clinic, b *Browser) *Page {
		in := c.threadOf(b, ana)
		at, err := in.Location()
		done(t, err)
		other := open(t, b, at)
		done(t, other.See("#entries"))
		done(t, in.Go(c.direct(rosa, ana))) // in the window that showed Theo, which ends his session
		return other
	}},
	{"reader", "//*[@id='composer'][contains(.,'may read messages and not write')]", func(t *testing.T, c *clinic, b *Browser) *Page {
		return c.threadOf(b, stranger)
	}},
	{"frame", "#composer", func(t *testing.T, c *clinic, b *Browser) *Page {
		_, in := c.inbox(b, c.chart(theo, ana))
		c.thread(in, "Theo's rash")
		return in
	}},
	{"keys", "#keys[open]", func(t *testing.T, c *clinic, b *Browser) *Page {
		in := c.threadOf(b, ana)
		done(t, in.Press("?"))
		return in
	}},
	{"photo", "#zoom[open] img[src]", func(t *testing.T, c *clinic, b *Browser) *Page {
		in := c.threadOf(b, ana)
		done(t, in.Click(".photo"))
		return in
	}},
	{"launch", "#go", func(t *testing.T, c *clinic, b *Browser) *Page {
		c.meets(t, func(w http.ResponseWriter, q *http.Request) bool { // without its script the page waits to be sent on
			return answered(w, strings.Contains(q.URL.Path, "/assets/frame."), http.StatusNotFound, "")
		})
		return open(t, c.browse(t, Allowed), c.direct(theo, ana))
	}},
	{"callback", "//section[@id='finish'][contains(.,'You are being signed in')]", func(t *testing.T, c *clinic, b *Browser) *Page {
		seen := make(chan struct{})
		t.Cleanup(func() { close(seen) })
		c.meets(t, func(w http.ResponseWriter, q *http.Request) bool {
			if q.Method == http.MethodPost && strings.HasPrefix(q.URL.Path, "/callback/") {
				<-seen
			}
			return false
		})
		return open(t, b, c.direct(theo, ana))
	}},
	{"not signed in", "//section[@id='finish'][contains(.,'The EHR gave no answer.')]", func(t *testing.T, c *clinic, b *Browser) *Page {
		c.meets(t, func(w http.ResponseWriter, q *http.Request) bool {
			return answered(w, q.Method == http.MethodPost && strings.HasPrefix(q.URL.Path, "/callback/"), http.StatusServiceUnavailable,
				`{"title":"Messages could not be opened","text":"The EHR gave no answer."}`)
		})
		return open(t, b, c.direct(theo, ana))
	}},
	{"down", "//*[@data-status='503'][.//h1[.='The EHR cannot be reached']]", func(t *testing.T, c *clinic, b *Browser) *Page {
		in := c.threadOf(b, ana)
		at, err := in.Location()
		done(t, err)
		done(t, c.ehr.Stage("* * * refuse for=1h"))
		t.Cleanup(c.ehr.EndFaults) // or the inbox's own end waits for it
		for range 2 {              // what the EHR said grows old, the session does not
			c.clock.move(8 * time.Minute)
			done(t, in.Go(at))
		}
		return in
	}},
}

// meets has every request of one test meet fn first.
func (c *clinic) meets(t *testing.T, fn func(w http.ResponseWriter, q *http.Request) bool) {
	t.Cleanup(func() { c.app.Gate(nil) })
	c.app.Gate(fn)
}

// answered answers a request itself where it is the one that is meant.
func answered(w http.ResponseWriter, meant bool, status int, json string) bool {
	if meant {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(json))
	}
	return meant
}

// threadOf is a thread as one of the staff has it open.
func (c *clinic) threadOf(b *Browser, staff string) *Page {
	c.t.Helper()
	in := open(c.t, b, c.direct(theo, staff))
	done(c.t, in.See("#page[data-launch]:not([data-launch=''])"))
	c.thread(in, "Theo's rash")
	return in
}

// hire has the EHR know the stranger.
func (c *clinic) hire() {
	c.t.Helper()
	bundle, err := json.Marshal(map[string]any{"entry": []any{map[string]any{"resource": map[string]any{"resourceType": "Practitioner", "id": stranger, "active": true,
		"name": []any{map[string]any{"family": "Quist", "given": []any{"Robin"}}}}}}})
	done(c.t, err)
	done(c.t, c.ehr.Seed(bundle))
	c.refs.People[stranger] = "Practitioner/" + stranger
}

// TestAccessibleStates: axe-core finds nothing, in either theme, on a page that is covered, asks or refuses, on one that can only
// be read, and inside the EHR's frame.
func TestAccessibleStates(t *testing.T) {
	need(t)
	axe, err := LoadAxe(t.Context(), *packages)
	done(t, err)
	found := 0
	c := openClinic(t, threads.All())
	c.hire()
	b := c.browse(t, Allowed)
	for _, s := range states {
		t.Run(s.name, func(t *testing.T) {
			in := s.of(t, c, b)
			done(t, in.See(s.is))
			found += themes(t, axe, in)
		})
	}
	book.Add(figureOf("I5-axe-states", float64(found), "=0", fmt.Sprintf("violations in %d states, two themes", len(states))))
}

// themes gives how many rules a page breaks, in the two themes together.
func themes(t *testing.T, axe *Axe, in *Page) int {
	t.Helper()
	found := 0
	for _, theme := range []string{"light", "dark"} {
		done(t, in.Theme(theme))
		if is, err := Get(in, chromedp.Evaluate[bool](fmt.Sprintf("matchMedia('(prefers-color-scheme: %s)').matches", theme))); err != nil || !is {
			t.Errorf("the page is not shown %s (%v)", theme, err)
		}
		got, err := axe.Violations(in)
		done(t, err)
		for _, line := range got {
			t.Errorf("%s: %s", theme, line)
		}
		found += len(got)
	}
	return found
}
