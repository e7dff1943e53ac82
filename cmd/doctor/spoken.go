package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"net/url"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/egress"
)

const (
	http2   = "h2" // as ALPN calls it (RFC 9113 3.1)
	looksIn = 10 * time.Second
)

// spoken looks whether browsers are offered HTTP/2 at our public address. Each open page of the inbox holds a connection there,
// and of HTTP/1.1 a browser opens six to a host: the seventh page would never load, with no word about why.
func (d *Doctor) spoken(ctx context.Context) connector.Fact {
	f := connector.Fact{Name: "HTTP/2", Value: d.PublicURL, Good: connector.NotKnown}
	at, err := url.Parse(d.PublicURL)
	if err != nil || at.Scheme != "https" {
		f.Value += " has no TLS, and browsers speak HTTP/2 only over it: of one browser six pages can be open"
		return f
	}
	protocol, err := d.offered(ctx, at.Hostname(), cmp.Or(at.Port(), "443"))
	switch {
	case err != nil:
		f.Value += ": cannot be seen from this machine (" + egress.Clean(err).Error() + ")"
	case protocol == http2:
		f.Good, f.Value = connector.KnownYes, d.PublicURL+" offers it to browsers"
	default:
		f.Good, f.Gap = connector.KnownNo, lack(connector.FixInterface,
			"%s speaks HTTP/1.1 alone: a browser opens six connections to it, each open page holds one, and a seventh page does not load. The interface engineer must have what ends TLS in front of Chartwire offer HTTP/2.", d.PublicURL)
	}
	return f
}

// offered is the protocol that a host chooses of those a browser offers; "" where it chooses none.
func (d *Doctor) offered(ctx context.Context, host, port string) (string, error) {
	dial, err := d.Guard.Stream("public_url", egress.Endpoint{Host: host, Port: port, Connect: looksIn, TLS: &egress.TLS{Protocols: []string{http2, "http/1.1"}}})
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, looksIn)
	defer cancel()
	conn, err := dial(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return "", nil
	}
	if err := secure.HandshakeContext(ctx); err != nil {
		return "", err
	}
	return secure.ConnectionState().NegotiatedProtocol, nil
}
