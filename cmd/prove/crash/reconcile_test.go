package crash

import "testing"

func TestUnreported(t *testing.T) {
	doubles := [][]string{{"Communication/a", "Communication/b"}, {"Communication/c", "Communication/d", "Communication/e"}}
	for _, c := range []struct {
		name     string
		findings []finding
		want     int
	}{
		{"nothing reported", nil, 2},
		{"one reported", []finding{{"duplicate", "Communication/b", []string{"Communication/a"}}}, 1},
		{"of another kind", []finding{{"edited", "Communication/b", []string{"Communication/a"}}}, 2},
		{"in part", []finding{{"duplicate", "Communication/c", []string{"Communication/d"}}}, 2},
		{"both", []finding{{"duplicate", "Communication/b", []string{"Communication/a"}},
			{"duplicate", "Communication/e", []string{"Communication/d", "Communication/c"}}}, 0},
	} {
		if got := unreported(doubles, c.findings); len(got) != c.want {
			t.Errorf("%s: %v, want %d", c.name, got, c.want)
		}
	}
}
