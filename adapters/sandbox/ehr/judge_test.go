package ehr_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
	"github.com/chartwire/chartwire/adapters/sandbox/script"
)

const messages = "https://cw.example/sid/texting/message"

func wanted(value string, place int) ehr.Expected {
	return ehr.Expected{Type: "Communication", Identity: ehr.Identifier{System: messages, Value: value}, Subject: "Patient/daniel",
		Text: "words of " + value, Thread: "t", Place: place}
}

func (w *world) says(value string) answer {
	w.t.Helper()
	return w.do("POST", "/Communication", communication(value, "words of "+value))
}

// blame is what a connector answers for; what the EHR does by itself is not.
var blame = regexp.MustCompile(`lost|duplicates|inversions|wrong_patient|altered|unexpected|strays|early`)

func TestJudge(t *testing.T) {
	all := []ehr.Expected{wanted("t/1", 1), wanted("t/2", 2), wanted("t/3", 3)}
	three := func(w *world) { w.says("t/1"); w.says("t/2"); w.says("t/3") }
	for name, c := range map[string]struct {
		script string
		does   func(w *world)
		change func(x []ehr.Expected)
		want   string
	}{
		"clean":    {does: three, want: "on_chart=3"},
		"lost":     {does: func(w *world) { w.says("t/1"); w.says("t/3") }, want: "on_chart=2 lost=1"},
		"unproven": {does: func(w *world) { w.says("t/1"); w.says("t/3") }, change: func(x []ehr.Expected) { x[1].Unproven = true }, want: "on_chart=2"},
		"doubled":  {does: func(w *world) { three(w); w.says("t/2") }, want: "on_chart=3 duplicates=1"},
		"swapped":  {does: func(w *world) { w.says("t/1"); w.says("t/3"); w.says("t/2") }, want: "on_chart=3 inversions=1"},
		"late": {does: func(w *world) { w.says("t/1"); w.says("t/3"); w.says("t/2") },
			change: func(x []ehr.Expected) { x[1].Late = true }, want: "on_chart=3"},
		"misfiled": {does: three, change: func(x []ehr.Expected) { x[0].Subject = "Patient/dana" }, want: "on_chart=2 wrong_patient=1"},
		"altered":  {script: "POST Communication #2 truncated-text length=6", does: three, want: "on_chart=2 altered=1"},
		"released": {does: three, change: func(x []ehr.Expected) { x[2].Absent = true }, want: "expected=2 on_chart=2 unexpected=1"},
		"a stray":  {does: func(w *world) { three(w); w.says("t/4") }, want: "on_chart=3 strays=1"},
		"by the EHR": {script: "POST Communication #1 commits-twice\nPOST Communication #2 delete-stored\nPOST Communication #3 edit-stored",
			does: three, want: "on_chart=2 by_ehr=2"},
		"in its hurry": {script: "POST Communication #2 429 retry-after=60",
			does: func(w *world) { three(w); w.clock.Add(time.Second); w.says("t/2") }, want: "on_chart=3 inversions=1 early=1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, ehr.Options{Script: script.Must[ehr.Script](c.script)})
			expected := append([]ehr.Expected(nil), all...)
			if c.change != nil {
				c.change(expected)
			}
			c.does(w)
			v := w.Judge(expected)
			got := " " + v.String()
			for _, figure := range strings.Fields(c.want) {
				got = strings.Replace(got, " "+figure, "", 1)
			}
			for _, rest := range strings.Fields(got) {
				if !strings.HasSuffix(rest, "=0") && rest != "expected=3" {
					t.Errorf("%s\nwant %s, findings %v", v, c.want, v.Findings)
					break
				}
			}
			if v.Clean() == blame.MatchString(c.want) {
				t.Errorf("clean is %v: %s", v.Clean(), v)
			}
		})
	}
}

// A seed gives the same request the same fault in whatever order requests come, and lets each through in the end.
func TestSeedIsOfTheRequest(t *testing.T) {
	meets := func(reverse bool) map[string]string {
		w := start(t, ehr.Options{Script: ehr.Seeded(7, 0.5, "refusals"), Traits: ehr.SearchOnly()})
		out := map[string]string{}
		for i := range 40 {
			if reverse {
				i = 39 - i
			}
			value := fmt.Sprintf("t/%d", i)
			for n := 0; ; n++ {
				a := w.says(value)
				out[value] += fmt.Sprint(a.status, " ")
				if a.status == 201 {
					break
				}
				if n > 3 {
					t.Fatalf("%s never gets through: %s", value, out[value])
				}
			}
		}
		return out
	}
	forth, back := meets(false), meets(true)
	struck := 0
	for value, met := range forth {
		if back[value] != met {
			t.Errorf("%s met %s and, in another order, %s", value, met, back[value])
		}
		if met != "201 " {
			struck++
		}
	}
	if struck < 12 || struck > 28 {
		t.Errorf("%d of 40 met something at a rate of 50%%", struck)
	}
}

// Every offer of a palette is a rule a script may have.
func TestPalettesAreOfTheVocabulary(t *testing.T) {
	for _, p := range ehr.Palettes() {
		for _, line := range ehr.PaletteLines(p) {
			if _, err := script.Read[ehr.Script](strings.NewReader(line)); err != nil {
				t.Errorf("%s: %v", p, err)
			}
		}
	}
}

func TestTraitsByScript(t *testing.T) {
	w := start(t, ehr.Options{Script: script.Must[ehr.Script]("traits conditional=ignored search=listed lag=5s answers=minimal")})
	got := w.Traits()
	if got.HonourIfNoneExist || !got.SearchWrites || got.SearchByIdentifier || got.SearchLag != 5*time.Second || !got.ReturnMinimal {
		t.Errorf("%+v", got)
	}
	w.says("t/1")
	if a := w.do("GET", "/Communication?patient=Patient/daniel", ""); len(ids(a)) != 0 {
		t.Error("the search does not lag")
	}
	w.clock.Add(6 * time.Second)
	if a := w.do("GET", "/Communication?patient=Patient/daniel", ""); len(ids(a)) != 1 {
		t.Error("the search never shows it")
	}
	if _, err := ehr.ParseTraits(ehr.Full(), "search=none,nothing"); err == nil {
		t.Error("a trait nobody knows was taken")
	}
}

func TestEndFaults(t *testing.T) {
	rules := "traits lag=1h\nPOST Communication #1 accepted-202 commit=later after=1h\nPOST Communication #2 refuse for=1h\nPOST * #3+ 503"
	w := start(t, ehr.Options{Script: script.Must[ehr.Script](rules)})
	w.says("t/1")
	if _, err := w.try("POST", "/Communication", communication("t/2", "x")); err == nil {
		t.Error("the connection was taken")
	}
	w.EndFaults()
	if a := w.says("t/2"); a.status != 201 {
		t.Errorf("%d", a.status)
	}
	if a := w.do("GET", "/Communication?subject=Patient/daniel", ""); len(ids(a)) != 2 {
		t.Errorf("%d entries are found", len(ids(a)))
	}
}

func TestOpenScript(t *testing.T) {
	for _, bad := range []string{"seed:x", "seed:1:2", "seed:1:5%:mixed:more", "seed:1:5%:nice", "/nowhere/faults.txt"} {
		if _, err := ehr.OpenScript(bad); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
	if s, err := ehr.OpenScript("seed:7:50%:answers"); err != nil || s == nil {
		t.Error(err)
	}
}
