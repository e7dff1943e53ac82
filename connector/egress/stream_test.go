package egress

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
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
