package webhook_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters/channel/webhook"
	"github.com/chartwire/chartwire/connector"
)

// TestDecodeIsTheSchema changes events of every type in every place in many ways, and holds every answer of DecodeLine to
// the contract's schema as an independent validator reads it, with the two rules the schema cannot say.
func TestDecodeIsTheSchema(t *testing.T) {
	for _, policy := range []string{webhook.KeepUnknown, webhook.RefuseUnknown} {
		t.Run(policy, func(t *testing.T) {
			o := options()
			o.UnknownFields = policy
			c := channel(t, o)
			s := eventSchema(t, policy == webhook.KeepUnknown)
			taken, refused := 0, 0
			check := func(body []byte, at string) {
				_, err := c.DecodeLine(body)
				want := fits(s, body)
				if want == nil {
					want = beyond(body)
				}
				switch {
				case (err == nil) != (want == nil):
					t.Errorf("%s\nours: %v\nschema: %v", body, err, want)
				case err == nil:
					taken++
				default:
					refused++
					pointsNear(t, body, err, at)
				}
			}
			for _, event := range corpus {
				var doc any
				d := json.NewDecoder(strings.NewReader(event))
				d.UseNumber()
				if err := d.Decode(&doc); err != nil {
					t.Fatal(err)
				}
				if err := fits(s, []byte(event)); err != nil {
					t.Fatalf("the corpus is not by the contract: %v", err)
				}
				nth := 0
				mutate(doc, "", func(at string) {
					// The policies differ in unknown fields alone: one of them sees every change, the other every third.
					if nth++; policy == webhook.KeepUnknown || nth%3 == 0 {
						check(marshal(t, doc), at)
					}
				})
				several(t, doc, func() { check(marshal(t, doc), "?") })
			}
			if taken < 300 || refused < 3000 {
				t.Errorf("%d taken, %d refused: the changes do not reach both sides", taken, refused)
			}
		})
	}
}

// beyond is what the contract says in words: inline data is what its size and hash say, and (so that files can be named) a
// message's attachment ids differ. Whole numbers are kept in 64 bits.
func beyond(body []byte) error {
	var e map[string]map[string]map[string]json.RawMessage // exact names: encoding/json folds those of structs
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(body, &whole); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(`{"data":`+string(whole["data"])+`}`), &e); err != nil {
		return nil // parts that are no objects are none of the contract's
	}
	for _, part := range []string{"message", "correction"} {
		var fs []map[string]json.RawMessage
		raw, there := e["data"][part]["attachments"]
		if !there {
			continue
		}
		if err := json.Unmarshal(raw, &fs); err != nil {
			return err
		}
		if err := beyondFiles(fs); err != nil {
			return err
		}
	}
	return nil
}

func beyondFiles(fs []map[string]json.RawMessage) error {
	seen := map[string]bool{}
	for _, f := range fs {
		if seen[string(f["id"])] {
			return errors.New("an id twice")
		}
		seen[string(f["id"])] = true
		if f["data"] == nil {
			continue
		}
		var text, hash string
		if err := json.Unmarshal(f["data"], &text); err != nil {
			return err
		}
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		if f["sha256"] != nil && (json.Unmarshal(f["sha256"], &hash) != nil || hash != hex.EncodeToString(sum[:])) {
			return errors.New("another hash")
		}
		if n, err := json.Number(f["size"]).Float64(); f["size"] != nil && (err != nil || n != float64(len(data))) {
			return errors.New("another size")
		}
	}
	return nil
}

// pointsNear wants the error's pointer on the way to the change, or below it, or beside it.
func pointsNear(t *testing.T, body []byte, err error, at string) {
	t.Helper()
	var de *connector.DecodeError
	if !errors.As(err, &de) || de.Text == "" {
		t.Errorf("%s: %T %v", body, err, err)
		return
	}
	if at == "?" {
		return
	}
	parent := at[:max(strings.LastIndex(at, "/"), 0)]
	// A type decides what data needs, a direction who may send, an attachment's parts what they say of each other.
	if !strings.HasPrefix(de.Pointer, parent) && !strings.HasPrefix(at, de.Pointer) {
		t.Errorf("changed at %s, refused at %s (%s)", at, de.Pointer, de.Text)
	}
}

// values are what a field is set to.
func values(name string, old any) []any {
	out := []any{
		nil, true, json.Number("0"), json.Number("1"), json.Number("-1"), json.Number("1.5"), json.Number("2.0"), json.Number("1e1"),
		"", "x", " ", "a b", "é", "x\n", "\u0000", strings.Repeat("é", 64), strings.Repeat("é", 65), strings.Repeat("x", 128), strings.Repeat("x", 129),
		strings.Repeat("🙂", 255), strings.Repeat("🙂", 256), strings.Repeat("é", 500), strings.Repeat("é", 501),
		[]any{}, []any{nil}, []any{"x"}, []any{json.Number("1")}, map[string]any{}, []any{map[string]any{}},
		"patient", "system", "clinician", "proxy", "from_patient", "to_patient", "internal", "stat", "sent", "failed", "granted", "other",
		"message.created", "message.status", "message.corrected", "message.retracted", "thread.closed", "thread.reopened", "consent.updated",
		"2026-02-30", "2026-11-22", "2026-11-22T18:03:12", "2026-11-22t18:03:12z", "2026-11-22T18:03:12.123456789012Z", "2026-11-22T18:03:12,5Z",
		"2026-11-22T18:03:12.Z", "2026-11-22T24:00:00Z", "2016-12-31T23:59:60Z", "2016-12-31T18:59:60-05:00", "2016-12-31T12:00:60Z",
		"2026-11-22T18:03:12+24:00", "2026-11-22T18:03:12-0500", "2026-11-22 18:03:12Z", "2026-11-22T8:03:12Z", "0000-01-01T00:00:00Z", "2026-11-22T18:03:61Z",
		"+15005550006", "+0500555000", "15005550006", "+1500", "+1234567890123456", "aGVsbG8=", "aGVsbG8", "a!b=", "aGVs\nbG8=",
		"urn:x:y", "http://[::1]/x", "http://::1/x", "http://a b/", "//x", "%zz", "a:b", ":", "http://[::g]/",
		strings.Repeat("0", 64), strings.Repeat("A", 64), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
	}
	if name == "text" {
		out = append(out, strings.Repeat("é", 20000), strings.Repeat("é", 20001))
	}
	if list, ok := old.([]any); ok && len(list) > 0 {
		out = append(out, slices.Repeat(list[:1], 2), slices.Repeat(list[:1], 11))
	}
	return out
}

// mutate changes one place after the other and puts each back: another value, no value, one more field.
func mutate(v any, at string, f func(at string)) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sorted(v) {
			old := v[k]
			delete(v, k)
			f(at + "/" + k)
			for _, n := range values(k, old) {
				v[k] = n
				f(at + "/" + k)
			}
			v[k] = old
			mutate(old, at+"/"+k, f)
		}
		for _, k := range []string{"extra", "ID", "Type", "text", "url", "data", "thread", "patient", "size", "sha256"} {
			if _, there := v[k]; there {
				continue
			}
			for _, n := range []any{nil, "x", json.Number("5"), map[string]any{"a": nil}, []any{nil}} {
				v[k] = n
				f(at + "/" + k)
			}
			delete(v, k)
		}
	case []any:
		for i := range v {
			old := v[i]
			for _, n := range []any{nil, "x", "", json.Number("1"), map[string]any{}, strings.Repeat("x", 256)} {
				v[i] = n
				f(fmt.Sprintf("%s/%d", at, i))
			}
			v[i] = old
			mutate(old, fmt.Sprintf("%s/%d", at, i), f)
		}
	}
}

func sorted(m map[string]any) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// several changes two or three places at a time, by a fixed seed.
func several(t *testing.T, doc any, f func()) {
	rng := rand.New(rand.NewPCG(42, 7))
	original := marshal(t, doc)
	root := doc.(map[string]any)
	for range 100 {
		for range 2 + rng.IntN(2) {
			var places []map[string]any
			objects(root, &places)
			m := places[rng.IntN(len(places))]
			ks := sorted(m)
			if len(ks) == 0 {
				continue
			}
			k := ks[rng.IntN(len(ks))]
			if rng.IntN(3) == 0 {
				delete(m, k)
			} else {
				all := values(k, m[k])
				m[k] = all[rng.IntN(len(all))]
			}
		}
		f()
		var again map[string]any
		d := json.NewDecoder(bytes.NewReader(original))
		d.UseNumber()
		if err := d.Decode(&again); err != nil {
			t.Fatal(err)
		}
		clear(root)
		for k, v := range again {
			root[k] = v
		}
	}
}

func objects(v any, out *[]map[string]any) {
	switch v := v.(type) {
	case map[string]any:
		*out = append(*out, v)
		for _, k := range sorted(v) {
			objects(v[k], out)
		}
	case []any:
		for _, e := range v {
			objects(e, out)
		}
	}
}

// TestWholeNumbers is where the schema's numbers end and ours do.
func TestWholeNumbers(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "1.0": 1, "1e0": 1, "10e-1": 1, "1E2": 100, "1.50e1": 15, "9223372036854775807": math.MaxInt64,
		"0": -1, "-1": -1, "1.5": -1, "9223372036854775808": -1, "1e19": -1, "1e400": -1, "1e-400": -1, "1e999999999": -1, `"1"`: -1,
		"1" + strings.Repeat("0", 50): -1,
	} {
		body := strings.Replace(corpus[0], `"sequence":1`, `"sequence":`+text, 1)
		ev, err := channel(t, options()).DecodeLine([]byte(body))
		switch {
		case want < 0 && err == nil:
			t.Errorf("%s: taken as %d", text, ev.Message.Sequence)
		case want >= 0 && (err != nil || ev.Message.Sequence != want):
			t.Errorf("%s: %v, want %s", text, err, strconv.FormatInt(want, 10))
		}
	}
}
