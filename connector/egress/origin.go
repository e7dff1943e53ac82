package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Origin gives the origin of a URL as scheme://host:port, in lower case and with
// its port always there: two URLs are of one origin when these are equal. It
// refuses what a configured URL must not be: another scheme than https (or http
// to a loopback literal), a user or password, a host that is not plain ASCII.
// No error repeats any of the URL.
func Origin(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("this is not a URL")
	}
	return originOf(u)
}

func originOf(u *url.URL) (string, error) {
	host := strings.ToLower(u.Hostname())
	scheme := strings.ToLower(u.Scheme)
	switch {
	case u.Opaque != "" || host == "":
		return "", errors.New("this URL has no host")
	case u.User != nil:
		return "", errors.New("this URL holds a user or password: give credentials by their own setting")
	case !plainHost(host):
		return "", errors.New("the host of this URL is not plain ASCII, or has a zone: write an international name in its xn-- form")
	case scheme == "http" && !isLoopbackLiteral(host):
		return "", errors.New("plain http would show what it carries to the network: use https (http is only for localhost, 127.0.0.0/8 and ::1)")
	case scheme != "http" && scheme != "https":
		return "", errors.New("this URL is neither https nor http")
	}
	n := url.URL{Scheme: scheme, Host: host}
	if strings.Contains(host, ":") {
		n.Host = "[" + host + "]"
	}
	if u.Port() != "" {
		n.Host = net.JoinHostPort(host, u.Port())
	}
	return scheme + "://" + hostPort(&n), nil
}

// plainHost says whether a host is made of what names and addresses are made of.
func plainHost(host string) bool {
	for _, c := range host {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == ':' || c == '_') {
			return false
		}
	}
	return true
}

// hostPort gives host:port with the scheme's own port where none is named, as
// the transport asks its dialer for it.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// isLoopbackLiteral says whether a host says of itself, without a name server,
// that it is this machine: localhost, 127.0.0.0/8, ::1.
func isLoopbackLiteral(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() && !ip.Is4In6() && ip.Zone() == ""
}

// Private networks (10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7) are not in
// this list: an EHR or an interface engine usually stands in the hospital's own
// network, and the administrator named its origin. What is in it is never the
// meaning of such a name: this machine, its neighbours without a router, the
// cloud's metadata services (which hand credentials to whoever asks), and forms
// of IPv6 in which an IPv4 address hides.
var refusedNetworks = parsePrefixes(
	"0.0.0.0/8",          // this network; connects to this machine
	"127.0.0.0/8",        // loopback
	"169.254.0.0/16",     // link-local, metadata of most clouds
	"192.0.0.0/24",       // IETF protocol assignments, metadata of one cloud
	"100.100.100.200/32", // metadata of another
	"168.63.129.16/32",   // a cloud's host services
	"224.0.0.0/4",        // multicast
	"240.0.0.0/4",        // reserved, broadcast
	"::/96",              // unspecified, loopback, IPv4-compatible
	"64:ff9b::/96",       // NAT64: an IPv4 address behind a translator
	"64:ff9b:1::/48",     // local NAT64
	"2001::/32",          // Teredo: an IPv4 address inside
	"2002::/16",          // 6to4: an IPv4 address inside
	"fd00:ec2::/32",      // metadata of a cloud
	"fd20:ce::/32",       // metadata of another
	"fe80::/10",          // link-local
	"fec0::/10",          // site-local, withdrawn
	"ff00::/8",           // multicast
)

func parsePrefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// checkAddress judges an address (ip:port) about to be connected to. For a
// loopback literal only loopback is right; for every other name, never, and where
// within is not nil, nothing outside its networks is.
func checkAddress(address string, loopback bool, within []netip.Prefix) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: it is not an IP address", ErrAddressRefused)
	}
	ip := ap.Addr()
	if ip.Zone() != "" {
		return fmt.Errorf("%w: it is of one network card only", ErrAddressRefused)
	}
	ip = ip.Unmap() // ::ffff:127.0.0.1 is 127.0.0.1
	if loopback {
		if !ip.IsLoopback() {
			return fmt.Errorf("%w: localhost means %s here", ErrAddressRefused, ip)
		}
		return nil
	}
	for _, p := range refusedNetworks {
		if p.Contains(ip) {
			return fmt.Errorf("%w: %s is in %s, which is this machine, its link, or a cloud's metadata", ErrAddressRefused, ip, p)
		}
	}
	if within != nil && !slices.ContainsFunc(within, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return fmt.Errorf("%w: %s is in no network that plaintext may go to", ErrAddressRefused, ip)
	}
	return nil
}
