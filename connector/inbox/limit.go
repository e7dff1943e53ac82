package inbox

import (
	"net/netip"
	"sync"
	"time"
)

// How many launches this process begins for one address in a minute, and how many addresses it tells apart. Anybody can begin a
// launch, and each keeps a row for twenty minutes; a hospital whose every desk has one address in common opens some hundreds of
// charts a minute.
const (
	launchesAMinute = 1200
	sourcesApart    = 10_000
)

// limiter counts the launches of the present minute by where they come from.
type limiter struct {
	mu     sync.Mutex
	minute int64
	began  map[string]int
}

// takes says whether one more launch of a source may begin, and counts it.
func (l *limiter) takes(source string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := now.Unix() / 60; m != l.minute || l.began == nil {
		l.minute, l.began = m, map[string]int{}
	}
	who := network(source)
	if _, known := l.began[who]; !known && len(l.began) >= sourcesApart {
		who = "" // a crowd of addresses counts as one
	}
	if l.began[who] >= launchesAMinute {
		return false
	}
	l.began[who]++
	return true
}

// network is what counts as one source: an address, or the /64 that one caller has in IPv6.
func network(source string) string {
	at, err := netip.ParseAddr(source)
	if err != nil {
		return source
	}
	if at = at.Unmap().WithZone(""); at.Is4() {
		return at.String()
	}
	p, _ := at.Prefix(64) // an IPv6 address has one
	return p.String()
}
