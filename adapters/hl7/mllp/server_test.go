package mllp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7"
)

// serving is a server that runs, what it noted, and the way to end it.
type serving struct {
	*listener
	t     *testing.T
	stop  context.CancelFunc
	ended chan error
	mu    sync.Mutex
	noted []error
}

func serve(t *testing.T, s *Server) *serving {
	ctx, stop := context.WithCancel(t.Context())
	r := &serving{listener: listen(), t: t, stop: stop, ended: make(chan error, 1)}
	s.Note = func(_ net.Addr, err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.noted = append(r.noted, err)
	}
	if s.Handle == nil {
		s.Handle = accepts
	}
	go func() { r.ended <- s.Serve(ctx, r.listener) }()
	return r
}

// accepts answers AA.
func accepts(_ context.Context, m []byte) ([][]byte, error) {
	h, err := hl7.ParseHeader(m, hl7.Options{})
	return [][]byte{answering("AA", h.ControlID)}, err
}

func (r *serving) end() {
	r.t.Helper()
	r.stop()
	if err := <-r.ended; err != nil {
		r.t.Errorf("the server ended with %v", err)
	}
}

func (r *serving) connect() peer {
	r.t.Helper()
	conn, err := r.dial(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return peer{r.t, conn, NewReader(conn, 0)}
}

// closed waits until the server hangs up and gives what it had said till then.
func (p peer) closed() string {
	b, err := io.ReadAll(p.Conn)
	if err != nil {
		p.t.Errorf("the sender reads: %v", err)
	}
	return string(b)
}

func (r *serving) expect(want ...error) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	ok := len(want) == len(r.noted)
	for i := range want {
		ok = ok && errors.Is(r.noted[i], want[i])
	}
	if !ok {
		r.t.Errorf("noted %v, want %v", r.noted, want)
	}
	r.noted = nil
}

func bubble(t *testing.T, s *Server, test func(t *testing.T, r *serving)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := serve(t, s)
		test(t, r)
		r.end()
	})
}

// TestServe: messages of one connection are answered in their order, as many as the handler gives.
func TestServe(t *testing.T) {
	s := &Server{Handle: func(_ context.Context, m []byte) ([][]byte, error) {
		h, err := hl7.ParseHeader(m, hl7.Options{})
		switch h.ControlID {
		case "two":
			return [][]byte{answering("CA", "two"), answering("AA", "two")}, err
		case "none":
			return nil, err
		}
		return [][]byte{answering("AA", h.ControlID)}, err
	}}
	bubble(t, s, func(t *testing.T, r *serving) {
		p := r.connect()
		go func() {
			for _, id := range []string{"one", "none", "two", "three"} {
				p.say(asking(id, "", ""))
			}
		}()
		for _, want := range [][]byte{answering("AA", "one"), answering("CA", "two"), answering("AA", "two"), answering("AA", "three")} {
			if got := p.next(); !bytes.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		}
		_ = p.Close()
		synctest.Wait()
		r.expect() // hanging up between messages is no event
	})
}

// TestServeUnanswered: what is not taken is not answered, the connection closes, and the next one is served.
func TestServeUnanswered(t *testing.T) {
	full := errors.New("the disk is full")
	s := &Server{MaxMessage: 500, Handle: func(ctx context.Context, m []byte) ([][]byte, error) {
		h, _ := hl7.ParseHeader(m, hl7.Options{})
		switch h.ControlID {
		case "full":
			return [][]byte{answering("AA", "full")}, full
		case "panics":
			panic("secret")
		case "breaks":
			return [][]byte{[]byte("a\x1c\rb")}, nil
		}
		return accepts(ctx, m)
	}}
	bubble(t, s, func(t *testing.T, r *serving) {
		for _, c := range []struct {
			raw  []byte
			want error
		}{
			{framed(t, asking("full", "", "")), full}, {framed(t, asking("panics", "", "")), ErrPanicked}, {framed(t, asking("breaks", "", "")), ErrUnsendable},
			{[]byte("GET / HTTP/1.1\r\n"), ErrGarbage}, {[]byte("\x0bMSH\x0b"), ErrTorn}, {framed(t, bytes.Repeat([]byte("x"), 501)), ErrTooLarge},
		} {
			p := r.connect()
			go func() { _, _ = p.Write(c.raw) }()
			if said := p.closed(); said != "" {
				t.Errorf("%q was answered %q", c.raw, said)
			}
			synctest.Wait()
			for _, err := range r.noted {
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("told: %v", err)
				}
			}
			r.expect(c.want)
		}
		p := r.connect()
		p.say(asking("fine", "", ""))
		p.next()
		_, _ = p.Write([]byte("\x0bMSH|"))
		_ = p.Close()
		synctest.Wait()
		r.expect(io.ErrUnexpectedEOF)
	})
	bubble(t, &Server{SkipGarbage: true}, func(t *testing.T, r *serving) {
		p := r.connect()
		_, _ = p.Write([]byte("\r\n"))
		p.say(asking("fine", "", ""))
		p.next()
		_ = p.Close()
		synctest.Wait()
		r.expect(ErrGarbage)
	})
}

// TestServeDeadlines: silence between messages, a message that does not end, an answer nobody reads, each to its own limit.
func TestServeDeadlines(t *testing.T) {
	s := &Server{Idle: 5 * time.Minute, Read: 30 * time.Second, Write: 10 * time.Second}
	for name, c := range map[string]struct {
		sent string
		read bool
		want time.Duration
		note bool
	}{
		"silent":                      {"", true, 5 * time.Minute, false},
		"silent after a message":      {string(framed(t, asking("m", "", ""))), true, 5 * time.Minute, false},
		"a message without an end":    {"\x0bMSH|", true, 30 * time.Second, true},
		"an answer that stays unread": {string(framed(t, asking("m", "", ""))), false, 10 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, s, func(t *testing.T, r *serving) {
				p := r.connect()
				begin := time.Now()
				if c.sent != "" {
					_, _ = p.Write([]byte(c.sent))
				}
				if c.read {
					p.closed()
				} else {
					time.Sleep(c.want - time.Second) // virtual: nothing has happened by then
					synctest.Wait()
					r.expect()
					time.Sleep(time.Second)
					synctest.Wait()
				}
				if took := time.Since(begin); took != c.want {
					t.Errorf("closed after %v, want %v", took, c.want)
				}
				synctest.Wait()
				if noted := len(r.noted) == 1; noted != c.note {
					t.Errorf("noted %v", r.noted)
				}
				_ = p.Close()
			})
		})
	}
	// A sender slower than Idle but never silent for long is served for ever.
	bubble(t, s, func(t *testing.T, r *serving) {
		p := r.connect()
		for range 20 {
			time.Sleep(4 * time.Minute)
			p.say(asking("m", "", ""))
			p.next()
		}
		r.expect()
		_ = p.Close()
	})
}

// TestServeLimit: a connection over the limit is closed and told; one that ends makes room.
func TestServeLimit(t *testing.T) {
	bubble(t, &Server{Conns: 2}, func(t *testing.T, r *serving) {
		first, second := r.connect(), r.connect()
		for range 3 {
			if said := r.connect().closed(); said != "" {
				t.Errorf("a connection too many was told %q", said)
			}
		}
		synctest.Wait()
		r.expect(ErrBusy, ErrBusy, ErrBusy)
		_ = first.Close()
		synctest.Wait()
		third := r.connect()
		for _, p := range []peer{second, third} {
			p.say(asking("m", "", ""))
			p.next()
			_ = p.Close()
		}
	})
}

// TestServeEnds: silent connections close at once, a message that came half is not taken, one in hand is answered; a handler
// that takes longer than Grace is called off and its connection closed.
func TestServeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calledOff error
		s := &Server{Grace: 10 * time.Second, Handle: func(ctx context.Context, m []byte) ([][]byte, error) {
			h, _ := hl7.ParseHeader(m, hl7.Options{})
			if h.ControlID == "read ahead" {
				t.Error("a message was taken after the end")
			}
			d := 9 * time.Second
			if h.ControlID == "slow" {
				d = time.Hour
			}
			select {
			case <-time.After(d):
				return accepts(ctx, m)
			case <-ctx.Done():
				calledOff = ctx.Err()
				return nil, ctx.Err()
			}
		}}
		r := serve(t, s)
		silent, half, quick, slow := r.connect(), r.connect(), r.connect(), r.connect()
		_, _ = half.Write([]byte("\x0bMSH|"))
		quick.say(asking("quick", "", ""), asking("read ahead", "", ""))
		slow.say(asking("slow", "", ""))
		synctest.Wait()
		begin := time.Now()
		r.stop()
		for _, p := range []peer{silent, half} {
			if said := p.closed(); said != "" || time.Since(begin) != 0 {
				t.Errorf("told %q after %v", said, time.Since(begin))
			}
		}
		synctest.Wait()
		if _, err := r.dial(t.Context()); !errors.Is(err, errNobody) {
			t.Errorf("a connection was taken: %v", err)
		}
		if got := quick.next(); !bytes.Equal(got, answering("AA", "quick")) || time.Since(begin) != 9*time.Second {
			t.Errorf("%q after %v", got, time.Since(begin))
		}
		if said := quick.closed(); said != "" {
			t.Errorf("told %q besides", said)
		}
		if said := slow.closed(); said != "" || time.Since(begin) != 10*time.Second {
			t.Errorf("told %q after %v", said, time.Since(begin))
		}
		if err := <-r.ended; err != nil || !errors.Is(calledOff, context.Canceled) {
			t.Errorf("ended with %v, the handler with %v", err, calledOff)
		}
	})
}

// TestServeListenerGone: an end nobody asked for is an error, and the connections end too.
func TestServeListenerGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := serve(t, &Server{})
		p := r.connect()
		_ = r.Close()
		if err := <-r.ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("ended with %v", err)
		}
		if said := p.closed(); said != "" {
			t.Errorf("told %q", said)
		}
		r.stop()
	})
}
