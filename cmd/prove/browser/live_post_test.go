package browser

import (
	"net/http"
	"testing"

	"github.com/chartwire/chartwire/testdata/threads"
)

// TestPostWhoseFormIsGone: what a post did may be live on the page before its answer comes, and the form it came from be gone with
// that. The answer takes the page's place all the same, and does not go into it.
func TestPostWhoseFormIsGone(t *testing.T) {
	need(t)
	c := openClinic(t, threads.All())
	b := c.browse(t, Allowed)
	in := c.threadOf(b, ana)
	answered := make(chan struct{})
	c.app.Gate(func(_ http.ResponseWriter, q *http.Request) bool {
		if q.Method == http.MethodGet && q.Header.Get("HX-Request") != "" {
			<-answered
		}
		return false
	})
	err := in.Renewed(func() error {
		if err := in.Press("e"); err != nil {
			close(answered)
			return err
		}
		err := in.See("//div[@id='thread-head'][contains(.,'nobody waits')]")
		close(answered)
		return err
	})
	done(t, err)
	for _, one := range []string{"#page", "header", "main", "#thread-head"} {
		if n, err := in.Count(one); err != nil || n != 1 {
			t.Errorf("the page has %d of %s (%v)", n, one, err)
		}
	}
}
