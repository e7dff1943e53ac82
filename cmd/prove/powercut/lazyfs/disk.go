// Package lazyfs is a disk whose power can be cut: a file system in memory, mounted by FUSE, that forgets on a cut
// whatever was not synced. fsync and fdatasync keep a file's content; fsync of a folder keeps its names: a new, renamed
// or deleted file whose folder was not synced is as it was before. What real disks promise beyond that is not promised
// here.
package lazyfs

import (
	"maps"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"
)

// page is what is lost or kept as one.
const page = 4096

// Disk is the content, mounted or not. It is safe for concurrent use.
type Disk struct {
	mu   sync.Mutex
	root *node
	last uint64
	now  func() time.Time
}

// node is a file or a folder.
type node struct {
	ino      uint64
	mode     uint32 // with its type
	uid, gid uint32
	changed  time.Time
	links    uint32

	data   []byte
	synced int            // the file's size at its last sync
	before map[int][]byte // pages written since then, as they were; nil where there was none

	names map[string]*node // of a folder
	safe  map[string]*node // as at its last sync
	to    string           // of a symbolic link
}

// New makes an empty disk.
func New(now func() time.Time) *Disk {
	d := &Disk{now: now}
	d.root = d.make(syscall.S_IFDIR|0o755, 0, 0)
	return d
}

func (d *Disk) make(mode, uid, gid uint32) *node {
	d.last++
	n := &node{ino: d.last, mode: mode, uid: uid, gid: gid, changed: d.now(), links: 1}
	if n.dir() {
		n.names, n.safe, n.links = map[string]*node{}, map[string]*node{}, 2
	} else {
		n.before = map[int][]byte{}
	}
	return n
}

func (n *node) dir() bool { return n.mode&syscall.S_IFMT == syscall.S_IFDIR }

// write writes at an offset, growing the file where needed.
func (n *node) write(b []byte, off int, now time.Time) {
	if end := off + len(b); end > len(n.data) {
		n.remember(min(off, len(n.data)), end)
		n.grow(end)
	} else {
		n.remember(off, end)
	}
	copy(n.data[off:], b)
	n.changed = now
}

// remember keeps the pages of a range as they were at the last sync.
func (n *node) remember(from, to int) {
	for p := from / page; p*page < to; p++ {
		if _, ok := n.before[p]; ok {
			continue
		}
		var old []byte
		if p*page < min(n.synced, len(n.data)) {
			old = append(old, n.data[p*page:min((p+1)*page, len(n.data))]...)
		}
		n.before[p] = old
	}
}

func (n *node) grow(size int) {
	if size <= cap(n.data) {
		n.data = n.data[:size] // truncate has cleared what lies behind
		return
	}
	bigger := make([]byte, size, max(size, 2*cap(n.data)))
	copy(bigger, n.data)
	n.data = bigger
}

func (n *node) truncate(size int, now time.Time) {
	switch old := len(n.data); {
	case size > old:
		n.remember(old, size)
		n.grow(size)
	case size < old:
		n.remember(size, old)
		clear(n.data[size:])
		n.data = n.data[:size]
	}
	n.changed = now
}

// sync keeps what the file holds, or the names of the folder.
func (n *node) sync() {
	if n.dir() {
		n.safe = maps.Clone(n.names)
		return
	}
	n.synced = len(n.data)
	clear(n.before)
}

// lose puts the file back to its last sync, but for pages that survive: a disk writes in what order it likes.
func (n *node) lose(survives func() bool) {
	kept := map[int][]byte{}
	for p := range n.before {
		if from := p * page; from < len(n.data) && survives() {
			kept[p] = append([]byte(nil), n.data[from:min(from+page, len(n.data))]...)
		}
	}
	back := make([]byte, n.synced)
	copy(back, n.data)
	for p, old := range n.before {
		if from := p * page; from < n.synced {
			clear(back[from:min(from+page, n.synced)])
			copy(back[from:], old)
		}
	}
	for p, b := range kept {
		if end := p*page + len(b); end > len(back) {
			back = append(back, make([]byte, end-len(back))...)
		}
		copy(back[p*page:], b)
	}
	n.data, n.synced = back, len(back)
	clear(n.before)
}

// Cut is the power failure: names and contents are again what was synced. survive is the share of unsynced pages that
// reached the disk all the same, chosen by random; none with 0. It gives how many pages were lost. The disk must not be
// mounted.
func (d *Disk) Cut(random *rand.Rand, survive float64) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	lost := 0
	survives := func() bool {
		if survive > 0 && random.Float64() < survive {
			return true
		}
		lost++
		return false
	}
	d.cut(d.root, map[*node]bool{}, survives)
	return lost
}

func (d *Disk) cut(n *node, seen map[*node]bool, survives func() bool) {
	if seen[n] {
		n.links++
		return
	}
	seen[n] = true
	if !n.dir() {
		n.links = 1
		n.lose(survives)
		return
	}
	n.names = maps.Clone(n.safe)
	for _, c := range n.names {
		d.cut(c, seen, survives)
	}
}

// Sync makes everything durable, as after an orderly shutdown.
func (d *Disk) Sync() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncAll(d.root)
}

func (d *Disk) syncAll(n *node) {
	n.sync()
	for _, c := range n.names {
		d.syncAll(c)
	}
}
