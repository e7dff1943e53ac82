package adt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/filing"
	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/clock"
)

// TestEvents is the table of what each event changes, told in this order.
func TestEvents(t *testing.T) {
	type message struct{ event, at, segments string }
	for name, c := range map[string]struct {
		told []message
		asks map[string]string // identifiers asked for → what is found
	}{
		"admitted":   {[]message{{"A01", "10:00", ann}}, map[string]string{"100": "100 Roe 1980-02-29 5551234567", "200": none}},
		"registered": {[]message{{"A04", "10:00", ann}}, map[string]string{"100": "100 Roe 1980-02-29 5551234567"}},
		"discharged": {[]message{{"A03", "10:00", ann}}, map[string]string{"100": "100 Roe 1980-02-29 5551234567"}},
		"updated":    {[]message{{"A04", "10:00", ann}, {"A08", "10:01", "PID|1||100^^^COUNTY^MR||Poe^Ann"}}, map[string]string{"100": "100 Poe 1980-02-29 5551234567"}},
		"a person is updated": {[]message{{"A04", "10:00", ann}, {"A31", "10:01", "PID|1||100^^^COUNTY^MR||||19800301"}},
			map[string]string{"100": "100 Roe 1980-03-01 5551234567"}},
		"removed":                  {[]message{{"A04", "10:00", ann}, {"A08", "10:01", `PID|1||100^^^COUNTY^MR||""||""||||||""`}}, map[string]string{"100": "100 "}},
		"told late":                {[]message{{"A08", "10:02", "PID|1||100^^^COUNTY^MR||Poe^Ann||19800301"}, {"A08", "10:01", ann}}, map[string]string{"100": "100 Poe 1980-03-01"}},
		"the same second":          {[]message{{"A04", "10:00", ann}, {"A08", "10:00", "PID|1||100^^^COUNTY^MR||Poe^Ann"}}, map[string]string{"100": "100 Poe 1980-02-29 5551234567"}},
		"an authority's OID alone": {[]message{{"A04", "10:00", "PID|1||100^^^&1.2&ISO^MR||Roe^Ann||19800229"}}, map[string]string{"100": "100 Roe 1980-02-29"}},
		"no type":                  {[]message{{"A04", "10:00", "PID|1||100^^^COUNTY||Roe^Ann||19800229"}}, map[string]string{"100": "100 Roe 1980-02-29"}},
		"nobody's number":          {[]message{{"A04", "10:00", "PID|1||100^^^ELSEWHERE^MR~V1^^^COUNTY^VN||Roe^Ann||19800229"}}, map[string]string{"100": none}},
		"another number known": {[]message{{"A04", "10:00", ann}, {"A31", "10:01", "PID|1||100^^^COUNTY^MR~S9^^^STATE^SS"}},
			map[string]string{"S9": "100 S9 Roe 1980-02-29 5551234567", "100 S9": "100 S9 Roe 1980-02-29 5551234567"}},
		"a number taken back": {[]message{{"A04", "10:00", "PID|1||100^^^COUNTY^MR~S9^^^STATE^SS||Roe^Ann"}, {"A08", "10:01", ann}}, map[string]string{"S9": none}},
		"one number of two patients": {[]message{{"A04", "10:00", "PID|1||100^^^COUNTY^MR~S9^^^STATE^SS||Roe^Ann"}, {"A04", "10:01", "PID|1||200^^^COUNTY^MR~S9^^^STATE^SS||Doe^Bob"}},
			map[string]string{"S9": "several", "100": "100 S9 Roe ", "200 S9": "several"}},
		"two patients are named":     {[]message{{"A04", "10:00", ann}, {"A04", "10:01", bob}}, map[string]string{"100 200": "several"}},
		"a number nobody has beside": {[]message{{"A04", "10:00", "PID|1||100^^^COUNTY^MR~S9^^^STATE^SS||Roe^Ann"}}, map[string]string{"300 S9": "several", "100 S8": "several"}},
		"merged": {[]message{{"A04", "10:00", ann}, {"A04", "10:00", bob}, {"A40", "10:05", bob + "\rMRG|100^^^COUNTY^MR"}},
			map[string]string{"100": "100 Roe 1980-02-29 5551234567 replaced by 200", "200": "200 Doe 1970-01-01", "100 200": "200 Doe 1970-01-01"}},
		"merged before known": {[]message{{"A40", "10:05", bob + "\rMRG|100^^^COUNTY^MR"}, {"A08", "10:01", ann}, {"A08", "10:09", ann}},
			map[string]string{"100": "100  replaced by 200", "200": "200 Doe 1970-01-01"}},
		"merged late": {[]message{{"A08", "10:07", ann}, {"A08", "10:08", bob}, {"A40", "10:05", "PID|1||200^^^COUNTY^MR||Old^Bob\rMRG|100^^^COUNTY^MR"}},
			map[string]string{"100": "100 Roe 1980-02-29 5551234567 replaced by 200", "200": "200 Doe 1970-01-01"}},
		"merged twice": {[]message{{"A04", "10:00", ann}, {"A40", "10:05", bob + "\rMRG|100^^^COUNTY^MR"}, {"A40", "10:06", "PID|1||300^^^COUNTY^MR||Doe^Bo\rMRG|200^^^COUNTY^MR"}},
			map[string]string{"100": "100 Roe 1980-02-29 5551234567 replaced by 200", "200": "200 Doe 1970-01-01 replaced by 300", "300": "300 Doe ", "100 300": "300 Doe "}},
		"merged the other way since": {[]message{{"A40", "10:05", bob + "\rMRG|100^^^COUNTY^MR"}, {"A40", "10:06", ann + "\rMRG|200^^^COUNTY^MR"}},
			map[string]string{"100": "100 Roe 1980-02-29 5551234567", "200": "200 Doe 1970-01-01 replaced by 100"}},
		"merged the other way before": {[]message{{"A40", "10:06", ann + "\rMRG|200^^^COUNTY^MR"}, {"A40", "10:05", bob + "\rMRG|100^^^COUNTY^MR"}},
			map[string]string{"100": "100 Roe 1980-02-29 5551234567", "200": "200  replaced by 100"}},
		"a survivor that lists the old number": {[]message{{"A04", "10:00", ann}, {"A40", "10:05", "PID|1||200^^^COUNTY^MR~100^^^COUNTY^MR||Doe^Bob\rMRG|100^^^COUNTY^MR"},
			{"A08", "10:06", "PID|1||200^^^COUNTY^MR~100^^^COUNTY^MR||Doe^Bob"}}, map[string]string{"100": "100 Roe 1980-02-29 5551234567 replaced by 200", "200": "200 Doe "}},
		"two numbers of one patient are one": {[]message{{"A04", "10:00", "PID|1||100^^^COUNTY^MR~200^^^COUNTY^MR||Roe^Ann"}, {"A40", "10:05", "PID|1||200^^^COUNTY^MR||Roe^Ann\rMRG|100^^^COUNTY^MR"}},
			map[string]string{"100": "100 200 Roe  replaced by 200", "200": "200 Roe "}},
		"several merged at once": {[]message{{"A40", "10:05", ann + "\rMRG|300^^^COUNTY^MR~S3^^^STATE^SS\r" + strings.Replace(bob, "PID|1", "PID|2", 1) + "\rMRG|400^^^COUNTY^MR"}},
			map[string]string{"300": "300 S3  replaced by 100", "S3": "300 S3  replaced by 100", "400": "400  replaced by 200"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			for _, m := range c.told {
				if got := h.tell(h.news(m.event, m.at, "", m.segments)); got != "AA" {
					t.Errorf("%s was answered %s", m.event, got)
				}
			}
			for ask, want := range c.asks {
				var pairs []string
				for _, v := range strings.Fields(ask) {
					pairs = append(pairs, map[bool]string{true: state, false: county}[v[0] == 'S'], v)
				}
				if got := h.who(pairs...); got != want {
					t.Errorf("%s finds %q, want %q", ask, got, want)
				}
			}
		})
	}
}

// TestOneName: a patient is called by the same reference however they are asked for, as match: trust-identifiers calls them.
func TestOneName(t *testing.T) {
	h := newHouse(t)
	h.tell(h.news("A04", "10:00", "", "PID|1||S9^^^STATE^SS~100^^^COUNTY^MR||Roe^Ann"))
	want := filing.PatientReference(hl7.CX{ID: "100", Authority: hl7.HD{Namespace: "COUNTY"}, Type: "MR"})
	for _, k := range []connector.PatientKey{key(county, "100"), key("urn:alias", "100"), key(state, "S9")} {
		if p, err := h.ehr.Match(t.Context(), k); err != nil || p.Reference != want {
			t.Errorf("%v: %s, %v", k.Identifiers[0].System, p.Reference, err)
		}
	}
	other := filing.PatientReference(hl7.CX{ID: "S9", Authority: hl7.HD{Namespace: "STATE"}, Type: "SS"})
	if p, err := h.ehr.Match(t.Context(), connector.PatientKey{Reference: other}); err != nil || p.Reference != other {
		t.Errorf("by a reference it was bound by: %s, %v", p.Reference, err)
	}
	for _, k := range []connector.PatientKey{{}, {Reference: "Patient/abc"}, key("urn:nobody", "100")} {
		if got := h.asked(k); got != none {
			t.Errorf("%v finds %s", k.Reference, got)
		}
	}
}

// TestVisits: a visit the platform names is the patient's where the feed has said so.
func TestVisits(t *testing.T) {
	h := newHouse(t)
	h.tell(h.news("A01", "10:00", "", ann, pv1+"^^^COUNTY^VN"+strings.Repeat("|", 25)+"202611201000"))
	h.tell(h.news("A04", "10:00", "", bob, strings.Replace(pv1, "|V1", "|V2", 1)))
	reference := func(number string) string {
		p, err := h.ehr.Match(t.Context(), key(county, number))
		if err != nil {
			t.Fatal(err)
		}
		return p.Reference
	}
	ask := func(patient, system, number string) bool {
		t.Helper()
		all, err := h.ehr.Encounters(t.Context(), connector.EncounterQuery{Patient: reference(patient), Visit: connector.Identifier{System: system, Value: number}})
		if err != nil {
			t.Fatal(err)
		}
		return len(all) == 1 && all[0].Identifiers[0] == connector.Identifier{System: system, Value: number}
	}
	for _, c := range []struct {
		patient, system, number string
		want                    bool
	}{{"100", visits, "V1", true}, {"100", visits, "V2", false}, {"200", visits, "V2", true}, {"100", visits, "V3", false}, {"100", county, "V1", false}} {
		if got := ask(c.patient, c.system, c.number); got != c.want {
			t.Errorf("%s of %s is theirs: %v", c.number, c.patient, got)
		}
	}
	open := func(patient string) (numbers string) {
		t.Helper()
		all, err := h.ehr.Encounters(t.Context(), connector.EncounterQuery{Patient: reference(patient), Open: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range all {
			if v.Open() {
				numbers += v.Identifiers[0].Value + " "
			}
		}
		return strings.TrimSpace(numbers)
	}
	if got := open("100"); got != "V1" {
		t.Errorf("open are %q", got)
	}
	for _, step := range []struct{ event, at, pv1, want string }{
		{"A08", "10:01", strings.Replace(pv1, "|I|", "|O|", 1), "V1"},
		{"A03", "10:05", pv1, ""},
		{"A01", "10:04", pv1 + strings.Repeat("|", 25) + "202611201000", ""}, // told late
		{"A08", "10:06", pv1, ""},
		{"A08", "10:07", strings.Replace(pv1, "|V1", "|V7", 1) + strings.Repeat("|", 25) + "202611201007", "V7"},
		{"A08", "10:08", strings.Replace(pv1, "|V1", "|V7", 1) + strings.Repeat("|", 26) + "202611201008", ""},
	} {
		h.tell(h.news(step.event, step.at, "", ann, step.pv1))
		if got := open("100"); got != step.want {
			t.Errorf("after %s at %s open are %q, want %q", step.event, step.at, got, step.want)
		}
	}
	h.tell(h.news("A40", "10:10", "", bob, "MRG|100^^^COUNTY^MR"))
	if !ask("200", visits, "V1") || ask("100", visits, "V2") {
		t.Error("a visit does not go with its patient when they are merged")
	}
}

// broken is a store that does not commit.
type broken struct{ connector.Store }

func (broken) Update(context.Context, string, func(connector.Tx) error) error {
	return fmt.Errorf("%w: the disk is full", connector.ErrStore)
}

// TestAckedMeansDurable: what is not committed is not acknowledged, whether it would be taken or refused, and is taken when it
// comes again.
func TestAckedMeansDurable(t *testing.T) {
	h := newHouse(t)
	message := h.news("A04", "10:00", "C7", ann)
	for name, m := range map[string][]byte{"good": message, "refused": h.news("A05", "10:00", "", ann), "unreadable": []byte("hello")} {
		if answers, err := h.over(broken{h.store}).Handle(t.Context(), m); !errors.Is(err, errNotStored) || len(answers) != 0 {
			t.Errorf("%s: %d answers, %v", name, len(answers), err)
		}
	}
	if got := h.who(county, "100"); got != none {
		t.Errorf("%s was kept", got)
	}
	if got := h.tell(message); got != "AA" {
		t.Errorf("answered %s", got)
	}
}

// TestOnce: a message that comes again is acknowledged again and changes nothing, not even the audit log; another one under a
// number used before is a new one.
func TestOnce(t *testing.T) {
	h := newHouse(t)
	first := h.news("A04", "10:00", "C7", ann)
	h.tell(first)
	h.tell(h.news("A08", "10:00", "C8", "PID|1||100^^^COUNTY^MR||Poe^Ann"))
	before := h.audited()
	if got := h.tell(first); got != "AA" {
		t.Errorf("the repeat was answered %s", got)
	}
	if got := h.who(county, "100"); got != "100 Poe 1980-02-29 5551234567" {
		t.Errorf("the repeat made it %s", got)
	}
	if after := h.audited(); len(after) != len(before) {
		t.Errorf("the repeat was audited: %v", after[len(before):])
	}
	h.tell(h.news("A04", "10:02", "C7", bob))
	if got := h.who(county, "200"); got != "200 Doe 1970-01-01" {
		t.Errorf("a new message under an old number: %s", got)
	}
}

// TestAnswers: what is wrong with a message is told with its code and place, in the mode the sender asks for, and nothing of the
// message.
func TestAnswers(t *testing.T) {
	h := newHouse(t)
	good := string(h.news("A04", "10:00", "C1", ann))
	for name, c := range map[string]struct{ from, to, want string }{
		"taken":                       {"", "", "AA"},
		"enhanced":                    {"|P|2.5.1", "|P|2.5.1|||AL|AL", "CA, AA"},
		"commit alone":                {"|P|2.5.1", "|P|2.5.1|||AL|NE", "CA"},
		"application alone":           {"|P|2.5.1", "|P|2.5.1|||NE|AL", "AA"},
		"errors alone":                {"|P|2.5.1", "|P|2.5.1|||ER|ER", ""},
		"another event":               {"ADT^A04", "ADT^A05", "AR 201 MSH-9.2"},
		"another event, enhanced":     {"ADT^A04|C1|P|2.5.1", "ADT^A05|C1|P|2.5.1|||AL|AL", "CR 201 MSH-9.2"},
		"another event, no commit":    {"ADT^A04|C1|P|2.5.1", "ADT^A05|C1|P|2.5.1|||NE|ER", "AR 201 MSH-9.2"},
		"another type":                {"ADT^A04", "ORU^R01", "AR 200 MSH-9"},
		"another application":         {"|ADT|", "|SECRET|", "AR 204 MSH-3"},
		"another facility":            {"|COUNTY|CW", "|SECRET|CW", "AR 204 MSH-4"},
		"a test system":               {"|P|2.5.1", "|T|2.5.1", "AR 202 MSH-11"},
		"no identifier":               {"100^^^COUNTY^MR", "", "AE 101 PID-3"},
		"no birth date":               {"19800229", "secret", "AE 102 PID-7"},
		"a merge of nothing":          {"ADT^A04", "ADT^A40", "AE 101 MRG-1"},
		"a character it did not name": {"Roe", "R\xf6e", "AE 102 PID-5"},
		"line feeds":                  {"\rPID", "\r\nPID", "AE 100"},
	} {
		m := strings.Replace(good, c.from, c.to, 1)
		answers, err := h.feed.Handle(t.Context(), []byte(m))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := said(t, answers); got != c.want && !strings.HasPrefix(got, c.want+" ") || c.want == "" && got != "" {
			t.Errorf("%s was answered %q, want %q", name, got, c.want)
		}
		for _, a := range answers {
			if s := string(a); strings.Contains(s, "Roe") || strings.Contains(s, "secret") || !strings.Contains(s, "|CW|CLINIC|") || !strings.Contains(s, "|C1\r") && !strings.Contains(s, "|C1|") {
				t.Errorf("%s: the answer is %q", name, s)
			}
		}
	}
	for name, m := range map[string]string{"nothing": "", "no header": "PID|1||secret\r", "no MSH-10": strings.Replace(good, "|C1|", "||", 1)} {
		if answers, err := h.feed.Handle(t.Context(), []byte(m)); !errors.Is(err, errNotAnswerable) || len(answers) != 0 || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %d answers, %v", name, len(answers), err)
		}
	}
}

// TestAudited: each patient of a message has its row, and each merge and each refusal.
func TestAudited(t *testing.T) {
	h := newHouse(t)
	h.tell(h.news("A04", "10:00", "", ann))
	h.tell(h.news("A08", "09:00", "", ann))
	h.tell(h.news("A40", "10:05", "", bob, "MRG|100^^^COUNTY^MR"))
	h.tell(h.news("A08", "10:06", "", ann))
	h.tell(h.news("A08", "10:06", "", "PID|1||1^^^ELSEWHERE^MR"))
	h.tell(h.news("A05", "10:06", "", ann))
	want := "adt C 0 applied, adt U 4 older, adt C 0 applied, adt U 0 applied, adt E 4 merged-away, adt E 4 not-ours, event-refused E 4 201"
	if got := strings.Join(h.audited(), ", "); got != want {
		t.Errorf("the audit log has\n%s, want\n%s", got, want)
	}
}

// TestAClockAhead: a sender whose clock was years ahead is heard once it is right again.
func TestAClockAhead(t *testing.T) {
	h := newHouse(t)
	h.tell([]byte(strings.ReplaceAll(string(h.news("A04", "10:00", "", ann)), "20261120", "20991120")))
	now := clock.System.Now().In(time.FixedZone("", -7*3600)).Add(time.Second).Format("20060102150405")
	h.tell([]byte(strings.ReplaceAll(string(h.news("A08", "10:00", "", "PID|1||100^^^COUNTY^MR||Poe^Ann")), "202611201000", now)))
	if got := h.who(county, "100"); got != "100 Poe 1980-02-29 5551234567" {
		t.Errorf("what came after is %s", got)
	}
}
