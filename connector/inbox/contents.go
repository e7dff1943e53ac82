package inbox

import (
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// What of worked-out threads is kept in memory: so many exchanges in all, each thread so long.
const (
	keptEntries = 20_000
	keptFor     = 15 * time.Minute
)

// contents keeps threads worked out, each until its Version grows: a page that is shown again opens nothing anew, and a long
// thread costs hardly more than a short one.
type contents struct {
	mu      sync.Mutex
	threads map[string]keptContent // by EHR and thread
	entries int
}

type keptContent struct {
	*content
	until time.Time
}

func (c *contents) get(key string, version int64, now time.Time) (*content, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.threads[key]
	if !ok || k.version != version || !now.Before(k.until) {
		return nil, false
	}
	return k.content, true
}

// put keeps a content, and makes room for it: first of what is old, then of whatever comes.
func (c *contents) put(key string, fresh *content, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.threads == nil {
		c.threads = map[string]keptContent{}
	}
	if old, ok := c.threads[key]; ok {
		if old.version > fresh.version || old.content == fresh {
			return
		}
		c.drop(key)
	}
	c.threads[key] = keptContent{fresh, now.Add(keptFor)}
	c.entries += len(fresh.entries)
	for k, old := range c.threads {
		if !now.Before(old.until) {
			c.drop(k)
		}
	}
	for k := range c.threads {
		if c.entries <= keptEntries {
			return
		}
		if k != key {
			c.drop(k)
		}
	}
}

func (c *contents) drop(key string) {
	c.entries -= len(c.threads[key].entries)
	delete(c.threads, key)
}

// contentOf works a thread out in a View, or gives what was worked out of this Version of it.
func (d *Desk) contentOf(tx connector.Tx, e EHR, t connector.Thread) (*content, error) {
	c, err := d.contentIn(tx, e, t)
	if err == nil {
		d.pages.put(t.EHR+"/"+t.ID, c, d.now())
	}
	return c, err
}

// contentIn is contentOf within an Update, which may see what is never committed: it keeps nothing for others.
func (d *Desk) contentIn(tx connector.Tx, e EHR, t connector.Thread) (*content, error) {
	if c, ok := d.pages.get(t.EHR+"/"+t.ID, t.Version, d.now()); ok {
		return c, nil
	}
	r, err := readRows(tx, t)
	if err != nil {
		return nil, err
	}
	return d.namesOf(e).work(r), nil
}

func (d *Desk) namesOf(e EHR) names {
	n := names{pools: map[string]string{}, receipts: map[string]string{}}
	for _, p := range e.Pools {
		n.pools[p.ID] = p.Name
	}
	for name, ch := range d.o.Channels {
		n.receipts[name] = ch.Receipts
	}
	return n
}
