package config

// nearest returns the candidate a typing slip away from a word, or "": at most two edits, and less than half the word.
func nearest(word string, candidates []string) string {
	if len(word) > 40 {
		return ""
	}
	best, bestDistance := "", 3
	for _, c := range candidates {
		if d := edits(word, c); d < bestDistance && d*2 < max(len(c), 2) {
			best, bestDistance = c, d
		}
	}
	return best
}

// edits is the number of letters to add, drop, change or swap with their neighbour to get from a to b.
func edits(a, b string) int {
	before, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}
