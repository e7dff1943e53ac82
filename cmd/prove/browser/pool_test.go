package browser

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/testdata/threads"
)

// TestPoolInbox: a launch from outside the EHR, and one from the EHR's own inbox in its frame, name no patient and end in the work
// list, where a thread opens under its patient's name. Whom the EHR gives no role that counts is refused, in a page that axe-core
// finds nothing on.
func TestPoolInbox(t *testing.T) {
	need(t)
	axe, err := LoadAxe(t.Context(), *packages)
	done(t, err)
	c := openClinicOf(t, threads.All(), "none")
	c.hire()
	b := c.browse(t, ThirdParty)
	work := func(staff string) string {
		return ehrSite + "/shell/inbox?" + url.Values{"as": {c.user(staff)}}.Encode()
	}
	for name, reach := range map[string]func(t *testing.T) *Page{
		"standalone": func(t *testing.T) *Page { return open(t, b, appSite+"/launch/sandbox") },
		"framed":     func(t *testing.T) *Page { return inFrame(t, open(t, b, work(ana))) },
	} {
		t.Run(name, func(t *testing.T) {
			mark := c.app.Mark()
			in := reach(t)
			done(t, in.See(Saying("h1", "Work list")))
			done(t, in.See("//div[@id='list']//a[@data-row][.//b[normalize-space(.)=\"Theo's rash\"]][contains(.,'Theo Whitlock')][contains(.,'"+theo+"')]"))
			if n, err := in.Count("header .banner"); err != nil || n != 0 {
				t.Errorf("the list stands under %d patients' names (%v)", n, err)
			}
			if n, err := in.Count("nav a"); err != nil || n != 1 {
				t.Errorf("there are %d ways to go beside the list (%v)", n, err)
			}
			launches := 0
			for _, a := range c.app.Since(mark) {
				at, err := url.Parse(a.URL)
				done(t, err)
				if !strings.HasPrefix(at.Path, "/launch/") {
					continue
				}
				launches++
				if q := at.Query(); q.Has("launch") != (name == "framed") || q.Has("iss") != (name == "framed") {
					t.Errorf("the launch had launch=%t iss=%t", q.Has("launch"), q.Has("iss"))
				}
			}
			if launches != 1 {
				t.Errorf("the inbox was launched %d times", launches)
			}
			c.thread(in, "Theo's rash")
			done(t, in.See("//header//*[contains(@class,'banner')][contains(.,'"+theo+"')]"))
		})
	}
	t.Run("no role", func(t *testing.T) {
		in := inFrame(t, open(t, b, work(stranger)))
		done(t, in.See("//h1[.='Messages could not be opened']/..//p[contains(.,'no permission')]"))
		if n := themes(t, axe, in); n > 0 {
			t.Errorf("%d rules are broken", n)
		}
	})
}
