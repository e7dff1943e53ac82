package deliver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/chartwire/chartwire/connector"
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

// eachReference gives every string value of a member named "reference" in a JSON document, with the byte range of its quoted
// form. In valid JSON every string before a colon names a member, so no more than strings has to be looked at: the decoder
// of the standard library costs ten times as much, twice for each write.
func eachReference(body []byte, visit func(value string, start, end int)) error {
	if len(body) == 0 {
		return nil
	}
	if !json.Valid(body) {
		return errors.New("the plan's body is not JSON")
	}
	for i := bytes.IndexByte(body, '"'); i >= 0 && i < len(body); {
		if body[i] != '"' {
			i++
			continue
		}
		end := stringEnd(body, i)
		name := body[i:end]
		if i = afterSpace(body, end); i == len(body) || body[i] != ':' {
			continue
		}
		if i = afterSpace(body, i+1); body[i] != '"' || unquoted(name) != "reference" {
			continue
		}
		// The value's own bytes may be escaped (a platform's id may hold any character), so they are measured and not rebuilt.
		end = stringEnd(body, i)
		visit(unquoted(body[i:end]), i, end)
		i = end
	}
	return nil
}

// stringEnd is where the JSON string that begins at i is over.
func stringEnd(body []byte, i int) int {
	for i++; body[i] != '"'; i++ {
		if body[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func afterSpace(body []byte, i int) int {
	for i < len(body) && (body[i] == ' ' || body[i] == '\n' || body[i] == '\t' || body[i] == '\r') {
		i++
	}
	return i
}

// unquoted is the value of a valid JSON string.
func unquoted(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	_ = json.Unmarshal(quoted, &s)
	return s
}

// resolveText replaces symbols in a URL or a key, where they are path segments.
func resolveText(s string, known map[string]string) (string, error) {
	rest := s // what is left when every known symbol is taken away; chartwire map resolves symbols to themselves
	for sym, ref := range known {
		s = strings.ReplaceAll(s, sym, ref)
		rest = strings.ReplaceAll(rest, sym, "")
	}
	for _, open := range []string{"{patient}", "{header}", "{encounter}", "{message:", "{transcript:", "{request:", "{task:", "{participant:"} {
		if strings.Contains(rest, open) {
			return "", errSymbol
		}
	}
	return s, nil
}

// symbolStrings are whole JSON strings that stand for a reference not known yet.
var symbolStrings = regexp.MustCompile(`"\{(patient|header|encounter|message|transcript|request|task|participant)(?::[^"]*)?\}"`)

var standIns = map[string]string{"patient": "Patient", "header": "Communication", "encounter": "Encounter", "message": "Communication", "transcript": "DocumentReference",
	"request": "CommunicationRequest", "task": "Task", "participant": "RelatedPerson"}

// Resolve puts the references that symbols stand for into a planned write. A symbol without one is an error.
func Resolve(w connector.Write, known map[string]string) (connector.Write, error) {
	var err error
	if w.Symbolic() {
		if w.Body, err = resolveBody(w.Body, known); err != nil {
			return w, err
		}
	}
	if w.Expect.Subject, err = resolveText(w.Expect.Subject, known); err != nil {
		return w, err
	}
	if w.Key, err = resolveText(w.Key, known); err != nil {
		return w, err
	}
	if w.After, err = resolveText(w.After, known); err != nil {
		return w, err
	}
	if w.Update != nil {
		u := *w.Update
		if u.Target, err = resolveText(u.Target, known); err != nil {
			return w, err
		}
		w.Update = &u
	}
	w.URL, err = resolveText(w.URL, known)
	return w, err
}

// WithStandIns gives a planned body with references of the types its symbols stand for in their place, so that the gate can
// be asked about a write that will not be made: in shadow mode, and by chartwire map. Such bytes are never sent.
func WithStandIns(w connector.Write) []byte {
	if !w.Symbolic() {
		return w.Body
	}
	return symbolStrings.ReplaceAllFunc(w.Body, func(found []byte) []byte {
		return []byte(`"` + standIns[string(symbolStrings.FindSubmatch(found)[1])] + `/symbol"`)
	})
}
