package deliver

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// tell writes the plan down for a person. It names patients by their references and by nothing else.
func (p relinkPlan) tell(out *Relinking, g ground, said word) {
	out.Refused, out.Idle, out.Goes, out.Parks, out.Replay, out.OnChart = p.refused, p.idle, p.goes, p.parks, p.replay, p.onChart
	out.Named = slices.Clone(said.named)
	say := func(format string, args ...any) { out.Says = append(out.Says, fmt.Sprintf(format, args...)) }
	bound := said.from
	if bound == "" {
		bound = "nobody"
	}
	say("bound to %s", bound)
	if out.Reason != "" {
		say("held: %s", out.Reason.Sentence())
	}
	if len(said.named) > 0 {
		say("the platform has named: %s", orNobody(said.named))
	}
	p.tellTarget(say, g, said)
	for _, c := range p.onChart {
		say("%d entries are on the chart of %s and stay there: %s", len(c.Entries), whose(c.Patient), p.fate(c))
	}
	if p.idle {
		say("it is bound to this patient already, and nothing is held for its patient: nothing to do")
	}
	if p.to == "" || p.refused != "" || p.idle {
		return
	}
	say("%d items go on at once under %s", p.goes, p.to)
	if len(p.parks) > 0 {
		say("%d items are parked for a person to look at first: %s", len(p.parks), strings.Join(p.parks, ", "))
	}
	if p.replay > 0 {
		say("%d items were parked for their patient: replay them then", p.replay)
	}
}

func whose(patient string) string {
	if patient == "" {
		return "nobody known"
	}
	return patient
}

// tellTarget says what the EHR says of the patient asked for, and whether what the platform says fits.
func (p relinkPlan) tellTarget(say func(string, ...any), g ground, said word) {
	if p.to == "" || said.unknown {
		return
	}
	switch {
	case said.trusted:
		say("to %s: this EHR shows no patients, so nothing could be compared", p.to)
		return
	default:
		say("to %s", recordSays(said.to))
	}
	for _, k := range slices.Backward(g.keys()) {
		if k.Name == nil && k.BirthDate == "" {
			continue
		}
		k.Reference = ""
		if agree(k, said.to, false) == "" {
			say("the name, birth date and phone the platform gave last agree with this record")
		} else if said.to.Active && said.to.ReplacedBy == "" {
			say("LOOK TWICE: the name, birth date and phone the platform gave last do not agree with this record")
		}
		break
	}
	if p.to != g.thread.Bound.Reference && !p.merged() && !slices.Contains(said.named, p.to) {
		say("LOOK TWICE: this is none of those whom the platform has named")
	}
}

func (p relinkPlan) merged() bool { return p.move == followsRecord }

// fate says what becomes of entries that stay where they are.
func (p relinkPlan) fate(c OnChart) string {
	switch {
	case p.to == "" || c.Patient == p.to:
		return strings.Join(c.Entries, ", ")
	case p.merged():
		return "the EHR moves them itself with the merge (" + strings.Join(c.Entries, ", ") + ")"
	}
	return "if they are not that patient's, a person must have them corrected in the EHR: " + strings.Join(c.Entries, ", ")
}

// commit writes the decision: the thread, its items and writes, and who decided what, in one transaction.
func (p relinkPlan) commit(tx connector.Tx, ask RelinkAsk, g ground, now time.Time) error {
	t := g.thread
	from := t.Bound.Reference
	t.Settle(connector.Binding{Reference: p.to, At: now, How: connector.ByPerson}, p.who, p.shown)
	if err := tx.PutThread(&t); err != nil {
		return err
	}
	for n := range p.rows {
		if err := tx.PutWrite(&p.rows[n]); err != nil {
			return err
		}
	}
	for n := range p.put {
		i := &p.put[n]
		parked := i.State == connector.Parked && i.Was != connector.Parked
		if err := tx.PutItem(i); err != nil {
			return err
		}
		if parked {
			if err := p.audit(tx, ask, *i, now, "park", map[string]string{"reason": string(i.Reason)}); err != nil {
				return err
			}
		}
	}
	for _, lane := range connector.FilingLanes() {
		if err := tx.TouchLane(t.EHR, t.ID, lane, now, t.Info.Priority); err != nil {
			return err
		}
	}
	detail := map[string]string{"act": "relink", "patient": p.to, "was": from, "reason": string(g.reason()), "how": p.how()}
	if ask.Why != "" {
		detail["why"] = ask.Why
	}
	return p.audit(tx, ask, connector.Item{EHR: t.EHR, Thread: t.ID}, now, "admin", detail)
}

func (p relinkPlan) audit(tx connector.Tx, ask RelinkAsk, i connector.Item, now time.Time, kind string, detail map[string]string) error {
	return tx.Audit(connector.AuditEntry{ID: connector.NewID(now), EHR: i.EHR, At: now, Kind: kind, Action: "E", Agent: ask.Agent,
		Thread: i.Thread, Item: i.ID, Detail: detail})
}

// how is what the audit log says about the decision.
func (p relinkPlan) how() string {
	return map[move]string{stays: "same-patient", followsRecord: "merged", leaves: "other-patient"}[p.move]
}
