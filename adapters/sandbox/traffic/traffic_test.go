package traffic_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/chartwire/chartwire/adapters/sandbox/contracts"
	"github.com/chartwire/chartwire/adapters/sandbox/traffic"
)

func TestParseSpec(t *testing.T) {
	for text, want := range map[string]traffic.Spec{
		"threads=2000,messages=5,shuffle,repeat=0.1": {Threads: 2000, Messages: 5, Shuffle: true, Repeat: 0.1, Statuses: true},
		"":                      {Threads: 10, Messages: 5, Statuses: true},
		" threads=3 , nostatus": {Threads: 3, Messages: 5},
		"repeat=1,messages=200": {Threads: 10, Messages: 200, Repeat: 1, Statuses: true},
	} {
		if got, err := traffic.ParseSpec(text); err != nil || got != want {
			t.Errorf("%q: %+v %v", text, got, err)
		}
	}
	for text, words := range map[string]string{
		"threads=0": "threads", "threads=x": "threads", "messages=-1": "messages", "repeat=2": "0 to 1", "repeat=NaN": "0 to 1",
		"colour=red": "unknown word", "threads=9999999,messages=9999999": "at most",
	} {
		if _, err := traffic.ParseSpec(text); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestGenerate(t *testing.T) {
	made, err := traffic.Generate("threads=60,messages=7,shuffle,repeat=0.1", 1)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := traffic.Generate("threads=60,messages=7,shuffle,repeat=0.1", 1)
	other, _ := traffic.Generate("threads=60,messages=7,shuffle,repeat=0.1", 2)
	if !bytes.Equal(bytes.Join(made.Events, nil), bytes.Join(again.Events, nil)) {
		t.Error("the same seed gave other events")
	}
	if bytes.Equal(bytes.Join(made.Events, nil), bytes.Join(other.Events, nil)) {
		t.Error("another seed gave the same events")
	}
	if made.Messages() != 420 || !made.Order.Shuffle || made.Order.Repeat != 0.1 {
		t.Errorf("%d messages, order %+v", made.Messages(), made.Order)
	}
	threads := map[string]int{}
	seen := map[string]bool{}
	roles, directions, kinds := map[string]int{}, map[string]int{}, map[string]int{}
	var last time.Time
	people := map[string]string{}
	for _, raw := range made.Events {
		if err := contracts.Event(raw); err != nil {
			t.Fatalf("%s\n%v", raw, err)
		}
		if seen[string(raw)] {
			t.Fatalf("twice: %s", raw)
		}
		seen[string(raw)] = true
		var e struct {
			Type      string
			Timestamp time.Time
			Data      struct {
				Thread  struct{ ID string }
				Patient *struct {
					Identifiers []struct{ Value string }
					BirthDate   string `json:"birth_date"`
				}
				Message struct {
					Sequence  int
					Direction string
					Sender    struct{ Role string }
				}
			}
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		if e.Timestamp.Before(last) {
			t.Fatal("events are not in the order of their timestamps")
		}
		last = e.Timestamp
		kinds[e.Type]++
		if e.Type != "message.created" {
			continue
		}
		m := e.Data.Message
		if threads[e.Data.Thread.ID]++; m.Sequence != threads[e.Data.Thread.ID] {
			t.Fatalf("%s: sequence %d comes as number %d", e.Data.Thread.ID, m.Sequence, threads[e.Data.Thread.ID])
		}
		if (e.Data.Patient != nil) != (m.Sequence == 1) {
			t.Fatalf("the patient comes with the first message only: %s", raw)
		}
		if p := e.Data.Patient; p != nil {
			if born, known := people[p.Identifiers[0].Value]; known && born != p.BirthDate {
				t.Errorf("%s has two birth dates", p.Identifiers[0].Value)
			}
			people[p.Identifiers[0].Value] = p.BirthDate
		}
		roles[m.Sender.Role]++
		directions[m.Direction]++
	}
	if len(threads) != 60 || roles["proxy"] == 0 || roles["patient"] == 0 || directions["to_patient"] != 180 || kinds["message.status"] != 180 {
		t.Errorf("%d threads, %v, %v, %v", len(threads), roles, directions, kinds)
	}
}
