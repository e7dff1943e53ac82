package inbox

import (
	"maps"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/connector/audit"
)

// act is one audited act of the desk.
type act struct {
	kind    audit.Kind
	action  audit.Action
	outcome audit.Outcome
	detail  map[string]string
}

// record gives the audit row of an act by a session of a user; session "" is a launch that has not come to one.
func (a act) record(e EHR, session, user string, at time.Time) connector.AuditEntry {
	return connector.AuditEntry{ID: connector.NewID(at), EHR: e.ID, At: at, Kind: string(a.kind), Action: string(a.action),
		Outcome: int(a.outcome), Agent: audit.Agent{Kind: "user", ID: session}.String(), OnBehalf: user, Detail: maps.Clone(a.detail)}
}

// by is record for who is not the session's user: an administrator, or the desk itself.
func (a act) by(agent string, e EHR, at time.Time) connector.AuditEntry {
	row := a.record(e, "", "", at)
	row.Agent = agent
	return row
}
