package ehrtest

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/connector"
)

// Run holds an adapter to the EHR port. Every part starts its own pair. Texts is the part that is enough once for each way in
// which an adapter writes words.
func Run(t *testing.T, h Harness) {
	for _, part := range []struct {
		name string
		run  func(*testing.T, Harness)
	}{
		{"Match", match}, {"PlanIsPure", planIsPure}, {"FileThenFind", fileThenFind}, {"TwiceIsOnce", twiceIsOnce},
		{"Outcomes", outcomes}, {"ResetAfterCommit", resetAfterCommit}, {"WrongSubjectShows", wrongSubject},
		{"AlteredWordsShow", altered},
		{"AlteredAndLostShows", alteredAndLost}, {"WordsSurvive", wordsSurvive}, {"Updates", updates}, {"Retraction", retraction},
		{"Proxy", proxy}, {"Tasks", tasks}, {"Encounters", encounters}, {"Threads", threads}, {"GateRefuses", gateRefuses},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, h) })
	}
}

func match(t *testing.T, h Harness) {
	r := h.Start(t)
	r.open(t)
	p, err := r.EHR.Match(t.Context(), connector.PatientKey{Reference: r.patient})
	if err != nil || p.Reference != r.patient {
		t.Errorf("Match by reference: %v", err)
	}
	if _, err := r.EHR.Match(t.Context(), r.Nobody); !errors.Is(err, connector.ErrNoMatch) {
		t.Errorf("Match of an unknown identifier: %v", err)
	}
	if _, err := r.EHR.Match(t.Context(), r.Twins); !errors.Is(err, connector.ErrAmbiguous) {
		t.Errorf("Match of an identifier two patients have: %v", err)
	}
	if _, err := r.EHR.Match(t.Context(), connector.PatientKey{Reference: r.patient + "x"}); !errors.Is(err, connector.ErrNoMatch) {
		t.Errorf("Match of a reference that is not there: %v", err)
	}
}

func planIsPure(t *testing.T, h Harness) {
	r := h.Start(t)
	r.open(t)
	for _, x := range []connector.Exchange{
		r.header(h.Strategy), r.exchange(h.Strategy, connector.ItemExchange, "m-1", "hello", fromProxy, withFile),
		r.exchange(h.Strategy, connector.ItemExchange, "m-2", "hello", toPatient(connector.Sent)),
		r.exchange(h.Strategy, connector.ItemStatus, "m-2", "hello", toPatient(connector.Failed)),
	} {
		if a, b := r.plan(t, x), r.plan(t, x); !reflect.DeepEqual(a, b) {
			t.Errorf("two plans of one %s differ", x.Kind)
		}
	}
}

func fileThenFind(t *testing.T, h Harness) {
	r := h.Start(t)
	r.open(t)
	r.file(t, r.header(h.Strategy))
	x := r.exchange(h.Strategy, connector.ItemExchange, "m-1", "hello", withFile)
	w := r.only(t, x)
	if _, err := r.EHR.Find(t.Context(), w); !errors.Is(err, connector.ErrAbsent) && !errors.Is(err, connector.ErrNotSearchable) {
		t.Errorf("Find before it is filed: %v", err)
	}
	receipt, err := r.EHR.File(t.Context(), w)
	if err != nil {
		t.Fatalf("File: %v (%s)", err, detail(err))
	}
	check(t, w, receipt)
	found, err := r.EHR.Find(t.Context(), w)
	switch {
	case errors.Is(err, connector.ErrNotSearchable):
	case err != nil:
		t.Errorf("Find: %v", err)
	case found.Reference != receipt.Reference || !found.Found:
		t.Errorf("Find gives %s, filed was %s", found.Reference, receipt.Reference)
	default:
		check(t, w, found)
	}
	if l, ok := r.EHR.(connector.Lister); ok {
		listed, err := l.List(t.Context(), w)
		if err == nil && listed.Reference != receipt.Reference {
			t.Errorf("List gives %s, filed was %s", listed.Reference, receipt.Reference)
		}
		if err != nil && !errors.Is(err, connector.ErrNotSearchable) {
			t.Errorf("List: %v", err)
		}
	}
}

func twiceIsOnce(t *testing.T, h Harness) {
	r := h.Start(t)
	traits := r.open(t)
	r.file(t, r.header(h.Strategy))
	w := r.only(t, r.exchange(h.Strategy, connector.ItemExchange, "m-1", "hello"))
	first, err := r.EHR.File(t.Context(), w)
	if err != nil {
		t.Fatalf("File: %v", err)
	}
	if !traits.IfNoneExist {
		return // the EHR would make a second one; deliver never files twice without a Find
	}
	second, err := r.EHR.File(t.Context(), w)
	if err != nil || second.Reference != first.Reference || !second.Found {
		t.Errorf("filing again gave %s (found %v, %v), first was %s", second.Reference, second.Found, err, first.Reference)
	}
}

func resetAfterCommit(t *testing.T, h Harness) {
	r := h.Start(t)
	r.open(t)
	r.file(t, r.header(h.Strategy))
	w := r.only(t, r.exchange(h.Strategy, connector.ItemExchange, "m-1", "private words"))
	before := len(r.Stored(w.Type))
	r.HangUp()
	_, err := r.EHR.File(t.Context(), w)
	var ambiguous *connector.Ambiguous
	if !errors.As(err, &ambiguous) {
		t.Fatalf("a connection reset after the commit is %v", err)
	}
	r.quiet(t, err, "private words")
	if n := len(r.Stored(w.Type)); n != before+1 {
		t.Fatalf("the adapter sent it %d times", n-before)
	}
	found, err := r.EHR.Find(t.Context(), w)
	if errors.Is(err, connector.ErrNotSearchable) {
		return
	}
	if err != nil || !found.Found {
		t.Fatalf("Find after the reset: %v", err)
	}
	check(t, w, found)
}

func wrongSubject(t *testing.T, h Harness) {
	r := h.Start(t)
	if r.WrongSubject == nil {
		return
	}
	r.open(t)
	r.file(t, r.header(h.Strategy))
	w := r.only(t, r.exchange(h.Strategy, connector.ItemExchange, "m-1", "hello"))
	r.WrongSubject()
	receipt, err := r.EHR.File(t.Context(), w)
	if err != nil {
		t.Fatalf("File: %v", err)
	}
	if !receipt.Echo.Shown || receipt.Echo.Subject == w.Expect.Subject {
		t.Error("the EHR answered with another patient, and the receipt does not show it")
	}
}

func altered(t *testing.T, h Harness) {
	r := h.Start(t)
	if r.Rewrite == nil {
		return
	}
	r.open(t)
	r.file(t, r.header(h.Strategy))
	w := r.only(t, r.exchange(h.Strategy, connector.ItemExchange, "m-1", "5 mg  twice — not 50"))
	r.Rewrite()
	receipt, err := r.EHR.File(t.Context(), w)
	if err != nil {
		t.Fatalf("File: %v", err)
	}
	if receipt.Echo.Shown && receipt.Echo.Text == w.Expect.Text {
		t.Error("the EHR changed the words, and the receipt does not show it")
	}
}

// alteredAndLost: the words are changed and the answer does not come. What is found then is not taken for what was sent.
func alteredAndLost(t *testing.T, h Harness) {
	r := h.Start(t)
	if r.Rewrite == nil {
		return
	}
	r.open(t)
	r.file(t, r.header(h.Strategy))
	w := r.only(t, r.exchange(h.Strategy, connector.ItemExchange, "m-1", "5 mg  twice — not 50"))
	r.Rewrite()
	r.HangUp()
	var ambiguous *connector.Ambiguous
	if _, err := r.EHR.File(t.Context(), w); !errors.As(err, &ambiguous) {
		t.Fatalf("a connection reset after the commit is %v", err)
	}
	found, err := r.EHR.Find(t.Context(), w)
	if err == nil && found.Echo.Shown && found.Echo.Text == w.Expect.Text {
		t.Error("the EHR changed the words, and what was found does not show it")
	}
	if l, ok := r.EHR.(connector.Lister); ok && errors.Is(err, connector.ErrNotSearchable) {
		if listed, err := l.List(t.Context(), w); err == nil && listed.Echo.Shown && listed.Echo.Text == w.Expect.Text {
			t.Error("the EHR changed the words, and what was listed does not show it")
		}
	}
}

// wordsSurvive holds DESIGN §3.6 over the whole way: exact on the chart, or refused before it left.
func wordsSurvive(t *testing.T, h Harness) {
	r := h.Start(t)
	r.open(t)
	r.file(t, r.header(h.Strategy))
	for i, text := range texts(40) {
		x := r.exchange(h.Strategy, connector.ItemExchange, "w-"+strings.Repeat("i", i%3)+string(rune('a'+i%26))+itoa(i), text)
		w := r.only(t, x)
		receipt, err := r.EHR.File(t.Context(), w)
		var refused *connector.Refused
		switch {
		case errors.As(err, &refused):
			r.quiet(t, err)
		case err != nil:
			t.Fatalf("text %d: %v", i, err)
		case r.Words != nil:
			all := r.Stored(w.Type)
			if len(all) == 0 || r.Words(all[len(all)-1]) != text {
				t.Errorf("text %d %q is altered", i, text)
			}
		case !receipt.Echo.Shown:
			t.Errorf("text %d: nothing is shown of it", i)
		case receipt.Echo.Text != w.Expect.Text:
			t.Errorf("text %d %q is altered", i, text)
		}
	}
}

func itoa(i int) string {
	if i < 10 {
		return string(rune('0' + i))
	}
	return itoa(i/10) + itoa(i%10)
}

func updates(t *testing.T, h Harness) {
	r := h.Start(t)
	traits := r.open(t)
	r.file(t, r.header(h.Strategy))
	r.file(t, r.exchange(h.Strategy, connector.ItemExchange, "m-1", "hello", toPatient(connector.Sent)))
	news := r.exchange(h.Strategy, connector.ItemStatus, "m-1", "hello", toPatient(connector.Delivered))
	r.file(t, news)
	again := r.exchange(h.Strategy, connector.ItemClose, "", "")
	r.file(t, again)
	if !traits.Update || h.Strategy != connector.AsCommunication {
		return
	}
	for _, w := range r.plan(t, news) {
		if _, done := r.prepared(t, w); done == nil {
			t.Error("the chart shows the delivery already, and the adapter would write it again")
		}
		if _, err := r.EHR.Find(t.Context(), r.resolve(t, w)); err != nil {
			t.Errorf("Find of an update that was made: %v", err)
		}
	}
}

func retraction(t *testing.T, h Harness) {
	r := h.Start(t)
	traits := r.open(t)
	r.file(t, r.header(h.Strategy))
	r.file(t, r.exchange(h.Strategy, connector.ItemExchange, "m-1", "hello"))
	correction := r.exchange(h.Strategy, connector.ItemCorrection, "m-1", "hello again", func(x *connector.Exchange) {
		x.Revision, x.Revisions = 2, []int{1}
		x.Corrected = &connector.Correction{Version: 2, Text: "hello again", At: sentAt}
	})
	r.file(t, correction)
	x := r.exchange(h.Strategy, connector.ItemRetraction, "m-1", "hello", func(x *connector.Exchange) {
		x.Revisions, x.Retraction = []int{1, 2}, &connector.Retraction{At: sentAt, Reason: "sent in error"}
	})
	if traits.Update && !r.Fixed || h.Strategy == connector.AsMDM { // a document that says so replaces the one that is there
		r.file(t, x)
		return
	}
	_, err := r.EHR.Plan(x)
	var refused *connector.Refused
	if !errors.As(err, &refused) || refused.Reason != connector.NotExpressible || refused.Detail.Reveal() == "" {
		t.Errorf("an EHR that cannot retract must say so to staff, got %v", err)
	}
}

func proxy(t *testing.T, h Harness) {
	r := h.Start(t)
	traits := r.open(t)
	r.file(t, r.header(h.Strategy))
	x := r.exchange(h.Strategy, connector.ItemExchange, "m-1", "hello", fromProxy)
	r.file(t, x)
	resolver, ok := r.EHR.(connector.Resolver)
	if !ok || !traits.Proxies {
		return
	}
	found, err := resolver.Resolve(t.Context(), x.Channel, r.patient, x.Message.Sender)
	if err != nil || !strings.HasPrefix(found.Literal, "RelatedPerson/") {
		t.Errorf("the proxy that was created is not found: %v", err)
	}
	if _, err := resolver.Resolve(t.Context(), x.Channel, r.Other, x.Message.Sender); !errors.Is(err, connector.ErrAbsent) {
		t.Errorf("a proxy of one patient was found under another: %v", err)
	}
}

func gateRefuses(t *testing.T, h Harness) {
	r := h.Start(t)
	r.open(t)
	r.file(t, r.header(h.Strategy))
	good := r.only(t, r.exchange(h.Strategy, connector.ItemExchange, "m-1", "private words"))
	spoils := map[string]func(string) string{
		"unresolved symbol": func(s string) string { return strings.ReplaceAll(s, r.patient, connector.SymPatient) },
		"unknown element":   func(s string) string { return strings.Replace(s, `"status"`, `"readAt":"now","status"`, 1) },
		"no status":         func(s string) string { return strings.Replace(s, `"status":"`, `"status":"no-`, 1) },
		"cut short":         func(s string) string { return s[:len(s)-1] },
	}
	switch {
	case r.Spoil != nil:
		spoils = r.Spoil(good)
	case !good.Symbolic():
		spoils = r.er7Spoils(good)
	}
	for name, change := range spoils {
		bad := good
		bad.Body = []byte(change(string(good.Body)))
		if string(bad.Body) == string(good.Body) {
			t.Errorf("%s: nothing was spoilt", name)
		}
		err := r.EHR.Gate(bad)
		var refused *connector.Refused
		if !errors.As(err, &refused) || refused.Reason != connector.GateRefused {
			t.Errorf("%s passes the gate: %v", name, err)
			continue
		}
		r.quiet(t, err, "private words")
		if refused.Detail.Reveal() == "" {
			t.Errorf("%s: the gate gives no sentence", name)
		}
	}
}
