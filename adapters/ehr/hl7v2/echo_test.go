package hl7v2

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/hl7/mllp"
	"github.com/chartwire/chartwire/adapters/sandbox"
	sandboxengine "github.com/chartwire/chartwire/adapters/sandbox/engine"
	"github.com/chartwire/chartwire/connector"
)

// echoing is an adapter whose site allows the echo, in the mode that the two acknowledgements asked for make.
func echoing(t *testing.T, accept, application hl7.When, dial func(context.Context) (net.Conn, error)) *EHR {
	t.Helper()
	e := New(Options{Policy: policy(accept, application), Echo: true, Dial: dial, Now: time.Now})
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// echoed is what a Check says of the echo. Whatever became of it, the connection was made.
func echoed(t *testing.T, e *EHR) connector.Fact {
	t.Helper()
	p, err := e.Check(t.Context())
	if err != nil || p.Capabilities[0].Proven != connector.KnownYes {
		t.Fatalf("%v: %+v", err, p)
	}
	return factOf(t, p, echoFact)
}

// TestEchoOfTheSandboxEngine: the engine answers it in both modes, and its ledger has nothing of it.
func TestEchoOfTheSandboxEngine(t *testing.T) {
	for mode, accept := range map[string]hl7.When{"original": "", "enhanced": hl7.Always} {
		n, err := sandbox.StartEngine(context.WithoutCancel(t.Context()), "", sandboxengine.Options{Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.Close)
		e := echoing(t, accept, accept, to(strings.TrimPrefix(n.URL(), "mllp://"), nil))
		for range 2 {
			if f := echoed(t, e); f.Good != connector.KnownYes || f.Value != "NMQ^N01 answered AA" || f.Gap != nil {
				t.Errorf("%s: %+v", mode, f)
			}
		}
		came := n.Arrivals()
		if len(came) != 2 || came[0].Event != "N01" || came[0].ControlID == came[1].ControlID || came[0].Repeat || came[1].Repeat {
			t.Errorf("%s: the engine was asked %+v", mode, came)
		}
		if len(n.Ledger()) != 0 || len(n.Documents()) != 0 {
			t.Errorf("%s: something is kept", mode)
		}
	}
}

// TestEchoTellsNoPatient: what leaves is the header and the question, and nothing else.
func TestEchoTellsNoPatient(t *testing.T) {
	e, n := connected(t, "", "")
	e.echo = true
	if _, err := e.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.set(func(n *engine) {
		if len(n.stored) != 1 {
			t.Fatalf("%d messages left", len(n.stored))
		}
		m, err := hl7.Parse(n.stored[0], hl7.Options{})
		if err != nil || len(m.Segments) != 2 || m.Segments[1].Name != "NST" || m.First("MSH").Text(9) != "NMQ" {
			t.Errorf("%q left: %v", n.stored[0], err)
		}
	})
}

// TestNoEchoUnlessAllowed: without the site's word nothing leaves, and doctor says in one line what to configure.
func TestNoEchoUnlessAllowed(t *testing.T) {
	e, n := connected(t, "", "")
	p, err := e.Check(t.Context())
	if f := factOf(t, p, echoFact); err != nil || f.Good != connector.NotKnown || f.Gap != nil || !strings.Contains(f.Value, "write hl7.echo: NMQ^N01") || strings.Contains(f.Value, "\n") {
		t.Errorf("%+v, %v", f, err)
	}
	if n.set(func(n *engine) {
		if len(n.stored) != 0 {
			t.Errorf("%q left", n.stored)
		}
	}); n.dialed != 1 {
		t.Errorf("%d connections", n.dialed)
	}
}

// TestEchoWithoutAConnection: an engine that is down is said once, and one that takes a single connection is not asked over the one
// that files.
func TestEchoWithoutAConnection(t *testing.T) {
	e := echoing(t, "", "", func(context.Context) (net.Conn, error) { return nil, fmt.Errorf("nobody") })
	p, err := e.Check(t.Context())
	if f := factOf(t, p, echoFact); err != nil || f.Good != connector.NotKnown || f.Value != "not sent: there is no connection" {
		t.Errorf("%+v, %v", f, err)
	}
	e, n := connected(t, "", "")
	e.echo = true
	if _, err := e.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.dial = func(context.Context) (net.Conn, error) { // a second one is closed at once
		ours, theirs := net.Pipe()
		return ours, theirs.Close()
	}
	if f := echoed(t, e); f.Good != connector.NotKnown || !strings.Contains(f.Value, "while chartwire serve is stopped") {
		t.Errorf("%+v", f)
	}
	if n.set(func(n *engine) {
		if len(n.stored) != 0 {
			t.Errorf("%q left over the connection that files", n.stored)
		}
	}); !e.client.Connected() {
		t.Error("the connection that files was ended")
	}
}

// far is an engine that does one thing with an echo.
type far func(conn net.Conn, control string)

// dial gives the near end of a connection to it.
func (f far) dial(context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		defer func() { _ = theirs.Close() }()
		raw, err := mllp.NewReader(theirs, 0).Next()
		if err != nil {
			return
		}
		h, err := hl7.ParseHeader(raw, hl7.Options{})
		if err != nil {
			return
		}
		f(theirs, h.ControlID)
		_, _ = theirs.Read(make([]byte, 1)) // until we go
	}()
	return ours, nil
}

func says(answers ...string) far {
	return func(conn net.Conn, control string) {
		for _, a := range answers {
			_, _ = conn.Write([]byte("\x0b" + strings.ReplaceAll(a, "{id}", control) + "\x1c\r"))
		}
	}
}

const heading = "MSH|^~\\&|EHR||CHARTWIRE||20261122141531||ACK^N01^ACK|9|P|2.5.1\r"

// TestEchoOutcomes: each way an engine may take it has its own sentence, and whoever has to act. None repeats what the engine said.
func TestEchoOutcomes(t *testing.T) {
	err := func(code, condition string) string {
		return heading + "MSA|" + code + "|{id}|secret words\rERR|||" + condition + "^secret^HL70357|E|||secret\r"
	}
	closes := func(conn net.Conn, _ string) { _ = conn.Close() }
	for name, c := range map[string]struct {
		far      far
		enhanced bool
		good     connector.Known
		value    string
		gap      string // "" is none
		who      connector.Fixer
	}{
		"AA":                    {far: says(heading + "MSA|AA|{id}\r"), good: connector.KnownYes, value: "answered AA"},
		"a response":            {far: says("MSH|^~\\&|EHR||CHARTWIRE||20261122141531||NMR^N01^NMR_N01|9|P|2.5.1\rMSA|AA|{id}\rNST|N\r"), good: connector.KnownYes, value: "answered AA"},
		"CA and AA":             {far: says(heading+"MSA|CA|{id}\r", heading+"MSA|AA|{id}\r"), enhanced: true, good: connector.KnownYes, value: "answered AA"},
		"CA and silence":        {far: says(heading + "MSA|CA|{id}\r"), enhanced: true, good: connector.KnownYes, value: "answered CA"},
		"AR":                    {far: says(heading + "MSA|AR|{id}|secret words\r"), value: "answered AR: ", gap: "answered AR: messages and acknowledgements pass, and it does not take NMQ^N01: the interface engineer may", who: connector.FixInterface},
		"AR for its type":       {far: says(err("AR", "200")), value: "answered AR 200: ", gap: "does not take NMQ^N01", who: connector.FixInterface},
		"AE":                    {far: says(err("AE", "100")), value: "answered AE 100: ", gap: "does not take NMQ^N01", who: connector.FixInterface},
		"CE":                    {far: says(err("CE", "100")), enhanced: true, value: "answered CE 100: ", gap: "does not take NMQ^N01", who: connector.FixInterface},
		"CR":                    {far: says(err("CR", "201")), enhanced: true, value: "answered CR 201: ", gap: "does not take NMQ^N01", who: connector.FixInterface},
		"CA, then AR":           {far: says(heading+"MSA|CA|{id}\r", err("AR", "201")), enhanced: true, value: "answered AR 201: ", gap: "does not take NMQ^N01", who: connector.FixInterface},
		"AR for our MSH-11":     {far: says(err("AR", "202")), value: "answered AR 202: ", gap: "documents are turned away too", who: connector.FixConfig},
		"AR for the version":    {far: says(err("AR", "203")), value: "answered AR 203: ", gap: "must let it, or documents are turned away too", who: connector.FixInterface},
		"a code of its own":     {far: says(err("AE", "secret")), value: "answered AE local: ", gap: "does not take NMQ^N01", who: connector.FixInterface},
		"silence":               {far: func(net.Conn, string) {}, good: connector.KnownNo, value: "no answer", gap: "said nothing for 10s, so documents may stay unknown too: the interface engineer must see that the listener answers on the same connection in original mode", who: connector.FixInterface},
		"silence, enhanced":     {far: func(net.Conn, string) {}, enhanced: true, good: connector.KnownNo, value: "no answer", gap: "in enhanced mode", who: connector.FixInterface},
		"closed":                {far: closes, good: connector.KnownNo, value: "closed without an answer", gap: "closed the connection when it was sent the echo", who: connector.FixInterface},
		"no frame":              {far: func(c net.Conn, _ string) { _, _ = c.Write([]byte("HTTP/1.1 400 secret\r\n\r\n")) }, good: connector.KnownNo, value: "no acknowledgement", gap: "what is no HL7 v2 acknowledgement in an MLLP frame", who: connector.FixInterface},
		"a frame of no message": {far: says("secret"), good: connector.KnownNo, value: "no acknowledgement", gap: "which listener is at this address", who: connector.FixInterface},
		"a code that is none":   {far: says(heading + "MSA|OK|{id}\r"), good: connector.KnownNo, value: "no acknowledgement", gap: "MSA-1 and MSA-2", who: connector.FixInterface},
		"MSA-2 is missing":      {far: says(heading + "MSA|AA\r"), good: connector.KnownNo, value: "no acknowledgement", gap: "MSA-1 and MSA-2", who: connector.FixInterface},
		"another's MSA-2":       {far: says(heading + "MSA|AA|secret\r"), good: connector.KnownNo, value: "answered another message", gap: "MSA-2 is not the echo's MSH-10", who: connector.FixInterface},
		"another's, and closed": {far: func(c net.Conn, id string) { says(heading+"MSA|AA|secret\r")(c, id); closes(c, id) }, good: connector.KnownNo, value: "answered another message", gap: "MSA-2 is not the echo's MSH-10", who: connector.FixInterface},
		"another's, then ours":  {far: says(heading+"MSA|AA|other\r", heading+"MSA|AA|{id}\r"), good: connector.KnownYes, value: "answered AA"},
		"news of its own":       {far: says("MSH|^~\\&|EHR||CW||20261122141531||ADT^A08|9|P|2.5.1\rPID|1||secret\r"), good: connector.KnownNo, value: "no answer", gap: "said nothing", who: connector.FixInterface},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				accept := hl7.When("")
				if c.enhanced {
					accept = hl7.Always
				}
				f := echoed(t, echoing(t, accept, accept, c.far.dial))
				if c.good == "" {
					c.good = connector.NotKnown
				}
				if f.Good != c.good || !strings.Contains(f.Value, c.value) || strings.Contains(fmt.Sprint(f.Value, f.Gap), "secret") {
					t.Errorf("%+v %+v", f, f.Gap)
				}
				if (f.Gap != nil) != (c.gap != "") || f.Gap != nil && (f.Gap.Who != c.who || !strings.Contains(f.Gap.Text, c.gap)) {
					t.Errorf("%+v", f.Gap)
				}
			})
		})
	}
}

// TestEchoHearsWhatCameBefore: an engine that speaks first is heard, and answered matters.
func TestEchoHearsWhatCameBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := echoing(t, "", "", func(ctx context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer func() { _ = theirs.Close() }()
				_, _ = theirs.Write([]byte("\x0bMSH|^~\\&|EHR||CW||20261122141531||ADT^A08|9|P|2.5.1\rPID|1||7\r\x1c\r"))
				raw, err := mllp.NewReader(theirs, 0).Next()
				if err != nil {
					return
				}
				h, _ := hl7.ParseHeader(raw, hl7.Options{})
				says(heading+"MSA|AA|{id}\r")(theirs, h.ControlID)
			}()
			return ours, nil
		})
		if f := echoed(t, e); f.Good != connector.KnownYes {
			t.Errorf("%+v %+v", f, f.Gap)
		}
	})
}

// TestEchoOverTLS: it goes the way documents go, mutual TLS included.
func TestEchoOverTLS(t *testing.T) {
	site := httptest.NewUnstartedServer(nil)
	site.StartTLS()
	t.Cleanup(site.Close)
	pool, both := x509.NewCertPool(), site.TLS.Certificates
	pool.AddCert(site.Certificate())
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: both, ClientCAs: pool, ClientAuth: tls.RequireAnyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	ours := &tls.Config{RootCAs: pool, ServerName: "example.com", Certificates: both}
	n, err := sandboxengine.New(sandboxengine.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- n.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
	if f := echoed(t, echoing(t, "", "", to(listener.Addr().String(), ours))); f.Good != connector.KnownYes {
		t.Errorf("%+v %+v", f, f.Gap)
	}
}
