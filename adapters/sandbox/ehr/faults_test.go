package ehr_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/script"
)

const (
	theID   = "t/1"
	search  = "/Communication?identifier=t/1"
	patient = "/Patient/daniel"
)

// staged is one fault on its way: what is asked, how many entries carry the identifier then, and what the client saw.
type staged struct {
	on    string // METHOD TYPE WHEN
	with  string // arguments
	ask   func(w *world) (answer, error)
	there int
	check func(t *testing.T, w *world, a answer, err error)
}

func posts(w *world) (answer, error) {
	return w.try("POST", "/Communication", communication(theID, "hello there"))
}

func searches(w *world) (answer, error) {
	w.do("POST", "/Communication", communication(theID, "hello there"))
	return w.try("GET", search, "")
}

func transacts(w *world) (answer, error) {
	return w.try("POST", "", tx(entry(urnA, postCommunication, communication(theID, "hello")), entry(urnB, postProvenance, provenance(urnA))))
}

// puts creates an entry and updates it with its own version.
func puts(w *world) (answer, error) {
	made := w.do("POST", "/Communication", communication(theID, "hello there"))
	body := strings.Replace(string(made.raw), `"completed"`, `"entered-in-error"`, 1)
	return w.try("PUT", "/Communication/"+id(made), body, "If-Match", made.header.Get("ETag"))
}

func reads(w *world) (answer, error) { return w.try("GET", patient, "") }

func says(want int) func(*testing.T, *world, answer, error) {
	return func(t *testing.T, _ *world, a answer, err error) { t.Helper(); status(want)(t, a, err) }
}

func noAnswer(t *testing.T, _ *world, a answer, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("an answer came: %d %s", a.status, a.raw)
	}
}

func holding(part string, also ...func(answer) bool) func(*testing.T, *world, answer, error) {
	return func(t *testing.T, _ *world, a answer, err error) {
		t.Helper()
		if err != nil || !strings.Contains(string(a.raw), part) {
			t.Errorf("%v: no %s in %s", err, part, a.raw)
		}
		for _, f := range also {
			if !f(a) {
				t.Errorf("%d %v %s", a.status, a.header, a.raw)
			}
		}
	}
}

func lacking(part string) func(*testing.T, *world, answer, error) {
	return func(t *testing.T, _ *world, a answer, err error) {
		t.Helper()
		if err != nil || strings.Contains(string(a.raw), part) {
			t.Errorf("%v: %s in %s", err, part, a.raw)
		}
	}
}

// hits says how many entries a searchset shows.
func hits(n int) func(answer) bool { return func(a answer) bool { return len(ids(a)) == n } }

func stored(ref func(w *world) string, part string) func(*testing.T, *world, answer, error) {
	return func(t *testing.T, w *world, _ answer, _ error) {
		t.Helper()
		typ, key, _ := strings.Cut(ref(w), "/")
		if s, ok := w.Get(typ, key); !ok || !strings.Contains(string(s.Raw), part) {
			t.Errorf("%s holds no %s: %s", ref(w), part, s.Raw)
		}
	}
}

func theEntry(w *world) string {
	if found := w.Find("Communication", ehr.Identifier{Value: theID}); len(found) > 0 {
		return found[0].Reference()
	}
	return "Communication/none"
}

const (
	onPost   = "POST Communication #1"
	onSearch = "SEARCH Communication #1"
	onPut    = "PUT Communication #1"
)

// every has each fault of the vocabulary that needs no authorization server.
var every = map[string]staged{
	"commit-then-timeout": {on: onPost, ask: impatient, there: 1, check: noAnswer},
	"commit-then-reset":   {on: onPost, ask: posts, there: 1, check: noAnswer},
	"commit-then-cut":     {on: onPost, with: "bytes=9", ask: posts, there: 1, check: noAnswer},
	"commit-late": {on: onPost, with: "after=1h", ask: impatient, there: 0, check: func(t *testing.T, w *world, _ answer, err error) {
		noAnswer(t, w, answer{}, err)
		w.clock.Add(59 * time.Minute)
		if n := len(w.All("Communication")); n != 0 || w.Pending() != 1 {
			t.Errorf("%d entries before their time", n)
		}
		w.clock.Add(2 * time.Minute)
		if l := w.Ledger(); len(l) != 1 || l[0].Time != newClock().Now().Add(time.Hour) || l[0].Fault != "commit-late" {
			t.Errorf("%+v", l)
		}
	}},
	"5xx-after-commit": {on: onPost, with: "status=504", ask: posts, there: 1, check: says(504)},
	"accepted-202": {on: onPost, with: "commit=later after=5s", ask: posts, there: 0, check: func(t *testing.T, w *world, a answer, err error) {
		status(202)(t, a, err)
		w.clock.Add(5 * time.Second)
		if w.do("GET", search, ""); len(w.All("Communication")) != 1 {
			t.Error("never stored")
		}
	}},
	"html-200":                {on: onSearch, ask: searches, there: 1, check: holding("<h1>Sign in", func(a answer) bool { return a.status == 200 })},
	"garbage-json":            {on: onPost, ask: posts, there: 1, check: holding("resourceType:'")},
	"truncated-json":          {on: onPost, ask: posts, there: 1, check: holding("{", func(a answer) bool { return !json.Valid(a.raw) })},
	"empty-body":              {on: onPost, ask: posts, there: 1, check: holding("", func(a answer) bool { return len(a.raw) == 0 && a.header.Get("Location") == "" })},
	"no-location":             {on: onPost, ask: posts, there: 1, check: holding(theID, func(a answer) bool { return a.header.Get("Location") == "" })},
	"wrong-id":                {on: onPost, ask: posts, there: 1, check: holding("another-entry")},
	"wrong-location":          {on: onPost, ask: posts, there: 1, check: holding("", func(a answer) bool { return strings.Contains(a.header.Get("Location"), "nothing-is-here") })},
	"wrong-type":              {on: onPost, ask: posts, there: 1, check: holding(`"Basic"`)},
	"failed-outcome-200":      {on: onPost, ask: posts, there: 1, check: holding("OperationOutcome", func(a answer) bool { return a.status == 200 })},
	"reordered-response":      {on: "POST Bundle #1", ask: transacts, there: 1, check: entries("Provenance", "Communication")},
	"repeated-response-entry": {on: "POST Bundle #1", ask: transacts, there: 1, check: entries("Communication", "Communication", "Provenance")},
	"dropped-response-entry":  {on: "POST Bundle #1", ask: transacts, there: 1, check: entries("Communication")},

	"wrong-subject":       {on: onPost, ask: posts, there: 1, check: holding("Patient/someone-else")},
	"normalised-text":     {on: onPost, ask: func(w *world) (answer, error) { return w.try("POST", "/Communication", communication(theID, "a  b")) }, there: 1, check: holding(`"a b"`)},
	"truncated-text":      {on: onPost, with: "length=4", ask: posts, there: 1, check: holding(`"hell"`)},
	"dropped-attachments": {on: onPost, ask: postsFile, there: 1, check: lacking("contentAttachment")},
	"dropped-identifier":  {on: onPost, ask: posts, there: 0, check: lacking(theID)},

	"429": {on: onPost, with: "retry-after=99999999999999", ask: posts, check: holding("", func(a answer) bool { return a.header.Get("Retry-After") == "99999999999999" })},
	"503": {on: onPost, with: "retry-after=Sun,_22_Nov_2026_18:00:09_GMT", ask: posts, check: func(t *testing.T, w *world, a answer, err error) {
		retryAfter(503, "Sun, 22 Nov 2026 18:00:09 GMT")(t, a, err)
		w.clock.Add(time.Second)
		w.do("GET", patient, "")
		w.clock.Add(10 * time.Second)
		w.do("GET", patient, "")
		if got := w.Arrivals(); got[0].Early() || !got[1].Early() || got[2].Early() || w.Judge(nil).Early != 1 {
			t.Errorf("%+v", got)
		}
	}},
	"5xx": {on: onPost, with: "status=502", ask: posts, check: says(502)},
	"400": {on: onPost, ask: posts, check: says(400)}, "401": {on: onPost, ask: posts, check: says(401)},
	"403": {on: onPost, ask: posts, check: says(403)}, "404": {on: onPost, ask: posts, check: says(404)},
	"409": {on: onPost, ask: posts, check: says(409)}, "410": {on: onPost, ask: posts, check: says(410)},
	"412": {on: onPost, ask: posts, check: says(412)}, "413": {on: onPost, ask: posts, check: says(413)},
	"415": {on: onPost, ask: posts, check: says(415)}, "422": {on: onPost, ask: posts, check: says(422)},

	"hang":  {on: onPost, ask: impatient, check: noAnswer},
	"reset": {on: onPost, ask: posts, check: noAnswer},
	"refuse": {on: onPost, with: "for=10s", ask: posts, check: func(t *testing.T, w *world, a answer, err error) {
		noAnswer(t, w, a, err)
		if a, err := w.try("GET", patient, ""); err == nil {
			t.Errorf("an answer came: %d", a.status)
		}
		w.clock.Add(11 * time.Second)
		w.do("GET", patient, "")
	}},
	"redirect": {on: onPost, with: "status=307 to=same", ask: direct, check: func(t *testing.T, w *world, a answer, err error) {
		if err != nil || a.status != 307 || !strings.HasPrefix(a.header.Get("Location"), w.Base()) {
			t.Errorf("%v %d %v", err, a.status, a.header)
		}
	}},
	"slow-headers": {on: onPost, with: "delay=30ms", ask: posts, there: 1, check: says(201)},
	"slow-body":    {on: onPost, with: "every=100us", ask: posts, there: 1, check: holding(theID)},
	"huge-body":    {on: onPost, with: "mb=3", ask: posts, there: 1, check: holding(theID, func(a answer) bool { return len(a.raw) > 3<<20 })},
	"gzip-bomb": {on: onPost, with: "mb=3", ask: direct, there: 1, check: func(t *testing.T, _ *world, a answer, err error) {
		z, zerr := gzip.NewReader(strings.NewReader(string(a.raw)))
		if err != nil || zerr != nil || len(a.raw) > 1<<20 {
			t.Fatalf("%v %v, %d bytes", err, zerr, len(a.raw))
		}
		if n, err := io.Copy(io.Discard, z); err != nil || n < 3<<20 {
			t.Errorf("unpacks to %d: %v", n, err)
		}
	}},
	"long-length":  {on: onPost, ask: posts, there: 1, check: noAnswer},
	"short-length": {on: onPost, ask: posts, there: 1, check: holding("{", func(a answer) bool { return !json.Valid(a.raw) })},
	"clock-off": {on: onPost, with: "by=-3h", ask: posts, there: 1, check: holding(theID, func(a answer) bool {
		return a.header.Get("Date") == "Sun, 22 Nov 2026 15:00:00 GMT" && a.header.Get("Last-Modified") == a.header.Get("Date")
	})},

	"search-lag":    {on: onSearch, with: "for=30s", ask: searches, there: 1, check: holding("searchset", hits(0))},
	"stale-search":  {on: onSearch, ask: searches, there: 1, check: holding("searchset", hits(0))},
	"search-misses": {on: onSearch, ask: searches, there: 1, check: holding(`"total":0`, hits(0))},
	"foreign-entry": {on: onSearch, ask: searches, there: 1, check: holding("Patient/foreign", hits(2))},
	"twin-entry":    {on: onSearch, ask: searches, there: 1, check: holding("twin-of-it", hits(2))},
	"paging-loop":   {on: onSearch, ask: searches, there: 1, check: holding(`"next"`)},
	"foreign-next":  {on: onSearch, ask: searches, there: 1, check: holding("169.254.169.254")},

	"ignore-if-none-exist": {on: "POST Communication #2", ask: twice, there: 2, check: says(201)},
	"racing-create":        {on: onPost, ask: conditional, there: 2, check: says(201)},
	"commits-twice":        {on: onPost, ask: conditional, there: 2, check: says(201)},
	"half-transaction": {on: "POST Bundle #1", ask: transacts, there: 1, check: func(t *testing.T, w *world, a answer, err error) {
		status(500)(t, a, err)
		if n := len(w.All("Provenance")); n != 0 {
			t.Errorf("%d Provenance", n)
		}
	}},
	"conflicting-update": {on: onPut, ask: puts, there: 1, check: says(412)},
	"lost-update":        {on: onPut, ask: puts, there: 1, check: stored(theEntry, `"completed"`)},
	"merge-patient":      {on: "GET Patient #1", with: "into=dana", ask: reads, check: stored(func(*world) string { return "Patient/daniel" }, "replaced-by")},
	"deactivate-patient": {on: onPost, ask: posts, there: 1, check: stored(func(*world) string { return "Patient/daniel" }, `"active":false`)},
	"edit-stored":        {on: onPost, ask: posts, there: 1, check: stored(theEntry, "(amended)")},
	"delete-stored": {on: "POST Communication #1", ask: posts, there: 0, check: func(t *testing.T, w *world, a answer, _ error) {
		if again := w.do("GET", "/Communication/"+id(a), ""); again.status != 410 {
			t.Errorf("%d %s", again.status, again.raw)
		}
		if found := w.do("GET", search, ""); len(ids(found)) != 0 {
			t.Error("it is still found")
		}
	}},
	"duplicate-stored": {on: onPost, ask: posts, there: 2, check: says(201)},
	"move-stored":      {on: "GET Patient #1", with: "of=Communication to=Patient/dana", ask: postsThenReads, there: 1, check: stored(theEntry, "Patient/dana")},
}

// impatient gives up as soon as the EHR has the request.
func impatient(w *world) (answer, error) {
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		req, _ := http.NewRequestWithContext(ctx, "POST", w.Base()+"/Communication", strings.NewReader(communication(theID, "hello")))
		req.Header.Set("Content-Type", "application/fhir+json")
		_, err := w.http.Do(req)
		ended <- err
	}()
	until(w.t, func() bool { a := w.Arrivals(); return len(a) == 1 && a[0].Fault != "" })
	cancel()
	err := <-ended
	if !errors.Is(err, context.Canceled) {
		return answer{}, nil
	}
	return answer{}, err
}

// direct neither follows redirects nor unpacks.
func direct(w *world) (answer, error) {
	w.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return w.try("POST", "/Communication", communication(theID, "hello"), "Accept-Encoding", "identity")
}

func postsFile(w *world) (answer, error) {
	return w.try("POST", "/Communication", strings.Replace(communication(theID, "hello"), `"payload":[`,
		`"payload":[{"contentAttachment":{"contentType":"image/png","data":"aGVsbG8="}},`, 1))
}

func conditional(w *world) (answer, error) {
	return w.try("POST", "/Communication", communication(theID, "hello"), "If-None-Exist", "identifier=t/1")
}

func twice(w *world) (answer, error) {
	if _, err := conditional(w); err != nil {
		return answer{}, err
	}
	return conditional(w)
}

func postsThenReads(w *world) (answer, error) {
	if _, err := posts(w); err != nil {
		return answer{}, err
	}
	return reads(w)
}

// entries holds a transaction's answer to these types in this order.
func entries(types ...string) func(*testing.T, *world, answer, error) {
	return func(t *testing.T, _ *world, a answer, err error) {
		t.Helper()
		var b struct {
			Entry []struct{ Response struct{ Location string } }
		}
		if err != nil || json.Unmarshal(a.raw, &b) != nil || len(b.Entry) != len(types) {
			t.Fatalf("%v %s", err, a.raw)
		}
		for i, typ := range types {
			if !strings.HasPrefix(b.Entry[i].Response.Location, typ+"/") {
				t.Errorf("entry %d is %s, want %s", i, b.Entry[i].Response.Location, typ)
			}
		}
	}
}

func TestEveryFault(t *testing.T) {
	for _, f := range ehr.Faults() {
		c, ok := every[f.Name]
		switch {
		case f.Group == "tokens": // in the tests of package sandbox, which has a token endpoint
			continue
		case !ok:
			t.Errorf("%s is not exercised", f.Name)
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			faults := script.Must[ehr.Script](strings.TrimSpace(c.on + " " + f.Name + " " + c.with))
			w := start(t, ehr.Options{Script: faults})
			a, err := c.ask(w)
			if got := len(w.Find("Communication", ehr.Identifier{Value: theID})); got != c.there {
				t.Errorf("%d on the chart, want %d", got, c.there)
			}
			c.check(t, w, a, err)
			if hits := faults.Hits(); len(hits) != 1 || hits[0].Fault != f.Name {
				t.Errorf("hits %+v", hits)
			}
		})
	}
	if n := len(ehr.Faults()); n < 40 || n != len(every)+4 {
		t.Errorf("%d faults, %d exercised here and 4 with tokens", n, len(every))
	}
}
