package validate

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

var (
	googleLine = regexp.MustCompile(`^error at "([^"]*)": (.*)$`)
	// googleDetail lists google's messages that hold nothing from the resource. Others become a
	// general sentence: some of google's internal errors quote the input.
	googleDetail = regexp.MustCompile(`^(missing required field "[A-Za-z]+"` +
		`|invalid reference to an? [A-Za-z]+ resource, want [A-Za-z, ]+` +
		`|cannot accept multiple values for [a-z_]+ field` +
		`|code type mismatch|unknown field|invalid reference|expected [A-Za-z0-9 -]+|invalid [A-Za-z]+ format` +
		`|invalid (uri|url|canonical|time|JSON|field|extension field|positive integer|non-negative integer)` +
		`|non-negative integer out of range [0-9.,]+|array length mismatch, expected [0-9]+, found [0-9]+` +
		`|string exceeds maximum size of 1 MB|string contains invalid characters: U\+[0-9A-F]+)$`)
)

// fromGoogle turns google's error list into its first problem in path order (google reports in
// random order) without quoting anything of the resource. The keys in its paths have all been
// checked against R4 by then.
func fromGoogle(resource string, err error) *Problem {
	var all []*Problem
	for _, line := range strings.Split(err.Error(), "\n") {
		p := &Problem{Resource: resource, Path: resource, Text: "not valid FHIR R4"}
		if m := googleLine.FindStringSubmatch(line); m != nil {
			p.Path = m[1]
			if googleDetail.MatchString(m[2]) {
				p.Text = m[2]
			}
		}
		all = append(all, p)
	}
	return slices.MinFunc(all, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Text, b.Text))
	})
}
