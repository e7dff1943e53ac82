package sim

import (
	"time"
)

// at is the process in a slot; nil where it is down.
func (w *world) at(slot int) *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running[slot]
}

// up are the processes there are.
func (w *world) up() (out []*process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.running {
		if p != nil {
			out = append(out, p)
		}
	}
	return out
}

// kill ends a process and starts the next in its slot after down.
func (w *world) kill(p *process, down time.Duration) {
	w.mu.Lock()
	mine := w.running[p.slot] == p
	if mine {
		w.running[p.slot] = nil
	}
	w.mu.Unlock()
	if !mine {
		return // somebody else has killed it
	}
	w.judge.note("process %d is killed", p.n)
	p.kill()
	w.until(w.since() + down)
	w.start(p.slot)
}

// freeze stops a process as SIGSTOP does, and lets it go on after a while.
func (w *world) freeze(p *process, for_ time.Duration) {
	w.judge.note("process %d freezes for %s", p.n, for_)
	p.freeze()
	w.until(w.since() + for_)
	p.unfreeze()
	w.judge.note("process %d thaws", p.n)
}

// ambush strikes a process where it hurts most: between a commit and the request it is for, or when a request has just
// left. Where is decided by what it is doing, not by when.
func (w *world) ambush(p *process, where, name string) {
	share := w.script.ambush
	if where == "commit" {
		share /= 4
	}
	if w.calm.Load() || share == 0 {
		return
	}
	r := w.script.dice.of("ambush", where, name, w.nth("ambush "+where+name))
	if r.Float64() >= share {
		return
	}
	down, how := between(r, 0, 3*w.script.lease), r.IntN(2)
	if how == 0 {
		p.freeze() // now, not when the goroutine gets to it
	} else {
		p.doomed()
	}
	w.ghosts.Go(func() {
		if how == 0 {
			w.freeze(p, down)
		} else {
			w.kill(p, down)
		}
	})
}

func (w *world) wallOff() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.off
}

func (w *world) jump(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off = by
}
