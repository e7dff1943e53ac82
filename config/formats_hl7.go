package config

import (
	"net/netip"
	"net/url"
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
	case u.Scheme == "mllp" && !isLoopback(u.Hostname()):
		return "sends patients' data in the clear; write mllps:// (mllp:// is for loopback hosts only, such as a local TLS tunnel)"
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

// privately says whether a network is not reached from outside: private, shared, link-local or of this machine.
func privately(p netip.Prefix) bool {
	for _, in := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128"} {
		outer := netip.MustParsePrefix(in)
		if outer.Bits() <= p.Bits() && outer.Contains(p.Addr()) {
			return true
		}
	}
	return false
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
