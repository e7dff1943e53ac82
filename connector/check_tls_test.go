package connector_test

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// TestFirstExpiry: what counts is the certificate that ends first, of the chain that was verified.
func TestFirstExpiry(t *testing.T) {
	at := func(days int) *x509.Certificate {
		return &x509.Certificate{NotAfter: time.Unix(0, 0).AddDate(0, 0, days)}
	}
	for name, c := range map[string]struct {
		state tls.ConnectionState
		days  int
	}{
		"shown":    {tls.ConnectionState{PeerCertificates: []*x509.Certificate{at(9), at(3), at(5)}}, 3},
		"verified": {tls.ConnectionState{PeerCertificates: []*x509.Certificate{at(9), at(3)}, VerifiedChains: [][]*x509.Certificate{{at(9), at(7)}, {at(9), at(1)}}}, 7},
	} {
		if got := connector.FirstExpiry(&c.state); !got.Equal(time.Unix(0, 0).AddDate(0, 0, c.days)) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := connector.FirstExpiry(&tls.ConnectionState{}); !got.IsZero() {
		t.Errorf("of none: %s", got)
	}
}

// TestChainFact: three weeks before the end somebody is told, and who.
func TestChainFact(t *testing.T) {
	end := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	for before, good := range map[time.Duration]connector.Known{21*24*time.Hour - 1: connector.KnownNo, -time.Hour: connector.KnownNo, 21 * 24 * time.Hour: connector.KnownYes} {
		f := connector.ChainFact(end, end.Add(-before), "the engine", connector.FixInterface)
		if f.Good != good || (f.Gap == nil) != (good == connector.KnownYes) || !strings.Contains(f.Value, "2026-11-29") {
			t.Errorf("%s before: %+v", before, f)
		}
		if f.Gap != nil && (f.Gap.Who != connector.FixInterface || !strings.Contains(f.Gap.Text, "the engine's TLS chain expires on 2026-11-29") || !strings.Contains(f.Gap.Text, "the interface engineer must")) {
			t.Errorf("%+v", f.Gap)
		}
	}
}
