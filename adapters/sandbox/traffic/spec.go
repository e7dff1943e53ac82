// Package traffic makes message traffic for demonstrations and load: threads of realistic clinical conversation as channel
// events, the same ones for the same seed.
package traffic

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/chartwire/chartwire/adapters/sandbox/platform"
)

// Spec says how much traffic to make and how it is delivered.
type Spec struct {
	Threads  int
	Messages int     // in each thread
	Shuffle  bool    // permute within windows of 50 deliveries
	Repeat   float64 // the fraction delivered twice
	Statuses bool    // message.status events follow messages to the patient
}

const maxMessages = 10_000_000

// ParseSpec reads "threads=2000,messages=5,shuffle,repeat=0.1". Words: threads=n, messages=n, repeat=0…1, shuffle,
// nostatus. The error names the word that is wrong.
func ParseSpec(text string) (Spec, error) {
	s := Spec{Threads: 10, Messages: 5, Statuses: true}
	for _, word := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(word), "=")
		var err error
		switch name {
		case "threads":
			s.Threads, err = positive(value)
		case "messages":
			s.Messages, err = positive(value)
		case "repeat":
			s.Repeat, err = strconv.ParseFloat(value, 64)
			if err == nil && !(s.Repeat >= 0 && s.Repeat <= 1) {
				err = fmt.Errorf("must be from 0 to 1")
			}
		case "shuffle":
			s.Shuffle = true
		case "nostatus":
			s.Statuses = false
		case "":
		default:
			return Spec{}, fmt.Errorf("generate: unknown word %q; known: threads=n, messages=n, repeat=0…1, shuffle, nostatus", name)
		}
		if err != nil {
			return Spec{}, fmt.Errorf("generate: %s: %w", name, err)
		}
	}
	if s.Threads*s.Messages > maxMessages {
		return Spec{}, fmt.Errorf("generate: at most %d messages", maxMessages)
	}
	return s, nil
}

func positive(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxMessages {
		return 0, fmt.Errorf("must be a number from 1 to %d", maxMessages)
	}
	return n, nil
}

// Traffic is generated events in the order they happened, and how to deliver them.
type Traffic struct {
	Events [][]byte
	Order  platform.Order
}

// Messages is how many message.created events there are: what a connector must file.
func (t Traffic) Messages() int {
	n := 0
	for _, e := range t.Events {
		if strings.HasPrefix(string(e), `{"type":"message.created"`) {
			n++
		}
	}
	return n
}
