package mllp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// certificates are a certificate and the pool that trusts it, for both ends.
func certificates(t *testing.T) (receiver, sender *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"example.com"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	known, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(known)
	both := []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	// TLS 1.2: there the receiver's refusal is part of the handshake. In 1.3 the sender's is over before the receiver has looked.
	receiver = &tls.Config{Certificates: both, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MaxVersion: tls.VersionTLS12}
	return receiver, &tls.Config{Certificates: both, RootCAs: pool, ServerName: "example.com"}
}

// TestTLS: over TCP with both ends known, many at once; a sender without a certificate and a receiver nobody trusts end while
// connecting, with nothing sent.
func TestTLS(t *testing.T) {
	receiver, sender := certificates(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- (&Server{Handle: accepts}).Serve(ctx, tls.NewListener(l, receiver)) }()
	dial := func(cfg *tls.Config) func(context.Context) (net.Conn, error) {
		return func(ctx context.Context) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
			if err != nil {
				return nil, err
			}
			return tls.Client(conn, cfg), nil
		}
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			c := NewClient(ClientConfig{Dial: dial(sender)})
			defer c.Close()
			for j := range 25 {
				id := fmt.Sprintf("m%d-%d", i, j)
				if a, err := c.Send(soon(t), asking(id, "", "")); err != nil || codeOf(a.Application) != "AA" || a.Application.ControlID != id {
					t.Errorf("%s: %+v (%v)", id, a, err)
				}
			}
		})
	}
	all.Wait()
	for want, cfg := range map[string]*tls.Config{
		"certificate is not one we trust":        {Certificates: sender.Certificates, RootCAs: x509.NewCertPool(), ServerName: "example.com"},
		"the receiver refused the TLS handshake": {RootCAs: sender.RootCAs, ServerName: "example.com"},
	} {
		c := NewClient(ClientConfig{Dial: dial(cfg)})
		_, err := c.Send(soon(t), asking("m", "", ""))
		if e := sendError(t, err); e.Step != StepDial || !e.NotSent() || !strings.Contains(e.Error(), want) {
			t.Errorf("want %q: %v", want, e)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
