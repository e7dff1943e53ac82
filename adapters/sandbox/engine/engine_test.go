package engine_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/hl7/mllp"
	"github.com/chartwire/chartwire/adapters/sandbox/engine"
	"github.com/chartwire/chartwire/adapters/sandbox/script"
)

func TestLedger(t *testing.T) {
	e := open(t, engine.Options{Script: script.Must[engine.Script]("T06 #1 commit-then-hang-up")})
	one, two := er7(t, mdm("T02", "C1", "D1", "", "one")), er7(t, mdm("T06", "C2", "D2", "D1", "two"))
	send(t, e, one)
	send(t, e, bytes.Replace(one, []byte("|C1|"), []byte("|C9|"), 1)) // its TXA-12 is taken
	send(t, e, two)
	hash := func(b []byte) string { sum := sha256.Sum256(b); return hex.EncodeToString(sum[:]) }
	want := []engine.Entry{
		{Seq: 1, Time: noon, ControlID: "C1", Event: "T02", Document: "D1", Patient: "Patient/daniel", SHA256: hash(one)},
		{Seq: 2, Time: noon, ControlID: "C2", Event: "T06", Document: "D2", Parent: "D1", Patient: "Patient/daniel", SHA256: hash(two), Fault: "commit-then-hang-up"},
	}
	if diff := cmp.Diff(want, e.Ledger()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	e.Ledger()[0].Document = "changed"
	if e.Ledger()[0].Document != "D1" {
		t.Error("the ledger can be changed from outside")
	}
}

// TestRepeats: each way to know a message again.
func TestRepeats(t *testing.T) {
	raw := er7(t, mdm("T02", "C1", "D1", "", "one"))
	for name, c := range map[string]struct {
		by                   engine.Repeats
		same, changed, renew string // the same bytes; other bytes under its MSH-10; its TXA-12 under another MSH-10
		documents            int
	}{
		"by control id": {engine.ByControlID, "AA", "AE 205 MSH-10", "AE 205 TXA-12", 1},
		"by document":   {engine.ByDocument, "AE 205 TXA-12", "AA", "AE 205 TXA-12", 2},
		"unnoticed":     {engine.Unnoticed, "AA", "AA", "AA", 4},
	} {
		e := open(t, engine.Options{Repeats: c.by})
		send(t, e, raw)
		same := send(t, e, raw)
		changed := send(t, e, er7(t, mdm("T02", "C1", "D2", "", "other words")))
		renew := send(t, e, er7(t, mdm("T02", "C2", "D1", "", "one")))
		if same != c.same || changed != c.changed || renew != c.renew || len(e.Documents()) != c.documents {
			t.Errorf("%s: %q, %q, %q and %d documents, want %+v", name, same, changed, renew, len(e.Documents()), c)
		}
		if a := e.Arrivals()[1]; a.Repeat != (c.by == engine.ByControlID) {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// A message that was refused was not taken: the same bytes are looked at anew.
func TestARefusedMessageMayComeAgain(t *testing.T) {
	e := open(t, engine.Options{Script: script.Must[engine.Script]("T02 #1 ar\nT02 #2 ae code=207")})
	raw := er7(t, mdm("T02", "C1", "D1", "", "one"))
	got := []string{send(t, e, raw), send(t, e, raw), send(t, e, raw), send(t, e, raw)}
	if !cmp.Equal(got, []string{"AR 206 MSH-10", "AE 207 MSH-10", "AA", "AA"}) || len(e.Ledger()) != 1 {
		t.Errorf("%q, %d in the ledger", got, len(e.Ledger()))
	}
}

// TestFaults sends one message that meets each fault, as a client meets it, and the same again without it: what the first
// sending left in the chart, and that the second makes it one document.
func TestFaults(t *testing.T) {
	for rule, want := range map[string]struct {
		kept int
		says string
	}{
		"commit-then-hang-up":   {1, "closed"},
		"hang-up":               {0, "closed"},
		"no-ack":                {1, "time ran out"},
		"no-ack commit=no":      {0, "time ran out"},
		"ae":                    {0, "AE 207 MSH-10"},
		"ar code=206":           {0, "AR 206 MSH-10"},
		"garbage-ack":           {1, "cannot be read"},
		"garbage-ack commit=no": {0, "cannot be read"},
		"other-ack":             {1, "time ran out"},
		"other-ack commit=no":   {0, "time ran out"},
		"split-ack":             {1, "AA"},
		"cut-ack bytes=20":      {1, "closed"},
	} {
		t.Run(rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := open(t, engine.Options{Script: script.Must[engine.Script]("T02 #1 " + rule)})
				c := client(t, serve(t, e))
				raw := er7(t, mdm("T02", "C1", "D1", "", "one"))
				if got := sent(t, c, raw); !strings.Contains(got, want.says) || len(e.Ledger()) != want.kept {
					t.Errorf("%q and %d in the chart, want %q and %d", got, len(e.Ledger()), want.says, want.kept)
				}
				if a := e.Arrivals(); len(a) != 1 || a[0].Fault != strings.Fields(rule)[0] || (a[0].Code == hl7.AckAA) != (want.kept == 1) {
					t.Errorf("%+v", a)
				}
				if got := sent(t, c, raw); got != "AA" || len(e.Documents()) != 1 {
					t.Errorf("the second time: %q and %d documents", got, len(e.Documents()))
				}
			})
		})
	}
}

// Every fault there is has its row above.
func TestFaultsAreAllTold(t *testing.T) {
	var names []string
	for _, f := range engine.Faults() {
		names = append(names, f.Name)
		if f.About == "" {
			t.Errorf("%s: nothing is said of it", f.Name)
		}
	}
	want := []string{"ae", "ar", "commit-then-hang-up", "cut-ack", "garbage-ack", "hang-up", "no-ack", "other-ack", "split-ack"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

// sent is what a client hears, in short.
func sent(t *testing.T, c *mllp.Client, raw []byte) string {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	a, err := c.Send(ctx, raw)
	if err != nil {
		return err.Error()
	}
	return told([]hl7.Ack{*a.Application})
}

// A fault that would hide a refusal leaves it, and a script that has ended strikes no more.
func TestFaultsKeepRefusals(t *testing.T) {
	s := script.Must[engine.Script]("* * commit-then-hang-up\n* * hang-up") // the first that applies wins
	e := open(t, engine.Options{Script: s})
	if got := send(t, e, er7(t, mdm("T06", "C1", "D1", "D0", "one"))); got != "AE 204 TXA-13" {
		t.Error(got)
	}
	e.EndFaults()
	if got := send(t, e, er7(t, mdm("T02", "C1", "D1", "", "one"))); got != "AA" || len(s.Hits()) != 1 || s.Hits()[0].ControlID != "C1" {
		t.Errorf("%s, %+v", got, s.Hits())
	}
}

func TestScriptNamesEveryMistake(t *testing.T) {
	_, err := script.Read[engine.Script](strings.NewReader("T02 #1\nT03 * ae\n\nT02 #0 ae\n* * explode\n* * ae colour=red\n* * cut-ack bytes=x\n* * ae\n"))
	var bad *script.Error
	if !errors.As(err, &bad) {
		t.Fatal(err)
	}
	want := []string{"1:7: a rule is", "2:1: the event", "4:5: WHEN", "5:5: unknown fault \"explode\"; known: ae,", "6:8: \"colour=red\"", "7:13: \"bytes=x\""}
	if len(bad.Problems) != len(want) {
		t.Fatal(err)
	}
	for i, w := range want {
		if !strings.HasPrefix(bad.Problems[i], w) {
			t.Errorf("%q, want %q", bad.Problems[i], w)
		}
	}
	for _, name := range []string{"seed:1", "nowhere.txt"} {
		if _, err := engine.OpenScript(name); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// The delay is before the answer, not before the commit.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, engine.Options{Delay: time.Minute})
		c := client(t, serve(t, e))
		raw := er7(t, mdm("T02", "C1", "D1", "", "one"))
		if got := sent(t, c, raw); !strings.Contains(got, "time ran out") || len(e.Ledger()) != 1 {
			t.Errorf("%q, %d in the ledger", got, len(e.Ledger()))
		}
		began := time.Now()
		if a, err := c.Send(t.Context(), raw); err != nil || a.Application.Code != hl7.AckAA || time.Since(began) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// TestConcurrentSenders: many connections at once, each message sent twice, over real sockets.
func TestConcurrentSenders(t *testing.T) {
	e := open(t, engine.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Serve(ctx, l) }()
	const senders, messages = 8, 25
	var all sync.WaitGroup
	for n := range senders {
		all.Go(func() {
			c := mllp.NewClient(mllp.ClientConfig{Dial: func(ctx context.Context) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
			}})
			defer c.Close()
			parent := ""
			for i := range messages {
				id := fmt.Sprintf("%d-%d", n/2, i) // two senders say the same
				event := "T02"
				if parent != "" {
					event = "T06"
				}
				raw := er7(t, mdm(event, "C"+id, "D"+id, parent, "words of "+id))
				for range 2 {
					if a, err := c.Send(ctx, raw); err != nil || a.Application.Code != hl7.AckAA {
						t.Errorf("%s: %+v, %v", id, a.Application, err)
						return
					}
				}
				parent = "D" + id
			}
		})
	}
	all.Wait()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := len(e.Ledger()); got != senders/2*messages {
		t.Errorf("%d in the ledger, want %d", got, senders/2*messages)
	}
	for i, x := range e.Ledger() {
		if x.Seq != i+1 {
			t.Fatalf("entry %d has number %d", i+1, x.Seq)
		}
	}
}
