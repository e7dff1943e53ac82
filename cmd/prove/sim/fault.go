package sim

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector/clock"
)

// fault is what happens to one request. The zero fault is a good day.
type fault struct {
	what       string
	works      bool // the other side does its work
	cutByDeath bool // if our process dies first, the other side never got it
	connect    time.Duration
	transit    time.Duration // until the other side has it
	reply      time.Duration
	after      time.Duration // Retry-After
	httpDate   bool
	changed    bool // the answer shows something else than was written
}

var writeFaults = []weighted{{20, "refuse"}, {10, "reset"}, {30, "commit-reset"}, {20, "commit-hang"}, {10, "hang"}, {20, "slow"},
	{10, "500"}, {20, "commit-500"}, {10, "503"}, {10, "commit-503"}, {20, "503-retry-after"}, {20, "429"}, {10, "202"}, {10, "commit-202"},
	{10, "html"}, {10, "commit-html"}, {10, "commit-garbage"}, {10, "409"}, {10, "412"}, {5, "422"}, {6, "commit-wrong-subject"}, {10, "commit-altered"}}

var readFaults = []weighted{{20, "refuse"}, {20, "reset"}, {10, "hang"}, {20, "500"}, {10, "503"}, {10, "503-retry-after"}, {20, "429"},
	{10, "html"}, {10, "commit-garbage"}, {20, "slow"}}

var sendFaults = []weighted{{20, "refuse"}, {20, "reset"}, {30, "commit-reset"}, {20, "commit-hang"}, {10, "slow"}, {10, "503-retry-after"}, {10, "429"}, {10, "commit-500"}}

// weatherNow is the script's weather until everything has happened; then the sun shines, and what is left must settle.
func (w *world) weatherNow() weather {
	if w.calm.Load() {
		return weather{}
	}
	return w.script.weather
}

// nth counts how often a name was asked for.
func (w *world) nth(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[name]++
	return w.counts[name]
}

// ehrFault decides the fate of a request toward the EHR.
func (w *world) ehrFault(write bool, name string) fault {
	n := w.nth("ehr " + name)
	r := w.script.dice.of("ehr", name, n)
	share, from := w.weatherNow().read, readFaults
	if write {
		share, from = w.weatherNow().write, writeFaults
	}
	if o, out := w.script.out(w.since()); out && !w.calm.Load() {
		f := w.shape(r, o.how)
		f.works = false
		return f
	}
	if r.Float64() >= share {
		return w.shape(r, "")
	}
	return w.shape(r, pick(r, from))
}

func (w *world) sendFault(name string) fault {
	r := w.script.dice.of("send", name, w.nth("send "+name))
	if r.Float64() >= w.weatherNow().send {
		return w.shape(r, "")
	}
	return w.shape(r, pick(r, sendFaults))
}

// shape gives a fault its times. Whatever is done is done within the request's deadline: that is what settle counts on.
func (w *world) shape(r *rand.Rand, what string) fault {
	f := fault{what: what, connect: between(r, 0, 5*time.Millisecond), transit: between(r, time.Millisecond, 50*time.Millisecond),
		reply: between(r, 0, 50*time.Millisecond), cutByDeath: r.IntN(2) == 0}
	f.works = what == "" || what == "slow" || strings.HasPrefix(what, "commit-")
	if what == "slow" || what == "commit-hang" {
		f.transit = between(r, 0, w.script.deadline-100*time.Millisecond)
	}
	f.after = []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}[r.IntN(5)]
	f.httpDate = r.IntN(3) == 0
	return f
}

// distort makes the answer of what was done.
func (w *world) distort(f *far, got answer) answer {
	switch what := strings.TrimPrefix(f.fault.what, "commit-"); what {
	case "", "slow":
		return got
	case "reset":
		return answer{err: errReset}
	case "hang":
		select { // until whoever asked gives up
		case <-f.req.Context().Done():
		case <-f.p.dead:
		}
		return answer{err: errReset}
	case "503-retry-after", "429":
		status, _ := strconv.Atoi(what[:3])
		h := http.Header{"Content-Type": {"application/fhir+json"}}
		if f.fault.httpDate {
			h.Set("Retry-After", clock.System.Now().Add(f.fault.after).UTC().Format(http.TimeFormat))
		} else {
			h.Set("Retry-After", strconv.Itoa(int(f.fault.after/time.Second)))
		}
		return answer{status: status, header: h, body: outcome}
	case "202":
		return answer{status: http.StatusAccepted, header: http.Header{}}
	case "html":
		return answer{status: http.StatusOK, header: http.Header{"Content-Type": {"text/html"}}, body: []byte("<!doctype html><title>Sign in</title>")}
	case "garbage":
		got.body = got.body[:len(got.body)/2]
		return got
	case "wrong-subject":
		return f.replace(got, `"reference":"Patient/pat-`, `"reference":"Patient/someone-else-`)
	case "altered":
		return f.replace(got, `"contentString":"`, `"contentString":"altered `)
	default:
		status, err := strconv.Atoi(what)
		if err != nil {
			panic(fmt.Sprintf("no fault is called %q", f.fault.what))
		}
		return answer{status: status, header: http.Header{"Content-Type": {"application/fhir+json"}}, body: outcome}
	}
}

var outcome = []byte(`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"transient"}]}`)

// replace changes what an answer shows, where it shows it.
func (f *far) replace(got answer, from, to string) answer {
	f.fault.changed = bytes.Contains(got.body, []byte(from))
	got.body = bytes.ReplaceAll(got.body, []byte(from), []byte(to))
	return got
}
