package decode

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

type kind string

func (k *kind) UnmarshalText(b []byte) error {
	if string(b) != "text" && string(b) != "photo" {
		return fmt.Errorf("unknown kind %q", b) // quotes the input, as such errors do
	}
	*k = kind(b)
	return nil
}

type explained int

func (e *explained) UnmarshalJSON(b []byte) error {
	return &Problem{Text: "want a colour"}
}

type message struct {
	ID      string          `json:"id"`
	SentAt  time.Time       `json:"sent_at"`
	Kind    kind            `json:"kind"`
	Urgent  bool            `json:"urgent"`
	Size    int64           `json:"size"`
	Ratio   float64         `json:"ratio"`
	Raw     json.RawMessage `json:"raw"`
	Any     any             `json:"any"`
	Bytes   []byte          `json:"bytes"`
	Reply   *message        `json:"reply"`
	From    *netip.Addr     `json:"from"`
	Colour  *explained      `json:"colour"`
	Skipped string          `json:"-"`
	hidden  string
}

type body struct {
	Type string `json:"type"`
	Data struct {
		Messages []message         `json:"messages"`
		Tags     map[string]string `json:"tags"`
		People   map[string]message
		Pair     [2]int `json:"pair"`
	} `json:"data"`
}

func problem(t *testing.T, err error) *Problem {
	t.Helper()
	var p *Problem
	if !errors.As(err, &p) {
		t.Fatalf("error %v is not a Problem", err)
	}
	return p
}

func TestRefusedWithPointer(t *testing.T) {
	deep := strings.Repeat(`[`, 65) + strings.Repeat(`]`, 65)
	long := strings.Repeat("x", 500)
	for _, c := range []struct{ name, in, pointer, text string }{
		{"empty", ``, "", "no JSON"},
		{"blank", " \n", "", "no JSON"},
		{"byte order mark", "\ufeff{}", "", "want a JSON value"},
		{"trailing value", `{} {}`, "", "follows"},
		{"trailing comma", `{"type":"a",}`, "", "double quotes"},
		{"trailing bytes", "{}\x00", "", "follows"},
		{"array comma", `{"data":{"messages":[{},]}}`, "/data/messages/1", "want a JSON value"},
		{"duplicate", `{"type":"a","data":{},"type":"b"}`, "/type", "twice"},
		{"duplicate by escape", `{"type":"a","t\u0079pe":"b"}`, "/type", "twice"},
		{"duplicate below", `{"data":{"messages":[{},{"id":"1","id":"1"}]}}`, "/data/messages/1/id", "twice"},
		{"duplicate in opaque part", `{"data":{"messages":[{"raw":{"a":[0,{"b":1,"b":2}]}}]}}`, "/data/messages/0/raw/a/1/b", "twice"},
		{"duplicate unknown", `{"x":1,"x":2}`, "/x", "twice"},
		{"duplicate empty key", `{"":1,"":2}`, "/?", "twice"},
		{"duplicate map key", `{"data":{"tags":{"a":"","a":""}}}`, "/data/tags/?", "twice"},
		{"bad UTF-8 in text", "{\"type\":\"a\xff\"}", "/type", "UTF-8"},
		{"bad UTF-8 in key", "{\"ty\xffpe\":1}", "", "UTF-8"},
		{"surrogate as UTF-8", "{\"type\":\"\xed\xa0\x80\"}", "/type", "UTF-8"},
		{"overlong UTF-8", "{\"type\":\"\xc0\xaf\"}", "/type", "UTF-8"},
		{"lone high surrogate", `{"type":"\ud800"}`, "/type", "surrogate"},
		{"lone low surrogate", `{"type":"\udc00"}`, "/type", "surrogate"},
		{"reversed surrogates", `{"type":"\udc00\ud800"}`, "/type", "surrogate"},
		{"high then letter", `{"type":"\ud83d\u0041"}`, "/type", "surrogate"},
		{"high then end", `{"type":"\ud83d`, "/type", "surrogate"},
		{"surrogate in key", `{"\ud800":1}`, "", "surrogate"},
		{"bad escape", `{"type":"\x41"}`, "/type", "escape"},
		{"short escape", `{"type":"\u12"}`, "/type", "escape"},
		{"raw control", "{\"type\":\"a\nb\"}", "/type", "control"},
		{"cut in string", `{"type":"a`, "/type", "ends"},
		{"cut in escape", `{"type":"a\`, "/type", "ends"},
		{"cut after colon", `{"type":`, "/type", "ends"},
		{"cut after key", `{"type"`, "/type", "want :"},
		{"cut after value", `{"type":1`, "", "want , or }"},
		{"cut in array", `[1`, "", "want , or ]"},
		{"missing comma", `[1 2]`, "", "want , or ]"},
		{"unquoted key", `{type:1}`, "", "double quotes"},
		{"single quotes", `{'type':1}`, "", "double quotes"},
		{"comment", `{/**/}`, "", "double quotes"},
		{"NaN", `{"data":{"messages":[{"ratio":NaN}]}}`, "/data/messages/0/ratio", "want a JSON value"},
		{"Infinity", `[Infinity]`, "/0", "want a JSON value"},
		{"minus Infinity", `[-Infinity]`, "/0", "number"},
		{"plus", `[+1]`, "/0", "want a JSON value"},
		{"leading zero", `[01]`, "", "want , or ]"},
		{"bare dot", `[1.]`, "/0", "number"},
		{"dot first", `[.5]`, "/0", "want a JSON value"},
		{"bare exponent", `[1e+]`, "/0", "number"},
		{"hexadecimal", `[0x7f]`, "", "want , or ]"},
		{"True", `[True]`, "/0", "want a JSON value"},
		{"nul", `[nul]`, "/0", "want a JSON value"},
		{"nullx", `[nullx]`, "", "want , or ]"},
		{"too deep", deep, "/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0", "deeply"},
		{"too deep in objects", strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65), strings.Repeat("/a", 64), "deeply"},

		{"number for string", `{"type":5551234}`, "/type", "want a string, found a number"},
		{"string for object", `{"data":"x"}`, "/data", "want an object, found a string"},
		{"object for array", `{"data":{"messages":{}}}`, "/data/messages", "want an array, found an object"},
		{"array for string", `{"data":{"messages":[{},{"id":[]}]}}`, "/data/messages/1/id", "want a string, found an array"},
		{"string for bool", `{"data":{"messages":[{"urgent":"yes"}]}}`, "/data/messages/0/urgent", "want true or false, found a string"},
		{"bool for number", `{"data":{"messages":[{"ratio":true}]}}`, "/data/messages/0/ratio", "want a number in range, found true or false"},
		{"fraction for whole", `{"data":{"messages":[{"size":5551234.5}]}}`, "/data/messages/0/size", "want a whole number in range, found a number"},
		{"too large", `{"data":{"messages":[{"size":99999999999999999999}]}}`, "/data/messages/0/size", "want a whole number"},
		{"too large a float", `{"data":{"messages":[{"ratio":1e999}]}}`, "/data/messages/0/ratio", "want a number"},
		{"number for bytes", `{"data":{"messages":[{"bytes":1}]}}`, "/data/messages/0/bytes", "want base64 text"},
		{"pair of strings", `{"data":{"pair":[1,"x"]}}`, "/data/pair/1", "want a whole number"},
		{"no pair", `{"data":{"pair":1}}`, "/data/pair", "want an array"},
		{"map value", `{"data":{"tags":{"a":"","b":1}}}`, "/data/tags/?", "want a string"},
		{"not base64", `{"data":{"messages":[{"bytes":"!!"}]}}`, "", "form"},
		{"not a date", `{"data":{"messages":[{},{"sent_at":"5551234"}]}}`, "/data/messages/1/sent_at", "RFC 3339"},
		{"date without offset", `{"data":{"messages":[{"sent_at":"2026-01-02T03:04:05"}]}}`, "/data/messages/0/sent_at", "RFC 3339"},
		{"own type", `{"data":{"messages":[{"kind":"5551234"}]}}`, "/data/messages/0/kind", "not one its field takes"},
		{"own type behind pointers", `{"data":{"messages":[{"reply":{"reply":{"from":"5551234"}}}]}}`, "/data/messages/0/reply/reply/from", "not one its field takes"},
		{"own type in a map", `{"data":{"People":{"Ann 5551234":{"kind":"x"}}}}`, "/data/People/?/kind", "not one its field takes"},
		{"own type explains", `{"data":{"messages":[{"colour":5551234}]}}`, "/data/messages/0/colour", "want a colour"},
		{"number for own text type", `{"data":{"messages":[{"kind":5551234}]}}`, "/data/messages/0/kind", "not one its field takes"},

		{"long key", `{"data":{"` + long + `":{"id":[tru]}}}`, "/data/?/id/0", "want a JSON value"},
		{"talkative key", `{"call Ann on 5551234":{"id":nul}}`, "/?/id", "want a JSON value"},
		{"slash and tilde in key", `{"data":{"a/~b":nul}}`, "/data/?", "want a JSON value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b body
			var v any = &b
			if strings.HasPrefix(c.in, "[") {
				v = nil
			}
			_, err := Strict([]byte(c.in), v, Options{})
			p := problem(t, err)
			if p.Pointer != c.pointer || !strings.Contains(p.Text, c.text) {
				t.Errorf("got %q %q, want %q … %q", p.Pointer, p.Text, c.pointer, c.text)
			}
			if p.Offset < 0 || p.Offset > len(c.in) {
				t.Errorf("offset %d is outside of the input", p.Offset)
			}
			if s := p.Error(); strings.Contains(s, "5551234") || strings.Contains(s, "Ann") || strings.Contains(s, "xxxx") {
				t.Errorf("the error repeats a value: %s", s)
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	in := "\t{\r\n\"type\": \"caf\u00e9 \\ud83d\\ude00 \\u0000 \\\" \\\\ \\/ \\b\\f\\n\\r\\t\u2028\", \"data\": {" +
		`"messages":[{"id":"1","sent_at":"2026-03-08T01:59:59.5-06:00","kind":"photo","urgent":true,"size":-0,"ratio":-12.5e-1,` +
		`"raw":{"a" : [ ]},"any":{"Type":null},"bytes":"aGk=","reply":{"id":"0","from":"10.0.0.1"}},{"kind":null}],` +
		`"tags":{"x":"y","X":"Y"},"People":{},"pair":[1,2]}}` + " \n"
	var got, want body
	unknown, err := Strict([]byte(in), &got, Options{UnknownFields: Refuse})
	if err != nil || len(unknown) != 0 {
		t.Fatalf("Strict: %v, unknown %v", err, unknown)
	}
	if err := json.Unmarshal([]byte(in), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if got.Type != "café 😀 \x00 \" \\ / \b\f\n\r\t\u2028" {
		t.Errorf("text = %q", got.Type)
	}
	if string(got.Data.Messages[0].Raw) != `{"a" : [ ]}` {
		t.Errorf("raw part = %s: its bytes are to be kept", got.Data.Messages[0].Raw)
	}
	for _, scalar := range []string{`{"a":{"b":{"a":1}},"b":[{"a":1},{"a":2}],"c":3}`, `null`, `0`, `-0.0E+00`, `"x"`, `true`, `[]`, `{}`} {
		if _, err := Strict([]byte(scalar), nil, Options{}); err != nil {
			t.Errorf("%s: %v", scalar, err)
		}
	}
	if _, err := Strict([]byte(strings.Repeat(`[`, 64)+strings.Repeat(`]`, 64)), nil, Options{}); err != nil {
		t.Errorf("depth 64: %v", err)
	}
	if _, err := Strict([]byte(`[[1]]`), nil, Options{MaxDepth: 1}); err == nil {
		t.Error("depth 2 passed a limit of 1")
	}
}

// encoding/json takes "Type", "TYPE" and even "ſize" for a field; we do not.
func TestOtherCaseDoesNotFill(t *testing.T) {
	for _, c := range []struct {
		in      string
		unknown []string
	}{
		{`{"Type":"evil"}`, []string{"/Type"}},
		{`{"type":"good","TYPE":"evil"}`, []string{"/TYPE"}},
		{`{"TYPE":"evil","type":"good"}`, []string{"/TYPE"}},
		{`{"ty\u0050e":"evil"}`, []string{"/tyPe"}},
		{`{"DATA":{"messages":[{"id":"evil"}]}}`, []string{"/DATA"}},
		{`{"data":{"messages":[{"ID":"evil","Id":"evil"}]}}`, []string{"/data/messages/0/ID", "/data/messages/0/Id"}},
		{`{"data":{"messages":[{"ſize":666}]}}`, []string{"/data/messages/0/?"}},
		{`{"data":{"messages":[{"\u212aind":"photo"}]}}`, []string{"/data/messages/0/?"}}, // Kelvin sign
		{`{"data":{"people":{"x":{"id":"evil"}}}}`, []string{"/data/people"}},
		{`{"data":{"People":{"x":{"Id":"evil"}}}}`, []string{"/data/People/?/Id"}},
	} {
		t.Run(c.in, func(t *testing.T) {
			var got body
			unknown, err := Strict([]byte(c.in), &got, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(unknown, c.unknown) {
				t.Errorf("unknown = %q, want %q", unknown, c.unknown)
			}
			if out, _ := json.Marshal(got); strings.Contains(string(out), "evil") || strings.Contains(string(out), "666") {
				t.Errorf("a field of another case was filled: %s", out)
			}
			if got.Type != "" && got.Type != "good" {
				t.Errorf("type = %q", got.Type)
			}
			_, err = Strict([]byte(c.in), new(body), Options{UnknownFields: Refuse})
			if p := problem(t, err); p.Pointer != c.unknown[0] || !strings.Contains(p.Text, "case-sensitive") {
				t.Errorf("refused with %v", p)
			}
		})
	}
}

func TestUnknownFields(t *testing.T) {
	in := `{"type":"x","extra":{"nested":1},"data":{"messages":[{"id":"1","call 5551234":0,"any":{"free":1}}],"Skipped":1,"hidden":1}}`
	unknown, err := Strict([]byte(in), new(body), Options{})
	want := []string{"/extra", "/data/messages/0/?", "/data/Skipped", "/data/hidden"}
	if err != nil || !reflect.DeepEqual(unknown, want) {
		t.Errorf("unknown = %q, %v, want %q", unknown, err, want)
	}
	_, err = Strict([]byte(in), new(body), Options{UnknownFields: Refuse})
	if p := problem(t, err); p.Pointer != "/extra" || p.Offset != strings.Index(in, `"extra"`) {
		t.Errorf("refused with %+v", p)
	}

	many := `{"a":0`
	for i := range 1000 {
		many += fmt.Sprintf(`,"x%d":0`, i)
	}
	unknown, err = Strict([]byte(many+"}"), new(body), Options{})
	if err != nil || len(unknown) != maxUnknown {
		t.Errorf("%d unknown fields reported, %v, want the first %d", len(unknown), err, maxUnknown)
	}
	_, err = Strict([]byte(many+`,"x999":1}`), new(body), Options{})
	if p := problem(t, err); p.Pointer != "/x999" {
		t.Errorf("duplicate among a thousand keys: %v", p)
	}
}

func TestPointerIsBounded(t *testing.T) {
	word := strings.Repeat("w", maxWord)
	in := strings.Repeat(`{"`+word+`":`, 60) + `nul`
	_, err := Strict([]byte(in), nil, Options{})
	p := problem(t, err)
	if len(p.Pointer) > maxPointer || !strings.HasSuffix(p.Pointer, "/...") {
		t.Errorf("pointer of %d bytes: %s", len(p.Pointer), p.Pointer)
	}
	if len(p.Pointer) < maxPointer-maxWord-10 {
		t.Errorf("pointer cut to %d bytes, earlier than needed", len(p.Pointer))
	}
}

func TestMisuseIsNoProblem(t *testing.T) {
	var p *Problem
	if _, err := Strict([]byte(`{}`), body{}, Options{}); err == nil || errors.As(err, &p) {
		t.Errorf("decoding into a value, not a pointer: %v", err)
	}
}

// Two keys of one object are the same when they are after unescaping; hashing
// must not be quadratic for many.
func TestManyKeys(t *testing.T) {
	var sb strings.Builder
	sb.WriteByte('{')
	for i := range 200_000 {
		fmt.Fprintf(&sb, `"k%d":{"k":0},`, i)
	}
	if _, err := Strict([]byte(sb.String()+`"z":0}`), nil, Options{}); err != nil {
		t.Error(err)
	}
	_, err := Strict([]byte(sb.String()+`"\u006b7":0}`), nil, Options{})
	if p := problem(t, err); p.Pointer != "/k7" {
		t.Errorf("duplicate at the end of 200,000 keys: %v", p)
	}
}
