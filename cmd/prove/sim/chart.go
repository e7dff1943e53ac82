package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// entry is what a stored resource shows.
type entry struct {
	ResourceType string
	ID           string
	Status       string
	Identifier   []struct{ System, Value string }
	Subject      struct{ Reference string }
	Payload      []struct {
		ContentString     *string
		ContentAttachment *struct{ Data string }
	}
	Content   []struct{ Attachment struct{ Data string } }
	RelatesTo []struct {
		Code   string
		Target struct{ Reference string }
	}
}

func readEntry(raw []byte) (e entry, err error) {
	err = json.Unmarshal(raw, &e)
	return e, err
}

// shows says whether the entry holds these bytes as one unbroken run.
func (e entry) shows(want []byte) bool {
	for _, p := range e.Payload {
		if p.ContentString != nil && *p.ContentString == string(want) {
			return true
		}
		if p.ContentAttachment != nil && decoded(p.ContentAttachment.Data, want) {
			return true
		}
	}
	for _, c := range e.Content {
		if decoded(c.Attachment.Data, want) {
			return true
		}
	}
	return false
}

// names says whether the entry tells of a file it cannot hold by the hash of its bytes (DESIGN §5).
func (e entry) names(sum string) bool {
	for _, p := range e.Payload {
		if p.ContentString != nil && strings.Contains(*p.ContentString, sum) {
			return true
		}
	}
	return e.shows([]byte(sum))
}

func decoded(data string, want []byte) bool {
	raw, err := base64.StdEncoding.DecodeString(data)
	return err == nil && bytes.Contains(raw, want)
}

// value is the entry's identity as a message of the channel, "" for what is none.
func (e entry) value() string {
	for _, id := range e.Identifier {
		if id.System == base+"/"+channel+"/message" {
			return id.Value
		}
	}
	return ""
}

// wanted is what the chart must show of one revision of one message.
type wanted struct {
	patient int
	text    string
	file    []byte
	message *said // nil for what was written here
	rev     int
}

// want finds what an identity stands for. It knows nothing of how entries are planned but the contract of identities.
func (j *judge) want(value string) (wanted, bool) {
	key, rev := value, 1
	if at := strings.LastIndex(value, "/r"); at > 0 && strings.Count(value, "/") == 2 {
		if _, err := fmt.Sscanf(value[at:], "/r%d", &rev); err != nil {
			return wanted{}, false
		}
		key = value[:at]
	}
	if m := j.w.model[key]; m != nil && rev <= len(m.words) {
		w := wanted{patient: m.thread.patient, text: m.words[rev-1], message: m, rev: rev}
		if rev == 1 {
			w.file = m.file
		}
		return w, true
	}
	for _, got := range j.w.platform.Received() {
		r := j.composed[got.Message.ClientMessageID]
		if r == nil { // it is of record, and whoever wrote it has not heard so yet
			r = j.replyOf(got.Message.Text)
		}
		if r != nil && (key == got.Taken.ThreadID+"/"+got.Taken.MessageID) {
			return wanted{patient: r.patient, text: r.text}, true
		}
	}
	_, client, _ := strings.Cut(key, "/")
	if r := j.composed[client]; r != nil { // it never left, or the platform gave it no other name
		return wanted{patient: r.patient, text: r.text}, true
	}
	return wanted{}, false
}

// replyOf finds the script's reply with these words; no two have the same.
func (j *judge) replyOf(text string) *reply {
	for i := range j.w.script.replies {
		if r := &j.w.script.replies[i]; r.text == text {
			return r
		}
	}
	return nil
}

// subject is the patient a thread is about: the one its first event named, whichever that was.
func (j *judge) subject(t *talk) string {
	if t.turns > 0 && j.names[t.id] != patientOf(t.patient)["identifiers"].([]any)[0].(object)["value"] {
		return "Patient/" + patientID(t.patient+17)
	}
	return "Patient/" + patientID(t.patient)
}

// chartChanged judges what the EHR took since it was last looked at.
func (j *judge) chartChanged() {
	ledger := j.w.ehr.Ledger()
	j.mu.Lock()
	defer j.mu.Unlock()
	for ; j.seen < len(ledger); j.seen++ {
		l := ledger[j.seen]
		if l.ClientID == "ehr" {
			continue
		}
		j.noteLocked("the EHR takes %s %s/%s version %d", l.Method, l.Type, l.ID, l.Version)
		j.stats["entry"]++
		if l.Version == 1 {
			j.once(l)
		}
		versions := j.w.ehr.Versions(l.Type, l.ID)
		if l.Version <= len(versions) {
			j.entry(l, versions[l.Version-1].Raw)
		}
	}
}

// once holds a new entry to being the only one of its identity.
func (j *judge) once(l ehr.Entry) {
	for _, id := range l.Identifiers {
		if !strings.HasPrefix(id.System, base+"/") {
			continue
		}
		k := l.Type + "|" + id.System + "|" + id.Value
		if l.Type == "RelatedPerson" {
			k += "|" + l.Subject
		}
		if first := j.created[k]; first != "" {
			j.failLocked("%s is on the chart twice: %s and %s/%s", k, first, l.Type, l.ID)
			continue
		}
		j.created[k] = l.Type + "/" + l.ID
		if id.System == base+"/"+channel+"/message" {
			j.places[id.Value] = l.Seq
		}
	}
}

// entry holds a version of an entry to patient and words.
func (j *judge) entry(l ehr.Entry, raw []byte) {
	if l.Type != "Communication" && l.Type != "DocumentReference" {
		return
	}
	e, err := readEntry(raw)
	if err != nil {
		j.failLocked("%s/%s cannot be read: %v", l.Type, l.ID, err)
		return
	}
	if thread, ok := e.transcript(); ok {
		j.toldOn(l, e, thread)
		return
	}
	v := e.value()
	if v == "" {
		j.header(l, e)
		return
	}
	if thread, _, _ := strings.Cut(v, "/"); j.w.script.perThread && l.Version == 1 { // it is added to a transcript
		j.notes[thread] = append(j.notes[thread], l.Type+"/"+l.ID)
		j.twice(thread)
	}
	if strings.HasSuffix(v, "/not-delivered") {
		return
	}
	want, ok := j.want(v)
	if !ok {
		j.failLocked("the chart has %s, which nobody said", v)
		return
	}
	if m := want.message; m != nil && m.thread.mistaken {
		j.failLocked("%s is on a chart and names somebody by another's record number", v)
	} else if m != nil && e.Subject.Reference != j.subject(m.thread) || m == nil && e.Subject.Reference != "Patient/"+patientID(want.patient) {
		j.failLocked("%s is on the chart of %s and is about %s", v, e.Subject.Reference, patientID(want.patient))
	}
	if !e.shows([]byte(want.text)) {
		j.failLocked("%s does not show its exact words", v)
	}
	if sum := sha256.Sum256(want.file); want.file != nil && !e.shows(want.file) && !e.names(hex.EncodeToString(sum[:])) {
		j.failLocked("%s does not show its file", v)
	}
	if l.Version == 1 && want.message != nil {
		j.order(want, v)
	}
}

// header holds a thread's header to its patient.
func (j *judge) header(l ehr.Entry, e entry) {
	for _, id := range e.Identifier {
		for _, t := range j.w.script.threads {
			if id.System == base+"/"+channel+"/thread" && id.Value == t.id && (t.mistaken || e.Subject.Reference != j.subject(t)) {
				j.failLocked("the header of %s is on the chart of %s", t.id, e.Subject.Reference)
			}
		}
	}
}

// gap holds a first version to having waited for an earlier one that may still come. What is urgent does not wait. passed is
// the highest number that had its turn with it.
func (j *judge) gap(m *said, v string, passed int) {
	t := m.thread
	if !t.numbered || t.urgent {
		return
	}
	missing := 0
	for _, other := range t.messages {
		if i, ok := j.itemOf(other); ok && i.State.Done() {
			passed = max(passed, other.sequence)
		}
	}
	for _, other := range t.messages {
		if _, ok := j.itemOf(other); other.sequence > passed && other.sequence < m.sequence && !ok {
			missing = other.sequence
		}
	}
	i, _ := j.itemOf(m)
	if waited := clock.System.Now().Sub(j.came[i.ID]); missing > 0 && waited < time.Minute {
		j.failLocked("%s was filed %s after it came, and number %d had not come", v, waited, missing)
	}
}

// order holds a first version to what came before it in its thread and was there to be filed for a good while.
func (j *judge) order(want wanted, v string) {
	m := want.message
	if want.rev > 1 {
		before := m.thread.id + "/" + m.id
		if want.rev > 2 {
			before += fmt.Sprintf("/r%d", want.rev-1)
		}
		if j.onChart(m.thread.id, before, m.words[want.rev-2]) == "" && j.told[m.thread.id+"/"+m.id] != nil && !j.missing(m, want.rev-1) && !j.begunBefore(m, want.rev, want.rev-1) {
			j.failLocked("%s was filed before %s", v, before)
		}
		return
	}
	j.gap(m, v, 0)
	for _, other := range m.thread.messages {
		i, ok := j.itemOf(other)
		if !ok || !other.before(m) || i.State.Done() || j.entryOf(m.thread.id+"/"+other.id) != "" {
			continue
		}
		if first, ok := j.firstTry[j.idOf(m)]; ok && first.at.Before(j.due(i.ID)) {
			continue // it was under way before the other came, and is settled first
		}
		if ago := clock.System.Now().Sub(j.due(i.ID)); ago > patience+j.w.script.deadline {
			j.failLocked("%s was filed before %s, which is %s %s and came %s ago", v, other.id, i.State, i.Reason, ago)
		}
	}
}

// begunBefore says whether a worker had one revision in hand before it could see the other: the other came after the lane
// was claimed, and after the first attempt or not long before.
func (j *judge) begunBefore(m *said, rev, other int) bool {
	_, _, this := j.stateOf(m, rev)
	_, _, that := j.stateOf(m, other)
	begun, ok := j.firstTry[this]
	return ok && !j.due(that).Before(begun.claimed) && begun.at.Sub(j.due(that)) <= patience+j.w.script.deadline
}

// due is since when an item is there to be worked on: since it came, or since a person let it go on.
func (j *judge) due(item string) time.Time {
	if at := j.again[item]; at.After(j.came[item]) {
		return at
	}
	return j.came[item]
}

// patience is how long a lane may take to look at what has come meanwhile.
const patience = 30 * time.Second

func (a *said) before(b *said) bool {
	if a.thread.numbered {
		return a.sequence < b.sequence
	}
	if a.sent != b.sent {
		return a.sent < b.sent
	}
	return a.id < b.id
}

// missing says whether a revision has not been acknowledged, or is with a person.
func (j *judge) missing(m *said, rev int) bool {
	if _, ok := j.told[m.thread.id+"/"+m.id].revisions[rev]; !ok {
		return true
	}
	for _, i := range j.items {
		if i.MsgKey == m.id && max(i.Revision, 1) == rev && (i.Kind == connector.ItemExchange || i.Kind == connector.ItemCorrection) &&
			j.w.threadExt(i.Thread) == m.thread.id && i.State != connector.Filed {
			return i.State.Done()
		}
	}
	return false
}

func (j *judge) idOf(m *said) string {
	i, _ := j.itemOf(m)
	return i.ID
}

// itemOf is the exchange item of a message as last committed.
func (j *judge) itemOf(m *said) (connector.Item, bool) {
	for _, i := range j.items {
		if i.Kind == connector.ItemExchange && i.MsgKey == m.id && j.w.threadExt(i.Thread) == m.thread.id {
			return i, true
		}
	}
	return connector.Item{}, false
}

// entryOf is the entry that was created with a message identity, "" for none.
func (j *judge) entryOf(value string) string {
	for _, typ := range []string{"Communication", "DocumentReference"} {
		if e := j.created[typ+"|"+base+"/"+channel+"/message|"+value]; e != "" {
			return e
		}
	}
	return ""
}
