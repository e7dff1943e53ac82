package ehr

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/chartwire/chartwire/adapters/sandbox/script"
)

// chance picks faults for a share of the requests. What a request meets depends on the seed, on what it is (method, type,
// and the identifiers it carries or asks for) and on how often it has come before, so that neither the order of requests
// nor their number changes it, and one that is tried again meets something else. The same request meets at most three.
type chance struct {
	line    int
	seed    uint64
	rate    float64
	palette []offer
	seen    map[string]int // how often a request has come
	met     map[string]int // and how often it met something
}

// offer is one fault a palette has, for one kind of request.
type offer struct {
	on   string // write, bundle, search, read, token
	name string
	args map[string]string
}

const mostMet = 3

func offers(on string, faults ...string) []offer {
	var out []offer
	for _, f := range faults {
		words := strings.Fields(f)
		o := offer{on: on, name: words[0], args: map[string]string{}}
		for _, w := range words[1:] {
			name, val, _ := strings.Cut(w, "=")
			o.args[name] = val
		}
		out = append(out, o)
	}
	return out
}

var (
	lostAnswers = slices.Concat(
		offers("write", "commit-then-reset", "commit-then-cut", "5xx-after-commit", "5xx-after-commit status=502", "5xx-after-commit status=503",
			"5xx-after-commit status=504", "accepted-202 commit=yes", "accepted-202 commit=later after=2s", "accepted-202", "html-200", "html-200 commit=yes",
			"garbage-json", "truncated-json", "empty-body", "empty-body status=200", "wrong-id", "wrong-type", "failed-outcome-200", "409"),
		offers("bundle", "reordered-response", "repeated-response-entry", "dropped-response-entry"))
	passing = slices.Concat(
		offers("write", "429", "429 retry-after=none", "503", "503 retry-after=1", "5xx", "5xx status=502", "401"),
		offers("search", "429", "503 retry-after=1", "5xx status=504", "html-200", "garbage-json"),
		offers("read", "429", "503", "5xx", "html-200"))
	onTheWire = slices.Concat(
		offers("write", "reset", "commit-then-cut", "slow-headers delay=100ms", "long-length", "short-length", "gzip-bomb mb=64", "huge-body mb=64",
			"redirect", "redirect status=307 to=same", "redirect commit=yes", "clock-off"),
		offers("search", "reset", "truncated-json", "long-length", "gzip-bomb mb=64", "huge-body mb=64", "redirect"),
		offers("read", "reset", "short-length", "slow-headers delay=100ms", "clock-off by=-2h"))
	withoutAnswer = offers("write", "hang", "commit-then-timeout", "commit-late after=10s", "slow-body every=1s", "refuse for=2s")
	lyingSearches = offers("search", "search-lag for=5s", "stale-search", "foreign-entry", "paging-loop", "foreign-next")
	tokenTrouble  = slices.Concat(
		offers("token", "5xx", "503 retry-after=1", "reset", "garbage-json", "html-200", "slow-headers delay=100ms"),
		offers("write", "expire-tokens"))
)

// palettes are what a chance may pick from. Those of "mixed" cost an exchange nothing but time where the EHR's entries can
// be searched; "waits" adds those a client waits its whole deadline for; "chart" and "hostile" need people afterwards.
var palettes = map[string][]offer{
	"answers": lostAnswers, "refusals": passing, "wire": onTheWire, "search": lyingSearches, "tokens": tokenTrouble,
	"mixed": slices.Concat(lostAnswers, passing, onTheWire, tokenTrouble, offers("search", "stale-search", "foreign-entry", "foreign-next")),
	"waits": slices.Concat(lostAnswers, passing, onTheWire, tokenTrouble, withoutAnswer, lyingSearches),
	"chart": slices.Concat(offers("write", "edit-stored", "delete-stored", "duplicate-stored", "commits-twice", "racing-create", "lost-update",
		"conflicting-update"), offers("read", "deactivate-patient", "merge-patient")),
	"hostile": slices.Concat(offers("write", "400", "403", "404", "410", "412", "413", "415", "422", "normalised-text", "truncated-text",
		"dropped-attachments", "dropped-identifier", "ignore-if-none-exist", "no-location body=no", "wrong-location"),
		offers("bundle", "half-transaction"), offers("search", "search-misses", "twin-entry"), offers("token", "invalid-client", "invalid-grant")),
}

// Palettes names what a seed may pick from.
func Palettes() []string { return slices.Sorted(maps.Keys(palettes)) }

// Seeded is the script of one line seed=N rate=… palette=…: rate is a share from 0 to 1, palette "" is mixed. It panics on
// a palette there is not.
func Seeded(seed uint64, rate float64, palette string) *Script {
	if palette == "" {
		palette = "mixed"
	}
	return script.Must[Script](fmt.Sprintf("seed=%d rate=%g%% palette=%s", seed, rate*100, palette))
}

// parseChance reads seed=N [rate=P%] [palette=NAME].
func parseChance(words []script.Word) (*chance, int, string) {
	c := &chance{rate: 0.05, palette: palettes["mixed"], seen: map[string]int{}, met: map[string]int{}}
	for _, w := range words {
		name, val, _ := strings.Cut(w.Text, "=")
		var err error
		switch name {
		case "seed":
			c.seed, err = strconv.ParseUint(val, 10, 64)
		case "rate":
			percent, isPercent := strings.CutSuffix(val, "%")
			c.rate, err = strconv.ParseFloat(percent, 64)
			if c.rate /= 100; !isPercent || !(c.rate >= 0 && c.rate <= 1) {
				return nil, w.Column, "rate is a share such as 5%"
			}
		case "palette":
			var ok bool
			if c.palette, ok = palettes[val]; !ok {
				return nil, w.Column, fmt.Sprintf("no palette %q; there are %s", val, strings.Join(Palettes(), ", "))
			}
		default:
			return nil, w.Column, "a chance is seed=N [rate=P%] [palette=NAME]"
		}
		if err != nil {
			return nil, w.Column, name + " is not a number"
		}
	}
	return c, 0, ""
}

// pick gives the fault a request meets, as a rule; nil for none. The script's lock is held.
func (c *chance) pick(r *http.Request, methods, kinds []string, body []byte) *rule {
	on := sortOf(methods, kinds)
	key := on + " " + strings.Join(kinds, ",") + " " + asked(r, on, body)
	n := c.seen[key]
	c.seen[key]++
	h := sha256.New()
	fmt.Fprintf(h, "%d\x00%s\x00%d", c.seed, key, n)
	sum := h.Sum(nil)
	if float64(binary.BigEndian.Uint64(sum)>>11)/(1<<53) >= c.rate || c.met[key] >= mostMet {
		return nil
	}
	var fit []offer
	for _, o := range c.palette {
		if o.on == on || o.on == "write" && on == "bundle" {
			fit = append(fit, o)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	c.met[key]++
	o := fit[binary.BigEndian.Uint64(sum[8:])%uint64(len(fit))]
	return &rule{line: c.line, name: o.name, args: o.args}
}

// sortOf is which offers a request may meet.
func sortOf(methods, kinds []string) string {
	switch {
	case slices.Contains([]string{"token", "jwks", "discovery"}, kinds[0]):
		return "token"
	case slices.Contains(methods, "SEARCH"):
		return "search"
	case slices.Contains(methods, http.MethodGet):
		return "read"
	case kinds[0] == "Bundle":
		return "bundle"
	default:
		return "write"
	}
}

// asked is what a request is about, the same each time it is sent.
func asked(r *http.Request, on string, body []byte) string {
	switch on {
	case "token":
		return ""
	case "search", "read":
		return r.URL.Path + "?" + r.URL.RawQuery + "\n" + string(body)
	}
	if ids := identitiesIn(body); len(ids) > 0 {
		return r.URL.Path + " " + ids[0].System + "|" + ids[0].Value
	}
	sum := sha256.Sum256(body)
	return r.URL.Path + " " + string(sum[:])
}
