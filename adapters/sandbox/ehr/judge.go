package ehr

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Expected is one entry that should be on the chart once, or, with Absent, not at all.
type Expected struct {
	Type     string // resource type; "" is any
	Identity Identifier
	Subject  string // Type/id of the patient; "" is not judged
	Text     string // words the entry must hold as one unbroken run; "" is not judged
	Thread   string // entries of one thread were created in the order of Place; "" has no order
	Place    int
	Late     bool // marked as late: it may come after those behind it
	Absent   bool // it waits for a person, or was never accepted
	Unproven bool // its outcome was not known at the end: it may be there once or not at all
}

// Verdict is what the chart and the ledger say of what was expected.
type Verdict struct {
	Expected     int // not Absent
	OnChart      int // there, with the right words under the right patient
	Lost         int // expected and not there
	Duplicates   int // entries too many of one identity, made by a client's requests
	Inversions   int // entries made before one that goes before them in their thread
	WrongPatient int // there under another patient
	Altered      int // there with other words
	Unexpected   int // there and marked Absent
	Strays       int // of a type and system expected, with an identity nobody expects
	ByEHR        int // duplicates, losses and alterations the EHR or its people made; not counted above
	Early        int // requests that came while the EHR had told clients to wait
	Findings     []string
}

// Clean says whether the connector is without blame.
func (v Verdict) Clean() bool {
	return v.Lost+v.Duplicates+v.Inversions+v.WrongPatient+v.Altered+v.Unexpected+v.Strays+v.Early == 0
}

// String is the verdict on one line, as figures are read.
func (v Verdict) String() string {
	return fmt.Sprintf("expected=%d on_chart=%d lost=%d duplicates=%d inversions=%d wrong_patient=%d altered=%d unexpected=%d strays=%d by_ehr=%d early=%d",
		v.Expected, v.OnChart, v.Lost, v.Duplicates, v.Inversions, v.WrongPatient, v.Altered, v.Unexpected, v.Strays, v.ByEHR, v.Early)
}

const maxFindings = 50

// Judge compares the chart and the ledger with what should be there. It reads the EHR's own records alone: what the client
// believes is not asked. Late commits that are due are done first; those not yet due are not there.
func (s *Server) Judge(expected []Expected) Verdict {
	s.catchUp()
	s.mu.RLock()
	defer s.mu.RUnlock()
	j := &judge{s: s, known: map[Identifier]bool{}, systems: map[string]bool{}, acts: s.actsOnEntries(), born: map[string][]birth{}}
	for _, x := range expected {
		j.known[x.Identity] = true
		j.systems[x.Type+" "+x.Identity.System] = true
		j.one(x)
	}
	j.order()
	j.strays()
	for _, a := range s.Arrivals() {
		if a.Early() {
			j.v.Early++
			j.finding("%s %s came %s before the time the EHR had named", a.Method, a.Kind, a.Until.Sub(a.Time).Round(time.Millisecond))
		}
	}
	return j.v
}

// judge is a judgement under way. The server's mu is held for reading.
type judge struct {
	s       *Server
	v       Verdict
	known   map[Identifier]bool
	systems map[string]bool
	acts    map[string]bool // entries that people at the EHR, or a fault, made or changed
	born    map[string][]birth
}

// birth is the creation of an expected entry.
type birth struct {
	place, seq int
	late       bool
	identity   Identifier
}

func (j *judge) finding(format string, args ...any) {
	if len(j.v.Findings) < maxFindings {
		j.v.Findings = append(j.v.Findings, fmt.Sprintf(format, args...))
	}
}

// copiesBy are the faults that make entries nobody asked for.
var copiesBy = []string{"commits-twice", "racing-create", "ignore-if-none-exist"}

// actsOnEntries are the entries somebody at the EHR touched. The caller holds mu.
func (s *Server) actsOnEntries() map[string]bool {
	out := map[string]bool{}
	for _, e := range s.ledger {
		if e.ClientID == staff || slices.Contains(copiesBy, e.Fault) {
			out[e.Type+"/"+e.ID] = true
		}
	}
	return out
}

// holding are the entries there that carry an identity, oldest first, and whether there were others since removed.
func (j *judge) holding(x Expected) (there []*version, removed bool) {
	for typ := range searchParams {
		if x.Type != "" && typ != x.Type {
			continue
		}
		for _, e := range j.s.index[typ+"?identifier="+x.Identity.Value] {
			has := func(v *version) bool {
				return slices.ContainsFunc(v.values["identifier"], func(val value) bool {
					return val.code == x.Identity.Value && val.system == x.Identity.System
				})
			}
			switch v := e.current(); {
			case v.deleted:
				removed = removed || slices.ContainsFunc(e.versions, has)
			case has(v):
				there = append(there, v)
			}
		}
	}
	slices.SortFunc(there, func(a, b *version) int { return j.first(a).order - j.first(b).order })
	return there, removed
}

func (j *judge) first(v *version) *version { return j.s.byKey[v.key()].versions[0] }

func (j *judge) one(x Expected) {
	there, removed := j.holding(x)
	if x.Absent {
		if len(there) > 0 {
			j.v.Unexpected++
			j.finding("%s %s is there and should not be", x.Type, x.Identity.Value)
		}
		return
	}
	j.v.Expected++
	switch {
	case len(there) == 0 && removed:
		j.v.ByEHR++
		return
	case len(there) == 0 && x.Unproven:
		return
	case len(there) == 0:
		j.v.Lost++
		j.finding("%s %s is not there", x.Type, x.Identity.Value)
		return
	}
	good := false
	for i, v := range there {
		if i > 0 {
			j.extra(x, v)
		}
		good = j.fits(x, v) || good
	}
	if good {
		j.v.OnChart++
	}
	born := j.first(there[0])
	j.born[x.Thread] = append(j.born[x.Thread], birth{place: x.Place, seq: born.order, late: x.Late, identity: x.Identity})
}

// extra judges an entry too many.
func (j *judge) extra(x Expected, v *version) {
	if j.acts[v.key()] {
		j.v.ByEHR++
		return
	}
	j.v.Duplicates++
	j.finding("%s %s is there again as %s", x.Type, x.Identity.Value, v.key())
}

// fits judges an entry's patient and words.
func (j *judge) fits(x Expected, v *version) bool {
	subject := x.Subject == "" || v.subject() == x.Subject
	words := x.Text == "" || holdsText(v.raw, x.Text)
	switch {
	case subject && words:
		return true
	case j.acts[v.key()]:
		j.v.ByEHR++
	case !subject:
		j.v.WrongPatient++
		j.finding("%s is under another patient", v.key())
	default:
		j.v.Altered++
		j.finding("%s has other words", v.key())
	}
	return false
}

// holdsText looks for words in an entry's texts and in its inline files.
func holdsText(raw []byte, text string) bool {
	r, err := parse(raw)
	if err != nil {
		return false
	}
	found := false
	_ = walk(r, "", func(obj resource, _ string) error {
		if s, ok := obj["contentString"].(string); ok && strings.Contains(s, text) {
			found = true
		}
		if data, ok := obj["data"].(string); ok {
			if b, err := base64.StdEncoding.DecodeString(data); err == nil && strings.Contains(string(b), text) {
				found = true
			}
		}
		return nil
	})
	return found
}

// order counts the entries of each thread that came into being before one whose place is before theirs.
func (j *judge) order() {
	for thread, born := range j.born {
		if thread == "" {
			continue
		}
		slices.SortFunc(born, func(a, b birth) int { return a.place - b.place })
		newest := 0
		for _, b := range born {
			if b.seq < newest && !b.late {
				j.v.Inversions++
				j.finding("%s came into being before one that goes before it", b.identity.Value)
			}
			if !b.late {
				newest = max(newest, b.seq)
			}
		}
	}
}

// strays are entries of the kind expected that nobody expects.
func (j *judge) strays() {
	for typ := range searchParams {
		for _, e := range j.s.byType[typ] {
			v := e.current()
			if v.deleted || j.acts[v.key()] {
				continue
			}
			for _, val := range v.values["identifier"] {
				ours := j.systems[typ+" "+val.system] || j.systems[" "+val.system]
				if ours && !j.known[Identifier{System: val.system, Value: val.code}] {
					j.v.Strays++
					j.finding("%s carries an identity nobody expects", v.key())
				}
			}
		}
	}
}

// PeakPerSecond is the largest number of requests within any one second, of those that keep says; nil keeps all.
func PeakPerSecond(arrivals []Arrival, keep func(Arrival) bool) int {
	var times []time.Time
	for _, a := range arrivals {
		if keep == nil || keep(a) {
			times = append(times, a.Time)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	peak, from := 0, 0
	for i, t := range times {
		for t.Sub(times[from]) >= time.Second {
			from++
		}
		peak = max(peak, i-from+1)
	}
	return peak
}
