package deliver

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/chartwire/chartwire/connector"
)

// agree decides whether the EHR's patient is the one the channel means (DESIGN §3.5). It gives "" when at least two of
// family name, given name, birth date and phone agree and neither family nor birth date disagrees; otherwise the reason
// to hold. An EHR-issued reference needs no agreement, and a trusted channel none beyond its identifier.
func agree(k connector.PatientKey, p connector.Patient, trusted bool) connector.Reason {
	if !p.Active || p.ReplacedBy != "" {
		return connector.PatientInactive
	}
	if k.Reference != "" || trusted {
		return ""
	}
	agreed := 0
	if k.BirthDate != "" && p.BirthDate != "" {
		if k.BirthDate != p.BirthDate {
			return connector.PatientDisagrees
		}
		agreed++
	}
	if k.Name != nil {
		family, given, disagrees := agreeName(*k.Name, p.Names)
		if disagrees {
			return connector.PatientDisagrees
		}
		agreed += family + given
	}
	if k.Phone != "" && agreePhone(k.Phone, p.Phones) {
		agreed++
	}
	if agreed < 2 {
		return connector.PatientDisagrees
	}
	return ""
}

// agreeName compares one name with every name of the patient: 1 for an agreeing family and given name, and whether the
// family name disagrees with all of them.
func agreeName(k connector.HumanName, names []connector.HumanName) (family, given int, disagrees bool) {
	want := foldName(k.Family)
	known := false
	for _, n := range names {
		have := foldName(n.Family)
		if want != "" && have != "" {
			known = true
			if want == have {
				family = 1
			}
		}
		if givenAgrees(k.Given, n.Given) {
			given = 1
		}
	}
	return family, given, known && family == 0
}

// givenAgrees compares first tokens, or an initial with the other's first letter.
func givenAgrees(a, b []string) bool {
	x, y := firstToken(a), firstToken(b)
	if x == "" || y == "" {
		return false
	}
	if x == y {
		return true
	}
	rx, ry := []rune(x), []rune(y)
	return (len(rx) == 1 || len(ry) == 1) && rx[0] == ry[0]
}

func firstToken(given []string) string {
	if len(given) == 0 {
		return ""
	}
	fields := strings.Fields(given[0])
	if len(fields) == 0 {
		return ""
	}
	return foldName(fields[0])
}

// foldName brings names to one form: NFKD, case folded, marks, punctuation and spaces removed.
func foldName(s string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(s) {
		if unicode.IsMark(r) || unicode.IsPunct(r) || unicode.IsSpace(r) || unicode.IsSymbol(r) || apostrophe(r) {
			continue
		}
		b.WriteRune(unicode.ToLower(unicode.ToUpper(r)))
	}
	// ß folds to ss, as Unicode full case folding has it.
	return strings.ReplaceAll(b.String(), "ß", "ss")
}

// apostrophe says whether a letter of Unicode's is what people type for an apostrophe: Oʼbrien, Kaʻahumanu.
func apostrophe(r rune) bool { return r >= 0x02B9 && r <= 0x02BF }

// agreePhone compares the digits of E.164 numbers; an EHR's national form agrees when it is the tail of the other and
// has at least ten digits. A phone may agree and never disagrees: families share and change them.
func agreePhone(want string, have []string) bool {
	w := digits(want)
	for _, h := range have {
		d := digits(h)
		if d != "" && d == w || (len(d) >= 10 && strings.HasSuffix(w, d)) {
			return true
		}
	}
	return false
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}
