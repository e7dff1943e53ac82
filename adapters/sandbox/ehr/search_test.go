package ehr_test

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/ehr"
)

func TestPatientSearch(t *testing.T) {
	w := start(t, ehr.Options{})
	for query, want := range map[string][]string{
		"identifier=urn:oid:1.2.3|MRN1":                        {"daniel"},
		"identifier=MRN1":                                      {"daniel"},
		"identifier=urn:oid:1.2.3|MRN1,urn:oid:1.2.3|MRN2":     {"daniel", "dana"},
		"identifier=urn:oid:1.2.3|":                            {"daniel", "dana"},
		"identifier=|MRN1":                                     {},
		"identifier=urn:oid:9|MRN1":                            {},
		"identifier=mrn1":                                      {},
		"family=cho":                                           {"daniel", "dana"},
		"family:exact=cho&given=jose":                          {"daniel"},
		"name=dan&birthdate=2015-07-04":                        {"daniel"},
		"birthdate=1980":                                       {"dana"},
		"birthdate=1980-02-10":                                 {},
		"birthdate=ge2000":                                     {"daniel"},
		"phone=%2B15005550006":                                 {"daniel"},
		"email=d@example.org":                                  {"daniel"},
		"phone=d@example.org":                                  {},
		"_id=dana":                                             {"dana"},
		"active=true&_sort=birthdate":                          {"dana", "daniel"},
		"_sort=-birthdate":                                     {"daniel", "dana"},
		"phone:missing=true":                                   {"dana"},
		"phone:missing=false":                                  {"daniel"},
		"_lastUpdated=ge2026-11-22T18:00:00Z&family=cho":       {"daniel", "dana"},
		"_lastUpdated=gt2026-11-22T18:00:00Z&family=cho":       {},
		"_lastUpdated=lt2026-11-22T18:00:00Z":                  {},
		"_lastUpdated=le2026-11-22T13:00:00.000-05:00":         {"daniel", "dana"},
		"_lastUpdated=ge2026-11-22T18:00:00.000Z&_format=json": {"daniel", "dana"},
	} {
		a := w.do("GET", "/Patient?"+query, "")
		if got := ids(a); a.status != 200 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %d %v, want %v", query, a.status, got, want)
		}
	}
}

func TestMessageSearch(t *testing.T) {
	w := start(t, ehr.Options{})
	header := w.do("POST", "/Communication", `{"resourceType":"Communication","status":"in-progress","subject":{"reference":"Patient/daniel"},"topic":{"text":"x"}}`)
	var made []string
	for i, sent := range []string{"2026-11-22T13:03:11-05:00", "2026-11-22T18:03:10Z", "2026-11-23"} {
		body := replace(communication(fmt.Sprintf("t/%d", i), "hi"), `"2026-11-22T13:03:11-05:00"`, `"`+sent+`"`, `"resourceType"`,
			`"partOf":[{"reference":"Communication/`+id(header)+`"}],"medium":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationMode","code":"ONLINEWRIT"}]}],
			"recipient":[{"reference":"Patient/daniel"},{"type":"RelatedPerson","identifier":{"system":"urn:x","value":"mom"}}],"resourceType"`)
		a := w.do("POST", "/Communication", body)
		w.want(a, 201, "")
		made = append(made, id(a))
	}
	for query, want := range map[string][]string{
		"part-of=Communication/" + id(header) + "&_sort=sent":                        {made[1], made[0], made[2]},
		"part-of=" + id(header) + "&_sort=-sent":                                     {made[2], made[0], made[1]},
		"part-of=" + w.Base() + "/Communication/" + id(header) + "&status=completed": made,
		"part-of:missing=true":                                                       {id(header)},
		"patient=daniel&status=in-progress":                                          {id(header)},
		"patient=Patient/daniel&sent=2026-11-22":                                     {made[0], made[1]},
		"subject:Patient=daniel&sent=gt2026-11-22T18:03:10Z":                         {made[0], made[2]},
		"sent=lt2026-11-22T18:03:11Z":                                                {made[1]},
		"sent=sa2026-11-22":                                                          {made[2]},
		"sender=Practitioner/ana":                                                    made,
		"recipient=Patient/daniel":                                                   made,
		"recipient:identifier=urn:x|mom":                                             made,
		"recipient=RelatedPerson/mom":                                                {},
		"medium=ONLINEWRIT&identifier=https://cw.example/sid/texting/message|t/1":    {made[1]},
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range []answer{
			w.do("GET", "/Communication?"+values.Encode(), ""),
			w.do("POST", "/Communication/_search", values.Encode(), "Content-Type", "application/x-www-form-urlencoded"),
		} {
			if got := ids(a); a.status != 200 || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %d %v, want %v", query, a.status, got, want)
			}
			if err := gate.Base(a.raw); err != nil {
				t.Errorf("the searchset: %v", err)
			}
		}
	}
}

func TestSearchIsStrict(t *testing.T) {
	w := start(t, ehr.Options{})
	for query, words := range map[string]string{
		"colour=red": "unknown search parameter", "subject.identifier=MRN1": "unknown search parameter", "_include=x": "unknown",
		"status:not=completed": "modifier", "sent=yesterday": "not a date", "sent=ap2026-11-22": "prefix", "_sort=subject": "_sort",
		"_count=many": "_count", "subject=": "empty", "subject=a|b": "not a reference", "_sort=colour": "_sort",
		"part-of:missing=maybe": "true or false", "sent=2026-11-22T18:00:00 00:00": "%2B",
	} {
		a := w.do("GET", "/Communication?"+strings.ReplaceAll(query, " ", "+"), "")
		w.want(a, 400, words)
	}
	blind := start(t, ehr.Options{Traits: ehr.Blind()})
	blind.want(blind.do("GET", "/Communication?patient=daniel", ""), 405, "cannot be searched")
	traits := ehr.Full()
	traits.SearchByIdentifier = false
	dim := start(t, ehr.Options{Traits: traits})
	dim.want(dim.do("GET", "/Communication?identifier=x", ""), 400, "identifier")
	dim.want(dim.do("GET", "/Communication?patient=daniel", ""), 200, "")
	dim.want(dim.do("GET", "/Patient?identifier=MRN1", ""), 200, "")
}

func TestPagesFollowNextLinksWithoutRepeatOrGap(t *testing.T) {
	w := start(t, ehr.Options{})
	for i := range 7 {
		w.do("POST", "/Communication", communication(fmt.Sprintf("t/%d", i), "hi"))
	}
	seen := map[string]bool{}
	next := w.Base() + "/Communication?_count=3"
	pages := 0
	for next != "" {
		a := w.do("GET", next, "")
		if a.body["total"] != 7.0 {
			t.Fatalf("total %v", a.body["total"])
		}
		for _, got := range ids(a) {
			if seen[got] {
				t.Errorf("%s twice", got)
			}
			seen[got] = true
		}
		pages++
		w.do("POST", "/Communication", communication(fmt.Sprintf("late/%d", pages), "a write between pages"))
		next = ""
		for _, l := range a.body["link"].([]any) {
			if l := l.(map[string]any); l["relation"] == "next" {
				next = l["url"].(string)
				if !strings.HasPrefix(next, w.Base()) {
					t.Fatalf("next leaves the base: %s", next)
				}
			}
		}
	}
	if len(seen) != 7 || pages != 3 {
		t.Errorf("%d resources on %d pages", len(seen), pages)
	}
	w.want(w.do("GET", "?_page=nonsense&_offset=0", ""), 410, "search again")
	if a := w.do("GET", "/Communication?_summary=count", ""); a.body["total"] != 10.0 || a.body["entry"] != nil {
		t.Errorf("%s", a.raw)
	}
}

func TestSearchesLagReadsDoNot(t *testing.T) {
	traits := ehr.Full()
	traits.SearchLag = 30 * time.Second
	w := start(t, ehr.Options{Traits: traits})
	w.clock.Add(time.Hour)
	a := w.do("POST", "/Communication", communication("t/1", "hi"))
	search := func() []string { return ids(w.do("GET", "/Communication?identifier=t/1", "")) }
	if got := search(); len(got) != 0 {
		t.Errorf("at once: %v", got)
	}
	w.want(w.do("GET", "/Communication/"+id(a), ""), 200, "")
	w.clock.Add(29 * time.Second)
	if got := search(); len(got) != 0 {
		t.Errorf("after 29 s: %v", got)
	}
	w.clock.Add(time.Second)
	if got := search(); len(got) != 1 {
		t.Errorf("after 30 s: %v", got)
	}
	w.do("PUT", "/Communication/"+id(a), replace(communication("t/2", "hi"), `"resourceType"`, `"id":"`+id(a)+`","resourceType"`))
	if got := search(); len(got) != 1 {
		t.Errorf("the index should still show the old version: %v", got)
	}
	w.clock.Add(time.Minute)
	if got := search(); len(got) != 0 {
		t.Errorf("the old identifier is still found: %v", got)
	}
}
