package deliver

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/connector"
)

func TestOnlyReferenceValuesAreSymbols(t *testing.T) {
	body := `{"resourceType":"Communication", "subject" : { "reference" :  "{patient}", "display":"{patient}"},
	 "payload":[{"contentString":"{patient} said {header}"},{"contentString":"{patient}"}],
	 "partOf":[{"reference":"{header}"}],"note":[{"text":"\"reference\":\"{patient}\""}],
	 "sender":{"reference":"Practitioner/{patient}"},"recipient":[{"reference":"{participant:a%2Fb%20c}"}],
	 "reference":{"reference":"{patient}"},"x":["reference","{patient}"]}`
	got, err := symbolsIn([]byte(body))
	if want := []string{"{patient}", "{header}", "{participant:a%2Fb%20c}"}; err != nil || !slices.Equal(got, want) {
		t.Fatalf("got %q (%v), want %q", got, err, want)
	}
	known := map[string]string{"{patient}": "Patient/p", "{header}": "Communication/h", "{participant:a%2Fb%20c}": "RelatedPerson/r"}
	out, err := resolveBody([]byte(body), known)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(
		`"subject" : { "reference" :  "{patient}"`, `"subject" : { "reference" :  "Patient/p"`,
		`"partOf":[{"reference":"{header}"}]`, `"partOf":[{"reference":"Communication/h"}]`,
		`"recipient":[{"reference":"{participant:a%2Fb%20c}"}]`, `"recipient":[{"reference":"RelatedPerson/r"}]`,
		`"reference":{"reference":"{patient}"}`, `"reference":{"reference":"Patient/p"}`).Replace(body)
	if string(out) != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

func TestSymbolsOfAnyPlatformIDResolve(t *testing.T) {
	for _, id := range []string{"t-1/m-1", `a"b\c`, "a<b>&c", "a{b}c", "名/é", "\u2028", "a b", "reference"} {
		symbol := connector.SymMessage(id)
		body, err := json.Marshal(map[string]any{"a": "x", "inResponseTo": []any{map[string]string{"reference": symbol}}, "z": symbol})
		if err != nil {
			t.Fatal(err)
		}
		out, err := resolveBody(body, map[string]string{symbol: "Communication/1"})
		var got struct {
			InResponseTo []struct{ Reference string }
			Z            string
		}
		if err == nil {
			err = json.Unmarshal(out, &got)
		}
		if err != nil || got.InResponseTo[0].Reference != "Communication/1" || got.Z != symbol {
			t.Errorf("id %q: %v, %s", id, err, out)
		}
	}
}

func TestSymbolsThatCannotBeResolved(t *testing.T) {
	if _, err := resolveBody([]byte(`{"reference":"{header}"}`), nil); !errors.Is(err, errSymbol) {
		t.Errorf("an unknown symbol: %v", err)
	}
	for _, broken := range []string{`{"reference":"{header}"`, `{"reference":`, `{"a":1}}`, "MSH|^~\\&|"} {
		if _, err := resolveBody([]byte(broken), map[string]string{"{header}": "x"}); err == nil {
			t.Errorf("%s was taken for JSON", broken)
		}
	}
	if out, err := resolveBody(nil, nil); err != nil || len(out) != 0 {
		t.Errorf("no body: %q, %v", out, err)
	}
}

func TestResolveText(t *testing.T) {
	known := map[string]string{"{patient}": "Patient/p", "{message:t/m}": "Communication/c"}
	for _, c := range []struct {
		in, out string
		err     error
	}{
		{"{message:t/m}", "Communication/c", nil},
		{"urn:x|y@{patient}", "urn:x|y@Patient/p", nil},
		{"Communication", "Communication", nil},
		{"{header}", "", errSymbol},
		{"{request:01}", "", errSymbol},
	} {
		if got, err := resolveText(c.in, known); got != c.out || !errors.Is(err, c.err) {
			t.Errorf("%s: got %q, %v", c.in, got, err)
		}
	}
}

// FuzzResolveBody holds resolveBody to two things: bytes outside symbols stay as they are, and the document means the
// same but for its references.
func FuzzResolveBody(f *testing.F) {
	for _, s := range []string{`{"reference":"{patient}"}`, `{"a":[{"reference":"\u007bpatient}"},{"reference": "{patient}" }],"text":"{patient}"}`,
		`["reference","{patient}"]`, `{"reference":{"reference":["{patient}"]}}`, `"{patient}"`, ` `, `{"reference":"{x}"}`, `{} {"reference":"{patient}"}`} {
		f.Add([]byte(s))
	}
	const mark = "Patient/2b7e151628aed2a6abf7158809cf4f3c"
	known := map[string]string{"{patient}": mark}
	f.Fuzz(func(t *testing.T, body []byte) {
		if bytes.Contains(body, []byte(mark)) {
			return // such an input says nothing: what was put in could not be told from it
		}
		out, err := resolveBody(body, known)
		if err != nil {
			return
		}
		// Replacing what came in by any spelling of the symbol must give the input back.
		rest := body
		for part := range bytes.SplitSeq(out, []byte(`"`+mark+`"`)) {
			if !bytes.HasPrefix(rest, part) {
				t.Fatalf("bytes outside a symbol changed: %q became %q", body, out)
			}
			rest = rest[len(part):]
			if len(rest) == 0 {
				break
			}
			end := bytes.IndexByte(rest[1:], '"') + 2
			var symbol string
			if json.Unmarshal(rest[:end], &symbol) != nil || symbol != "{patient}" {
				t.Fatalf("something else than the symbol was replaced: %q became %q", body, out)
			}
			rest = rest[end:]
		}
		if len(rest) != 0 {
			t.Fatalf("the end is missing: %q became %q", body, out)
		}
	})
}
