package audit

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCheck(t *testing.T) {
	if err := record(1).Check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Record){
		"id":      func(r *Record) { r.ID = "secret" },
		"time":    func(r *Record) { r.At = time.Time{} },
		"kind":    func(r *Record) { r.Kind = "gossip" },
		"action":  func(r *Record) { r.Action = "X" },
		"outcome": func(r *Record) { r.Outcome = 1 },
		"agent":   func(r *Record) { r.Agent = Agent{ID: "secret"} },
		"detail":  func(r *Record) { r.Detail = map[string]string{"text": "secret"} },
	} {
		r := record(1)
		spoil(&r)
		if err := r.Check(); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, k := range Kinds() {
		r := record(1)
		r.Kind, r.Detail = k, map[string]string{"why:signature": "3"}
		if err := r.Check(); err != nil {
			t.Errorf("kind %s: %v", k, err)
		}
	}
	for _, k := range DetailKeys() {
		r := record(1)
		r.Detail = map[string]string{k: ""}
		if err := r.Check(); err != nil {
			t.Errorf("detail %s: %v", k, err)
		}
	}
}

func TestRowOpensToItsRecord(t *testing.T) {
	r := record(1)
	r.At = r.At.In(time.FixedZone("", -6*3600)).Add(123 * time.Nanosecond)
	r.Agent = Agent{Kind: "api", ID: "portal", OnBehalfOf: "Practitioner/prac-ana"}
	part := r.SealedPart()
	row := r.Row([]byte("sealed"))
	if row.Seq != Unsealed || row.Detail != nil || row.Agent.OnBehalfOf != "" || bytes.Contains(row.Leaf(), []byte("prac-ana")) {
		t.Errorf("the row shows what is sealed: %+v", row)
	}
	got, err := row.Opened(part)
	if err != nil {
		t.Fatal(err)
	}
	want := r
	want.At = r.At.UTC().Truncate(time.Microsecond)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if _, err := row.Opened([]byte("{secret")); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("Opened with other bytes: %v", err)
	}
}

func TestAgentText(t *testing.T) {
	for s, a := range map[string]Agent{"worker": {Kind: "worker"}, "channel:texting": {Kind: "channel", ID: "texting"}, "api:a:b": {Kind: "api", ID: "a:b"}, "": {}} {
		if ParseAgent(s) != a || a.String() != s {
			t.Errorf("%q ⇄ %+v", s, a)
		}
	}
}

// Two rows have one leaf only if they are equal in everything that is stored:
// no field's end can be moved into the next.
func TestLeafIsUnambiguous(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("a\x00")), 0, 12, -1).Draw(t, "text")
		draw := func(l string) Row {
			f := split(t, l, text, 10)
			r := Row{Sealed: []byte(f[9])}
			r.ID, r.EHR, r.Thread, r.Item = f[0], f[1], f[2], f[3]
			r.Kind, r.Action, r.Agent, r.EntityHash = Kind(f[4]), Action(f[5]), Agent{Kind: f[6], ID: f[7]}, []byte(f[8])
			r.Outcome = Outcome(rapid.IntRange(0, 1).Draw(t, l))
			r.At = time.UnixMicro(rapid.Int64Range(0, 1).Draw(t, l)).UTC()
			return r
		}
		a, b := draw("a"), draw("b")
		if reflect.DeepEqual(a, b) != bytes.Equal(a.Leaf(), b.Leaf()) {
			t.Fatalf("%+v and %+v", a, b)
		}
	})
}

// split cuts one text into n parts anywhere.
func split(t *rapid.T, label, text string, n int) []string {
	cuts := rapid.SliceOfN(rapid.IntRange(0, len(text)), n-1, n-1).Draw(t, label)
	slices.Sort(cuts)
	parts, from := make([]string, 0, n), 0
	for _, c := range append(cuts, len(text)) {
		parts, from = append(parts, text[from:c]), c
	}
	return parts
}

// The encoding is what every signed root rests on: it must not change.
func TestLeafIsFixed(t *testing.T) {
	row := record(1).Row([]byte("sealed"))
	row.Seq = 42
	const want = "RriSl2Je1qUTZfwTqoFBMGw0Qrown7SGNEqQn0Kv3kQ="
	if got := row.Hash().String(); got != want {
		t.Errorf("leaf hash %s, want %s: stored logs would not verify any more", got, want)
	}
}
