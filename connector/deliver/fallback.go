package deliver

import (
	"slices"

	"github.com/chartwire/chartwire/connector"
)

// mustHave says whether an exchange filed as s has to wait for an encounter. The last of several strategies never does: it is
// what the administrator wants of an exchange that has none.
func (p Encounters) mustHave(t connector.Traits, s connector.Strategy) bool {
	if n := len(t.Fallbacks); n > 0 && t.Fallbacks[n-1] == s {
		return false
	}
	return p.required(t)
}

// nextStrategy is what filing.as names after s, "" for nothing.
func nextStrategy(t connector.Traits, s connector.Strategy) connector.Strategy {
	all := append([]connector.Strategy{t.Strategy}, t.Fallbacks...)
	if at := slices.Index(all, s); at >= 0 && at+1 < len(all) {
		return all[at+1]
	}
	return ""
}

// fallsBack files the thread from now on as filing.as says next, where the item has waited for its encounter as long as
// hold_for allows. What is on the chart stays as it is.
func (d *drainer) fallsBack(i *connector.Item, traits connector.Traits, x *connector.Exchange) bool {
	next := nextStrategy(traits, x.Strategy)
	if next == "" || d.c.HoldFor == 0 {
		return false
	}
	since := d.waitingSince(i, connector.NeedsEncounter)
	if d.e.clock.Now().Before(since.Add(d.c.HoldFor)) {
		return false
	}
	d.audit("strategy", "U", 0, i, map[string]string{"from": string(x.Strategy), "to": string(next), "reason": string(connector.NeedsEncounter)})
	x.Strategy, d.thread.Strategy, i.Detail.Wait, i.Detail.Text = next, next, nil, ""
	d.later(func(tx connector.Tx) error {
		t, err := tx.Thread(d.lane.EHR, d.lane.Thread)
		if err != nil {
			return err
		}
		t.Strategy = next
		return tx.PutThread(&t)
	})
	return true
}
