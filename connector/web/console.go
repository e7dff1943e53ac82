package web

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/alert"
	"github.com/chartwire/chartwire/connector/deliver"
)

// healthz says that the process runs.
func (s *Server) healthz(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

// readyz says that an event would be taken now: a commit is possible. Below that stands what somebody should look at.
func (s *Server) readyz(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), 2*time.Second)
	defer cancel()
	if err := s.o.Store.Ping(ctx); err != nil {
		return unavailable()
	}
	answer := "ready\n"
	if o := s.o.Overdue(); o.Late > 0 {
		answer = fmt.Sprintf("degraded: %d of %d parked items are past their SLA, the oldest for %s; see /console/\n",
			o.Late, o.Parked, o.Oldest.Round(time.Second))
	}
	for _, n := range s.o.Notes() {
		answer += "note: " + n + "\n"
	}
	return c.String(http.StatusOK, answer)
}

// row is one line of the conservation table: where the exchanges of a connection's channel are.
type row struct {
	EHR, Channel string
	N            map[connector.ItemState]int64
	Accepted     int64
}

// homeStates is the order of the equation accepted = filed + not due + moving + parked.
var homeStates = []connector.ItemState{connector.Filed, connector.NotDue, connector.Waiting, connector.Held, connector.Filing, connector.Unknown, connector.Parked}

type parkedLine struct {
	Reason       connector.Reason
	Sentence     string
	Owner, Next  string
	Item, Thread string
	State        connector.ItemState
	Age          time.Duration
	Commands     []string // what an operator may type
}

type homeView struct {
	Version string
	States  []connector.ItemState
	Rows    []row
	Overdue alert.Overdue
	Parked  int // how many, however many are shown
	Stuck   []parkedLine
}

// shown bounds the rows of each state on the first page.
const shown = 200

// home is the console's first page: the conservation equation and everything that waits for somebody. It holds ids of
// ours and counts, no PHI.
func (s *Server) home(c echo.Context) error {
	v := homeView{Version: s.o.Version, States: homeStates, Overdue: s.o.Overdue()}
	now := s.o.Clock.Now()
	err := s.o.Store.View(c.Request().Context(), func(tx connector.Tx) error {
		tallies, err := tx.Tallies()
		if err != nil {
			return err
		}
		v.Rows = s.equation(tallies)
		parked, err := tx.OpenItems("", []connector.ItemState{connector.Parked}, 0)
		if err != nil {
			return err
		}
		moving, err := tx.OpenItems("", []connector.ItemState{connector.Unknown, connector.Held}, shown)
		v.Parked = len(parked)
		v.Stuck = append(s.stuck(parked[:min(len(parked), shown)], now), s.stuck(moving, now)...)
		return err
	})
	if err != nil {
		return unavailable()
	}
	var page strings.Builder
	if err := homePage.Execute(&page, v); err != nil {
		return err
	}
	return c.HTML(http.StatusOK, page.String())
}

// names are the configuration's labels of the EHR connections, by their ids.
func (s *Server) names() map[string]string {
	out := map[string]string{}
	for _, e := range s.o.EHRs {
		out[e.ID] = e.Name
	}
	return out
}

// equation folds tallies into one row per EHR and channel.
func (s *Server) equation(tallies []connector.Tally) []row {
	names, byKey := s.names(), map[string]*row{}
	for _, t := range tallies {
		key := t.EHR + "|" + t.Channel
		r := byKey[key]
		if r == nil {
			r = &row{EHR: names[t.EHR], Channel: t.Channel, N: map[connector.ItemState]int64{}}
			byKey[key] = r
		}
		r.N[t.State] += t.N
		r.Accepted += t.N
	}
	var out []row
	for _, r := range byKey {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b row) int { return strings.Compare(a.EHR+a.Channel, b.EHR+b.Channel) })
	return out
}

// stuck gives the lines of items, with what can be done: a parked one's age counts from when it was parked.
func (s *Server) stuck(items []connector.Item, now time.Time) []parkedLine {
	names := s.names()
	var out []parkedLine
	for _, i := range items {
		l := parkedLine{Reason: i.Reason, Sentence: i.Reason.Sentence(), Owner: i.WhoActs(), Next: i.Reason.Next(),
			Item: i.ID, Thread: i.Thread, State: i.State, Age: now.Sub(i.CommittedAt).Round(time.Second), Commands: deliver.Commands(i, names[i.EHR])}
		if i.State == connector.Parked {
			l.Age = now.Sub(i.ChangedAt).Round(time.Second)
		}
		out = append(out, l)
	}
	return out
}

var homePage = template.Must(template.New("home").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Chartwire console</title>
<style>
:root{color-scheme:light dark;--line:#8884;--quiet:#6b7280}
@media (prefers-color-scheme:dark){:root{--quiet:#a1a1aa}}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:72rem;padding:1.5rem}
h1{font-size:1.3rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}
p{margin:.3rem 0;color:var(--quiet)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
@media (max-width:40rem){thead{display:block;position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}tr{display:block;border-bottom:1px solid var(--line);padding:.4rem 0}
td,td.n{display:grid;grid-template-columns:7.5rem 1fr;border:0;padding:.1rem 0;text-align:left}td::before{content:attr(data-of);color:var(--quiet)}}
</style></head><body>
<h1>Chartwire</h1><p>version {{.Version}}</p>
<main>
<h2>Where every exchange is</h2>
<p>accepted = filed + not due + waiting + held + filing + unknown + parked</p>
{{if .Rows}}<div class="scroll"><table><thead><tr><th>EHR</th><th>Channel</th><th class="n">accepted</th>{{range .States}}<th class="n">{{.}}</th>{{end}}</tr></thead><tbody>
{{range $r := .Rows}}<tr><td data-of="EHR"><span>{{$r.EHR}}</span></td><td data-of="channel"><span>{{$r.Channel}}</span></td><td class="n" data-of="accepted"><span>{{$r.Accepted}}</span></td>{{range $s := $.States}}<td class="n" data-of="{{$s}}"><span>{{index $r.N $s}}</span></td>{{end}}</tr>{{end}}
</tbody></table></div>{{else}}<p>Nothing has been accepted yet.</p>{{end}}
<h2>What waits for somebody</h2>
<p>{{.Parked}} parked{{if .Overdue.Late}}, {{.Overdue.Late}} past their SLA{{end}}. A command without <code>--yes</code> only shows what it would do.</p>
{{if .Stuck}}<div class="scroll"><table><thead><tr><th>state</th><th>why</th><th>who</th><th>next</th><th class="n">age</th><th>item</th><th>what can be done</th></tr></thead><tbody>
{{range .Stuck}}<tr><td data-of="state"><span>{{.State}}</span></td><td data-of="why"><span>{{.Sentence}} <code>({{.Reason}})</code></span></td><td data-of="who"><span>{{.Owner}}</span></td><td data-of="next"><span>{{.Next}}</span></td><td class="n" data-of="age"><span>{{.Age}}</span></td><td data-of="item"><span><code>{{.Item}}</code></span></td><td data-of="can be done"><span>{{range .Commands}}<code>{{.}}</code><br>{{end}}</span></td></tr>{{end}}
</tbody></table></div>{{else}}<p>Nothing is held, unknown or parked.</p>{{end}}
</main></body></html>
`))
