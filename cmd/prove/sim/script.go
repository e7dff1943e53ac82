package sim

import (
	"math/rand/v2"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

// script is everything a seed decides before the world begins.
type script struct {
	seed    uint64
	dice    dice
	kind    string // of the EHR: full, searchOnly, lagging, blind, note
	traits  ehr.Traits
	span    time.Duration // while events come in
	weather weather
	threads []*talk
	posts   []post   // deliveries of events to us
	replies []reply  // messages people write in Chartwire
	acts    []act    // what happens to processes, connections and patients
	outages []outage // of the EHR
	lag     time.Duration

	replicas   int
	lease      time.Duration
	deadline   time.Duration
	concurrent int
	perSecond  float64
	idempotent bool // the platform takes one client_message_id once, and the channel says so
	deaf       bool // the EHR's searches by identifier find nothing: only a list by patient and date shows an entry
	ambush     float64

	perThread bool          // the EHR files threads as one entry each
	idle      time.Duration // of a thread that nobody closed, before it is filed
}

// weather is how badly the EHR and the platform behave.
type weather struct{ write, read, send float64 }

// outage is a time in which the EHR answers nothing well.
type outage struct {
	from, to time.Duration
	how      string // refuse, hang, 503, 503-retry-after, 429
}

// act is one thing that happens at a time: to a process, the connection, a patient.
type act struct {
	at   time.Duration
	what string // kill, pause, stop (pause an EHR by hand), merge, replay
	for_ time.Duration
	on   int
}

func newScript(seed uint64) *script {
	s := &script{seed: seed, dice: dice(seed)}
	r := s.dice.of("script")
	s.kind = pick(r, []weighted{{30, "full"}, {35, "searchOnly"}, {10, "lagging"}, {8, "deaf"}, {7, "blind"}, {10, "note"}})
	s.lag = time.Duration(0)
	switch s.kind {
	case "full":
		s.traits = ehr.Full()
	case "searchOnly":
		s.traits = ehr.SearchOnly()
		s.lag = between(r, 0, 20*time.Second)
	case "lagging": // its conditional create looks through the lagging index
		s.traits = ehr.Full()
		s.traits.LagIfNoneExist = true
		s.lag = between(r, time.Second, 30*time.Second)
	case "deaf":
		s.traits, s.deaf = ehr.SearchOnly(), true
		s.lag = between(r, 0, 10*time.Second)
	case "blind":
		s.traits = ehr.Blind()
	case "note":
		s.traits = ehr.NoteOnly()
		s.lag = between(r, 0, 10*time.Second)
	}
	if r.IntN(3) == 0 {
		s.traits.Transaction, s.traits.Provenance = false, false
	}
	s.lag = s.lag.Round(time.Millisecond) // as people configure it; stores keep microseconds
	s.traits.SearchLag = s.lag
	s.span = []time.Duration{10 * time.Minute, time.Hour, 3 * time.Hour, 26 * time.Hour, 30 * time.Hour}[r.IntN(5)]
	s.weather = []weather{{}, {.03, .02, .05}, {.10, .05, .10}, {.10, .05, .10}, {.30, .15, .30}}[r.IntN(5)]
	s.replicas = []int{1, 1, 2, 2, 3}[r.IntN(5)]
	s.ambush = []float64{0, .01, .02, .05}[r.IntN(4)]
	s.lease = []time.Duration{2 * time.Second, 30 * time.Second}[r.IntN(2)]
	if s.span > 3*time.Hour {
		s.lease = 30 * time.Second // a dispatcher looks again after a lease at the latest, which costs real time however little happens
	}
	s.deadline = []time.Duration{5 * time.Second, 30 * time.Second}[r.IntN(2)]
	s.concurrent = 1 + r.IntN(8)
	s.perSecond = []float64{0, 0, 5, 50}[r.IntN(4)]
	s.idempotent = r.IntN(2) == 0
	s.talk(r)
	s.trouble(r)
	r = s.dice.of("threads")
	s.perThread = r.IntN(5) == 0
	s.idle = []time.Duration{time.Minute, 10 * time.Minute, time.Hour}[r.IntN(3)]
	return s
}

// trouble decides outages and what happens to processes and people.
func (s *script) trouble(r *rand.Rand) {
	for range []int{0, 0, 1, 1, 2}[r.IntN(5)] {
		from := between(r, 0, s.span)
		var length time.Duration
		switch n := r.IntN(200); { // long ones cost real time, since the engine keeps asking; those of days are TestOutage's
		case n < 80:
			length = between(r, 10*time.Second, 2*time.Minute)
		case n < 160:
			length = between(r, 2*time.Minute, 20*time.Minute)
		case n < 194:
			length = between(r, 20*time.Minute, 90*time.Minute)
		default:
			length = between(r, 2*time.Hour, 4*time.Hour)
		}
		s.outages = append(s.outages, outage{from, from + length, pick(r, []weighted{{3, "refuse"}, {2, "hang"}, {2, "503"}, {2, "503-retry-after"}, {2, "429"}})})
	}
	add := func(what string, n int, shortest, longest time.Duration) {
		for range n {
			s.acts = append(s.acts, act{at: between(r, 0, s.span), what: what, for_: between(r, shortest, longest), on: r.IntN(s.replicas)})
		}
	}
	add("kill", []int{0, 1, 3, 8}[r.IntN(4)], 0, time.Minute)
	add("freeze", []int{0, 0, 1, 3}[r.IntN(4)], time.Second, 3*s.lease)
	add("pause", []int{0, 0, 0, 1}[r.IntN(4)], time.Minute, 2*time.Hour)
	add("merge", []int{0, 0, 0, 0, 1}[r.IntN(5)], 0, 0)
	add("operator", []int{0, 1, 2, 4}[r.IntN(4)], 0, 0)
	add("jump", []int{0, 0, 0, 1}[r.IntN(4)], time.Minute, time.Hour)
	// Killing and freezing where there is most to lose: just when events come in.
	for i := range s.acts {
		a := &s.acts[i]
		if (a.what == "kill" || a.what == "freeze") && len(s.posts) > 0 {
			a.at = s.posts[r.IntN(len(s.posts))].at + between(r, 0, 2*time.Second)
		}
	}
	s.stops()
}

// stops has a person stop the connection in the midst of what is being filed, when lanes are claimed.
func (s *script) stops() {
	r := s.dice.of("stops")
	if len(s.posts) == 0 {
		return
	}
	for range []int{0, 0, 1, 3}[r.IntN(4)] {
		at := s.posts[r.IntN(len(s.posts))].at + between(r, 0, 2*time.Second)
		s.acts = append(s.acts, act{at: at, what: "pause", for_: between(r, time.Second, 10*time.Minute)})
	}
}

// out says whether the EHR is in an outage, and which.
func (s *script) out(at time.Duration) (outage, bool) {
	for _, o := range s.outages {
		if at >= o.from && at < o.to {
			return o, true
		}
	}
	return outage{}, false
}

// end is when the last thing of the script has happened.
func (s *script) end() time.Duration {
	end := s.span
	for _, o := range s.outages {
		end = max(end, o.to)
	}
	for _, p := range s.posts {
		end = max(end, p.at)
	}
	for _, a := range s.acts {
		end = max(end, a.at+a.for_)
	}
	return end
}
