// Package alert tells people that something stands still, once, and once more when it moves again. What is raised stays
// open until it is cleared; raising it again while it is open says nothing new. Open alerts and what has not been told yet
// are kept in the store, so that a restart, or a second replica, repeats nothing. Nothing in an alert is PHI: it holds
// enum words, names of the configuration and our own ids.
package alert

import (
	"time"

	"github.com/chartwire/chartwire/connector"
)

// Alerter takes alerts. Neither method blocks or fails: alerts are told in the background, and delivery does not wait for
// them. *Board is the one in use; Nobody takes them where there is none.
type Alerter interface {
	// Raise opens an alert, unless one with its key is open.
	Raise(a Alert)
	// Clear closes the alert with this key, if one is open.
	Clear(key string)
}

// Kind says what an alert is about.
type Kind string

// The kinds of alert.
const (
	Stalled   Kind = "stalled"   // an EHR connection or a lane does not move
	Parked    Kind = "parked"    // items need a person
	Stopped   Kind = "stopped"   // a connection was paused because what it does to charts cannot be trusted
	Escalated Kind = "escalated" // a parked item was not dealt with in time
)

// Alert is one thing that somebody should know. Every field but Key and Kind may be empty.
type Alert struct {
	Key     string           `json:"key"` // what it is about: one alert of a key is open at a time
	Kind    Kind             `json:"kind"`
	EHR     string           `json:"ehr,omitempty"`     // the config's label
	Channel string           `json:"channel,omitempty"` // likewise
	Reason  connector.Reason `json:"reason,omitempty"`
	Item    string           `json:"item,omitempty"`  // our id, for chartwire trace
	Owner   string           `json:"owner,omitempty"` // who acts; the reason's owner where it is ""
	Level   int              `json:"level,omitempty"` // step of the escalation ladder, 1 the first
	Text    string           `json:"text,omitempty"`  // a sentence; the reason's where it is ""
	Next    string           `json:"next,omitempty"`  // what to do; the reason's where it is ""
	Since   time.Time        `json:"since"`           // UTC; when it was raised where it is zero
}

// filled completes what the caller left to the reason and the clock.
func (a Alert) filled(now time.Time) Alert {
	if a.Owner == "" {
		a.Owner = a.Reason.Owner()
	}
	if a.Text == "" {
		a.Text = a.Reason.Sentence()
	}
	if a.Next == "" {
		a.Next = a.Reason.Next()
	}
	if a.Since.IsZero() {
		a.Since = now
	}
	a.Since = a.Since.UTC()
	return a
}

// Nobody is told anything.
type Nobody struct{}

func (Nobody) Raise(Alert)  {}
func (Nobody) Clear(string) {}
