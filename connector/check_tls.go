package connector

import (
	"crypto/tls"
	"fmt"
	"time"
)

// expiresSoon is how long before a certificate's end people are told.
const expiresSoon = 21 * 24 * time.Hour

// FirstExpiry is when a TLS connection's chain stops being valid: when the first certificate of the chain it was verified by
// does, or of the one that was shown where none was verified. Zero: there is none.
func FirstExpiry(s *tls.ConnectionState) time.Time {
	chain := s.PeerCertificates
	if len(s.VerifiedChains) > 0 {
		chain = s.VerifiedChains[0]
	}
	var first time.Time
	for _, c := range chain {
		if first.IsZero() || c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
}

// ChainFact is what a preflight says of a chain that is valid until end: good, or that who must renew a certificate of whose
// ("the EHR", "the engine").
func ChainFact(end, now time.Time, whose string, who Fixer) Fact {
	until := end.UTC().Format(time.DateOnly)
	f := Fact{Name: "TLS chain", Value: "valid until " + until, Good: KnownYes}
	if end.Sub(now) < expiresSoon {
		f.Good, f.Gap = KnownNo, &Lack{Who: who, Text: fmt.Sprintf(
			"a certificate of %s's TLS chain expires on %s, and nothing can be filed from then on: the %s must renew it.", whose, until, who)}
	}
	return f
}
