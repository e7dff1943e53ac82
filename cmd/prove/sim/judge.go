package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
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
	since    map[string]time.Time // item → since when it is unknown
	paused   time.Time            // since when the connection is stopped; zero: it is not
	fences   map[string]int64     // thread|kind → newest claim
	searched map[string]time.Time // type → when a search of it was last answered well
	created  map[string]string    // identity → the entry that was created with it
	seen     int                  // of the ledger
	sent     map[string]*handover // client id → what went to the platform
	released map[string]bool      // items a person took off the list
	commits  int
	stats    map[string]int
	places   map[string]int              // identity of a message → which of all entries was created with it
	turned   map[string]time.Time        // thread → since when it names two patients
	mustPark map[string]connector.Reason // item → why a person has to see it
	names    map[string]string           // thread → the record number its first event named
	gone     map[int]time.Time           // patients whose record was merged away
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
		audits: map[string]bool{}, items: map[string]connector.Item{}, itemSeq: map[string]int64{}, since: map[string]time.Time{}, fences: map[string]int64{},
		searched: map[string]time.Time{}, created: map[string]string{}, sent: map[string]*handover{}, released: map[string]bool{}, stats: map[string]int{}, places: map[string]int{},
		turned: map[string]time.Time{}, mustPark: map[string]connector.Reason{}}
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

// claimed notes who has a lane. A newer claim makes every older one stale.
func (j *judge) claimed(p *process, lanes []connector.Lane) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range lanes {
		k := l.Thread + "|" + string(l.Kind)
		if l.Fence <= j.fences[k] {
			j.failLocked("the lane %s was claimed with fence %d after fence %d", k, l.Fence, j.fences[k])
		}
		j.fences[k] = l.Fence
		j.noteLocked("process %d claims %s fence %d", p.n, k, l.Fence)
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
	was := j.items[i.ID]
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
	if filed && (i.Lane == connector.LaneChart || i.Lane == connector.LaneRequest) && !n.audited("file", i.ID) {
		j.failLocked("%s %s was filed and its commit has no audit row", i.Kind, i.MsgKey)
	}
	if filed && i.Lane == connector.LaneSend && len(n.audits) == 0 && was.State == connector.Filing && j.w.db != nil && !j.echoed(i) {
		j.failLocked("a message was sent and its commit has no audit row")
	}
}

// doubts holds an item to being seen by a person where the chart showed something else than was sent, and to the horizon
// before it is given up.
func (j *judge) doubts(i connector.Item) {
	must := j.mustPark[i.ID]
	switch {
	case i.State == connector.Parked && i.Reason == connector.RetriesExhausted && clock.System.Now().Sub(i.CommittedAt) < 72*time.Hour-time.Minute && i.Lane != connector.LaneSend:
		j.failLocked("%s %s was given up %s after it came", i.Kind, i.MsgKey, clock.System.Now().Sub(i.CommittedAt))
	case must == "":
	case i.State == connector.Parked:
		delete(j.mustPark, i.ID)
		if must == connector.WrongSubject && j.paused.IsZero() {
			j.failLocked("the EHR showed another patient than was written to, and the connection was not stopped")
		}
	case i.State == connector.Filed:
		j.failLocked("%s %s was filed although the EHR showed something else: %s", i.Kind, i.MsgKey, must)
	}
}

// echoed says whether a send ended because the platform spoke of the message first, which has its own audit row.
func (j *judge) echoed(i connector.Item) bool {
	return j.audits["event-accepted|"+i.ID] || j.audits["send|"+i.ID] || i.Tries > 0
}

// nameOf names a request by what it is for, so that faults do not depend on which process makes it.
func (j *judge) nameOf(req *http.Request, body []byte) string {
	path := strings.TrimPrefix(req.URL.Path, "/fhir")
	if isWrite(req) {
		j.mu.Lock()
		defer j.mu.Unlock()
		for _, w := range j.byBytes[bytesKey(req.Method, strings.TrimPrefix(path, "/"), body)] {
			return req.Method + " " + w.row.Key
		}
	}
	return req.Method + " " + path + "?" + req.URL.RawQuery + " " + string(body)
}

// leaves judges a request in the moment its first byte leaves.
func (j *judge) leaves(p *process, req *http.Request, body []byte, write bool, name string, f fault) *sending {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := clock.System.Now()
	s := &sending{left: now, write: write, typ: strings.TrimSuffix(strings.TrimPrefix(req.URL.Path, "/fhir/"), "/_search")}
	j.noteLocked("process %d sends %s [%s]", p.n, clip(name), f.what)
	j.stats["request"]++
	p.mu.Lock()
	asked := p.asked
	p.mu.Unlock()
	if now.Before(asked) {
		j.stats["request before Retry-After"]++
		if write {
			j.failLocked("a write left %s before the EHR wanted to hear of us again: %s", asked.Sub(now), clip(name))
		}
	}
	if !write {
		return s
	}
	if !j.paused.IsZero() && now.Sub(j.paused) > j.w.script.deadline {
		j.failLocked("a write left %s after the connection was paused: %s", now.Sub(j.paused), clip(name))
	}
	j.attempted(s, req, body, now)
	return s
}

// attempted holds a write to its committed attempt: its bytes, its number, its lane's claim, and what is known of the try
// before.
func (j *judge) attempted(s *sending, req *http.Request, body []byte, now time.Time) {
	url := strings.TrimPrefix(strings.TrimPrefix(req.URL.Path, "/fhir"), "/")
	for _, w := range j.byBytes[bytesKey(req.Method, url, body)] {
		if w.row.State == connector.WriteAttempted && w.sends < w.row.Attempts && bytesKey(w.row.Write.Method, w.row.Write.URL, w.row.Write.Body) == bytesKey(req.Method, url, body) {
			s.w = w
			break
		}
	}
	if s.w == nil {
		j.failLocked("a request left and no committed attempt has its bytes: %s %s", req.Method, url)
		return
	}
	w := s.w
	w.sends = w.row.Attempts
	if i, ok := j.items[w.row.Item]; ok {
		if newest := j.fences[i.Thread+"|"+string(i.Lane)]; newest != w.fence {
			j.failLocked("a request left under fence %d when the lane had been claimed with fence %d", w.fence, newest)
		}
	}
	settle := j.w.script.lease + j.w.script.deadline + j.w.script.lag
	if w.open && w.row.Write.Update == nil {
		if early := w.openAt.Add(settle).Sub(now); early > 0 {
			j.failLocked("%s was written again %s before its last attempt had settled", w.row.Key, early)
		} else if at := j.searched[w.row.Write.Type]; at.Before(w.openAt.Add(settle)) {
			j.failLocked("%s was written again and nobody had looked for it since its last attempt settled", w.row.Key)
		}
	}
	w.open, w.openAt = true, w.at
	j.addressed(w, now)
}

// addressed holds a request to the patient it may be about.
func (j *judge) addressed(w *written, now time.Time) {
	if w.row.Write.Type == "Patient" || w.row.Write.Update != nil {
		return
	}
	ext := j.w.threadExt(w.row.Thread)
	if since, ok := j.turned[ext]; ok && now.Sub(since) > patience+j.w.script.deadline {
		j.failLocked("%s was written %s after its thread had named a second patient", w.row.Key, now.Sub(since))
	}
	for n, since := range j.gone {
		if w.row.Write.Expect.Subject == "Patient/"+patientID(n) && now.Sub(since) > 5*time.Minute+patience {
			j.failLocked("%s was written to a record that had been merged away for %s", w.row.Key, now.Sub(since))
		}
	}
}

// distrusts notes what an answer showed that a person has to see.
func (j *judge) distrusts(s *sending, f fault, resp *http.Response) {
	reasons := map[string]connector.Reason{"commit-altered": connector.ContentAltered, "commit-wrong-subject": connector.WrongSubject}
	if r := reasons[f.what]; r != "" && f.changed && resp.StatusCode < 300 && s.w != nil {
		j.mustPark[s.w.row.Item] = r
	}
}

// answered takes what a request came to, as the process heard it.
func (j *judge) answered(p *process, s *sending, req *http.Request, f *fault, resp *http.Response, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s == nil {
		j.noteLocked("process %d did not send: %v", p.n, err)
		return
	}
	if err != nil {
		j.noteLocked("process %d hears %v", p.n, err)
		return
	}
	now := clock.System.Now()
	j.noteLocked("process %d hears %d of %s", p.n, resp.StatusCode, s.typ)
	if after := resp.Header.Get("Retry-After"); after != "" && (resp.StatusCode == 429 || resp.StatusCode == 503) {
		until := now
		if n, err := strconv.Atoi(after); err == nil {
			until = now.Add(time.Duration(n) * time.Second)
		} else if at, err := http.ParseTime(after); err == nil {
			until = at
		}
		p.mu.Lock()
		if until.After(p.asked) {
			p.asked = until
		}
		p.mu.Unlock()
	}
	if !s.write {
		if resp.StatusCode == http.StatusOK && strings.HasSuffix(req.URL.Path, "/_search") || req.URL.RawQuery != "" {
			j.searched[s.typ] = s.left
		}
		return
	}
	if s.w == nil {
		return
	}
	j.distrusts(s, *f, resp)
	switch c := resp.StatusCode; {
	case c == http.StatusUnauthorized: // the same attempt may ask once more with a new token
		s.w.sends--
		s.w.open = false
	case c == http.StatusTooManyRequests, c == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "",
		c >= 400 && c < 500 && c != http.StatusConflict && c != http.StatusPreconditionFailed:
		s.w.open = false
	}
}

func clip(s string) string {
	if len(s) > 160 {
		return s[:160] + "…"
	}
	return s
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
