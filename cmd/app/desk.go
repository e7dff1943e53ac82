package app

import (
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
	"github.com/chartwire/chartwire/connector/inbox"
	"github.com/chartwire/chartwire/connector/seal"
)

// sessionDesk is a desk at which nobody signs in: the sessions of the EHR connections, given as name → id, can be looked at and
// ended.
func sessionDesk(s connector.Store, keys *seal.Sealer, ids map[string]string, c clock.Clock) (*inbox.Desk, error) {
	ehrs := map[string]inbox.EHR{}
	for name, id := range ids {
		ehrs[name] = inbox.EHR{ID: id, Name: name}
	}
	return inbox.New(inbox.Options{Store: s, Clock: c, Key: keys.Derive("inbox"), EHRs: ehrs})
}
