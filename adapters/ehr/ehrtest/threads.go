package ehrtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// threads holds an adapter whose EHR takes the transcript of a thread to it: a version is one entry with the exact bytes, it is
// found again after an answer that did not come, and a later one never takes the place of an earlier one in silence.
func threads(t *testing.T, h Harness) {
	if !h.Threads {
		return
	}
	r := h.Start(t)
	traits := r.open(t)
	r.file(t, r.exchange(h.Strategy, connector.ItemExchange, "v1", "a message that is called as a version is"))
	w := r.transcript(t, r.told(h.Strategy, connector.Transcript{Version: 1}, "m-1", "m-2"))
	before := len(r.Stored(w.Type))
	if found, err := r.EHR.Find(t.Context(), w); !errors.Is(err, connector.ErrAbsent) && !errors.Is(err, connector.ErrNotSearchable) {
		t.Errorf("Find before it is filed: %s, %v", found.Reference, err)
	}
	r.HangUp()
	var ambiguous *connector.Ambiguous
	if _, err := r.EHR.File(t.Context(), w); !errors.As(err, &ambiguous) {
		t.Fatalf("a connection reset after the commit is %v", err)
	}
	if n := len(r.Stored(w.Type)) - before; n != 1 {
		t.Fatalf("a thread is %d entries", n)
	}
	found, err := r.EHR.Find(t.Context(), w)
	switch {
	case errors.Is(err, connector.ErrNotSearchable):
		found.Reference = w.Type + "/unseen"
	case err != nil || !found.Found:
		t.Fatalf("Find after the reset: %v", err)
	default:
		check(t, w, found)
	}
	r.known[w.Provides] = found.Reference
	r.nextVersion(t, h, traits, w)
}

// nextVersion files what came later, as deliver has it planned on such a chart.
func (r *Rig) nextVersion(t *testing.T, h Harness, traits connector.Traits, first connector.Write) {
	before := r.Stored(first.Type)
	next, told := connector.Transcript{Version: 2, Appends: 1}, []string{"m-3"}
	if traits.Update || traits.Replaces {
		next, told = connector.Transcript{Version: 2, Replaces: []int{1}}, []string{"m-1", "m-2", "m-3"}
	}
	r.file(t, r.told(h.Strategy, next, told...))
	after := r.Stored(first.Type)
	if len(after) != len(before)+1 {
		t.Fatalf("a second version makes of %d entries %d", len(before), len(after))
	}
	if h.Strategy == connector.AsMDM {
		return // the engine's document, not its messages, says what it replaces
	}
	superseded := 0
	for _, stored := range after {
		if statusOf(stored) == "superseded" {
			superseded++
		}
	}
	if superseded != len(next.Replaces) {
		t.Errorf("%d entries are superseded, %d were replaced", superseded, len(next.Replaces))
	}
	if superseded == 0 && !slices.EqualFunc(before, after[:len(before)], func(a, b []byte) bool { return string(a) == string(b) }) {
		t.Error("an entry that cannot be replaced was changed")
	}
}

func statusOf(stored []byte) string {
	var head struct{ Status string }
	_ = json.Unmarshal(stored, &head)
	return head.Status
}

// told is an exchange that carries a transcript of these messages.
func (r *Rig) told(s connector.Strategy, tr connector.Transcript, ids ...string) connector.Exchange {
	x := r.exchange(s, connector.ItemExchange, ids[len(ids)-1], "last")
	for n, id := range ids {
		m := x.Message
		m.ID, m.Text, m.SentAt = id, fmt.Sprintf("%s says\n\n  5 mg  twice — not 50 \n", id), sentAt.Add(time.Duration(n)*time.Minute)
		tr.Told = append(tr.Told, connector.Told{Message: m, Received: receivedAt.Add(time.Duration(n) * time.Minute)})
	}
	x.Message = tr.Told[len(tr.Told)-1].Message
	x.Transcript = &tr
	return x
}

// transcript prepares the one write of a thread's transcript that makes its entry.
func (r *Rig) transcript(t *testing.T, x connector.Exchange) connector.Write {
	t.Helper()
	want := connector.Identifier{System: r.Base + "/" + r.Channel + "/transcript", Value: fmt.Sprintf("%s/v%d", threadID, x.Transcript.Version)}
	for _, w := range r.plan(t, x) {
		if w.Identity == want {
			final, _ := r.prepared(t, w)
			return final
		}
	}
	t.Fatal("the plan has no entry for the thread")
	return connector.Write{}
}
