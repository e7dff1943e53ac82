package ehr

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// version is one committed state of one resource; it never changes.
type version struct {
	typ, id string
	num     int
	at      time.Time
	method  string // POST or PUT, for the history Bundle
	raw     []byte // with id and meta filled in
	values  map[string][]value
	order   int // commit order over the whole store
	deleted bool
}

func (v *version) key() string { return v.typ + "/" + v.id }

func (v *version) etag() string { return `W/"` + strconv.Itoa(v.num) + `"` }

// subject is the Type/id the resource is about, "" where it names none.
func (v *version) subject() string {
	for _, name := range []string{"subject", "patient"} {
		for _, val := range v.values[name] {
			if val.target != "" {
				return val.target
			}
		}
	}
	return ""
}

// entity is one resource with all its versions, oldest first.
type entity struct {
	versions []*version
	keys     map[string]bool // index keys any version had
}

// visible returns the newest version committed at or before t; nil where there is none yet.
func (e *entity) visible(t time.Time) *version {
	for i := len(e.versions) - 1; i >= 0; i-- {
		if !e.versions[i].at.After(t) {
			return e.versions[i]
		}
	}
	return nil
}

func (e *entity) current() *version { return e.versions[len(e.versions)-1] }

// store is the in-memory chart. Readers hold mu for reading, a commit holds it for writing: a transaction is one hold.
type store struct {
	mu      sync.RWMutex
	byKey   map[string]*entity   // Type/id
	byType  map[string][]*entity // in creation order
	index   map[string][]*entity // type, parameter and key → every entity a version of which had it
	ledger  []Entry
	commits int
	txs     int
	ids     *rand.Rand
}

func newStore(seed uint64) store {
	return store{
		byKey: map[string]*entity{}, byType: map[string][]*entity{}, index: map[string][]*entity{},
		ids: rand.New(rand.NewPCG(seed, 0x5a17d0b0)),
	}
}

const idAlphabet = "abcdefghijklmnopqrstuvwxyz234567"

// newID makes a 16-character id that is never a number and not in use. The caller holds mu for writing.
func (s *store) newID(typ string) string {
	for {
		b := make([]byte, 16)
		for i := range b {
			b[i] = idAlphabet[s.ids.IntN(len(idAlphabet))]
		}
		b[0] = idAlphabet[s.ids.IntN(26)] // a letter
		if id := string(b); s.byKey[typ+"/"+id] == nil {
			return id
		}
	}
}

// put appends a version of the resource and indexes it. The caller holds mu for writing and has checked everything.
func (s *store) put(typ, id string, r resource, now time.Time, method, base string) *version {
	key := typ + "/" + id
	e := s.byKey[key]
	if e == nil {
		e = &entity{keys: map[string]bool{}}
		s.byKey[key] = e
		s.byType[typ] = append(s.byType[typ], e)
	}
	now = now.UTC().Truncate(time.Millisecond)
	if n := len(e.versions); n > 0 && now.Before(e.versions[n-1].at) {
		now = e.versions[n-1].at // a clock that went back does not reorder a resource's history
	}
	s.commits++
	v := &version{typ: typ, id: id, num: len(e.versions) + 1, at: now, method: method, order: s.commits}
	r["id"] = id
	meta, _ := r["meta"].(resource)
	if meta == nil {
		meta = resource{}
		r["meta"] = meta
	}
	meta["versionId"], meta["lastUpdated"] = strconv.Itoa(v.num), instant(now)
	v.raw = encode(r)
	v.values = valuesOf(typ, r, base)
	e.versions = append(e.versions, v)
	for name, values := range v.values {
		for _, val := range values {
			for _, k := range val.keys() {
				s.addKey(e, typ+"?"+name+"="+k)
			}
		}
	}
	return v
}

func (s *store) addKey(e *entity, key string) {
	if !e.keys[key] {
		e.keys[key] = true
		s.index[key] = append(s.index[key], e)
	}
}

// keys are the index entries of a value: only tokens and literal references have any.
func (v value) keys() []string {
	switch {
	case v.logical:
		return nil
	case v.target != "":
		return []string{v.target}
	case v.code != "":
		return []string{v.code}
	}
	return nil
}

// get is the current version of what is there and not deleted.
func (s *store) get(typ, id string) *version {
	if e := s.byKey[typ+"/"+id]; e != nil && !e.current().deleted {
		return e.current()
	}
	return nil
}
