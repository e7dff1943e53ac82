package deliver_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/deliver"
)

// traced reads the items of t-1 as chartwire trace shows them.
func (w *world) traced() (out map[string]deliver.TracedItem) {
	w.t.Helper()
	id := w.thread(thread1).ID
	w.update(func(tx connector.Tx) error {
		all, err := deliver.Trace(tx, id, "cli:ana", true, time.Now())
		out = map[string]deliver.TracedItem{}
		for _, t := range all {
			for _, i := range t.Items {
				out[string(i.Kind)+" "+i.Message] = i
			}
		}
		return err
	})
	return out
}

// TestTraceNamesWhatHoldsUpALane: who asks where a message is is told which item has to be dealt with, and by whom; and that nothing
// has to be done where nothing has.
func TestTraceNamesWhatHoldsUpALane(t *testing.T) {
	for name, c := range map[string]struct {
		run   func(w *world)
		asked string
		on    string // what it stands behind, "" nothing
		says  []string
	}{
		"a header without a patient": {func(w *world) {
			w.chart.patients = nil
			w.run()
			w.accept(said("a", 1, "one"), said("b", 2, "two"))
			w.pass(time.Second)
		}, "exchange b", "header ", []string{"waits behind header ", ", which registration has to deal with: " + connector.NoPatient.Sentence(), "Next: register"}},
		"news of a message behind that header": {func(w *world) {
			w.chart.patients = nil
			w.run()
			w.accept(said("a", 1, "one"), said("b", 2, "two"), corrected("b", 2, "dos"))
			w.pass(time.Second)
		}, "correction b", "header ", []string{"waits behind header ", "registration"}},
		"a correction of a parked message": {func(w *world) {
			w.chart.fails(thread1+"/a", refused)
			w.run()
			w.accept(said("a", 1, "one"), corrected("a", 2, "uno"))
			w.pass(time.Second)
		}, "correction a", "exchange a", []string{"waits behind exchange ", ", which interface has to deal with: " + connector.EHRRefused.Sentence()}},
		"a message behind one that needs a visit": {func(w *world) {
			w.conn.Encounters = deliver.Encounters{Policy: "required", Within: 7 * 24 * time.Hour}
			w.has(connector.Encounter{Reference: "Encounter/1", Start: time.Now().Add(-time.Hour), Status: "in-progress"})
			w.run()
			w.accept(today("a", 1, "one"))
			w.pass(time.Second)
			w.has()
			w.chart.set(func(c *chart) { c.visitErr = nil })
			w.pass(8 * 24 * time.Hour)
			w.accept(today("b", 2, "two"), today("c", 3, "three"), turned(connector.ThreadClosed))
			w.pass(time.Second)
		}, "exchange c", "exchange b", []string{"waits behind exchange ", ", which scheduling has to deal with: "}},
		"an EHR that is down": {func(w *world) {
			w.chart.fails(thread1+"/a", unavailable, unavailable, unavailable)
			w.run()
			w.accept(said("a", 1, "one"), said("b", 2, "two"))
			w.pass(time.Millisecond)
		}, "exchange b", "", []string{"waits for its turn; nothing has to be done"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				c.run(w)
				w.standsBehind(c.asked, c.on, c.says...)
			})
		})
	}
}

// standsBehind holds the trace of an item to what it stands behind, and to what it says.
func (w *world) standsBehind(asked, on string, says ...string) {
	w.t.Helper()
	all := w.traced()
	i, ok := all[asked]
	if !ok || i.Behind != all[on].ID || on != "" && i.Behind == "" || !strings.Contains(i.Where, i.Behind) {
		w.t.Errorf("%s %s stands behind %q, not %s %s: %s", i.State, asked, i.Behind, on, all[on].ID, i.Where)
	}
	for _, want := range says {
		if !strings.Contains(i.Where, want) {
			w.t.Errorf("%q is not in %q", want, i.Where)
		}
	}
}

// TestTraceOfAThreadThatIsOneEntry: what is told with an item waits with it, and one message holds up its thread.
func TestTraceOfAThreadThatIsOneEntry(t *testing.T) {
	threads(t, func(w *world) {
		w.chart.fails("t-1/v1", refused)
		w.run()
		w.accept(said("a", 1, "one"), said("b", 2, "two"), turned(connector.ThreadClosed))
		w.pass(time.Second)
		w.accept(corrected("a", 2, "uno"))
		w.pass(time.Second)
		w.standsBehind("exchange a", "exchange b", "waits behind exchange ", "interface")
		w.standsBehind("correction a", "exchange b", "waits behind exchange ", "interface")
	})
}

// TestCommands: for each state and reason there is something to type, with the names the configuration has.
func TestCommands(t *testing.T) {
	for _, c := range []struct {
		item connector.Item
		want []string
	}{
		{connector.Item{ID: "I", State: connector.Held, Reason: connector.EHRPaused}, []string{"chartwire doctor --ehr mercy", "chartwire resume mercy", "chartwire trace I"}},
		{connector.Item{ID: "I", State: connector.Held, Reason: connector.ChannelPaused, Channel: "texting"}, []string{"chartwire resume texting", "chartwire trace I"}},
		{connector.Item{ID: "I", State: connector.Held, Reason: connector.Unproven}, []string{"chartwire doctor --ehr mercy --probe", "chartwire trace I"}},
		{connector.Item{ID: "I", Thread: "T", State: connector.Held, Reason: connector.NoPatient}, []string{"chartwire relink T --patient Patient/ID", "chartwire trace I"}},
		{connector.Item{ID: "I", State: connector.Unknown, Reason: connector.Settling}, []string{"chartwire trace I"}},
		{connector.Item{ID: "I", State: connector.Parked, Reason: connector.EHRRefused, Lane: connector.LaneChart, Kind: connector.ItemExchange},
			[]string{"chartwire parked replay I", "chartwire parked already-there I Type/id", "chartwire parked release I"}},
	} {
		if got := deliver.Commands(c.item, "mercy"); !slices.Equal(got, c.want) {
			t.Errorf("%s %s: %q, want %q", c.item.State, c.item.Reason, got, c.want)
		}
	}
}
