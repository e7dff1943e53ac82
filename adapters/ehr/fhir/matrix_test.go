package fhir

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/connector"
)

// What File may make of a write that meets a fault. filed: a receipt that shows what was sent. shown: a receipt that shows
// that it is not what was sent, on which deliver stops.
const (
	filed        = "filed"
	shown        = "filed, and shown to be something else"
	retried      = "retry"
	ambiguous    = "ambiguous"
	refusedAs    = "refused"
	conflict     = "conflict"
	unauthorized = "unauthorized"
)

// onFile is what a create that meets a fault ends in: fault, with arguments, to outcome.
var onFile = map[string]string{
	"commit-then-timeout": ambiguous, "commit-then-reset": ambiguous, "commit-then-cut": ambiguous, "commit-late": ambiguous,
	"5xx-after-commit": ambiguous, "5xx-after-commit status=502": ambiguous, "5xx-after-commit status=503": ambiguous,
	"5xx-after-commit status=504": ambiguous, "accepted-202": ambiguous, "accepted-202 commit=yes": ambiguous,
	"accepted-202 commit=later": ambiguous, "html-200": ambiguous, "html-200 commit=yes": ambiguous, "garbage-json": ambiguous,
	"truncated-json": ambiguous, "empty-body": ambiguous, "empty-body status=200": ambiguous, "no-location": filed,
	"no-location body=no": ambiguous, "wrong-id": ambiguous, "wrong-location": ambiguous, "wrong-type": ambiguous,
	"failed-outcome-200": ambiguous, "reordered-response": ambiguous, "repeated-response-entry": ambiguous, "dropped-response-entry": ambiguous,

	"wrong-subject": shown, "normalised-text": shown, "truncated-text": shown, "dropped-attachments": shown, "dropped-identifier": shown,

	"429": retried, "429 retry-after=none": retried, "429 retry-after=99999999999999": retried, "429 retry-after=-5": retried,
	"429 retry-after=Sun,_22_Nov_2026_18:00:09_GMT": retried, "503": ambiguous, "503 retry-after=5": retried, "503 retry-after=soon": ambiguous,
	"5xx": ambiguous, "5xx status=502": ambiguous, "5xx status=504": ambiguous, "400": refusedAs, "401": filed, "403": refusedAs, "404": refusedAs,
	"409": conflict, "410": refusedAs, "412": conflict, "413": refusedAs, "415": refusedAs, "422": refusedAs,

	"hang": ambiguous, "reset": ambiguous, "refuse": retried, "redirect": ambiguous, "redirect status=301": ambiguous,
	"redirect status=307 to=same": ambiguous, "redirect commit=yes": ambiguous, "slow-headers": filed, "slow-headers delay=2m": ambiguous,
	"slow-body": ambiguous, "huge-body": ambiguous, "gzip-bomb": ambiguous, "long-length": ambiguous, "short-length": ambiguous, "clock-off": filed,

	"search-lag": filed, "stale-search": filed, "search-misses": filed, "foreign-entry": filed, "twin-entry": filed, "paging-loop": filed,
	"foreign-next": filed,

	"invalid-client": unauthorized, "invalid-grant": unauthorized, "expire-tokens": filed, "swap-keys": filed,

	"ignore-if-none-exist": filed, "racing-create": filed, "commits-twice": filed, "half-transaction": ambiguous, "conflicting-update": filed,
	"lost-update": filed, "merge-patient": filed, "deactivate-patient": filed, "edit-stored": filed, "delete-stored": filed,
	"duplicate-stored": filed, "move-stored to=Patient/other": filed,
}

// withFile gives a message a file, so that a fault can lose it.
func withFile(x *connector.Exchange) {
	x.Message.Attachments = []connector.Attachment{{ID: "a", ContentType: "image/png", Data: []byte("a picture")}}
}

// deadline bounds one call of the adapter's to the EHR.
const deadline = 30 * time.Second

// scene is one fault's stage: a virtual lab, opened, and the write that will meet the fault.
func scene(t *testing.T, traits ehr.Traits) (*lab, connector.Write) {
	t.Helper()
	l := opened(t, setting{traits: traits, scopes: allScopes, virtual: true, options: func(o *Options) { o.Deadline = deadline }})
	l.put(t, `{"resourceType":"Patient","id":"someone-else","active":true}`)
	return l, l.write(t, message("m-1", "5 mg  twice, not 50", withFile))
}

// kindOf tells an outcome. A receipt is held to what is on the chart.
func (l *lab) kindOf(t *testing.T, w connector.Write, r connector.Receipt, err error) string {
	t.Helper()
	var (
		retry    *connector.Retry
		maybe    *connector.Ambiguous
		no       *connector.Refused
		collides *connector.Conflicted
	)
	switch {
	case errors.As(err, &retry):
		return retried
	case errors.As(err, &maybe):
		return ambiguous
	case errors.As(err, &collides):
		return conflict
	case errors.As(err, &no) && no.Reason == connector.Unauthorized:
		return unauthorized
	case errors.As(err, &no):
		return refusedAs
	case err != nil:
		t.Fatalf("an error deliver does not know: %T", err)
	case !same(w, r):
		return shown
	}
	return filed
}

// same is deliver's comparison of a receipt with what was sent.
func same(w connector.Write, r connector.Receipt) bool {
	return r.Echo.Shown && r.Echo.Subject == w.Expect.Subject && r.Echo.Text == w.Expect.Text &&
		slices.Equal(r.Echo.Attachments, w.Expect.Attachments) && slices.Contains(r.Echo.Identities, w.Identity)
}

// there are the entries that carry the write's identity now.
func (l *lab) there(w connector.Write) []ehr.Stored {
	return l.Find(w.Type, ehr.Identifier{System: w.Identity.System, Value: w.Identity.Value})
}

func TestFaultMatrixFile(t *testing.T) {
	alone := ehr.Full()
	alone.Transaction = false
	for fault, want := range onFile {
		for name, traits := range map[string]ehr.Traits{"honoured": ehr.Full(), "ignored": ehr.SearchOnly(), "single": alone} {
			want := want
			if !traits.Transaction && strings.Contains(fault, "-response") {
				want = filed // there is no transaction to spoil the answer of
			}
			t.Run(fault+"/"+name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { fileMeets(t, traits, fault, want) }) })
		}
	}
	covered := map[string]bool{}
	for fault := range onFile {
		covered[strings.Fields(fault)[0]] = true
	}
	for _, f := range ehr.Faults() {
		if !covered[f.Name] {
			t.Errorf("%s is not in the matrix", f.Name)
		}
	}
}

func fileMeets(t *testing.T, traits ehr.Traits, fault, want string) {
	l, w := scene(t, traits)
	on := "POST Communication #1 "
	if strings.HasPrefix(fault, "invalid-") {
		on = "POST token #1 "
		l.Auth.RevokeTokens()
	}
	if err := l.Stage(on + fault); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r, err := l.adapter.File(t.Context(), w)
	if took := time.Since(began); took > 2*deadline {
		t.Errorf("it took %s", took)
	}
	got := l.kindOf(t, w, r, err)
	if got != want {
		t.Errorf("%s, want %s (%v)", got, want, err)
	}
	time.Sleep(time.Hour) // whatever comes late has come, and every token is over
	there := l.there(w)
	switch got {
	case filed:
		if len(there) == 0 && fault != "delete-stored" {
			t.Error("it is not there")
		}
		return
	case retried, refusedAs, unauthorized:
		if len(there) != 0 {
			t.Error("it is there")
		}
	case shown:
		return
	}
	l.settles(t, w, there)
}

// settles holds Find to the chart, once the outcome of a write is looked up: found and compared, or absent.
func (l *lab) settles(t *testing.T, w connector.Write, there []ehr.Stored) {
	t.Helper()
	for name, find := range map[string]func() (connector.Receipt, error){
		"Find": func() (connector.Receipt, error) { return l.adapter.Find(t.Context(), w) },
		"List": func() (connector.Receipt, error) { return l.adapter.List(t.Context(), w) },
	} {
		r, err := find()
		switch {
		case len(there) == 0 && !errors.Is(err, connector.ErrAbsent):
			t.Errorf("%s of what is not there: %v", name, err)
		case len(there) == 1 && (err != nil || r.Reference != there[0].Reference() || !r.Found):
			t.Errorf("%s of what is there: %s %v", name, r.Reference, err)
		case len(there) == 1 && !same(w, r):
			t.Errorf("%s shows other content: %+v", name, r.Echo)
		}
	}
	if len(there) == 0 { // and it may be sent again
		if r, err := l.adapter.File(t.Context(), w); err != nil || !same(w, r) {
			t.Errorf("sent again: %v", err)
		}
	}
	if n := len(l.there(w)); n != 1 {
		t.Errorf("%d entries in the end", n)
	}
}

// onSearch are the faults a search may meet, with what Find may then say of an entry that is there. An index that lies is
// believed: nothing else is known of it, which is why DESIGN §3.3 waits for the lag and probes the connection first.
var onSearch = map[string]string{
	"search-lag": "absent", "stale-search": "found", "stale-search honours=no": "absent", "search-misses": "absent", "search-misses all=yes": "absent",
	"foreign-entry": "found", "twin-entry": "collision", "paging-loop": "found", "foreign-next": "found",
	"html-200": "retry", "html-200 commit=yes": "retry", "garbage-json": "retry", "truncated-json": "retry", "commit-then-cut": "retry", "empty-body status=200": "retry",
	"wrong-type": "retry", "failed-outcome-200": "retry", "accepted-202": "retry", "hang": "retry", "reset": "retry", "refuse": "retry",
	"429": "retry", "503": "retry", "5xx": "retry", "401": "found", "403": "refused", "400": "refused", "redirect": "retry",
	"redirect status=301 to=same": "retry", "slow-headers": "found", "slow-body": "retry", "huge-body": "retry", "gzip-bomb": "retry",
	"long-length": "retry", "short-length": "retry", "clock-off": "found", "expire-tokens": "found", "410": "not searchable", "404": "not searchable",
}

func TestFaultMatrixFind(t *testing.T) {
	for fault, want := range onSearch {
		t.Run(fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, w := scene(t, ehr.Full())
				made := l.file(t, w)
				rule := "SEARCH Communication #1 "
				if slices.Contains([]string{"404", "410"}, fault) { // also by GET, which is tried where POST _search is not known
					rule = "SEARCH Communication * "
				}
				if err := l.Stage(rule + fault); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				r, err := l.adapter.Find(t.Context(), w)
				if got := answerOf(r, err); got != want {
					t.Errorf("%s, want %s (%v)", got, want, err)
				}
				if took := time.Since(began); took > 2*deadline {
					t.Errorf("it took %s", took)
				}
				if err == nil && (r.Reference != made.Reference || !same(w, r)) {
					t.Errorf("another entry was found: %s", r.Reference)
				}
			})
		})
	}
}

func answerOf(r connector.Receipt, err error) string {
	var retry *connector.Retry
	var no *connector.Refused
	switch {
	case errors.As(err, &retry):
		return "retry"
	case errors.Is(err, connector.ErrAbsent):
		return "absent"
	case errors.Is(err, connector.ErrNotSearchable):
		return "not searchable"
	case errors.As(err, &no) && no.Reason == connector.IdentityCollision:
		return "collision"
	case errors.As(err, &no):
		return "refused"
	case err == nil && r.Found:
		return "found"
	}
	return fmt.Sprintf("%T", err)
}

// A patient is that patient or nobody, whatever the search or the read meets.
func TestFaultMatrixMatch(t *testing.T) {
	byIdentifier := connector.PatientKey{Identifiers: []connector.Identifier{{System: mrnSystem, Value: "MRN123"}}}
	byReference := connector.PatientKey{Reference: "Patient/daniel"}
	for _, f := range ehr.Faults() {
		for rule, key := range map[string]connector.PatientKey{"SEARCH Patient #1 ": byIdentifier, "GET Patient #1 ": byReference} {
			t.Run(rule+f.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l, _ := scene(t, ehr.Full())
					if err := l.Stage(rule + f.Name); err != nil {
						t.Fatal(err)
					}
					began := time.Now()
					p, err := l.adapter.Match(t.Context(), key)
					var retry *connector.Retry
					var no *connector.Refused
					switch {
					case err == nil && p.Reference != "Patient/daniel":
						t.Errorf("matched %s", p.Reference)
					case err != nil && !errors.As(err, &retry) && !errors.As(err, &no) && !errors.Is(err, connector.ErrNoMatch) && !errors.Is(err, connector.ErrAmbiguous):
						t.Errorf("an error deliver does not know: %T", err)
					case errors.Is(err, connector.ErrNoMatch) && !slices.Contains([]string{"search-lag", "search-misses", "404", "410"}, f.Name):
						t.Errorf("the patient is said not to be there: %v", err)
					}
					if took := time.Since(began); took > 2*deadline {
						t.Errorf("it took %s", took)
					}
				})
			})
		}
	}
}

// Opening a connection ends in its abilities, in Retry or in a refusal for people; the next time it is well.
func TestFaultMatrixOpen(t *testing.T) {
	for _, f := range ehr.Faults() {
		if slices.Contains([]string{"merge-patient", "deactivate-patient"}, f.Name) {
			continue // of the chart
		}
		for _, rule := range []string{"GET metadata #1 ", "GET discovery #1 ", "POST token #1 "} {
			t.Run(rule+f.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLab(t, setting{traits: ehr.Full(), scopes: allScopes, virtual: true, options: func(o *Options) { o.Deadline = deadline }})
					if err := l.Stage(rule + f.Name); err != nil {
						t.Fatal(err)
					}
					began := time.Now()
					_, err := l.adapter.Open(t.Context())
					var retry *connector.Retry
					var no *connector.Refused
					if err != nil && !errors.As(err, &retry) && !errors.As(err, &no) {
						t.Errorf("an error deliver does not know: %T", err)
					}
					if took := time.Since(began); took > 2*deadline {
						t.Errorf("it took %s", took)
					}
					time.Sleep(time.Hour)
					if traits, err := l.adapter.Open(t.Context()); err != nil || !traits.Update {
						t.Errorf("the second time: %v", err)
					}
				})
			})
		}
	}
}
