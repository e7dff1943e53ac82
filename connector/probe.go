package connector

import "time"

// Probe is what came of filing test entries on a connection's test patient: the proof of its capabilities that reading cannot
// give.
type Probe struct {
	ID       string         `json:"id"`
	EHR      string         `json:"-"`
	At       time.Time      `json:"at"` // UTC
	By       string         `json:"by"` // agent, as the audit log names it
	Patient  string         `json:"patient"`
	Entries  []ProbeEntry   `json:"entries"`
	Outcomes []ProbeOutcome `json:"outcomes"`
	Seen     string         `json:"seen,omitempty"` // where an administrator saw the entries in the chart, in their words
	SeenBy   string         `json:"seen_by,omitempty"`
	SeenAt   time.Time      `json:"seen_at,omitzero"`
}

// ProbeEntry is one test entry that is, or may be, on the chart.
type ProbeEntry struct {
	Strategy  Strategy   `json:"strategy"`
	Type      string     `json:"type"`
	Identity  Identifier `json:"identity"`
	Reference string     `json:"reference,omitempty"` // Type/id; "" where the outcome is not known
	Left      string     `json:"left"`                // what became of it: what stays behind
	Open      bool       `json:"open,omitempty"`      // it was not marked as entered in error yet
}

// ProbeOutcome is what the probe showed of one capability, by Capability.Name, and in words.
type ProbeOutcome struct {
	Capability string `json:"capability"`
	Known      Known  `json:"known"`
	Says       string `json:"says"`
}

// ProbeRefused says that a probe is not done, or not to its end. Its text says why and what to do, without PHI.
type ProbeRefused struct{ Text string }

func (e *ProbeRefused) Error() string { return e.Text }
