package ehrtest

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chartwire/chartwire/connector"
)

// isFiled is the outcome of a write that was taken.
const isFiled = "filed"

// ack is an acknowledgement of a code, with errors of table 0357; it repeats words of the message, as receivers do.
func ack(code, control string, errs ...string) string {
	m := "MSH|^~\\&|EHR|COUNTY|CHARTWIRE|CLINIC|20261122141531-0500||ACK^T02^ACK|E1|P|2.5.1\rMSA|" + code + "|" + control + "|about private words\r"
	for _, e := range errs {
		m += "ERR||PID^1^3|" + e + "^^HL70357|E|||private words\r"
	}
	return m
}

func frame(message string) string { return "\x0b" + message + "\x1c\r" }

// wantAck is the table of HL7 v2.5.1's acknowledgement codes: what one answer alone comes to.
func wantAck(enhanced bool, code string, conditions ...string) string {
	passes := len(conditions) > 0
	for _, c := range conditions {
		passes = passes && (c == "206" || c == "207")
	}
	switch code {
	case "AA":
		return isFiled
	case "CA":
		return isAmbiguous // in safe keeping, and the chart may or may not have it
	case "AR", "CR":
		if passes {
			return isRetry
		}
		return isRefused
	case "AE", "CE":
		return isRefused
	default:
		return isAmbiguous
	}
}

// conditions0357 are the codes of table 0357, and two that are none.
var conditions0357 = []string{"0", "100", "101", "102", "103", "104", "200", "201", "202", "203", "204", "205", "206", "207", "999", "private words"}

// acknowledgements holds every answer an engine can give to the table, and every error to its silence.
func acknowledgements(t *testing.T, r *Rig, w connector.Write) {
	before := len(r.Stored(w.Type))
	said := func(want string, messages ...string) {
		t.Helper()
		var raw string
		for _, m := range messages {
			raw += frame(m)
		}
		r.holdAck(t, w, want, raw)
	}
	for _, code := range []string{"AA", "AE", "AR", "CA", "CE", "CR", "XX", "", "aa"} {
		said(wantAck(r.Enhanced, code), ack(code, "{id}"))
		if code == "AA" || code == "XX" || code == "" || code == "aa" {
			continue
		}
		for _, c := range conditions0357 {
			said(wantAck(r.Enhanced, code, c), ack(code, "{id}", c))
			said(wantAck(r.Enhanced, code, c, "206"), ack(code, "{id}", c, "206"))
		}
	}
	if r.Enhanced { // the commit's answer, then the application's: the second counts
		said(isFiled, ack("CA", "{id}"), ack("AA", "{id}"))
		said(isRefused, ack("CA", "{id}"), ack("AE", "{id}", "204"))
		said(isRetry, ack("CA", "{id}"), ack("AR", "{id}", "206"))
		said(isAmbiguous, ack("CA", "{id}"), ack("AA", "another"))
	}
	for _, other := range []string{"another", "", "{id}x", " {id}"} {
		said(isAmbiguous, ack("AA", other))
		said(isAmbiguous, ack("AE", other))
	}
	for _, garbage := range []string{"", "HTTP/1.1 200 OK\r\n\r\n", "garbage", "\x0b", "\x1c\r", "\x0b\x1c\r", frame("garbage"), frame("MSH|^~\\&|\r"),
		frame("MSA|AA|{id}\r"), frame(strings.Replace(ack("AA", "{id}"), "MSH", "MSX", 1)), frame(strings.ReplaceAll(ack("AA", "{id}"), "\r", "\n"))} {
		r.holdAck(t, w, isAmbiguous, garbage)
	}
	r.cutAcks(t, w)
	if n := len(r.Stored(w.Type)); n != before {
		t.Errorf("%d entries were stored by messages the engine did not carry out", n-before)
	}
}

// cutAcks cuts an answer at every byte: it counts once it is whole and not before.
func (r *Rig) cutAcks(t *testing.T, w connector.Write) {
	t.Helper()
	for code, whole := range map[string]string{"AA": isFiled, "AE": isRefused} {
		raw := frame(ack(code, connector.ControlID(w.Identity)))
		for n := range len(raw) - 1 { // without its last CR a frame may be taken or not
			r.holdAck(t, w, isAmbiguous, raw[:n])
		}
		r.holdAck(t, w, whole, raw)
	}
}

// holdAck answers a write with bytes, {id} being its MSH-10, and holds the outcome to what is wanted.
func (r *Rig) holdAck(t *testing.T, w connector.Write, want, raw string) {
	t.Helper()
	var asked atomic.Bool
	r.Reply(func(control string) []byte {
		asked.Store(true)
		return []byte(strings.ReplaceAll(raw, "{id}", control))
	})
	defer r.Reply(nil)
	ctx, cancel := within(t)
	defer cancel()
	receipt, err := r.EHR.File(ctx, w)
	if err != nil && class(err) == isRetry && !asked.Load() { // the engine had hung up after its last answer: nothing was sent
		receipt, err = r.EHR.File(ctx, w)
	}
	got := isFiled
	if err != nil {
		got = class(err)
	}
	if got != want {
		t.Errorf("%.200q is %s (%v), want %s", raw, got, err, want)
	}
	if err == nil {
		if receipt.Verified || receipt.Echo.Shown {
			t.Errorf("%.200q proves what the chart shows", raw)
		}
		return
	}
	r.quiet(t, err, "private words")
	var refused *connector.Refused
	if !errors.As(err, &refused) {
		return
	}
	if refused.Reason != connector.EHRRefused || !strings.Contains(refused.Detail.Reveal(), "about private words") {
		t.Errorf("%.200q: refused for %s, %q", raw, refused.Reason, refused.Detail.Reveal())
	}
	if said := string(connector.AnswerOf(err)); !strings.Contains(said, "about private words") {
		t.Errorf("%.200q: trace would show %.60q", raw, said)
	}
}

// er7Spoils are what the gate of an HL7 v2 connection refuses.
func (r *Rig) er7Spoils(good connector.Write) map[string]func(string) string {
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	control := connector.ControlID(good.Identity)
	return map[string]func(string) string{
		"unresolved symbol":      replace("|"+r.Patient.Identifiers[0].Value+"^", "|"+connector.SymPatient+"^"),
		"unresolved document":    replace("|"+control+"-v1|", "|{header}|"),
		"another's MSH-10":       replace("|"+control+"|P|", "|ANOTHER|P|"),
		"no patient class":       replace("\rPV1|1|O", "\rPV1|1|"),
		"no completion":          replace("|DO|U|AV|AC", "||U|AV|AC"),
		"no document type":       replace("\rTXA|1|PR|", "\rTXA|1||"),
		"another event":          replace("MDM^T02^MDM_T02", "MDM^T01^MDM_T01"),
		"a line feed":            replace("\rTXA", "\nTXA"),
		"a framing byte":         replace("\rTXA", "\x1c\rTXA"),
		"a byte that is no text": replace("private words", "private \xff"),
		"cut short":              func(s string) string { return s[:len(s)-1] },
		"cut in the middle":      func(s string) string { return s[:len(s)/2] },
	}
}
