package egress

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestStreamRefuses(t *testing.T) {
	g, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for want, e := range map[string]Endpoint{
		"plaintext":    {Host: "engine.example", Port: "2575"},
		"plaintext wo": {Host: "10.0.0.7", Port: "2575"},
		"no host":      {Port: "2575"},
		"plain ASCII":  {Host: "éngine.example", Port: "1", TLS: &TLS{}},
		"no cert":      {Host: "engine.example", Port: "1", TLS: &TLS{CA: []byte("none")}},
		"not PEM":      {Host: "engine.example", Port: "1", TLS: &TLS{Cert: []byte("x"), Key: []byte("y")}},
	} {
		if _, err := g.Stream("ehr x", e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	for _, host := range []string{"169.254.169.254", "0.0.0.0", "::ffff:127.0.0.1"} {
		dial, err := g.Stream("ehr x", Endpoint{Host: host, Port: "443", TLS: &TLS{}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dial(t.Context()); !errors.Is(err, ErrAddressRefused) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// TestStream: plaintext to this machine, and TLS to an authority that is configured and to no other.
func TestStream(t *testing.T) {
	s := httptest.NewTLSServer(nil) // for its certificate, which is for 127.0.0.1
	defer s.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	host, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	g, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for want, trusted := range map[bool]*TLS{true: {CA: ca}, false: {}} {
		dial, err := g.Stream("ehr x", Endpoint{Host: host, Port: port, TLS: trusted})
		if err != nil {
			t.Fatal(err)
		}
		c, err := dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.(*tls.Conn).HandshakeContext(t.Context()); (err == nil) != want {
			t.Errorf("trusted %v: %v", want, err)
		}
		c.Close()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, _ = io.WriteString(c, "hello")
			c.Close()
		}
	}()
	defer l.Close()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	dial, err := g.Stream("ehr x", Endpoint{Host: "LocalHost", Port: port})
	if err != nil {
		t.Fatal(err)
	}
	c, err := dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := io.ReadAll(c); string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestPlaintextStaysInItsNetworks: whatever a name server says of the engine's name, plaintext is spoken within the networks
// that were named for it, at each connection anew. (All are networks for documentation, RFC 5737: nobody is there.)
func TestPlaintextStaysInItsNetworks(t *testing.T) {
	const engine = "198.51.100.7"
	var now atomic.Value
	g := guard(t, Options{Resolver: resolver(t, func(string) []string { return now.Load().([]string) })})
	dial, err := g.Stream("ehr x", Endpoint{Host: "engine.example", Port: "2575",
		Plaintext: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/25"), netip.MustParsePrefix("2001:db8:1::/48")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		stands []string
		good   bool
	}{
		{[]string{engine}, true}, {[]string{"192.0.2.7"}, false}, {[]string{"198.51.100.200"}, false}, {[]string{"2001:db8:2::1"}, false},
		{[]string{"127.0.0.1"}, false}, {[]string{"::1"}, false}, {[]string{"::ffff:192.0.2.7"}, false}, {[]string{engine}, true},
	} {
		now.Store(c.stands)
		within := 10 * time.Second
		if c.good {
			within = 50 * time.Millisecond // nobody answers there
		}
		ctx, cancel := context.WithTimeout(t.Context(), within)
		conn, err := dial(ctx)
		cancel()
		if err == nil {
			conn.Close()
		}
		if refused := errors.Is(err, ErrAddressRefused); refused == c.good {
			t.Errorf("a name that stands for %v: %v", c.stands, err)
		}
		var asked interface{ AddressRefused() bool } // as a package asks that does not import this one
		if errors.As(err, &asked) == c.good {
			t.Errorf("a name that stands for %v says of itself: %v", c.stands, err)
		}
	}
}

// TestPlaintextWithinNetworks: what is always refused stays so in a network that plaintext may go to, and TLS and this machine
// are not held to the networks of plaintext.
func TestPlaintextWithinNetworks(t *testing.T) {
	within := []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("fd12::/16")}
	for addr, good := range map[string]bool{
		"10.20.255.1:1": true, "[::ffff:10.20.0.1]:1": true, "[fd12:3::1]:1": true, "100.64.1.1:1": true,
		"10.21.0.1:1": false, "93.184.216.34:1": false, "[fd13::1]:1": false, "[::ffff:10.21.0.1]:1": false,
		"100.100.100.200:1": false, "127.0.0.1:1": false, "[fd12::1%eth0]:1": false,
	} {
		if err := checkAddress(addr, false, within); (err == nil) != good || err != nil && !errors.Is(err, ErrAddressRefused) {
			t.Errorf("%s: %v, want good = %v", addr, err, good)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	g := guard(t, Options{Resolver: resolver(t, func(string) []string { return []string{"198.51.100.7"} })})
	for name, e := range map[string]Endpoint{
		"this machine": {Host: "127.0.0.1", Port: port, Plaintext: within[:1]},
		"TLS":          {Host: "engine.example", Port: "2575", Connect: 50 * time.Millisecond, TLS: &TLS{}, Plaintext: within[:1]},
	} {
		dial, err := g.Stream("ehr x", e)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := dial(t.Context())
		if err == nil {
			conn.Close()
		}
		if errors.Is(err, ErrAddressRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
