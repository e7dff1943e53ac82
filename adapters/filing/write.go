package filing

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/chartwire/chartwire/connector"
	"github.com/chartwire/chartwire/fhir/r4"
)

// entry is one chart entry about to become a write, with what must be created in the same transaction.
type entry struct {
	id       connector.Identifier
	kind     string
	resource json.Marshaler
	provides string
	expect   connector.Expect
	date     time.Time      // by which a search for it lists
	before   []binary       // named by urn in resource
	origin   *r4.Provenance // nil where none is filed; its target is set here
}

// binary is content that travels beside its entry.
type binary struct {
	name     string // of its urn
	resource *r4.Binary
}

// file makes the writes of an entry: the proxies it names, then one POST, or one transaction where something must be
// there with it, then its Provenance where that cannot come along.
func (p *planner) file(e entry) ([]connector.Write, error) {
	if d, ok := e.resource.(*r4.DocumentReference); ok {
		p.shaped(d)
	}
	together := p.traits.Transaction && (len(e.before) > 0 || (e.origin != nil && p.traits.Provenance))
	condition := ""
	if p.traits.IfNoneExist {
		condition = r4.IdentifierQuery(e.id.System, e.id.Value)
	}
	var w connector.Write
	var err error
	if together {
		w, err = p.transaction(e, condition)
	} else {
		w, err = create(e.kind, e.resource, e.id, condition)
	}
	if err != nil {
		return nil, err
	}
	w.Provides, w.Expect, w.Date = e.provides, e.expect, e.date
	writes := append(p.proxies, w)
	if e.origin != nil && p.traits.Provenance && !together {
		origin, err := p.provenanceAfter(e.origin, e.provides, e.id.Token()+"#provenance")
		if err != nil {
			return nil, err
		}
		writes = append(writes, origin)
	}
	return writes, nil
}

// create is a POST of one resource.
func create(kind string, resource json.Marshaler, id connector.Identifier, condition string) (connector.Write, error) {
	body, err := marshal(resource)
	if err != nil {
		return connector.Write{}, err
	}
	w := connector.Write{Key: id.Token(), Method: "POST", URL: kind, Header: headers(), Body: body, Type: kind, Identity: id}
	if condition != "" {
		w.Header["If-None-Exist"] = condition
	}
	return w, nil
}

// transaction is a POST of the entry with its Binaries before it and its Provenance behind it: all or nothing.
func (p *planner) transaction(e entry, condition string) (connector.Write, error) {
	var t r4.Transaction
	for _, b := range e.before {
		t.Create(b.name, b.resource, "")
	}
	urn := t.Create(e.id.Token(), e.resource, condition)
	if e.origin != nil && p.traits.Provenance {
		e.origin.Target = []r4.Reference{r4.Ref(urn)}
		t.Create(e.id.Token()+"#provenance", e.origin, "")
	}
	body, err := marshal(&t)
	if err != nil {
		return connector.Write{}, err
	}
	return connector.Write{Key: e.id.Token(), Method: "POST", Header: headers(), Body: body, Type: e.kind, Identity: e.id}, nil
}

// provenanceAfter is a Provenance by itself. It has no identifier, so it is sent only once a search has found that its
// target has none with this activity yet, and nothing waits for it.
func (p *planner) provenanceAfter(o *r4.Provenance, target, key string) (connector.Write, error) {
	o.Target = []r4.Reference{r4.Ref(target)}
	body, err := marshal(o)
	if err != nil {
		return connector.Write{}, err
	}
	return connector.Write{Key: key, Method: "POST", URL: "Provenance", Header: headers(), Body: body, Type: "Provenance",
		Optional: true, After: target}, nil
}

// change is an update of named elements of an entry that is on the chart. what names the change, so that each distinct
// change is written once.
func change(kind, target string, of connector.Identifier, what, status string, set map[string]any, remove ...string) connector.Write {
	return connector.Write{
		Key: of.Token() + "#" + what, Method: "PUT", URL: target, Header: headers(), Type: kind,
		Expect: connector.Expect{Subject: connector.SymPatient, Status: status},
		Update: &connector.Update{Target: target, Set: set, Remove: remove},
	}
}

func headers() map[string]string {
	return map[string]string{"Content-Type": "application/fhir+json", "Prefer": "return=representation"}
}

// marshal encodes a resource; what FHIR cannot hold is refused with the element's name, never sent in another form.
func marshal(resource json.Marshaler) ([]byte, error) {
	body, err := resource.MarshalJSON()
	var problem *r4.Problem
	if errors.As(err, &problem) {
		return nil, refuse(connector.GateRefused, problem.Error())
	}
	if err != nil {
		return nil, refuse(connector.GateRefused, "the resource cannot be encoded")
	}
	return body, nil
}
