package channeltest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// signature checks that the right one is taken and that no change of a single bit of body or headers is.
func signature(t *testing.T, s Subject) {
	c := at(t, s, Now)
	for n, body := range s.Events {
		in := s.Deliver(t, "key-1", body, Now)
		evs, err := c.Decode(in)
		if err != nil || len(evs) == 0 || evs[0].Key == "" || !bytes.Equal(evs[0].Raw, body) {
			t.Fatalf("event %d: %d events, %v; want it with key and body", n, len(evs), err)
		}
		again, err := c.Decode(s.Deliver(t, "key-1", body, Now.Add(time.Minute)))
		if err != nil || again[0].Key != evs[0].Key {
			t.Errorf("event %d sent again has another key", n)
		}
		other, err := c.Decode(s.Deliver(t, "key-2", body, Now))
		if err != nil || other[0].Key == evs[0].Key {
			t.Errorf("event %d under another key has the same one", n)
		}
	}
	in := s.Deliver(t, "key-1", s.Events[0], Now)
	for i := range in.Body {
		for bit := range 8 {
			changed := clone(in)
			changed.Body[i] ^= 1 << bit
			refused(t, c, changed, fmt.Sprintf("body byte %d bit %d changed", i, bit))
		}
	}
	refused(t, c, connector.Inbound{Header: in.Header, Body: append(bytes.Clone(in.Body), ' '), At: in.At}, "a byte added")
	refused(t, c, connector.Inbound{Header: in.Header, Body: in.Body[:len(in.Body)-1], At: in.At}, "a byte taken away")
	refused(t, c, connector.Inbound{Header: in.Header, At: in.At}, "no body")
	refused(t, c, connector.Inbound{Body: in.Body, At: in.At}, "no headers")
	headers(t, c, in)
}

// headers changes and drops each header of a delivery.
func headers(t *testing.T, c connector.Channel, in connector.Inbound) {
	for name, values := range in.Header {
		dropped := clone(in)
		delete(dropped.Header, name)
		refused(t, c, dropped, "header "+name+" dropped")
		empty := clone(in)
		empty.Header[name] = []string{""}
		refused(t, c, empty, "header "+name+" empty")
		for v := range values {
			for i := range values[v] {
				for bit := range 8 {
					changed := clone(in)
					b := []byte(changed.Header[name][v])
					b[i] ^= 1 << bit
					changed.Header[name][v] = string(b)
					refused(t, c, changed, fmt.Sprintf("header %s byte %d bit %d changed", name, i, bit))
				}
			}
		}
	}
}

func clone(in connector.Inbound) connector.Inbound {
	out := connector.Inbound{Header: maps.Clone(in.Header), Body: bytes.Clone(in.Body), At: in.At}
	for name := range out.Header {
		out.Header[name] = slices.Clone(out.Header[name])
	}
	return out
}

// refused wants a SignatureError, no event, and nothing of the delivery in the error.
func refused(t *testing.T, c connector.Channel, in connector.Inbound, what string) {
	t.Helper()
	evs, err := c.Decode(in)
	var se *connector.SignatureError
	if !errors.As(err, &se) || len(evs) != 0 {
		t.Errorf("%s: %d events, error %T; want a SignatureError alone", what, len(evs), err)
		return
	}
	if se.Text == "" || len(in.Body) > 8 && strings.Contains(se.Text, string(in.Body[:8])) {
		t.Errorf("%s: the reason is empty or quotes the body", what)
	}
}

// freshness replays a delivery at the edges of the window.
func freshness(t *testing.T, s Subject) {
	for _, tc := range []struct {
		age time.Duration
		ok  bool
	}{
		{0, true},
		{4*time.Minute + 59*time.Second, true},
		{5*time.Minute + 1*time.Second, false},
		{72 * time.Hour, false},
		{-(4*time.Minute + 59*time.Second), true},
		{-(5*time.Minute + 1*time.Second), false},
		{-24 * 365 * time.Hour, false},
	} {
		in := s.Deliver(t, "key-1", s.Events[0], Now)
		c := at(t, s, Now.Add(tc.age))
		if tc.ok {
			if _, err := c.Decode(in); err != nil {
				t.Errorf("a delivery %v old: %v", tc.age, err)
			}
			continue
		}
		refused(t, c, in, fmt.Sprintf("a delivery %v old", tc.age))
	}
}

// undecodable signs bodies nobody can read: they are refused by place, without a word of theirs, and come back with their
// key so that they can be kept.
func undecodable(t *testing.T, s Subject) {
	const secret = "Zanzibar 7731" // as a name or a number might stand where a key should
	c := at(t, s, Now)
	for _, body := range []string{
		"", " ", "null", "[]", `"` + secret + `"`, secret, `{"` + secret + `"`, "{}", "{} {}", `{"type":"` + secret + `"}`,
		"\xff\xfe", `{"type":"\ud800"}`, `{"a":1,"a":2}`, strings.Repeat("[", 100000), `{"data":` + strings.Repeat("[", 5000),
	} {
		in := s.Deliver(t, "key-1", []byte(body), Now)
		evs, err := c.Decode(in)
		var de *connector.DecodeError
		short := body[:min(len(body), 30)]
		switch {
		case !errors.As(err, &de):
			t.Errorf("%q: error %T, want a DecodeError", short, err)
		case de.Text == "" || strings.Contains(de.Error(), secret):
			t.Errorf("%q: the reason is empty or quotes the body", short)
		case len(evs) != 1 || evs[0].Key == "" || string(evs[0].Raw) != body:
			t.Errorf("%q: the body does not come back with its key", short)
		}
	}
}
