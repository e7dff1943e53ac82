package sim

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// dice decides by seed and name. The same name always falls the same way in one seed, whoever asks first.
type dice uint64

func (d dice) of(name ...any) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprint(h, name...)
	return rand.New(rand.NewPCG(uint64(d), h.Sum64()))
}

// chance falls true in a share p of names.
func (d dice) chance(p float64, name ...any) bool { return d.of(name...).Float64() < p }

// pick chooses among weighted words.
type weighted struct {
	weight int
	word   string
}

func pick(r *rand.Rand, from []weighted) string {
	sum := 0
	for _, w := range from {
		sum += w.weight
	}
	n := r.IntN(sum)
	for _, w := range from {
		if n -= w.weight; n < 0 {
			return w.word
		}
	}
	return ""
}

// between is a time from a up to b.
func between(r *rand.Rand, a, b time.Duration) time.Duration {
	return a + time.Duration(r.Int64N(int64(b-a)+1))
}
