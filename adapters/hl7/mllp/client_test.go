package mllp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7"
)

// TestSend: several messages over one connection, each with its own answer, the bytes as they were given.
func TestSend(t *testing.T) {
	message := sample(t)
	c, w := receivers(t, ClientConfig{}, func(p peer) {
		for _, code := range []hl7.AckCode{hl7.AckAA, hl7.AckAE, hl7.AckAR} {
			if got := p.next(); !bytes.Equal(got, message) {
				t.Errorf("the receiver got %q", got)
			}
			p.say(answering(code, "MC20261122141530001"))
		}
		p.hold()
	})
	for _, code := range []hl7.AckCode{hl7.AckAA, hl7.AckAE, hl7.AckAR} {
		a, err := c.Send(soon(t), message)
		if err != nil || a.Application == nil || a.Application.Code != code || a.Commit != nil || len(a.Frames) != 1 {
			t.Errorf("%s: %+v (%v)", code, a, err)
		}
	}
	if w.dialed != 1 {
		t.Errorf("%d connections", w.dialed)
	}
}

// TestModes: what is waited for, by MSH-15 and MSH-16, and what comes of each answer.
func TestModes(t *testing.T) {
	for name, c := range map[string]struct {
		accept, application string
		same                bool
		answers             []hl7.AckCode
		commit, app         hl7.AckCode
		unanswered          bool // the receiver hangs up and the message is not settled
	}{
		"original":                              {answers: []hl7.AckCode{"AA"}, app: "AA"},
		"original, and a commit first":          {answers: []hl7.AckCode{"CA", "AA"}, commit: "CA", app: "AA"},
		"original, and a commit alone":          {answers: []hl7.AckCode{"CA"}, commit: "CA", unanswered: true},
		"original, and a commit refused":        {answers: []hl7.AckCode{"CR"}, commit: "CR"},
		"commit alone":                          {accept: "AL", application: "NE", answers: []hl7.AckCode{"CA"}, commit: "CA"},
		"commit, application elsewhere":         {accept: "AL", application: "AL", answers: []hl7.AckCode{"CA"}, commit: "CA"},
		"both here":                             {accept: "AL", application: "AL", same: true, answers: []hl7.AckCode{"CA", "AE"}, commit: "CA", app: "AE"},
		"both here, and the second not":         {accept: "AL", application: "AL", same: true, answers: []hl7.AckCode{"CA"}, commit: "CA", unanswered: true},
		"both here, the commit an error":        {accept: "AL", application: "AL", same: true, answers: []hl7.AckCode{"CE"}, commit: "CE"},
		"both here, the application at once":    {accept: "AL", application: "AL", same: true, answers: []hl7.AckCode{"AA"}, app: "AA"},
		"commit asked for, application at once": {accept: "AL", application: "NE", answers: []hl7.AckCode{"AR"}, app: "AR"},
		"application alone":                     {accept: "NE", application: "AL", same: true, answers: []hl7.AckCode{"AA"}, app: "AA"},
		"application alone, elsewhere":          {accept: "NE", application: "AL"},
		"application on error":                  {accept: "AL", application: "ER", same: true, answers: []hl7.AckCode{"CA"}, commit: "CA"},
		"commit on error, and silence":          {accept: "ER", application: "NE", unanswered: true},
		"nothing":                               {accept: "NE", application: "NE"},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := receivers(t, ClientConfig{SameConnection: c.same}, func(p peer) {
				p.next()
				for _, code := range c.answers {
					p.say(answering(code, "m1"))
				}
			})
			a, err := client.Send(soon(t), asking("m1", c.accept, c.application))
			if got := codeOf(a.Commit); got != c.commit {
				t.Errorf("commit %q, want %q", got, c.commit)
			}
			if got := codeOf(a.Application); got != c.app {
				t.Errorf("application %q, want %q", got, c.app)
			}
			if !c.unanswered {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if e := sendError(t, err); e.Step != StepAnswer || e.Written != e.Size || e.NotSent() || codeOf(e.Commit) != c.commit || !errors.Is(e, io.EOF) {
				t.Errorf("%v, %+v", e, e)
			}
		})
	}
}

func codeOf(a *hl7.Ack) hl7.AckCode {
	if a == nil {
		return ""
	}
	return a.Code
}

// TestStray: what answers another message, or none, is given away and not taken for the answer.
func TestStray(t *testing.T) {
	var mu sync.Mutex
	var strays []string
	late := make(chan struct{})
	cfg := ClientConfig{Stray: func(frame []byte) {
		mu.Lock()
		defer mu.Unlock()
		strays = append(strays, string(frame))
		if len(strays) == 3 {
			close(late)
		}
	}}
	adt := []byte("MSH|^~\\&|EHR||||20261122||ADT^A08|E2|P|2.5.1\rPID|1||x\r")
	c, _ := receivers(t, cfg, func(p peer) {
		p.next()
		p.say(answering("AA", "m0"), adt, answering("AE", "m1")) // in one write
		p.say(answering("AA", "m1"))                             // a second answer, when nobody waits any more
		p.next()
		p.say(answering("AA", "m2"))
		p.hold()
	})
	a, err := c.Send(soon(t), asking("m1", "", ""))
	if err != nil || codeOf(a.Application) != "AE" {
		t.Fatalf("%+v (%v)", a, err)
	}
	<-late
	if a, err := c.Send(soon(t), asking("m2", "", "")); err != nil || codeOf(a.Application) != "AA" {
		t.Fatalf("%+v (%v)", a, err)
	}
	for i, want := range [][]byte{answering("AA", "m0"), adt, answering("AA", "m1")} {
		if strays[i] != string(want) {
			t.Errorf("stray %d is %q", i, strays[i])
		}
	}
}

// TestGarbled: what cannot be read is no answer, at once.
func TestGarbled(t *testing.T) {
	for name, c := range map[string]struct {
		raw  string
		want error
	}{
		"no message":           {"\x0bhello\x1c\r", ErrGarbled},
		"an empty one":         {"\x0b\x1c\r", ErrGarbled},
		"no code":              {"\x0bMSH|^~\\&|\rMSA||m1\r\x1c\r", ErrGarbled},
		"a strange code":       {"\x0bMSH|^~\\&|\rMSA|OK|m1\r\x1c\r", ErrGarbled},
		"no id":                {"\x0bMSH|^~\\&|\rMSA|AA\r\x1c\r", ErrGarbled},
		"no frame":             {"MSH|^~\\&|\rMSA|AA|m1\r", ErrGarbage},
		"a frame in a frame":   {"\x0bMSH|^~\\&|\r\x0bMSA|AA|m1\r\x1c\r", ErrTorn},
		"an answer over limit": {"\x0bMSH|^~\\&|\rMSA|AA|m1|" + strings.Repeat("x", 2000) + "\r\x1c\r", ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := receivers(t, ClientConfig{MaxAnswer: 1000}, func(p peer) {
				p.next()
				_, _ = p.Write([]byte(c.raw)) // the client hangs up as soon as it knows
				p.hold()
			})
			_, err := client.Send(soon(t), asking("m1", "", ""))
			e := sendError(t, err)
			if !errors.Is(e, c.want) || e.Step != StepAnswer || e.NotSent() {
				t.Errorf("%v", e)
			}
			_, err = client.Send(soon(t), asking("m2", "", ""))
			if e := sendError(t, err); e.Step != StepDial {
				t.Errorf("the connection was used again: %v", e)
			}
			if strings.Contains(e.Error(), "hello") {
				t.Errorf("the error repeats the answer: %v", e)
			}
		})
	}
	// Words for people do not make an answer unreadable, whatever they are written in; garbage can be passed over.
	skipped := 0
	client, _ := receivers(t, ClientConfig{SkipGarbage: func(n int) { skipped += n }}, func(p peer) {
		p.next()
		_, _ = p.Write([]byte("hi\x0bMSH|^~\\&|\rMSA|AE|m1|J\xf6rg\r\x1c\r"))
		p.hold()
	})
	a, err := client.Send(soon(t), asking("m1", "", ""))
	if err != nil || codeOf(a.Application) != "AE" || a.Application.Text != "Jörg" || skipped != 2 {
		t.Errorf("%+v, %d skipped (%v)", a, skipped, err)
	}
}

// TestDeadline: no answer in time is told as written whole; the late answer meets a closed connection and the next message a
// new one.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := receivers(t, ClientConfig{},
			func(p peer) { p.next(); p.hold() },
			func(p peer) { p.next(); p.say(answering("AA", "m1")); p.hold() })
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_, err := c.Send(ctx, asking("m1", "", ""))
		e := sendError(t, err)
		if e.Step != StepAnswer || e.Written != e.Size || !e.Timeout() || !errors.Is(e, context.DeadlineExceeded) || !strings.Contains(e.Error(), "time ran out") {
			t.Errorf("%v", e)
		}
		if a, err := c.Send(t.Context(), asking("m1", "", "")); err != nil || codeOf(a.Application) != "AA" || w.dialed != 2 {
			t.Errorf("%+v, %d connections (%v)", a, w.dialed, err)
		}
		c.Close()
	})
}

// TestStuckWrite: a receiver that stops reading; what it took by the deadline is told.
func TestStuckWrite(t *testing.T) {
	for _, took := range []int{0, 7} {
		synctest.Test(t, func(t *testing.T) {
			stay := make(chan struct{})
			c, _ := receivers(t, ClientConfig{}, func(p peer) {
				_, _ = io.ReadFull(p.Conn, make([]byte, took))
				<-stay
			})
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			_, err := c.Send(ctx, asking("m1", "", ""))
			if e := sendError(t, err); e.Step != StepWrite || e.Written != took || e.NotSent() != (took == 0) || !e.Timeout() {
				t.Errorf("%v", e)
			}
			close(stay)
			c.Close()
		})
	}
}

// TestOneInFlight: a message waits for its turn, and gives up waiting without having been sent.
func TestOneInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c, w := receivers(t, ClientConfig{}, func(p peer) {
			for _, id := range []string{"m1", "m2"} {
				if got := p.next(); !bytes.Equal(got, asking(id, "", "")) {
					t.Errorf("the receiver got %q", got)
				}
				<-release
				p.say(answering("AA", id))
			}
			p.hold()
		})
		var all sync.WaitGroup
		send := func(id string) {
			all.Go(func() {
				if a, err := c.Send(t.Context(), asking(id, "", "")); err != nil || codeOf(a.Application) != "AA" {
					t.Errorf("%s: %+v (%v)", id, a, err)
				}
			})
			synctest.Wait()
		}
		send("m1")
		gone := errors.New("lease gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(gone) })
		_, err := c.Send(ctx, asking("m3", "", ""))
		if e := sendError(t, err); e.Step != StepTurn || !e.NotSent() || !errors.Is(e, gone) || !errors.Is(e, context.Canceled) || !strings.Contains(e.Error(), "called off") {
			t.Errorf("%v", e)
		}
		send("m2")
		release <- struct{}{}
		release <- struct{}{}
		all.Wait()
		if w.dialed != 1 {
			t.Errorf("%d connections", w.dialed)
		}
		c.Close()
	})
}

// TestHungUpWhileIdle: a receiver that closes between two messages costs a connection and no message.
func TestHungUpWhileIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := func(p peer) { m, _ := hl7.ParseHeader(p.next(), hl7.Options{}); p.say(answering("AA", m.ControlID)) }
		c, w := receivers(t, ClientConfig{}, answer, answer)
		for _, id := range []string{"m1", "m2"} {
			if a, err := c.Send(t.Context(), asking(id, "", "")); err != nil || codeOf(a.Application) != "AA" {
				t.Errorf("%s: %+v (%v)", id, a, err)
			}
			synctest.Wait() // the receiver has hung up, and the client's reader has seen it
		}
		if w.dialed != 2 {
			t.Errorf("%d connections", w.dialed)
		}
		_, err := c.Send(t.Context(), asking("m3", "", ""))
		if e := sendError(t, err); e.Step != StepDial || !e.NotSent() || !errors.Is(e, errNobody) {
			t.Errorf("%v", e)
		}
		c.Close()
	})
}

// TestClose ends what waits, and nothing is sent after it.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := receivers(t, ClientConfig{}, func(p peer) { p.next(); p.hold() })
		time.AfterFunc(time.Second, c.Close)
		_, err := c.Send(t.Context(), asking("m1", "", ""))
		if e := sendError(t, err); e.Step != StepAnswer || e.NotSent() || !errors.Is(e, ErrClosed) {
			t.Errorf("%v", e)
		}
		_, err = c.Send(t.Context(), asking("m1", "", ""))
		if e := sendError(t, err); !e.NotSent() || !errors.Is(e, ErrClosed) {
			t.Errorf("%v", e)
		}
	})
}

// TestEndedBefore: a context that has ended sends nothing, on a connection that is open too.
func TestEndedBefore(t *testing.T) {
	c, _ := receivers(t, ClientConfig{}, func(p peer) { p.next(); p.say(answering("AA", "m1")); p.hold() })
	if _, err := c.Send(soon(t), asking("m1", "", "")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		_, err := c.Send(ctx, asking("m2", "", ""))
		if e := sendError(t, err); !e.NotSent() || !errors.Is(e, context.Canceled) {
			t.Errorf("%v", e)
		}
	}
}

// TestUnsendable: what cannot be sent is told apart from what was not sent, and no connection is made for it.
func TestUnsendable(t *testing.T) {
	c, w := receivers(t, ClientConfig{})
	for name, m := range map[string]string{
		"nothing": "", "no header": "PID|1\r", "no id": string(asking("", "", "")), "a framing byte": string(asking("m1", "", "")) + "NTE|\x1c\r\x0b\r",
	} {
		var e *SendError
		if _, err := c.Send(soon(t), []byte(m)); !errors.Is(err, ErrUnsendable) || errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if w.dialed != 0 {
		t.Error("a connection was made")
	}
}

// TestConfirm: the application's answer that asks for a commit gets it, before the next message.
func TestConfirm(t *testing.T) {
	asks := bytes.Replace(answering("AA", "m1"), []byte("|P|2.5.1"), []byte("|P|2.5.1|||AL"), 1)
	cfg := ClientConfig{SameConnection: true, Confirm: func(a hl7.Ack) ([]byte, error) { return answering("CA", a.Header.ControlID), nil }}
	c, _ := receivers(t, cfg, func(p peer) {
		p.next()
		p.say(answering("CA", "m1"))
		p.say(asks)
		if got := p.next(); !bytes.Equal(got, answering("CA", "E1")) {
			t.Errorf("the receiver got %q", got)
		}
		p.next()
		p.say(answering("AA", "m2")) // asks for none, gets none
		p.hold()
	})
	for id, ask := range map[string]string{"m1": "AL"} {
		if a, err := c.Send(soon(t), asking(id, ask, ask)); err != nil || codeOf(a.Application) != "AA" || codeOf(a.Commit) != "CA" {
			t.Errorf("%+v (%v)", a, err)
		}
	}
	if a, err := c.Send(soon(t), asking("m2", "", "")); err != nil || codeOf(a.Application) != "AA" {
		t.Errorf("%+v (%v)", a, err)
	}
}
