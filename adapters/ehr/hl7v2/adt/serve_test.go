package adt

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7/mllp"
	"github.com/chartwire/chartwire/connector"
)

// TestAccess: who is let in before a byte is read.
func TestAccess(t *testing.T) {
	lan := []netip.Prefix{netip.MustParsePrefix("10.20.30.0/24"), netip.MustParsePrefix("fd00::/8")}
	for name, c := range map[string]struct {
		access Access
		from   string
		want   bool
	}{
		"this machine":                   {Access{}, "127.0.0.1:4000", true},
		"this machine, IPv6":             {Access{}, "[::1]:4000", true},
		"another machine":                {Access{}, "10.20.30.7:4000", false},
		"another machine, TLS":           {Access{TLS: &tls.Config{}}, "203.0.113.7:4000", true},
		"the network":                    {Access{Networks: lan}, "10.20.30.7:4000", true},
		"the network, as IPv6 writes it": {Access{Networks: lan}, "[::ffff:10.20.30.7]:4000", true},
		"the network, IPv6":              {Access{Networks: lan}, "[fd00::7]:4000", true},
		"another network":                {Access{Networks: lan}, "10.20.31.7:4000", false},
		"another network, TLS":           {Access{Networks: lan, TLS: &tls.Config{}}, "10.20.31.7:4000", false},
		"this machine, not named":        {Access{Networks: lan}, "127.0.0.1:4000", false},
	} {
		if got := c.access.allows(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from))); got != c.want {
			t.Errorf("%s: let in is %v", name, got)
		}
	}
}

// refusals hears who is counted.
type refusals struct {
	connector.Store
	heard chan string
}

type refusalsTx struct {
	connector.Tx
	heard chan string
}

func (s refusals) Update(ctx context.Context, shard string, fn func(connector.Tx) error) error {
	return s.Store.Update(ctx, shard, func(tx connector.Tx) error { return fn(refusalsTx{tx, s.heard}) })
}

func (t refusalsTx) CountRefusal(ehr, channel, source, why string, at time.Time) error {
	t.heard <- ehr + " " + channel + " " + source + " " + why
	return t.Tx.CountRefusal(ehr, channel, source, why, at)
}

// TestServe: from where nothing is taken the connection is closed unread, and counted; from elsewhere a message is answered.
func TestServe(t *testing.T) {
	for name, c := range map[string]struct {
		access Access
		want   string
	}{
		"taken":         {Access{}, ""},
		"other network": {Access{Networks: []netip.Prefix{netip.MustParsePrefix("10.20.30.0/24")}}, "E adt 127.0.0.1 network"},
		"no TLS":        {Access{TLS: &tls.Config{}}, "E adt 127.0.0.1 tls"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			heard := make(chan string, 10)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() {
				ended <- h.over(refusals{h.store, heard}).Serve(ctx, l, c.access, slog.New(slog.DiscardHandler))
			}()
			defer func() {
				stop()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}()
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			frame, err := mllp.Frame(h.news("A04", "10:00", "C1", ann))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write(frame)
			answer, err := mllp.NewReader(conn, 0).Next()
			if c.want == "" {
				if err != nil || !strings.Contains(string(answer), "MSA|AA|C1") {
					t.Errorf("answered %q, %v", answer, err)
				}
				return
			}
			if err == nil {
				t.Errorf("answered %q", answer)
			}
			select {
			case got := <-heard:
				if got != c.want {
					t.Errorf("counted %q, want %q", got, c.want)
				}
			case <-time.After(10 * time.Second):
				t.Error("nothing was counted")
			}
			if got := h.who(county, "100"); got != none {
				t.Errorf("%s was kept", got)
			}
		})
	}
}

// TestMutualTLSRefuses what is no certificate.
func TestMutualTLSRefuses(t *testing.T) {
	if _, err := MutualTLS([]byte("x"), []byte("y"), []byte("z")); err == nil || strings.Contains(err.Error(), "y") && strings.Contains(err.Error(), "z") {
		t.Errorf("%v", err)
	}
}
