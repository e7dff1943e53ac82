package deliver

import (
	"errors"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// noStore is never asked: nothing is committed here.
type noStore struct{ connector.Store }

// gateOnly is an EHR that is asked nothing but its gate.
type gateOnly struct {
	connector.EHR
	seen [][]byte
	err  error
}

func (g *gateOnly) Gate(w connector.Write) error {
	g.seen = append(g.seen, w.Body)
	return g.err
}

// TestShadowAsksTheGate: shadow mode shows the gate what would be written, symbols replaced by references of the type they
// stand for, and text that looks like a symbol left alone; what the gate refuses is parked.
func TestShadowAsksTheGate(t *testing.T) {
	body := []byte(`{"subject":{"reference":"{patient}"},"partOf":[{"reference":"{header}"}],"payload":[{"contentString":"{patient} said"}]}`)
	want := `{"subject":{"reference":"Patient/symbol"},"partOf":[{"reference":"Communication/symbol"}],"payload":[{"contentString":"{patient} said"}]}`
	if got := string(WithStandIns(connector.Write{Body: body})); got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	for name, c := range map[string]struct {
		err  error
		want connector.ItemState
	}{
		"good":    {nil, connector.NotDue},
		"refused": {&connector.Refused{Reason: connector.GateRefused}, connector.Parked},
	} {
		t.Run(name, func(t *testing.T) {
			g := &gateOnly{err: c.err}
			e, err := New(Options{Store: noStore{}, Clock: clock.NewFake(time.Unix(0, 0)), Connections: []Connection{{ID: "e", EHR: g, Mode: "shadow"}}})
			if err != nil {
				t.Fatal(err)
			}
			d := &drainer{e: e, c: e.conns["e"], line: &Line{}}
			i := &connector.Item{Kind: connector.ItemHeader}
			if err := d.shadow(i, []connector.WriteRow{{Write: connector.Write{Body: body}}}); err != nil {
				t.Fatal(err)
			}
			if i.State != c.want || len(g.seen) != 1 || string(g.seen[0]) != want {
				t.Errorf("state %s, gate asked %d times", i.State, len(g.seen))
			}
		})
	}
	g := &gateOnly{err: errors.New("broken")}
	e, _ := New(Options{Store: noStore{}, Clock: clock.NewFake(time.Unix(0, 0)), Connections: []Connection{{ID: "e", EHR: g, Mode: "shadow"}}})
	d := &drainer{e: e, c: e.conns["e"], line: &Line{}}
	if err := d.shadow(&connector.Item{}, []connector.WriteRow{{}}); err == nil {
		t.Error("a broken gate was taken for a good one")
	}
}

// TestNoStandInsInER7: a message holds no symbols, and what looks like one in it is somebody's words.
func TestNoStandInsInER7(t *testing.T) {
	body := []byte("OBX|1|TX|x||he said \"{patient}\" and \"{header}\"\r")
	w := connector.Write{Header: map[string]string{"Content-Type": connector.ER7}, Body: body}
	if got := WithStandIns(w); string(got) != string(body) {
		t.Errorf("got %q", got)
	}
	w.Header = nil
	if got := WithStandIns(w); string(got) == string(body) {
		t.Error("symbols of JSON stayed")
	}
}
