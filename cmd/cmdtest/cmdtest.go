// Package cmdtest is what the tests of the programs share: they start one, and wait for what it says.
package cmdtest

import (
	"bytes"
	"os"
	"regexp"
	"sync"
	"testing"
	"time"
)

// ShortDir is a folder whose path does not grow with the test's name: a Unix socket is made in it, whose path may have some
// hundred bytes. It is removed when the test ends.
func ShortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Output is what a program writes, for whoever waits for a line of it. The zero Output is empty; it is safe for concurrent use.
type Output struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{} // closed by the next Write; nil where nobody waits for it
}

// Write is io.Writer; it never fails.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
	return o.b.Write(p)
}

// String is all that was written.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// patience is how long something is waited for.
const patience = 2 * time.Minute

// Await gives the first match and its groups, once it is there. The test fails where it does not come, or the program, whose end
// ended tells, ends before; nil is a program that goes on.
func (o *Output) Await(t *testing.T, what *regexp.Regexp, ended <-chan error) []string {
	t.Helper()
	for late := time.After(patience); ; {
		o.mu.Lock()
		if o.more == nil {
			o.more = make(chan struct{})
		}
		found, more := what.FindStringSubmatch(o.b.String()), o.more
		o.mu.Unlock()
		if found != nil {
			return found
		}
		select {
		case <-more:
		case err := <-ended:
			t.Fatalf("it ended before it said %s: %v", what, err)
		case <-late:
			t.Fatalf("it did not say %s", what)
		}
	}
}
