package inbox

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// watchEvery is how often what is watched is read; a change shows within two of these. watchAhead is how many changes a page may
// be behind before they are put together.
const (
	watchEvery = 400 * time.Millisecond
	watchAhead = 16
)

// watches is who watches what in this process. While somebody does, one loop reads just that. Who comes begins it where it does
// not run; that it ends, it decides itself, under mu: so there are never two.
type watches struct {
	mu      sync.Mutex
	all     map[*watching]bool
	running bool
}

// watching is one page that wants to be told. Once it is among those that watch, only the loop touches it: it alone sends on
// out, and closes it.
type watching struct {
	s       *Session
	threads []string
	known   map[string]int64
	covered string
	waits   []Change // that the page has not taken yet, the newest of each thread
	out     chan Change
	ctx     context.Context
}

// Watch tells what happens to these threads, or, where none are named, to those in the session's list; and when the session ends
// or is covered. It begins with how all of them are now: what a page already shows in that Version is no news to it. A thread that
// leaves the list is told of, too. The channel is closed after an end, and when ctx is done. Errors: ErrNotFound where a thread is
// none the session may see, and those of Thread.
func (d *Desk) Watch(ctx context.Context, s *Session, threads []string) (<-chan Change, error) {
	for _, id := range threads {
		if _, _, err := d.open(ctx, s, id); err != nil {
			return nil, err
		}
	}
	w := &watching{s: s, threads: slices.Clone(threads), out: make(chan Change, watchAhead), ctx: ctx}
	d.watch.mu.Lock()
	defer d.watch.mu.Unlock()
	if d.watch.all == nil {
		d.watch.all = map[*watching]bool{}
	}
	d.watch.all[w] = true
	if !d.watch.running {
		d.watch.running = true
		go d.watchAll()
	}
	return w.out, nil
}

// watchAll looks until nobody watches any more.
func (d *Desk) watchAll() {
	l := looker{d: d, sessions: map[string]kept{}}
	timer := d.o.Clock.NewTimer(0)
	defer timer.Stop()
	for {
		<-timer.C()
		all := d.watchers()
		if len(all) == 0 {
			return
		}
		l.look(all)
		timer.Reset(watchEvery)
	}
}

// watchers gives who watches, and lets those go who have gone. None ends the loop, and whoever comes next begins another.
func (d *Desk) watchers() []*watching {
	d.watch.mu.Lock()
	defer d.watch.mu.Unlock()
	for w := range d.watch.all {
		if w.ctx.Err() != nil {
			d.leave(w)
		}
	}
	d.watch.running = len(d.watch.all) > 0
	return slices.Collect(maps.Keys(d.watch.all))
}

// leave lets a page go; mu is held.
func (d *Desk) leave(w *watching) {
	delete(d.watch.all, w)
	close(w.out)
}

// finish tells a page that its session is over, and lets it go.
func (d *Desk) finish(w *watching, ended *Ended) {
	w.say(Change{Ended: ended.Sentence()})
	d.watch.mu.Lock()
	defer d.watch.mu.Unlock()
	d.leave(w)
}

// news is what changed since the last look, in a fixed order: threads that grew or came, and, by their last Version, that went.
func (w *watching) news(now map[string]int64) []Change {
	var out []Change
	for _, id := range slices.Sorted(maps.Keys(now)) {
		if was, ok := w.known[id]; !ok || was != now[id] {
			out = append(out, Change{Thread: id, Version: now[id]})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.known)) {
		if _, ok := now[id]; !ok {
			out = append(out, Change{Thread: id, Version: w.known[id]})
		}
	}
	w.known = now
	return out
}

// say gives the page what it takes now, and keeps the rest for the next look.
func (w *watching) say(news ...Change) {
	for _, c := range news {
		w.waits = slices.DeleteFunc(w.waits, func(old Change) bool { return c.Thread != "" && old.Thread == c.Thread })
		w.waits = append(w.waits, c)
	}
	for len(w.waits) > 0 {
		select {
		case w.out <- w.waits[0]:
			w.waits = w.waits[1:]
		default:
			return
		}
	}
}
