package config

import (
	"net/netip"
	"net/url"
	"slices"
)

// engineRules keeps documents that go out in the clear on this machine, or within private networks that somebody has named.
// The guarded dialer holds what a host name stands for to the same networks.
func (l *loader) engineRules(e *EHR, path string) {
	at, list := path+".address", path+".plaintext_to"
	if checkMLLP(e.Address, "") != "" {
		return // reported already, as missing or as no address
	}
	u, err := url.Parse(e.Address)
	if err != nil || u.Scheme != "mllp" || isLoopback(u.Hostname()) {
		if l.given(list) {
			l.mistake(list, "is for mllp:// to another machine alone, and address is encrypted or stays on this one; remove it")
		}
		return
	}
	allowed, good := l.plaintextNetworks(e.PlaintextTo, list)
	ip, err := netip.ParseAddr(u.Hostname())
	ip = ip.Unmap()
	switch literal := err == nil; {
	case literal && !privately(netip.PrefixFrom(ip, ip.BitLen())):
		l.mistake(at, "is a public address, and patients' data would go to it in the clear; write mllps://")
	case !good: // reported; nothing below would be sure
	case len(allowed) == 0:
		l.mistake(at, "sends patients' data in the clear; write mllps:// (mllp:// is for a loopback host, such as a local TLS tunnel, or with plaintext_to for the private network the interface engine is in)")
	case literal && !slices.ContainsFunc(allowed, func(p netip.Prefix) bool { return p.Contains(ip) }):
		l.mistake(at, "is in no network of plaintext_to, and patients' data would go to it in the clear; write mllps://, or add the private network the interface engine is in")
	default:
		l.warn(at, "PLAINTEXT: patients' data go to another machine unencrypted, and anybody on the way can read and change them; write mllps:// where the interface engine speaks TLS")
	}
}

// plaintextNetworks are the networks of a list, and whether all of them are ones plaintext may go to.
func (l *loader) plaintextNetworks(list []string, path string) (out []netip.Prefix, good bool) {
	good = true
	for i, s := range list {
		p, err := netip.ParsePrefix(s)
		switch {
		case checkNetwork(s, "") != "" || err != nil:
			good = false // reported already
		case lies(p, localNetworks):
			l.mistake(index(path, i), quote(s)+" is of one link or of this machine, which no host of another name stands for; write the private network the interface engine is in")
			good = false
		case !lies(p, privateNetworks):
			l.mistake(index(path, i), quote(s)+" is no private network, and patients' data would cross it in the clear; write mllps://, or the private network the interface engine is in")
			good = false
		default:
			out = append(out, p)
		}
	}
	return out, good
}
