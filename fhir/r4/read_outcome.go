package r4

import (
	"regexp"
	"strings"
)

// Issue is one issue of an OperationOutcome with what is safe to log: codes and element paths.
type Issue struct {
	Severity   string   // fatal, error, warning, information, or "" where not a plain code
	Code       string   // issue-type code
	Detail     []string // codes of details.coding, without their displays
	Expression []string // FHIRPath of elements; those that hold values are left out
	// Text is the server's own wording (details.text, displays and diagnostics). It may quote
	// the resource, so it is PHI: never in an error, log or metric.
	Text PrivateText
}

// PrivateText is text that may hold PHI. It prints as "[withheld]"; Reveal gives the text to
// code that seals it or shows it to an authorised person.
type PrivateText struct{ text string }

// String implements fmt.Stringer without the text.
func (PrivateText) String() string { return "[withheld]" }

// GoString implements fmt.GoStringer without the text.
func (PrivateText) GoString() string { return "[withheld]" }

// MarshalJSON encodes as "[withheld]".
func (PrivateText) MarshalJSON() ([]byte, error) { return []byte(`"[withheld]"`), nil }

// Reveal returns the text.
func (p PrivateText) Reveal() string { return p.text }

var (
	plainCode = regexp.MustCompile(`^[A-Za-z0-9_.\-]{1,64}$`)
	plainPath = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.\[\]/]{0,199}$`)
)

// ReadOutcome reads an OperationOutcome. ok is false where raw is none; then there are no
// issues. Values that do not look like codes or paths are dropped, since servers put values
// there too.
func ReadOutcome(raw []byte) (issues []Issue, ok bool) {
	var j struct {
		ResourceType string `json:"resourceType"`
		Issue        []struct {
			Severity    string      `json:"severity"`
			Code        string      `json:"code"`
			Details     conceptJSON `json:"details"`
			Diagnostics string      `json:"diagnostics"`
			Expression  []string    `json:"expression"`
			Location    []string    `json:"location"`
		} `json:"issue"`
	}
	if readAs("OperationOutcome", raw, &j) != nil {
		return nil, false
	}
	for _, i := range j.Issue {
		issue := Issue{Severity: plain(i.Severity), Code: plain(i.Code)}
		text := []string{i.Details.Text, i.Diagnostics}
		for _, c := range i.Details.Coding {
			if code := plain(c.Code); code != "" {
				issue.Detail = append(issue.Detail, code)
			}
			text = append(text, c.Display)
		}
		for _, e := range append(i.Expression, i.Location...) {
			if plainPath.MatchString(e) {
				issue.Expression = append(issue.Expression, e)
			} else {
				text = append(text, e)
			}
		}
		issue.Text = PrivateText{strings.Join(nonEmpty(text), "; ")}
		issues = append(issues, issue)
	}
	return issues, true
}

// Failed reports whether an issue says the operation did not succeed. A 2xx answer with such an
// outcome is a failure.
func Failed(issues []Issue) bool {
	for _, i := range issues {
		if i.Severity == "error" || i.Severity == "fatal" {
			return true
		}
	}
	return false
}

func plain(s string) string {
	if plainCode.MatchString(s) {
		return s
	}
	return ""
}

func nonEmpty(in []string) []string {
	var out []string
	for _, s := range in {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}
