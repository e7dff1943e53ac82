package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var born = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func fresh(t testing.TB) *Sealer {
	t.Helper()
	s, err := Generate(born)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var place = AAD{EHR: "01EHR", Thread: "01THREAD", Table: "message", Row: "01ROW", Column: "text"}

func TestSealOpens(t *testing.T) {
	s := fresh(t)
	for _, plain := range []string{"", "Is 5 mg right?", strings.Repeat("ü\x00", 100_000)} {
		sealed := s.Seal([]byte(plain), place)
		if len(sealed) != len(plain)+Overhead {
			t.Errorf("sealed %d bytes into %d, want %d more", len(plain), len(sealed), Overhead)
		}
		if len(plain) > 4 && bytes.Contains(sealed, []byte(plain[:5])) {
			t.Error("the sealed value shows its plaintext")
		}
		got, err := s.Open(sealed, place)
		if err != nil || string(got) != plain {
			t.Errorf("Open = %d bytes, %v", len(got), err)
		}
		if id, err := KeyID(sealed); err != nil || id != primary(s) {
			t.Errorf("KeyID = %d, %v, want the primary", id, err)
		}
	}
	if bytes.Equal(s.Seal([]byte("x"), place), s.Seal([]byte("x"), place)) {
		t.Error("two seals of one value are equal: an observer sees repeats")
	}
}

func primary(s *Sealer) uint32 {
	for _, k := range s.List() {
		if k.Use == UseAEAD && k.Primary {
			return k.ID
		}
	}
	return 0
}

// A value copied to any other place must not open there, also where the two
// places read alike when their parts are joined.
func TestMovedValueDoesNotOpen(t *testing.T) {
	s := fresh(t)
	sealed := s.Seal([]byte("take two"), place)
	for name, move := range map[string]func(*AAD){
		"ehr":      func(a *AAD) { a.EHR = "01OTHER" },
		"thread":   func(a *AAD) { a.Thread = "01OTHER" },
		"table":    func(a *AAD) { a.Table = "event" },
		"row":      func(a *AAD) { a.Row = "01OTHER" },
		"column":   func(a *AAD) { a.Column = "subject" },
		"shifted":  func(a *AAD) { a.EHR, a.Thread = a.EHR+"0", a.Thread[1:] },
		"joined":   func(a *AAD) { a.EHR, a.Thread = a.EHR+a.Thread, "" },
		"swapped":  func(a *AAD) { a.EHR, a.Thread = a.Thread, a.EHR },
		"appended": func(a *AAD) { a.Column += "\x00" },
	} {
		t.Run(name, func(t *testing.T) {
			other := place
			move(&other)
			if _, err := s.Open(sealed, other); !errors.Is(err, ErrOpen) {
				t.Errorf("Open elsewhere = %v, want ErrOpen", err)
			}
		})
	}
}

func TestSwappedRowsDoNotOpen(t *testing.T) {
	s := fresh(t)
	rows := map[string][]byte{}
	at := func(row string) AAD { a := place; a.Row = row; return a }
	for i := range 20 {
		row := fmt.Sprintf("01ROW%d", i)
		rows[row] = s.Seal([]byte("text of "+row), at(row))
	}
	for from, sealed := range rows {
		for to := range rows {
			plain, err := s.Open(sealed, at(to))
			if from == to && (err != nil || string(plain) != "text of "+from) {
				t.Errorf("%s in its own row: %v", from, err)
			}
			if from != to && !errors.Is(err, ErrOpen) {
				t.Errorf("%s opened in row %s", from, to)
			}
		}
	}
}

func TestAADEncodingIsUnambiguous(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// One text cut in two ways: only equal cuts may give equal bytes.
		text := rapid.StringOfN(rapid.SampledFrom([]rune("a\x00")), 0, 8, -1).Draw(t, "text")
		draw := func(label string) AAD {
			c := rapid.SliceOfN(rapid.IntRange(0, len(text)), 4, 4).Draw(t, label)
			slices.Sort(c)
			return AAD{text[:c[0]], text[c[0]:c[1]], text[c[1]:c[2]], text[c[2]:c[3]], text[c[3]:]}
		}
		a, b := draw("a"), draw("b")
		if (a == b) != bytes.Equal(a.encode(), b.encode()) {
			t.Fatalf("%q and %q", a, b)
		}
	})
}

func TestAlteredValueDoesNotOpen(t *testing.T) {
	s := fresh(t)
	sealed := s.Seal([]byte("no"), place)
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		_, err := s.Open(bad, place)
		want := ErrOpen
		switch {
		case i == 0:
			want = ErrNotSealed
		case i < prefixSize:
			want = ErrUnknownKey
		}
		if !errors.Is(err, want) {
			t.Errorf("byte %d flipped: %v, want %v", i, err, want)
		}
	}
	for n := range Overhead {
		if _, err := s.Open(sealed[:n], place); !errors.Is(err, ErrNotSealed) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := s.Open(append(sealed, 0), place); !errors.Is(err, ErrOpen) {
		t.Errorf("with a byte more: %v", err)
	}
	if _, err := fresh(t).Open(sealed, place); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("under another keyset: %v, want ErrUnknownKey", err)
	}
}

func TestSealRefusesAnIncompletePlace(t *testing.T) {
	s := fresh(t)
	for name, a := range map[string]AAD{
		"table": {EHR: "e", Row: "r", Column: "c"}, "row": {EHR: "e", Table: "t", Column: "c"}, "column": {EHR: "e", Table: "t", Row: "r"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("sealed without its place")
				}
			}()
			s.Seal(nil, a)
		})
	}
}

func TestLookup(t *testing.T) {
	s := fresh(t)
	base := s.Lookup("event", "texting", "msg_1")
	if len(base) != LookupSize || !bytes.Equal(base, s.Lookup("event", "texting", "msg_1")) {
		t.Fatalf("Lookup gives %d bytes, and not always the same", len(base))
	}
	if len(s.Lookup("event", strings.Repeat("x", 1<<20))) != LookupSize {
		t.Error("size depends on the input")
	}
	seen := map[string]string{string(base): "base"}
	for name, l := range map[string][]byte{
		"another domain":   s.Lookup("message", "texting", "msg_1"),
		"another part":     s.Lookup("event", "texting", "msg_2"),
		"shifted":          s.Lookup("event", "textin", "gmsg_1"),
		"joined":           s.Lookup("event", "textingmsg_1"),
		"empty part added": s.Lookup("event", "texting", "msg_1", ""),
		"domain shifted":   s.Lookup("eventtexting", "msg_1"),
		"no parts":         s.Lookup("event"),
		"another keyset":   fresh(t).Lookup("event", "texting", "msg_1"),
		"the derived bits": s.Derive("event")[:LookupSize],
	} {
		if other, ok := seen[string(l)]; ok {
			t.Errorf("%s equals %s", name, other)
		}
		seen[string(l)] = name
	}
	for _, k := range s.List() {
		if k.Use == UseLookup && !bytes.HasPrefix(base, []byte{byte(k.ID >> 24), byte(k.ID >> 16), byte(k.ID >> 8), byte(k.ID)}) {
			t.Error("Lookup does not start with its key id")
		}
	}
}

func TestDerive(t *testing.T) {
	s := fresh(t)
	a := s.Derive("audit")
	if len(a) != 32 || !bytes.Equal(a, s.Derive("audit")) {
		t.Error("Derive is not 32 stable bytes")
	}
	if bytes.Equal(a, s.Derive("notify")) || bytes.Equal(a, fresh(t).Derive("audit")) {
		t.Error("two purposes or two keysets derive the same secret")
	}
}

func TestParseRefusesWithoutRepeatingSecrets(t *testing.T) {
	good, err := fresh(t).keys.Load().marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(good); err != nil {
		t.Fatalf("what marshal wrote: %v", err)
	}
	var f map[string]json.RawMessage
	if err := json.Unmarshal(good, &f); err != nil {
		t.Fatal(err)
	}
	with := func(change func(map[string]json.RawMessage)) string {
		g := map[string]json.RawMessage{}
		for k, v := range f {
			g[k] = v
		}
		change(g)
		b, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for name, bad := range map[string]string{
		"empty":             "",
		"not JSON":          "SECRETSECRET",
		"two objects":       string(good) + "{}",
		"unknown field":     with(func(g map[string]json.RawMessage) { g["SECRETSECRET"] = g["aead"] }),
		"no aead":           with(func(g map[string]json.RawMessage) { delete(g, "aead") }),
		"no lookup":         with(func(g map[string]json.RawMessage) { delete(g, "lookup") }),
		"parts exchanged":   with(func(g map[string]json.RawMessage) { g["aead"], g["lookup"] = g["lookup"], g["aead"] }),
		"aead as lookup":    with(func(g map[string]json.RawMessage) { g["lookup"] = g["aead"] }),
		"key not base64":    strings.Replace(string(good), `"value": "`, `"value": "!SECRETSECRET`, 1),
		"unquoted key":      strings.Replace(string(good), `"value": "`, `"value": SECRETSECRET"`, 1),
		"date is no date":   with(func(g map[string]json.RawMessage) { g["created"] = json.RawMessage(`{"1":"SECRETSECRET"}`) }),
		"keyset is a word":  with(func(g map[string]json.RawMessage) { g["aead"] = json.RawMessage(`"SECRETSECRET"`) }),
		"keyset with bogus": with(func(g map[string]json.RawMessage) { g["aead"] = json.RawMessage(`{"SECRETSECRET":1}`) }),
	} {
		t.Run(name, func(t *testing.T) {
			if bad == string(good) {
				t.Fatal("this case changes nothing")
			}
			_, err := Parse([]byte(bad))
			if err == nil {
				t.Fatal("accepted")
			}
			if strings.Contains(err.Error(), "SECRET") {
				t.Errorf("the error repeats the input: %v", err)
			}
		})
	}
}

func BenchmarkSeal1KiB(b *testing.B) {
	s, plain := fresh(b), make([]byte, 1024)
	b.SetBytes(1024)
	b.ReportAllocs()
	for b.Loop() {
		s.Seal(plain, place)
	}
}

func BenchmarkOpen1KiB(b *testing.B) {
	s := fresh(b)
	sealed := s.Seal(make([]byte, 1024), place)
	b.SetBytes(1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Open(sealed, place); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	s := fresh(b)
	b.ReportAllocs()
	for b.Loop() {
		s.Lookup("event", "texting", "msg_0123456789")
	}
}
