package doctor

import (
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
)

// proof is what a filing or a probe showed of one capability.
type proof struct {
	known connector.Known
	by    string
	at    time.Time
	gap   *connector.Lack
}

// evidence is what the store knows of a connection, by the name of the capability.
type evidence struct {
	of    map[string]proof
	probe *connector.Probe
}

// filedTypes are those whose writes carry an identity, so that the store finds the newest filed one.
var filedTypes = []string{"Communication", "DocumentReference", "CommunicationRequest", "RelatedPerson", "MDM", "ClinicalDocument", "PatientCase"}

// gather reads what was filed, and the last probe. The later of two contrary proofs counts.
func (e *evidence) gather(tx connector.Tx, ehr string) error {
	for _, typ := range filedTypes {
		w, err := tx.NewestFiled(ehr, typ)
		if errors.Is(err, connector.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		e.filed(w)
	}
	p, err := tx.LastProbe(ehr)
	switch {
	case errors.Is(err, connector.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	e.probe = &p
	for _, o := range p.Outcomes {
		e.note(o.Capability, proof{o.Known, "probe", p.At, probeGap(p, o)})
	}
	return nil
}

func probeGap(p connector.Probe, o connector.ProbeOutcome) *connector.Lack {
	if o.Known != connector.KnownNo {
		return nil
	}
	return lack(connector.FixEHR, "the probe of %s did not succeed with %s: %s The EHR administrator must enable it for this client, or filing.as in the Chartwire configuration must name another strategy; then probe again.",
		p.At.UTC().Format(time.DateOnly), o.Capability, o.Says)
}

// filed notes what a filed write proves: the create of its type, and of what travelled with it in one transaction.
func (e *evidence) filed(w connector.WriteRow) {
	yes := proof{known: connector.KnownYes, by: "filing", at: w.FiledAt.UTC()}
	interaction := "create"
	if w.Write.Type == "MDM" {
		interaction = "send"
	}
	e.note(w.Write.Type+" "+interaction, yes)
	if w.Write.URL != "" || !w.Write.Symbolic() {
		return
	}
	e.note("Bundle transaction", yes)
	for _, typ := range resourceTypes(w.Write) {
		e.note(typ+" create", yes)
	}
}

func (e *evidence) note(name string, p proof) {
	if had, ok := e.of[name]; !ok || p.at.After(had.at) {
		e.of[name] = p
	}
}

// applied puts evidence into rows. What the adapter has seen itself, now or while filing, counts before it.
func (e *evidence) applied(rows []connector.Capability) []connector.Capability {
	for n := range rows {
		c := &rows[n]
		p, ok := e.of[c.Name()]
		if !ok || c.Proven == connector.KnownNo || c.Proven == connector.KnownYes && p.known != connector.KnownNo {
			continue
		}
		c.Proven, c.By, c.At = p.known, p.by, p.at
		if c.Gap == nil {
			c.Gap = p.gap
		}
	}
	return rows
}
