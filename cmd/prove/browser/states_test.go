package browser

import (
	"encoding/json"
	"fmt"
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
