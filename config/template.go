package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chartwire/chartwire/config/variable"
)

// Template is a text the inbox offers for replies, in one or more languages.
type Template struct {
	ID    string            `yaml:"id" doc:"Id of the template, unique within its EHR connection." required:"true" format:"name"`
	EHR   string            `yaml:"ehr" doc:"Name of its EHR connection." required:"true"`
	Name  string            `yaml:"name" doc:"Name people choose it by." required:"true" format:"text"`
	Texts map[string]string `yaml:"texts" doc:"The words by language, such as en and es. {{patient.given}} and its like are filled in from the chart; a message with one that could not be is not sent." required:"true" keyformat:"language" format:"prose"`
}

// braced finds what stands between double braces.
var braced = regexp.MustCompile(`\{\{([^{}]*)\}\}`)

// checkProse is for words that are sent: several lines are good, other control characters are not.
func checkProse(s, _ string) string {
	switch {
	case strings.TrimSpace(s) == "":
		return "is empty; write a text or remove the key"
	case utf8.RuneCountInString(s) > 2000:
		return "is longer than 2000 characters; shorten it"
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		return "holds a control character; remove it"
	}
	for _, m := range braced.FindAllStringSubmatch(s, -1) {
		if !slices.Contains(variable.All, m[1]) {
			near := nearest(m[1], variable.All)
			if near != "" {
				near = " (did you mean {{" + near + "}}?)"
			}
			return fmt.Sprintf("has {{%s}}, which nothing is known to fill in; write one of {{%s}}%s", clip(m[1]), strings.Join(variable.All, "}}, {{"), near)
		}
	}
	if left := braced.ReplaceAllString(s, ""); strings.Contains(left, "{{") || strings.Contains(left, "}}") {
		return "has double braces that do not belong together; write {{patient.given}}, braces closed and no space inside"
	}
	return ""
}

var languageRegexp = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z]{2})?$`)

// checkLanguage is for a language tag of BCP 47 as messages carry one.
func checkLanguage(s, _ string) string {
	if !languageRegexp.MatchString(s) {
		return quote(s) + " is no language; write its tag, such as en, es or pt-BR"
	}
	return ""
}

func (l *loader) templateRules(c *Config) {
	for i, t := range c.Templates {
		path := index("$.templates", i)
		l.knownEHR(c, t.EHR, path+".ehr")
		if t.Texts != nil && len(t.Texts) == 0 {
			l.mistake(path+".texts", "is empty; write the words under the tag of their language, such as en")
		}
	}
}
