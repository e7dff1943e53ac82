package filing_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/filing/transcript"
	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/connector"
)

// TestMDMOfAThread: a transcript is one document, and a later version replaces it or is added to it.
func TestMDMOfAThread(t *testing.T) {
	for _, c := range []struct {
		event, parent string
		change        func(*connector.Exchange)
	}{
		{"T02", "", version(1, nil, 0)},
		{"T10", "-v1", version(2, []int{1}, 0)},
		{"T06", "-v2", version(3, nil, 2)},
	} {
		x := threadOf(connector.AsMDM, daniel, c.change)
		w, d := mdmOf(t, mdmPolicy(), x)
		number := fmt.Sprint("v", x.Transcript.Version)
		said, ok := transcript.Words([]byte(hl7.TextOf(d.Content)))
		if !ok || len(said) != 3 || string(said[1].Words) != "  two\nlines \a" {
			t.Errorf("%s: the words are %v", c.event, said)
		}
		if d.Event != c.event || !strings.HasSuffix(d.TXA.Document.ID, "-"+number) || !strings.HasSuffix(d.TXA.Parent.ID, c.parent) ||
			(c.parent == "") != (d.TXA.Parent.ID == "") || w.Provides != "{transcript:t-1/"+number+"}" || w.Expect.Text != connector.Hash([]byte(hl7.TextOf(d.Content))) {
			t.Errorf("%s: %s of %s, %+v", d.Event, d.TXA.Document.ID, d.TXA.Parent.ID, w)
		}
	}
}

// TestMDMNewsOfAToldMessage: what is said later of one message of a transcript does not replace the whole of it.
func TestMDMNewsOfAToldMessage(t *testing.T) {
	stands := func(x *connector.Exchange) { x.Stands = 2 }
	for name, x := range map[string]connector.Exchange{
		"correction": exchange(connector.ItemCorrection, connector.AsMDM, daniel, correction(2, 1), stands),
		"retraction": exchange(connector.ItemRetraction, connector.AsMDM, daniel, retraction(1), stands),
		"failure":    exchange(connector.ItemStatus, connector.AsMDM, daniel, toPatient(connector.Failed), stands),
	} {
		for _, cancels := range []bool{false, true} { // it has no document of its own that could be cancelled
			p := mdmPolicy()
			p.MDM.Cancels = cancels
			if _, d := mdmOf(t, p, x); d.Event != "T06" || d.TXA.Parent.ID != connector.ControlID(connector.Identifier{System: base + "/texting/transcript", Value: "t-1/v1"})+"-v2" {
				t.Errorf("%s, cancels %v: %s to %s", name, cancels, d.Event, d.TXA.Parent.ID)
			}
		}
	}
}
