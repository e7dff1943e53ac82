package rig

import (
	"errors"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector/clock"
)

// Acks is what the senders were told: every attempt, and every acknowledgement once it is on disk. A message counts as
// acknowledged only then, so that the proof cannot forget what it was promised.
type Acks struct {
	file  *os.File
	clock clock.Clock

	mu        sync.Mutex
	synced    *sync.Cond
	buffer    []byte
	round     int // of the sync that takes what is buffered now
	done      int // rounds that are on disk
	syncing   bool
	err       error
	attempted map[string]Message
	acked     map[string]Message
	when      map[string]time.Time // of the acknowledgement
}

func newAcks(name string, c clock.Clock) (*Acks, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	a := &Acks{file: f, clock: c, attempted: map[string]Message{}, acked: map[string]Message{}, when: map[string]time.Time{}}
	a.synced = sync.NewCond(&a.mu)
	return a, nil
}

// attempt notes that a message may from now on be stored.
func (a *Acks) attempt(m Message) {
	a.mu.Lock()
	a.attempted[m.key()] = m
	a.mu.Unlock()
}

// ack writes an acknowledgement down and returns when it is on disk; those that come together share a sync.
func (a *Acks) ack(m Message) error {
	now := a.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.buffer = append(append(a.buffer, m.key()...), '\n')
	mine := a.round
	for a.done <= mine && a.err == nil {
		if a.syncing {
			a.synced.Wait()
			continue
		}
		a.sync()
	}
	if _, before := a.acked[m.key()]; a.err == nil && !before {
		a.acked[m.key()], a.when[m.key()] = m, now
	}
	return a.err
}

// sync writes what is buffered; the lock is let go meanwhile.
func (a *Acks) sync() {
	lines := a.buffer
	a.buffer, a.syncing = nil, true
	a.round++
	a.mu.Unlock()
	_, err := a.file.Write(lines)
	err = errors.Join(err, a.file.Sync())
	a.mu.Lock()
	a.syncing = false
	a.done++
	a.err = errors.Join(a.err, err)
	a.synced.Broadcast()
}

// Acked is how many messages were acknowledged, Attempted how many were ever sent.
func (a *Acks) Acked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.acked)
}

// Attempted is how many messages may be stored.
func (a *Acks) Attempted() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.attempted)
}

// Times copies when each message was first acknowledged, by thread/message.
func (a *Acks) Times() map[string]time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.when)
}

// all copies both lists.
func (a *Acks) all() (attempted, acked map[string]Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.attempted), maps.Clone(a.acked)
}

func (a *Acks) close() error { return a.file.Close() }
