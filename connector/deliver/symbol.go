package deliver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// isSymbol says whether a string is one whole symbol of a plan, such as {patient} or {message:t-1/m-1}.
func isSymbol(s string) bool {
	return len(s) > 2 && s[0] == '{' && s[len(s)-1] == '}'
}

// symbolsIn lists the symbols a body holds, in order, each once. Only whole values of a JSON member named "reference" count:
// a message that says "{patient}" is text and stays text.
func symbolsIn(body []byte) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	err := eachReference(body, func(value string, _, _ int) {
		if isSymbol(value) && !seen[value] {
			seen[value] = true
			out = append(out, value)
		}
	})
	return out, err
}

// resolveBody replaces symbols by the values known for them and leaves every other byte as it is. A symbol without a
// value is an error: the plan named something that is not on the chart.
func resolveBody(body []byte, known map[string]string) ([]byte, error) {
	var out bytes.Buffer
	last := 0
	var missing error
	err := eachReference(body, func(value string, start, end int) {
		if !isSymbol(value) {
			return
		}
		ref, ok := known[value]
		if !ok {
			missing = errSymbol
			return
		}
		quoted, _ := json.Marshal(ref)
		out.Write(body[last:start])
		out.Write(quoted)
		last = end
	})
	if err != nil {
		return nil, err
	}
	if missing != nil {
		return nil, missing
	}
	out.Write(body[last:])
	return out.Bytes(), nil
}

var errSymbol = fmt.Errorf("the plan names an entry that is not on the chart")

// eachReference walks a JSON document and gives every string value of a member named "reference", with the byte range
// of its quoted form.
func eachReference(body []byte, visit func(value string, start, end int)) error {
	if len(body) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	type level struct {
		object bool
		key    string
		isKey  bool
	}
	var stack []level
	for {
		before := int(dec.InputOffset())
		tok, err := dec.Token()
		if err == io.EOF && len(stack) == 0 && before > 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the plan's body is not JSON: %w", err)
		}
		top := len(stack) - 1
		if d, ok := tok.(json.Delim); ok {
			if d == '{' || d == '[' {
				stack = append(stack, level{object: d == '{', isKey: d == '{'})
				continue
			}
			stack = stack[:top]
			if top = len(stack) - 1; top >= 0 && stack[top].object {
				stack[top].isKey = true
			}
			continue
		}
		if top < 0 || !stack[top].object {
			continue
		}
		if stack[top].isKey {
			stack[top].key, _ = tok.(string)
			stack[top].isKey = false
			continue
		}
		stack[top].isKey = true
		if s, ok := tok.(string); ok && stack[top].key == "reference" {
			// Between a member's name and its value stand only white space and the colon. The value's own bytes may be
			// escaped (a platform's id may hold any character), so they are measured and not rebuilt.
			start := before + bytes.IndexByte(body[before:], '"')
			visit(s, start, int(dec.InputOffset()))
		}
	}
}

// resolveText replaces symbols in a URL or a key, where they are path segments.
func resolveText(s string, known map[string]string) (string, error) {
	rest := s // what is left when every known symbol is taken away; chartwire map resolves symbols to themselves
	for sym, ref := range known {
		s = strings.ReplaceAll(s, sym, ref)
		rest = strings.ReplaceAll(rest, sym, "")
	}
	for _, open := range []string{"{patient}", "{header}", "{message:", "{request:", "{participant:"} {
		if strings.Contains(rest, open) {
			return "", errSymbol
		}
	}
	return s, nil
}

// symbolStrings are whole JSON strings that stand for a reference not known yet.
var symbolStrings = regexp.MustCompile(`"\{(patient|header|message|request|participant)(?::[^"]*)?\}"`)

var standIns = map[string]string{"patient": "Patient", "header": "Communication", "message": "Communication",
	"request": "CommunicationRequest", "participant": "RelatedPerson"}

// WithStandIns replaces the symbols of a planned body by references of the types they stand for, so that the gate can be
// asked about a write that will not be made: in shadow mode, and by chartwire map. Such bytes are never sent.
func WithStandIns(body []byte) []byte {
	return symbolStrings.ReplaceAllFunc(body, func(found []byte) []byte {
		return []byte(`"` + standIns[string(symbolStrings.FindSubmatch(found)[1])] + `/symbol"`)
	})
}
