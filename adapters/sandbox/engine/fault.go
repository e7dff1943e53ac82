package engine

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/sandbox/script"
)

// fault is one scripted misbehaviour: what the engine does with a message in place of its work, or around it.
type fault struct {
	run   func(k *strike) ([][]byte, error)
	args  []string // what a script line may set, each as name=default
	about string   // one line for people
}

// FaultInfo tells people of a fault.
type FaultInfo struct {
	Name, About string
	Args        []string // each as name=default
}

// Faults lists what a script may stage, by name.
func Faults() []FaultInfo {
	var out []FaultInfo
	for _, name := range slices.Sorted(maps.Keys(faults)) {
		out = append(out, FaultInfo{Name: name, About: faults[name].about, Args: faults[name].args})
	}
	return out
}

// errHungUp has the connection closed without an answer.
var errHungUp = errors.New("engine: hung up by script")

// faults is the vocabulary of a Script.
var faults map[string]fault

func init() { // a rule is checked against the table, and a fault does the engine's work, which looks at rules
	faults = map[string]fault{
		"commit-then-hang-up": {committed(func(*strike, [][]byte) ([][]byte, error) { return nil, errHungUp }), nil,
			"keeps the document, then closes the connection without an answer"},
		"hang-up": {instead(func(*strike) ([][]byte, error) { return nil, errHungUp }), nil,
			"closes the connection without an answer and keeps nothing"},
		"no-ack": {maybeCommitted(func(*strike) ([][]byte, error) { return nil, nil }), []string{"commit=yes"},
			"keeps the document and never answers (commit=no: keeps nothing)"},
		"ae": {negative(hl7.AckAE), []string{"code=207"}, "answers AE with that condition of table 0357 and keeps nothing"},
		"ar": {negative(hl7.AckAR), []string{"code=206"}, "answers AR with that condition of table 0357 and keeps nothing"},
		"garbage-ack": {maybeCommitted(func(*strike) ([][]byte, error) { return [][]byte{[]byte("HTTP/1.1 400 Bad Request")}, nil }), []string{"commit=yes"},
			"keeps the document and answers what is no message (commit=no: keeps nothing)"},
		"other-ack": {maybeCommitted(func(k *strike) ([][]byte, error) {
			h := k.m.header
			h.ControlID, h.AcceptAck, h.ApplicationAck = "SOMEONE-ELSE", "", ""
			return k.e.ack(h, hl7.AckAA, nil), nil
		}), []string{"commit=yes"}, "keeps the document and answers another message than this (commit=no: keeps nothing)"},
		"split-ack": {spoiled(func(k *strike) spoil { return spoil{every: k.duration("every")} }), []string{"every=2ms"},
			"keeps the document and sends the answer in single bytes, one each"},
		"cut-ack": {spoiled(func(k *strike) spoil { return spoil{cut: k.num("bytes")} }), []string{"bytes=20"},
			"keeps the document and closes the connection after that many bytes of the answer's frame"},
	}
}

// strike is a fault meeting a message.
type strike struct {
	e     *Engine
	m     received
	takes []string
	args  map[string]string
}

func (k *strike) arg(name string) string             { return script.Given(k.takes, k.args, name) }
func (k *strike) num(name string) int                { return script.Number(k.arg(name)) }
func (k *strike) duration(name string) time.Duration { return script.Duration(k.arg(name)) }

// committed does the engine's work, then changes the answer; a refusal stays what it is.
func committed(change func(k *strike, answers [][]byte) ([][]byte, error)) func(*strike) ([][]byte, error) {
	return func(k *strike) ([][]byte, error) {
		answers, taken := k.e.work(k.m)
		if !taken {
			return answers, nil
		}
		return change(k, answers)
	}
}

// instead answers and does nothing.
func instead(answer func(k *strike) ([][]byte, error)) func(*strike) ([][]byte, error) {
	return func(k *strike) ([][]byte, error) {
		k.e.unseen(k.m)
		return answer(k)
	}
}

// maybeCommitted does the engine's work unless the script says commit=no.
func maybeCommitted(answer func(k *strike) ([][]byte, error)) func(*strike) ([][]byte, error) {
	return func(k *strike) ([][]byte, error) {
		if k.arg("commit") == "no" {
			return instead(answer)(k)
		}
		return committed(func(k *strike, _ [][]byte) ([][]byte, error) { return answer(k) })(k)
	}
}

// negative refuses a message that may be faultless.
func negative(code hl7.AckCode) func(*strike) ([][]byte, error) {
	return func(k *strike) ([][]byte, error) {
		r := &refusal{code, wrong("MSH", 10, hl7.Condition(k.arg("code")), "refused by script")}
		k.e.arrive(k.m, r, false)
		return k.e.answers(k.m, r), nil
	}
}

// spoiled does the work and has its first answer go wrong on the wire.
func spoiled(how func(k *strike) spoil) func(*strike) ([][]byte, error) {
	return committed(func(k *strike, answers [][]byte) ([][]byte, error) {
		if len(answers) > 0 {
			k.e.mu.Lock()
			k.e.spoilt[string(answers[0])] = how(k)
			k.e.mu.Unlock()
		}
		return answers, nil
	})
}
