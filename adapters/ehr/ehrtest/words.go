package ehrtest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/connector"
)

// Texts holds what would leave to DESIGN §3.6, for 10,000 random texts: the planned request carries every byte of them as one run,
// or is refused before it leaves. The gate, which costs most of the time and sees no difference between them, looks at each
// awkward one and at every fifth of the others. Nothing is filed; Run does that for some of them.
func Texts(t *testing.T, h Harness) {
	r := h.Start(t)
	r.open(t)
	r.file(t, r.header(h.Strategy))
	refused := 0
	all := texts(10_000)
	for i, text := range all {
		writes, err := r.EHR.Plan(r.exchange(h.Strategy, connector.ItemExchange, "w-"+strconv.Itoa(i), text))
		if err == nil {
			err = errors.New("no write is the message's")
			for _, w := range writes {
				if w.Identity.Value == threadID+"/w-"+strconv.Itoa(i) {
					err = r.carries(r.resolve(t, w), text, i < len(awkward) || i%5 == 0)
				}
			}
		}
		switch no := (*connector.Refused)(nil); {
		case errors.As(err, &no):
			refused++
			r.quiet(t, err)
		case err != nil:
			t.Fatalf("text %d %q: %v", i, text, err)
		}
	}
	if refused > len(all)/100 {
		t.Errorf("%d of %d texts are refused", refused, len(all))
	}
}

// carries says whether the words can be cut out of a write again, which it gates first where that is asked for.
func (r *Rig) carries(w connector.Write, text string, gated bool) error {
	if gated {
		if err := r.EHR.Gate(w); err != nil {
			return err
		}
	}
	var found []string
	switch {
	case r.Carried != nil:
		found = []string{r.Carried(w)}
	case r.Words != nil && !w.Symbolic():
		found = []string{r.Words(w.Body)}
	default:
		found = candidates(w.Body)
	}
	if !slices.Contains(found, text) {
		return errors.New("the words that would leave cannot be cut out as they were")
	}
	return nil
}

// candidates are the texts a reader can cut out of a JSON body: every string, every inline attachment, and of a note that says how
// many bytes its words are, those.
func candidates(body []byte) []string {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return nil
	}
	var out []string
	var walk func(name string, v any)
	walk = func(name string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				walk(k, x)
			}
		case []any:
			for _, x := range v {
				walk(name, x)
			}
		case string:
			out = append(out, v)
			if raw, err := base64.StdEncoding.DecodeString(v); err == nil && name == "data" {
				out = append(out, string(raw), counted(string(raw)))
			}
		}
	}
	walk("", v)
	return out
}

// counted are the bytes after the first empty line, as many as the line before it says.
func counted(note string) string {
	head, rest, _ := strings.Cut(note, "\n\n")
	line := head[strings.LastIndex(head, "\n")+1:]
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(line, "Text: "), " bytes"))
	if err != nil || n > len(rest) {
		return ""
	}
	return rest[:n]
}
