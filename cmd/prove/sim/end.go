package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// wroteHere notes a message of ours that was told to be of record.
func (j *judge) wroteHere(client string, r *reply) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.composed[client] = r
	j.noteLocked("reply %d is of record as %s", r.n, client)
}

func (j *judge) release(i connector.Item) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.released[i.ID] = true
}

// merged notes that a patient's record is no more to be written to.
func (j *judge) merged(n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.gone == nil {
		j.gone = map[int]time.Time{}
	}
	j.gone[n] = clock.System.Now()
}

// curable says whether replaying what is parked can help, now that nothing fails any more.
func (j *judge) curable(i connector.Item) bool {
	if i.Lane == "" || i.Kind == connector.ItemConflict {
		return false
	}
	switch i.Reason {
	case connector.ByHand, connector.ContentAltered, // the chart has it, and a person has to compare
		connector.NotSearchable, connector.NotExpressible, connector.SendUnknown, connector.SendRefused, connector.NotDelivered:
		return false
	}
	return true
}

// everyFew holds the tallies to the items at every few commits (DESIGN §3.2).
func (j *judge) everyFew() {
	j.mu.Lock()
	due := j.commits%50 == 0
	j.mu.Unlock()
	if due {
		j.conserved()
	}
}

// conserved: accepted = filed + not due + open + parked.
func (j *judge) conserved() {
	err := j.w.db.View(context.Background(), func(tx connector.Tx) error {
		items, err := tx.OpenItems(ehrID, []connector.ItemState{connector.Waiting, connector.Held, connector.Filing, connector.Filed,
			connector.Unknown, connector.Parked, connector.NotDue}, 0)
		if err != nil {
			return err
		}
		have := map[connector.ItemState]int64{}
		messages := map[string]string{}
		for _, i := range items {
			if i.Kind != connector.ItemExchange {
				continue
			}
			have[i.State]++
			if other := messages[i.Message]; other != "" {
				j.fail("message %s has two exchange items, %s and %s", i.MsgKey, other, i.ID)
			}
			messages[i.Message] = i.ID
		}
		tallies, err := tx.Tallies()
		for _, t := range tallies {
			have[t.State] -= t.N
		}
		for s, n := range have {
			if n != 0 {
				j.fail("%d exchanges more are %s than the tallies say", n, s)
			}
		}
		return err
	})
	if err != nil {
		j.fail("the store: %v", err)
	}
}

// end judges the world when nothing moves any more.
func (j *judge) end() {
	j.conserved()
	open, parked := j.w.open(), j.w.parked()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.leases.end(j)
	j.pauses.end(j)
	for _, i := range open {
		if j.mayWait(i) {
			continue
		}
		j.failLocked("%s %s/%s is still %s (%s) after %s of calm", i.Kind, j.w.threadExt(i.Thread), i.MsgKey, i.State, i.Reason, calmRounds*calmRound)
	}
	for _, i := range parked {
		if j.curable(i) {
			j.failLocked("%s %s/%s is parked again and again: %s %s", i.Kind, j.w.threadExt(i.Thread), i.MsgKey, i.Reason, i.Detail.Text)
		}
	}
	for _, t := range j.told {
		j.endOf(t)
	}
	for _, m := range j.w.script.threads {
		for _, x := range m.messages {
			if j.told[m.id+"/"+x.id] == nil {
				j.failLocked("%s/%s was never acknowledged", m.id, x.id)
			}
		}
	}
	for _, t := range j.w.script.threads {
		j.inOrder(t)
	}
	for client, r := range j.composed {
		j.endOfReply(client, r)
	}
}

// inOrder holds the first versions of a thread to its order, those marked late apart.
func (j *judge) inOrder(t *talk) {
	type placed struct {
		m  *said
		at int
	}
	var all []placed
	for _, m := range t.messages {
		if at, ok := j.places[t.id+"/"+m.id]; ok {
			all = append(all, placed{m, at})
		}
	}
	slices.SortFunc(all, func(a, b placed) int { return a.at - b.at })
	for n, a := range all {
		for _, earlier := range all[:n] {
			if i, ok := j.itemOf(a.m); a.at > earlier.at && a.m.before(earlier.m) && ok && !i.Late {
				j.failLocked("%s/%s is on the chart after %s and is not marked late", t.id, a.m.id, earlier.m.id)
				break
			}
		}
	}
}

// mayWait says what may be held for ever: what is about a patient whose record was merged away.
func (j *judge) mayWait(i connector.Item) bool {
	ext := j.w.threadExt(i.Thread)
	for _, t := range j.w.script.threads {
		if _, gone := j.gone[t.patient]; t.id == ext && (gone || t.mistaken || t.turns > 0) {
			return true
		}
	}
	for _, r := range j.composed {
		if _, gone := j.gone[r.patient]; gone && r.thread == nil {
			return true
		}
	}
	if i.Reason == connector.NeedsHandover && j.sendParked(i) {
		return true
	}
	return (i.Reason == connector.EarlierItem || j.behind(i)) && len(j.w.parkedOf(i.Thread)) > 0
}

// sendParked says whether a person is, or was, asked what became of the message that an item waits for to be handed over,
// and the platform may still tell; a header waits for any of its thread.
func (j *judge) sendParked(i connector.Item) bool {
	for _, other := range j.items {
		if other.Lane == connector.LaneSend && other.Thread == i.Thread && (other.State == connector.Parked || j.released[other.ID]) &&
			(i.Kind == connector.ItemHeader || other.Message == i.Message) {
			return true
		}
	}
	return false
}

// behind says whether a follow-up has not had its turn because a correction of the same message waits for that message.
func (j *judge) behind(i connector.Item) bool {
	if i.Kind != connector.ItemCorrection && i.Kind != connector.ItemRetraction {
		return false
	}
	for _, other := range j.items {
		if other.Kind == connector.ItemCorrection && other.Thread == i.Thread && other.MsgKey == i.MsgKey && other.ID != i.ID &&
			!other.State.Done() && other.Reason == connector.EarlierItem {
			return true
		}
	}
	return false
}

// parkedOf are the parked items of a thread: a correction waits for its message, which a person has.
func (w *world) parkedOf(thread string) (out []connector.Item) {
	for _, i := range w.parked() {
		if i.Thread == thread {
			out = append(out, i)
		}
	}
	return out
}

// endOf holds a message that was acknowledged to its place: on the chart, with a person, or left out.
func (j *judge) endOf(t *told) {
	m := t.said
	if _, gone := j.gone[m.thread.patient]; gone || m.thread.mistaken || m.thread.turns > 0 {
		return
	}
	for rev := range t.revisions {
		value := m.thread.id + "/" + m.id
		if rev > 1 {
			value += fmt.Sprintf("/r%d", rev)
		}
		state, reason, id := j.stateOf(m, rev)
		on := j.onChart(m.thread.id, value, m.words[rev-1])
		switch {
		case id == "":
			j.failLocked("%s was acknowledged and is not in the store", value)
		case state == connector.Filed && on == "":
			j.failLocked("%s is said to be filed and is not on the chart", value)
		case on == "" && rev > 1 && t.retracted && state == connector.NotDue && reason == connector.TakenBack:
		case on == "" && state != connector.Parked && !j.released[id] && !j.afterParked(m) && !(j.w.script.perThread && j.mayWait(j.items[id])):
			j.failLocked("%s was acknowledged, is not on the chart and not with a person: %s %s", value, state, reason)
		}
	}
	j.status(t)
}

// afterParked says whether a message is with a person, so that what follows it waits.
func (j *judge) afterParked(m *said) bool {
	state, _, id := j.stateOf(m, 1)
	return state == connector.Parked || j.released[id]
}

// stateOf is the item of one revision as last committed.
func (j *judge) stateOf(m *said, rev int) (connector.ItemState, connector.Reason, string) {
	for _, i := range j.items {
		kind := connector.ItemExchange
		if rev > 1 {
			kind = connector.ItemCorrection
		}
		if i.Kind == kind && i.MsgKey == m.id && max(i.Revision, 1) == rev && j.w.threadExt(i.Thread) == m.thread.id {
			i = j.carrier(i)
			return i.State, i.Reason, i.ID
		}
	}
	return "", "", ""
}

// status holds the chart to the newest news of a message, where the chart can be changed.
func (j *judge) status(t *told) {
	m := t.said
	if !j.w.script.traits.UpdateCommunication || j.entryOf(m.thread.id+"/"+m.id) == "" {
		return
	}
	for _, i := range j.items { // a person has, or had, the news
		if i.MsgKey == m.id && j.w.threadExt(i.Thread) == m.thread.id && (i.State != connector.Filed && i.Reason != connector.TakenBack || j.released[i.ID]) {
			return
		}
	}
	for rev := 2; t.retracted && rev <= len(m.words); rev++ {
		value := fmt.Sprintf("%s/%s/r%d", m.thread.id, m.id, rev)
		if got, ok := j.statusOf(value); ok && got != "entered-in-error" {
			j.failLocked("%s is %s on the chart and its message was retracted", value, got)
		}
	}
	got, ok := j.statusOf(m.thread.id + "/" + m.id)
	if !ok {
		return
	}
	want := "completed"
	if m.toPatient {
		want = map[string]string{"": "in-progress", "sent": "in-progress", "delivered": "completed", "read": "completed", "failed": "not-done"}[m.last()]
	}
	if m.retracted {
		want = "entered-in-error"
	}
	if got != want {
		j.failLocked("%s/%s is %s on the chart and should be %s", m.thread.id, m.id, got, want)
	}
}

// statusOf is what the chart says of the Communication of a message's revision.
func (j *judge) statusOf(value string) (string, bool) {
	typ, id, _ := strings.Cut(j.entryOf(value), "/")
	stored, _ := j.w.ehr.Get(typ, id)
	e, err := readEntry(stored.Raw)
	return e.Status, err == nil && typ == "Communication"
}

func (m *said) last() string {
	if len(m.states) == 0 {
		return ""
	}
	return m.states[len(m.states)-1]
}

// endOfReply holds a message written here to having been sent once and being on the chart once.
func (j *judge) endOfReply(client string, r *reply) {
	if _, gone := j.gone[r.patient]; gone || (r.thread != nil && (r.thread.mistaken || r.thread.turns > 0)) {
		return
	}
	taken := 0
	value := ""
	for _, got := range j.w.platform.Received() {
		if got.Message.ClientMessageID == client {
			taken++
			value = got.Taken.ThreadID + "/" + got.Taken.MessageID
		}
	}
	with := false
	for _, i := range j.items {
		with = with || (i.MsgKey == client || j.itemOfReply(i, client)) && j.withPerson(i)
	}
	thread, _, _ := strings.Cut(value, "/")
	switch {
	case taken == 0 && !with:
		j.failLocked("reply %d is of record, was never sent and is not with a person", r.n)
	case taken == 1 && j.onChart(thread, value, r.text) == "" && !with:
		j.failLocked("reply %d was sent and is not on the chart as %s", r.n, value)
	}
}

// itemOfReply says whether an item is about a message written here.
func (j *judge) itemOfReply(i connector.Item, client string) bool {
	return i.Message != "" && j.w.messageClient(i.Message) == client
}

func (w *world) messageClient(id string) (client string) {
	_ = w.db.View(context.Background(), func(tx connector.Tx) error {
		m, err := tx.Message(ehrID, id)
		if err == nil {
			client = m.Client
		}
		return nil
	})
	return client
}
