package seed

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/chartwire/chartwire/adapters/hl7"
	"github.com/chartwire/chartwire/adapters/sandbox/engine"
)

// Authorities give each identifier system of the patients a namespace of an assigning authority (PID-3.4.1), for [Index].
func (p People) Authorities() map[string]string {
	var systems []string
	for _, patient := range p.Patients {
		for _, id := range patient.Identifiers {
			systems = append(systems, id.System)
		}
	}
	slices.Sort(systems)
	out := map[string]string{}
	for i, system := range slices.Compact(systems) {
		out[system] = fmt.Sprintf("RIVERBEND%d", i+1)
	}
	return out
}

// Index is the patient index of an interface engine with the same patients, twins among them, as a bundle of Bundle's; each is
// called by the reference it has there. authorities say which namespace (PID-3.4.1) assigns the identifiers of a system;
// identifiers of other systems, and who has no other, are left out.
func Index(bundle []byte, authorities map[string]string) ([]engine.Patient, error) {
	var b struct {
		Entry []struct{ Resource json.RawMessage }
	}
	if err := json.Unmarshal(bundle, &b); err != nil {
		return nil, fmt.Errorf("seed: the bundle cannot be read: %w", err)
	}
	var out []engine.Patient
	for _, e := range b.Entry {
		var kind struct{ ResourceType string }
		if err := json.Unmarshal(e.Resource, &kind); err != nil || kind.ResourceType != "Patient" {
			continue
		}
		p, err := indexed(e.Resource, authorities)
		if err != nil {
			return nil, fmt.Errorf("seed: a Patient cannot be read: %w", err)
		}
		if len(p.Identifiers) > 0 {
			out = append(out, p)
		}
	}
	return out, nil
}

// indexed is a Patient resource as the patient index has it.
func indexed(resource []byte, authorities map[string]string) (engine.Patient, error) {
	var r struct {
		ID         string
		Identifier []Identifier
		Name       []struct {
			Family string
			Given  []string
		}
		BirthDate string
	}
	if err := json.Unmarshal(resource, &r); err != nil {
		return engine.Patient{}, err
	}
	p := engine.Patient{Ref: "Patient/" + r.ID}
	for _, id := range r.Identifier {
		if namespace := authorities[id.System]; namespace != "" {
			p.Identifiers = append(p.Identifiers, hl7.CX{ID: id.Value, Authority: hl7.HD{Namespace: namespace}, Type: "MR"})
		}
	}
	for _, n := range r.Name {
		name := hl7.XPN{Family: n.Family}
		if len(n.Given) > 0 {
			name.Given = n.Given[0]
		}
		p.Names = append(p.Names, name)
	}
	if born, err := time.Parse(time.DateOnly, r.BirthDate); err == nil {
		p.Birth = hl7.OnDay(born)
	}
	return p, nil
}
