package app

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/chartwire/chartwire/adapters"
	"github.com/chartwire/chartwire/adapters/ehr/hl7v2/adt"
	"github.com/chartwire/chartwire/config"
)

// feed is where the ADT messages of one EHR come in.
type feed struct {
	name     string // the EHR's label
	listen   string
	access   adt.Access
	feed     *adt.Feed
	listener net.Listener // once it listens
}

// feeds builds the ADT feed of every EHR connection that has one. Plaintext, which config allows on this machine and within
// allowed private networks, is said aloud at each start.
func (b *builder) feeds() ([]*feed, error) {
	var out []*feed
	for _, e := range b.config.EHRs {
		f := adapters.ADT(adapters.EHRParts{Config: e, Base: b.config.Identity.Base, Now: b.now, ID: b.ids[e.Name], Store: b.store})
		if f == nil || e.Mode == config.ModeOff {
			continue
		}
		access := adt.Access{}
		for _, s := range e.ADT.Allow {
			p, err := netip.ParsePrefix(s)
			if err != nil {
				return nil, fmt.Errorf("EHR %q: adt.allow: %w", e.Name, err)
			}
			access.Networks = append(access.Networks, p)
		}
		if t := e.ADT.TLS; t != nil {
			var err error
			if access.TLS, err = adt.MutualTLS(t.Cert.Bytes(), []byte(t.Key.Reveal()), t.CA.Bytes()); err != nil {
				return nil, fmt.Errorf("EHR %q: %w", e.Name, err)
			}
		} else {
			b.log.Warn("PLAINTEXT: this ADT feed takes patients' data unencrypted and believes whoever sends from where it is taken; anybody in that network can read it and change who a patient is",
				"ehr", e.Name, "listen", e.ADT.Listen, "allow", e.ADT.Allow, "next", "add adt.tls where the interface engine speaks TLS")
		}
		out = append(out, &feed{name: e.Name, listen: e.ADT.Listen, access: access, feed: f})
	}
	return out, nil
}
