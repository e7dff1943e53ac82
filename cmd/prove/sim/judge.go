package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// judge holds what happens to DESIGN §3. It knows what the platform said, what was committed and what the EHR took, and
// shares no code with what decides.
type judge struct {
	w  *world
	mu sync.Mutex

	trace    []string // of everything, for whoever has to understand a failure
	failures []string

	told     map[string]*told    // message key → what was acknowledged of it
	composed map[string]*reply   // client id → what was written here
	wrote    map[string]*written // write row id → what is committed of it
	byBytes  map[string][]*written
	audits   map[string]bool // kind|item
	items    map[string]connector.Item
	itemSeq  map[string]int64
	firstTry map[string]try       // item → when its first attempt was committed
	came     map[string]time.Time // item → when it was committed first
	again    map[string]time.Time // item → when a person let it go on last
	since    map[string]time.Time // item → since when it is unknown
	paused   time.Time            // since when the connection is stopped; zero: it is not
	fences   map[string]int64     // thread|kind → newest claim
	leases   leases
	pauses   pauses
	searched map[string]time.Time // type → when the newest search of it left that was answered well
	created  map[string]string    // identity → the entry that was created with it
	seen     int                  // of the ledger
	sent     map[string]*handover // client id → what went to the platform
	released map[string]bool      // items a person took off the list
	commits  int
	stats    map[string]int
	places   map[string]int       // identity of a message → which of all entries was created with it
	turned   map[string]time.Time // thread → since when it names two patients
	mustPark map[string]doubt     // item → why a person has to see it
	names    map[string]string    // thread → the record number its first event named
	gone     map[int]time.Time    // patients whose record was merged away
	notes    map[string][]string  // thread → the entries that tell of it, where threads are filed as one
}

// told is what was acknowledged of a message.
type told struct {
	said      *said
	first     time.Time // when message.created was acknowledged
	revisions map[int]time.Time
	retracted bool
}

// written is a write row as the commits told it, and the requests made with it.
type written struct {
	row      connector.WriteRow
	seq      int64
	fence    int64
	sends    int
	attempts int
	at       time.Time // commit of the newest attempt
	open     bool      // the last request's outcome is not known
	openAt   time.Time // commit of that attempt
	lastFor  string
}

// try is when an item's first attempt was committed, and since when its worker had the lane.
type try struct{ at, claimed time.Time }

// doubt is what an answer showed that a person has to see, and under which claim it was heard.
type doubt struct {
	reason connector.Reason
	fence  int64
}

// sending is one request that left.
type sending struct {
	w     *written
	left  time.Time
	write bool
	typ   string
}

type handover struct {
	posts     int
	uncertain bool
}

func newJudge(w *world) *judge {
	return &judge{w: w, told: map[string]*told{}, composed: map[string]*reply{}, wrote: map[string]*written{}, byBytes: map[string][]*written{},
		audits: map[string]bool{}, items: map[string]connector.Item{}, itemSeq: map[string]int64{}, came: map[string]time.Time{}, again: map[string]time.Time{}, firstTry: map[string]try{}, since: map[string]time.Time{}, fences: map[string]int64{},
		searched: map[string]time.Time{}, created: map[string]string{}, sent: map[string]*handover{}, released: map[string]bool{}, stats: map[string]int{}, places: map[string]int{},
		leases: leases{have: map[string]lease{}, doubt: map[string]string{}}, turned: map[string]time.Time{}, mustPark: map[string]doubt{}, notes: map[string][]string{}}
}

func (j *judge) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.noteLocked(format, args...)
}

func (j *judge) noteLocked(format string, args ...any) {
	j.trace = append(j.trace, fmt.Sprintf("%s %s", clock.System.Now().Sub(began).Round(time.Microsecond), fmt.Sprintf(format, args...)))
}

// fail notes a broken promise.
func (j *judge) fail(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.failLocked(format, args...)
}

func (j *judge) failLocked(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	j.failures = append(j.failures, fmt.Sprintf("at %s, step %d: %s", clock.System.Now().Sub(began).Round(time.Microsecond), len(j.trace), text))
	j.noteLocked("BROKEN %s", text)
}

func (j *judge) failed() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.failures) > 0
}

func hash(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// acked notes that the platform was told that we have an event.
func (j *judge) acked(p *process, ev connector.Event, repeat, conflict bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	key := ev.MessageID
	if ev.Message != nil {
		key = ev.Message.ID
	}
	thread := ""
	if ev.Thread != nil {
		thread = ev.Thread.ID
	}
	j.noteLocked("process %d acknowledges %s of %s/%s repeat=%v", p.n, ev.Type, thread, key, repeat)
	if conflict {
		j.failLocked("%s of %s/%s was taken for a contradiction", ev.Type, thread, key)
	}
	m := j.w.model[thread+"/"+key]
	if m == nil || ev.Type == connector.ThreadClosed {
		return // the platform's echo of our own
	}
	t := j.told[thread+"/"+key]
	if t == nil {
		t = &told{said: m, revisions: map[int]time.Time{}}
		j.told[thread+"/"+key] = t
	}
	if m.thread.turns > 0 && ev.Patient != nil && (t.first.IsZero() || !repeat) {
		j.turn(m.thread, ev)
	}
	switch ev.Type {
	case connector.MessageCreated:
		if t.first.IsZero() {
			t.first = clock.System.Now()
			t.revisions[1] = t.first
		}
	case connector.MessageCorrected:
		if _, ok := t.revisions[ev.Correction.Version]; !ok {
			t.revisions[ev.Correction.Version] = clock.System.Now()
		}
	case connector.MessageRetracted:
		t.retracted = true
	}
}

// turn notes from when a thread names two patients: only a person may say whose it is.
func (j *judge) turn(t *talk, ev connector.Event) {
	if j.names == nil {
		j.names = map[string]string{}
	}
	value := ev.Patient.Identifiers[0].Value
	first := j.names[t.id]
	if first == "" {
		j.names[t.id] = value
	} else if first != value && j.turned[t.id].IsZero() {
		j.turned[t.id] = clock.System.Now()
	}
}

// committed takes what one transaction wrote.
func (j *judge) committed(n *noted) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := clock.System.Now()
	j.commits++
	for _, a := range n.audits {
		j.audits[a.Kind+"|"+a.Item] = true
	}
	for _, row := range n.writes {
		j.commitWrite(row, n.seq)
	}
	for _, a := range n.attempts {
		if w := j.wrote[a.Write]; w != nil && a.EndedAt.IsZero() {
			w.fence = a.Fence
		}
	}
	for _, r := range n.ehrs {
		switch {
		case r.Paused == "":
			j.paused = time.Time{}
		case j.paused.IsZero():
			j.paused = now
		}
		j.noteLocked("the connection is paused: %q", r.Paused)
	}
	for _, i := range n.items {
		j.commitItem(i, n)
	}
	j.leases.committed(j, n)
	j.pauses.committed(n)
}

func (j *judge) commitWrite(row connector.WriteRow, seq int64) {
	w := j.wrote[row.ID]
	if w == nil {
		w = &written{}
		j.wrote[row.ID] = w
	}
	if seq < w.seq {
		return // told late: a newer commit was told first
	}
	w.seq = seq
	j.noteLocked("commit write %s %s attempts=%d %s %s", row.State, row.Key, row.Attempts, row.Write.Method, row.Write.URL)
	w.row = row
	if row.State == connector.WriteAttempted {
		if _, tried := j.firstTry[row.Item]; !tried {
			i := j.items[row.Item]
			j.firstTry[row.Item] = try{clock.System.Now(), j.leases.have[i.Thread+"|"+string(i.Lane)].at}
		}
		if row.Attempts > w.attempts {
			w.attempts, w.at = row.Attempts, clock.System.Now()
		}
		k := bytesKey(row.Write.Method, row.Write.URL, row.Write.Body)
		if w.lastFor != k {
			w.lastFor = k
			j.byBytes[k] = append(j.byBytes[k], w)
		}
	}
}

func bytesKey(method, url string, body []byte) string { return hash([]byte(method), []byte(url), body) }

func (j *judge) commitItem(i connector.Item, n *noted) {
	if n.seq < j.itemSeq[i.ID] {
		return
	}
	j.itemSeq[i.ID] = n.seq
	was, known := j.items[i.ID]
	if !known {
		j.came[i.ID] = clock.System.Now()
	}
	if was.State == connector.Parked && i.State != connector.Parked {
		j.again[i.ID] = clock.System.Now()
	}
	j.items[i.ID] = i
	j.noteLocked("commit item %s %s/%s %s -> %s %s next %s", i.Kind, i.Thread, i.MsgKey, was.State, i.State, i.Reason, i.NextAt.Sub(began))
	if i.State == connector.Unknown {
		if was.State != connector.Unknown {
			j.since[i.ID] = clock.System.Now()
		}
	} else {
		delete(j.since, i.ID)
	}
	if i.State == connector.Parked {
		j.stats["parked"]++
		j.stats["parked "+string(i.Reason)]++
		if i.Reason == "" || i.Reason.Owner() == "" || i.Reason.Next() == "" || (i.Reason.Owner() == "pool" && i.Owner == "") {
			j.failLocked("%s %s is parked and nobody knows why, whose it is or what to do: %q", i.Kind, i.MsgKey, i.Reason)
		}
		if i.Reason == connector.Internals {
			j.failLocked("%s %s is parked by a fault of ours: %s", i.Kind, i.MsgKey, i.Detail.Text)
		}
	}
	j.doubts(i)
	filed := i.State == connector.Filed && was.State != connector.Filed
	if filed && i.Lane.TowardEHR() && !n.audited("file", j.carrier(i).ID) {
		j.failLocked("%s %s was filed and its commit has no audit row", i.Kind, i.MsgKey)
	}
	if filed && i.Lane == connector.LaneSend && len(n.audits) == 0 && was.State == connector.Filing && j.w.db != nil && !j.echoed(i) {
		j.failLocked("a message was sent and its commit has no audit row")
	}
}

// doubts holds an item to being seen by a person where the chart showed something else than was sent, and to the horizon
// before it is given up.
func (j *judge) doubts(i connector.Item) {
	must, doubted := j.mustPark[i.ID]
	if doubted && i.State != connector.Parked && j.fences[i.Thread+"|"+string(i.Lane)] != must.fence {
		delete(j.mustPark, i.ID) // whoever heard it never said so, and who came next sees for himself
		doubted = false
	}
	switch {
	case i.State == connector.Parked && i.Reason == connector.RetriesExhausted && clock.System.Now().Sub(i.CommittedAt) < 72*time.Hour-time.Minute && i.Lane != connector.LaneSend:
		j.failLocked("%s %s was given up %s after it came", i.Kind, i.MsgKey, clock.System.Now().Sub(i.CommittedAt))
	case !doubted:
	case i.State == connector.Parked:
		delete(j.mustPark, i.ID)
		if must.reason == connector.WrongSubject && j.paused.IsZero() {
			j.failLocked("the EHR showed another patient than was written to, and the connection was not stopped")
		}
	case i.State == connector.Filed:
		j.failLocked("%s %s was filed although the EHR showed something else: %s", i.Kind, i.MsgKey, must.reason)
	}
}

// echoed says whether a send ended because the platform spoke of the message first, which has its own audit row.
func (j *judge) echoed(i connector.Item) bool {
	return j.audits["event-accepted|"+i.ID] || j.audits["send|"+i.ID] || i.Tries > 0
}

// sends notes a message that leaves for the platform.
func (j *judge) sends(client string, body []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	h := j.sent[client]
	if h == nil {
		h = &handover{}
		j.sent[client] = h
	}
	j.noteLocked("message %s is sent", client)
	if h.uncertain && !j.w.script.idempotent {
		j.failLocked("message %s was sent again and nobody knows whether the platform has it", client)
	}
	h.posts++
	h.uncertain = true
}

func (j *judge) sendAnswered(client string, resp *http.Response, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	h := j.sent[client]
	if h == nil {
		return
	}
	switch {
	case err != nil:
	case resp.StatusCode == 429, resp.StatusCode == 503 && resp.Header.Get("Retry-After") != "", resp.StatusCode >= 400 && resp.StatusCode < 500:
		h.uncertain = false
	}
}
