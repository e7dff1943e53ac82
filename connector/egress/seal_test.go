package egress

import (
	"errors"
	"io"
	"net"
	"testing"
)

// seal decides between "written" and "never will be", whatever runs beside it.
func TestSealAgainstWrite(t *testing.T) {
	for range 500 {
		here, there := net.Pipe()
		c := &conn{Conn: here}
		arrived := make(chan int)
		go func() {
			b, _ := io.ReadAll(there)
			arrived <- len(b)
		}()
		go func() { _, _ = c.Write([]byte("POST")); here.Close() }()
		sealed := c.seal(0)
		n := <-arrived
		if sealed && n > 0 {
			t.Fatal("sealed as unwritten, and bytes arrived")
		}
	}
}

// slowConn writes and does not come back from it.
type slowConn struct {
	net.Conn
	entered, leave chan struct{}
}

func (c *slowConn) Write(b []byte) (int, error) {
	c.entered <- struct{}{}
	<-c.leave
	return len(b), nil
}

func TestSealDuringWrite(t *testing.T) {
	slow := &slowConn{entered: make(chan struct{}), leave: make(chan struct{})}
	c := &conn{Conn: slow}
	done := make(chan struct{})
	go func() { defer close(done); _, _ = c.Write([]byte("POST")) }()
	<-slow.entered
	if c.seal(0) {
		t.Error("sealed as unwritten while a write was under way")
	}
	close(slow.leave)
	<-done
	if c.seal(0) || c.carried() != 4 || !c.seal(4) {
		t.Errorf("after the write: carried %d", c.carried())
	}
	if _, err := c.Write([]byte("more")); !errors.Is(err, errSealed) {
		t.Errorf("a write after seal: %v", err)
	}
}
