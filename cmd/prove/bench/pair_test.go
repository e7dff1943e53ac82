package bench

import (
	"math"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/cmd/prove/figure"
)

func TestSpread(t *testing.T) {
	s := spreadOf([]float64{5, 1, 3, 2, 4})
	if s.median != 3 || s.iqr != 2 {
		t.Errorf("median %v, IQR %v", s.median, s.iqr)
	}
	if s := spreadOf([]float64{1, 2}); s.median != 1.5 || s.iqr != 0.5 {
		t.Errorf("of two: %v, %v", s.median, s.iqr)
	}
	if !math.IsNaN(spreadOf(nil).median) {
		t.Error("the median of nothing is a number")
	}
	if spreadOf([]float64{100, 101, 99}).restless() || !spreadOf([]float64{100, 200, 50}).restless() {
		t.Error("what swings is not told from what does not")
	}
}

// A pair's sides slow down together: the ratio is that of each pair and not of the medians.
func TestRatioOfPairs(t *testing.T) {
	p := &pairs{}
	p.add(40, 100)
	p.add(4, 10)
	p.add(400, 1000)
	if r := p.ratio(); math.Abs(r.median-0.4) > 1e-9 || r.iqr > 1e-9 {
		t.Errorf("%v", r)
	}
	calm := &pairs{ours: []float64{30, 30, 30, 30, 30}, theirs: []float64{100, 100, 100, 100, 100}}
	if v := calm.figure("R", ">=0.4", "", "", true).Verdict(); v != figure.Short {
		t.Errorf("a miss with a calm reference is %s", v)
	}
	if v := p.figure("R", ">=0.5", "", "", true).Verdict(); v != figure.Noisy {
		t.Errorf("a miss with a restless reference is %s", v)
	}
	few := &pairs{ours: []float64{30, 30}, theirs: []float64{100, 100}}
	if v := few.figure("R", ">=0.4", "", "", true).Verdict(); v != figure.Noisy {
		t.Errorf("a miss of two pairs is %s", v)
	}
	restless := &pairs{ours: []float64{30, 60, 15, 30, 60}, theirs: []float64{100, 200, 50, 100, 200}}
	if v := restless.figure("R", ">=0.4", "", "", false).Verdict(); v != figure.Short {
		t.Errorf("a miss in processor time with a restless reference is %s", v)
	}
}

func TestTakeInTurns(t *testing.T) {
	var order strings.Builder
	side := func(name string, v float64) func() (float64, error) {
		return func() (float64, error) { order.WriteString(name); return v, nil }
	}
	p, err := take(3, func(*pairs) bool { return true }, side("a", 1), side("b", 2))
	if err != nil || order.String() != "abbaab" || len(p.ours) != 3 || p.ratio().median != 0.5 {
		t.Errorf("%s, %+v, %v", order.String(), p, err)
	}
	swings, n := 1.0, 0
	restless := func() (float64, error) { swings = 1000 / swings; n++; return swings, nil }
	if _, err := take(2, func(*pairs) bool { return false }, side("a", 1), restless); err != nil || n != 2*tries {
		t.Errorf("a miss with a restless reference was measured %d times: %v", n, err)
	}
}
