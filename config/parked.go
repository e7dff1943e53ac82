package config

import "time"

// Parked says how soon somebody has to have dealt with what needs a person.
type Parked struct {
	SLA    time.Duration `yaml:"sla" doc:"How long an item may be parked before /readyz and the console say degraded. A pool's own sla counts for what it owns." default:"4h" min:"1m" max:"720h"`
	Ladder Ladder        `yaml:"ladder" doc:"Whom an alert names for a parked item nobody has dealt with, and after how long. One alert a step."`
	Urgent UrgentLadder  `yaml:"urgent" doc:"The same for urgent, asap and stat exchanges."`
}

// Ladder is the escalation of what is routine.
type Ladder struct {
	Owner      time.Duration `yaml:"owner" doc:"When the owner is told." default:"15m" min:"1m" max:"720h"`
	Supervisor time.Duration `yaml:"supervisor" doc:"When the owner's supervisor is told; not before the owner." default:"1h" min:"1m" max:"720h"`
	Admin      time.Duration `yaml:"admin" doc:"When the administrator is told; not before the supervisor." default:"4h" min:"1m" max:"720h"`
}

// UrgentLadder is the escalation of what is urgent.
type UrgentLadder struct {
	Owner      time.Duration `yaml:"owner" doc:"When the owner is told." default:"5m" min:"1m" max:"720h"`
	Supervisor time.Duration `yaml:"supervisor" doc:"When the owner's supervisor is told; not before the owner." default:"15m" min:"1m" max:"720h"`
	Admin      time.Duration `yaml:"admin" doc:"When the administrator is told; not before the supervisor." default:"1h" min:"1m" max:"720h"`
}

// parkedRules keeps the ladders going up.
func (l *loader) parkedRules(p *Parked) {
	for _, r := range []struct {
		path                     string
		owner, supervisor, admin time.Duration
	}{{"$.parked.ladder", p.Ladder.Owner, p.Ladder.Supervisor, p.Ladder.Admin}, {"$.parked.urgent", p.Urgent.Owner, p.Urgent.Supervisor, p.Urgent.Admin}} {
		if r.supervisor != 0 && r.owner > r.supervisor {
			l.mistake(r.path+".supervisor", "is sooner than owner; the ladder goes up, so write a longer time")
		}
		if r.admin != 0 && r.supervisor > r.admin {
			l.mistake(r.path+".admin", "is sooner than supervisor; the ladder goes up, so write a longer time")
		}
	}
}
