package deliver

import (
	"testing"

	"github.com/chartwire/chartwire/connector"
)

func name(family string, given ...string) connector.HumanName {
	return connector.HumanName{Family: family, Given: given}
}

func TestAgreement(t *testing.T) {
	ana := connector.Patient{Reference: "Patient/ana", Active: true, BirthDate: "1980-02-03",
		Names: []connector.HumanName{name("García Márquez", "Ana", "Lucía")}, Phones: []string{"+1 (415) 555-0100", "415-555-0199"}}
	with := func(change func(*connector.Patient)) connector.Patient {
		p := ana
		p.Names = append([]connector.HumanName(nil), ana.Names...)
		change(&p)
		return p
	}
	key := func(n connector.HumanName, born, phone string) connector.PatientKey {
		return connector.PatientKey{Identifiers: []connector.Identifier{{System: "urn:mrn", Value: "1"}}, Name: &n, BirthDate: born, Phone: phone}
	}
	plain := key(name("García Márquez", "Ana"), "1980-02-03", "+14155550100")
	for _, c := range []struct {
		name    string
		key     connector.PatientKey
		patient connector.Patient
		trusted bool
		want    connector.Reason
	}{
		{"all agree", plain, ana, false, ""},
		{"twin: same name, other birth date", plain, with(func(p *connector.Patient) { p.BirthDate = "1980-02-04" }), false, connector.PatientDisagrees},
		{"twin: same birth date, other family", plain, with(func(p *connector.Patient) { p.Names[0].Family = "Garza" }), false, connector.PatientDisagrees},
		{"same phone, other person", plain, connector.Patient{Active: true, BirthDate: "2011-09-30",
			Names: []connector.HumanName{name("García Márquez", "Luis")}, Phones: ana.Phones}, false, connector.PatientDisagrees},
		{"same phone and family, no birth date given", key(name("García Márquez", "Luis"), "", "+14155550100"), ana, false, ""},
		{"family and birth date are two", key(name("García Márquez"), "1980-02-03", ""), ana, false, ""},
		{"given and birth date are two", key(name("", "Ana"), "1980-02-03", ""), ana, false, ""},
		{"given and phone are two", key(name("", "Ana"), "", "+14155550100"), ana, false, ""},
		{"birth date alone is one", key(connector.HumanName{}, "1980-02-03", ""), ana, false, connector.PatientDisagrees},
		{"phone alone is one", key(connector.HumanName{}, "", "+14155550100"), ana, false, connector.PatientDisagrees},
		{"family alone is one", key(name("García Márquez"), "", ""), ana, false, connector.PatientDisagrees},
		{"nothing given", connector.PatientKey{Identifiers: plain.Identifiers}, ana, false, connector.PatientDisagrees},
		{"a phone never disagrees", key(name("García Márquez", "Ana"), "1980-02-03", "+14155559999"), ana, false, ""},
		{"another phone does not count", key(name("García Márquez"), "", "+14155559999"), ana, false, connector.PatientDisagrees},
		{"a given name that differs does not disagree", key(name("García Márquez", "Anna"), "1980-02-03", ""), ana, false, ""},
		{"a disagreeing birth date outweighs three", key(name("García Márquez", "Ana"), "1981-02-03", "+14155550100"), ana, false, connector.PatientDisagrees},
		{"a disagreeing family outweighs three", key(name("Garza", "Ana"), "1980-02-03", "+14155550100"), ana, false, connector.PatientDisagrees},
		{"a year alone is not the birth date", plain, with(func(p *connector.Patient) { p.BirthDate = "1980" }), false, connector.PatientDisagrees},
		{"the EHR has no birth date", plain, with(func(p *connector.Patient) { p.BirthDate = "" }), false, ""},
		{"the maiden name is one of her names", key(name("Ortega", "Ana"), "1980-02-03", ""),
			with(func(p *connector.Patient) { p.Names = append(p.Names, name("Ortega", "Ana")) }), false, ""},
		{"the EHR has no family name", key(name("Ortega", "Ana"), "1980-02-03", ""), with(func(p *connector.Patient) { p.Names[0].Family = "" }), false, ""},
		{"inactive", plain, with(func(p *connector.Patient) { p.Active = false }), false, connector.PatientInactive},
		{"merged away", plain, with(func(p *connector.Patient) { p.ReplacedBy = "Patient/other" }), false, connector.PatientInactive},
		{"a reference the EHR issued binds by itself", connector.PatientKey{Reference: "Patient/ana"}, ana, false, ""},
		{"but not to an inactive record", connector.PatientKey{Reference: "Patient/ana"}, with(func(p *connector.Patient) { p.Active = false }), false, connector.PatientInactive},
		{"a trusted channel needs its identifier alone", connector.PatientKey{Identifiers: plain.Identifiers}, ana, true, ""},
		{"a trusted channel is not let onto a merged record", plain, with(func(p *connector.Patient) { p.ReplacedBy = "Patient/x" }), true, connector.PatientInactive},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := agree(c.key, c.patient, c.trusted); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestFamilyNamesCompareFolded(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"García", "GARCIA", true},
		{"García Márquez", "Garcia-Marquez", true},
		{"García", "García Márquez", false}, // which of two names is left out is a person's question
		{"O'Brien", "OBRIEN", true},
		{"O’Brien", "Oʼbrien", true},
		{"Kaʻahumanu", "Kaahumanu", true},
		{"Strauß", "STRAUSS", true},
		{"Strauẞ", "strauss", true},
		{"Straus", "Strauß", false},
		{"Müller", "Mu\u0308ller", true},
		{"Müller", "Mueller", false},
		{"Ｓｍｉｔｈ", "Smith", true},
		{"ﬁsher", "Fisher", true},
		{"İnan", "inan", true},
		{"Παπαδόπουλος", "ΠΑΠΑΔΟΠΟΥΛΟΣ", true},
		{"Nguyễn", "Nguyen", true},
		{"de la Cruz", "DeLaCruz", true},
		{"Smith Jr.", "Smith jr", true},
		{"Smith Jr.", "Smith", false}, // father and son
		{"Smith II", "Smith III", false},
		{"佐々木", "佐木", false},
		{"Smith", "Smyth", false},
	} {
		_, _, disagrees := agreeName(name(c.a), []connector.HumanName{name(c.b)})
		if disagrees == c.same {
			t.Errorf("%q and %q: same is %v, want %v", c.a, c.b, !disagrees, c.same)
		}
	}
}

func TestGivenNamesCompareByFirstTokenOrInitial(t *testing.T) {
	for _, c := range []struct {
		a, b []string
		want bool
	}{
		{[]string{"Ana"}, []string{"Ana", "Lucía"}, true},
		{[]string{"Ana Lucía"}, []string{"Ana"}, true},
		{[]string{"A."}, []string{"Ana"}, true},
		{[]string{"Ana"}, []string{"A"}, true},
		{[]string{"B."}, []string{"Ana"}, false},
		{[]string{"Ana"}, []string{"Anabel"}, false},
		{[]string{"Lucía"}, []string{"Ana", "Lucía"}, false},
		{[]string{"JOSÉ"}, []string{"Jose"}, true},
		{nil, []string{"Ana"}, false},
		{[]string{""}, []string{""}, false},
		{[]string{"-"}, []string{"-"}, false},
	} {
		if got := givenAgrees(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: got %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

func TestPhonesAgree(t *testing.T) {
	for _, c := range []struct {
		want string
		have []string
		ok   bool
	}{
		{"+14155550100", []string{"+14155550100"}, true},
		{"+14155550100", []string{"+1 (415) 555-0100"}, true},
		{"+14155550100", []string{"415-555-0100"}, true},
		{"+14155550100", []string{"5550100"}, false},
		{"+14155550100", []string{"+24155550100"}, false},
		{"+14155550100", []string{"", "unknown"}, false},
		{"none", []string{"", "unknown"}, false},
	} {
		if got := agreePhone(c.want, c.have); got != c.ok {
			t.Errorf("%q against %q: got %v, want %v", c.want, c.have, got, c.ok)
		}
	}
}
