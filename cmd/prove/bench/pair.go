package bench

import (
	"fmt"
	"math"
	"slices"

	"github.com/chartwire/chartwire/cmd/prove/figure"
)

// spread is the median of some values and the distance between their quartiles.
type spread struct{ median, iqr float64 }

// spreadOf takes quartiles by linear interpolation.
func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{math.NaN(), math.NaN()}
	}
	sorted := slices.Sorted(slices.Values(values))
	at := func(q float64) float64 {
		x := q * float64(len(sorted)-1)
		i := int(x)
		if i+1 == len(sorted) {
			return sorted[i]
		}
		return sorted[i] + (x-float64(i))*(sorted[i+1]-sorted[i])
	}
	return spread{at(0.5), at(0.75) - at(0.25)}
}

// restless says whether a reference swung so much that a ratio to it tells nothing.
func (s spread) restless() bool { return s.iqr > 0.25*s.median }

// enough pairs show by how much a reference swings; of fewer, as a quick look takes, nobody can say that it did not.
const enough = 5

func (s spread) String() string { return fmt.Sprintf("%.4g (IQR %.2g)", s.median, s.iqr) }

// pairs are measurements of one thing and its reference, taken in turns.
type pairs struct{ ours, theirs []float64 }

func (p *pairs) add(ours, theirs float64) {
	p.ours, p.theirs = append(p.ours, ours), append(p.theirs, theirs)
}

// ratio is the median of the pairs' ratios: what a slow minute does to both sides of a pair cancels out.
func (p *pairs) ratio() spread {
	var all []float64
	for i := range p.ours {
		all = append(all, p.ours[i]/p.theirs[i])
	}
	return spreadOf(all)
}

// figure is the ratio as it is told. A miss of a quick look is noisy: it has too few pairs to tell. In the full form only a
// ratio of wall-clock rates may be, where the reference was restless.
func (p *pairs) figure(id, limit, ours, theirs string, wall bool) figure.Figure {
	r := p.ratio()
	return figure.Figure{ID: id, Value: r.median, Limit: limit, Noisy: len(p.theirs) < enough || wall && spreadOf(p.theirs).restless(),
		Note: fmt.Sprintf("IQR %.2g of %d pairs; %s %v, %s %v", r.iqr, len(p.ours), ours, spreadOf(p.ours), theirs, spreadOf(p.theirs))}
}

// tries is how often a series of pairs is taken anew before a restless reference makes its figure noisy.
const tries = 3

// take measures n pairs, in turns A-B-B-A so that a drift within the run falls on both alike. Where the figure is missed
// and the reference was restless it starts over, and keeps the last series.
func take(n int, met func(*pairs) bool, ours, theirs func() (float64, error)) (*pairs, error) {
	var p *pairs
	for range tries {
		p = &pairs{}
		for i := range n {
			first, second := ours, theirs
			if i%2 == 1 {
				first, second = theirs, ours
			}
			a, err := first()
			if err != nil {
				return nil, err
			}
			b, err := second()
			if err != nil {
				return nil, err
			}
			if i%2 == 1 {
				a, b = b, a
			}
			p.add(a, b)
		}
		if met(p) || !spreadOf(p.theirs).restless() {
			break
		}
	}
	return p, nil
}
