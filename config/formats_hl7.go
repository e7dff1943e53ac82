package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

func checkMLLP(s, _ string) string {
	const hint = "; write mllps://host:port"
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "mllp" && u.Scheme != "mllps" || u.Hostname() == "":
		return "is no interface engine's address" + hint
	case u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return "has more than a host and a port" + hint
	case u.Port() == "" || badPort(u):
		return "has no port; MLLP has no usual one" + hint
	}
	return ""
}

func checkNetwork(s, _ string) string {
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return quote(s) + " is no network; write one such as 10.20.30.0/24"
	case p != p.Masked():
		return quote(s) + " is an address within a network; write " + p.Masked().String() + ", or one address as " + netip.PrefixFrom(p.Addr(), p.Addr().BitLen()).String()
	}
	return ""
}

// Networks that are not reached from outside: private and shared ones, and those of one link or of this machine, which the
// guarded dialer connects to for no configured name.
var (
	privateNetworks = []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"}
	localNetworks   = []string{"169.254.0.0/16", "127.0.0.0/8", "fe80::/10", "::1/128"}
)

// privately says whether a network is not reached from outside: private, shared, link-local or of this machine.
func privately(p netip.Prefix) bool { return lies(p, privateNetworks) || lies(p, localNetworks) }

// lies says whether a network is, or is part of, one of a list.
func lies(p netip.Prefix, in []string) bool {
	return slices.ContainsFunc(in, func(s string) bool {
		outer := netip.MustParsePrefix(s)
		return outer.Bits() <= p.Bits() && outer.Contains(p.Addr())
	})
}

// hl7Delimiters are the characters a configured HL7 v2 value may not hold: it is written to the message as it is.
const hl7Delimiters = `|~\&`

func plainHL7(s string) bool {
	return s != "" && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r > '~' || strings.ContainsRune(hl7Delimiters, r)
	})
}

func checkAppFacility(s, _ string) string {
	app, facility, ok := strings.Cut(s, "^")
	if !ok || !plainHL7(app) || !plainHL7(facility) || strings.Contains(facility, "^") {
		return quote(s) + " is not APPLICATION^FACILITY; write two names in plain ASCII with one ^ between them"
	}
	return ""
}

func checkHL7ID(s, _ string) string {
	if !plainHL7(s) || strings.Contains(s, "^") || len(s) > 20 {
		return quote(s) + " cannot stand in an HL7 v2 field; write at most 20 plain ASCII characters without | ^ ~ \\ &"
	}
	return ""
}

func checkXCN(s, _ string) string {
	parts := strings.Split(s, "^")
	if !plainHL7(s) || len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return "names no signer; write id^family^given"
	}
	return ""
}

// EchoQuery is the one message hl7.echo may name: HL7 v2.5.1 has no other of which the standard says that it is for asking whether
// the link works.
const EchoQuery = "NMQ^N01"

func checkEcho(s, _ string) string {
	if s != EchoQuery {
		return quote(s) + " is no message that asks whether the link works and changes nothing at the receiver; write " + EchoQuery + ", or remove echo and chartwire doctor sends none"
	}
	return ""
}
