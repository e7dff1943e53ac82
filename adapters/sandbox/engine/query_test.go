package engine_test

import (
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/sandbox/engine"
	"github.com/chartwire/chartwire/adapters/sandbox/script"
)

// echo is a query for the link, without fault.
func echo(t *testing.T, control string, accept, application hl7.When) string {
	t.Helper()
	h := mdm("T02", control, "", "", "").Header
	h.AcceptAck, h.ApplicationAck = accept, application
	m, err := hl7.LinkQuery{Header: h}.Message()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestQueryIsAnswered: in both modes, with the response that is the query's own, and nothing is kept of it.
func TestQueryIsAnswered(t *testing.T) {
	e := open(t, engine.Options{})
	answers, err := e.Handle(t.Context(), []byte(echo(t, "E1", "", "")))
	if err != nil || len(answers) != 1 || !strings.Contains(string(answers[0]), "|NMR^N01^NMR_N01|") || !strings.HasSuffix(string(answers[0]), "\rMSA|AA|E1\rNST|N\r") {
		t.Errorf("%q, %v", answers, err)
	}
	if got := send(t, e, []byte(echo(t, "E2", hl7.Always, hl7.Always))); got != "CA, AA" {
		t.Errorf("in enhanced mode: %s", got)
	}
	if got := send(t, e, []byte(echo(t, "E2", hl7.Always, hl7.Never))); got != "CA" { // a repeat, answered anew: nothing is remembered of it
		t.Errorf("in enhanced mode, of the commit alone: %s", got)
	}
	if got := send(t, e, er7(t, mdm("T02", "E1", "D1", "", "its control id is not taken"))); got != "AA" {
		t.Errorf("a document after it: %s", got)
	}
	if len(e.Ledger()) != 1 || len(e.Documents()) != 1 || len(e.Arrivals()) != 4 {
		t.Errorf("the ledger has %+v, of %+v", e.Ledger(), e.Arrivals())
	}
}

// TestQueryIsRefused: what is no query for the link is told what is wrong with it.
func TestQueryIsRefused(t *testing.T) {
	good := echo(t, "E1", "", "")
	for name, c := range map[string]struct{ from, to, want string }{
		"without its segment":       {"NST|N\r", "", "AE 100 NST"},
		"one that sets clocks":      {"NST|N", "NCK|20261122", "AE 100 NCK"},
		"one that shuts down":       {"NST|N", "NST|N\rNSC|SD", "AE 100 NSC"},
		"twice":                     {"NST|N", "NST|N\rNST|N", "AE 100 NST"},
		"of a patient":              {"NST|N", "PID|1||1\rNST|N", "AE 100 PID"},
		"software behind it":        {"NST|N", "NST|N\rSFT|a", "AE 100 SFT"},
		"software before it":        {"NST|N", "SFT|a\rSFT|b\rNST|N", "AA"},
		"neither Y nor N":           {"NST|N", "NST|X", "AE 103 NST-1"},
		"without Y and N":           {"NST|N", "NST|", "AE 101 NST-1"},
		"for statistics":            {"NST|N", "NST|Y", "AA"},
		"another event":             {"NMQ^N01", "NMQ^N02", "AR 201 MSH-9"},
		"another structure":         {"NMQ_N01", "NMD_N02", "AE 103 MSH-9"},
		"news, not a query":         {"NMQ^N01", "NMD^N01", "AR 200 MSH-9"},
		"another version":           {"|2.5.1", "|2.3", "AR 203 MSH-12"},
		"for another processing id": {"|P|", "|T|", "AR 202 MSH-11"},
		"without its time":          {"|20261122120000+0000|", "||", "AE 101 MSH-7"},
	} {
		e := open(t, engine.Options{})
		if !strings.Contains(good, c.from) {
			t.Fatalf("%s: there is no %q in %q", name, c.from, good)
		}
		if got := send(t, e, []byte(strings.Replace(good, c.from, c.to, 1))); got != c.want || len(e.Ledger()) != 0 {
			t.Errorf("%s is answered %q, want %q; the ledger has %d", name, got, c.want, len(e.Ledger()))
		}
	}
}

// TestQueryMeetsFaults: a script may strike at it.
func TestQueryMeetsFaults(t *testing.T) {
	e := open(t, engine.Options{Script: script.Must[engine.Script]("N01 #1 hang-up\nN01 #2 ar code=200")})
	for n, want := range []string{"hung up", "AR 200 MSH-10", "AA"} {
		if got := send(t, e, []byte(echo(t, "E1", "", ""))); got != want {
			t.Errorf("%d is answered %q, want %q", n+1, got, want)
		}
	}
}
