package r4

import (
	"slices"
	"strings"
)

// Capability is what a server's CapabilityStatement declares. Declared is not granted, and not
// proven: servers declare what they refuse and refuse to declare what they do.
type Capability struct {
	FHIRVersion  string   // "4.0.1"
	Formats      []string // as given: "json", "application/fhir+json", …
	Instantiates []string
	Software     SoftwareView
	Publisher    string
	interactions []string // system level: transaction, batch, search-system, history-system
	resources    map[string]resourceCapability
}

// SoftwareView names the server's software.
type SoftwareView struct{ Name, Version string }

type resourceCapability struct {
	interactions      map[string]bool
	searchParams      map[string]string
	conditionalCreate bool
	conditionalUpdate bool
	versioning        string
	includes          []string
	profiles          []string
}

type capabilityJSON struct {
	FHIRVersion  string       `json:"fhirVersion"`
	Format       []string     `json:"format"`
	Publisher    string       `json:"publisher"`
	Instantiates []string     `json:"instantiates"`
	Software     SoftwareView `json:"software"`
	Rest         []struct {
		Mode        string     `json:"mode"`
		Interaction []codeJSON `json:"interaction"`
		Resource    []struct {
			Type              string     `json:"type"`
			Interaction       []codeJSON `json:"interaction"`
			Versioning        string     `json:"versioning"`
			ConditionalCreate bool       `json:"conditionalCreate"`
			ConditionalUpdate bool       `json:"conditionalUpdate"`
			SearchInclude     []string   `json:"searchInclude"`
			SupportedProfile  []string   `json:"supportedProfile"`
			SearchParam       []struct {
				Name string `json:"name"`
				Type string `json:"type"`
			} `json:"searchParam"`
		} `json:"resource"`
	} `json:"rest"`
}

type codeJSON struct {
	Code string `json:"code"`
}

// ReadCapability reads a CapabilityStatement. Only rest entries of mode server (or without a
// mode) count; a resource listed twice has what either lists. Errors as [ReadPatient].
func ReadCapability(raw []byte) (Capability, error) {
	var j capabilityJSON
	if err := readAs("CapabilityStatement", raw, &j); err != nil {
		return Capability{}, err
	}
	c := Capability{
		FHIRVersion: j.FHIRVersion, Formats: j.Format, Instantiates: j.Instantiates,
		Software: j.Software, Publisher: j.Publisher, resources: map[string]resourceCapability{},
	}
	for _, rest := range j.Rest {
		if rest.Mode != "" && rest.Mode != "server" {
			continue
		}
		for _, i := range rest.Interaction {
			c.interactions = append(c.interactions, i.Code)
		}
		for _, r := range rest.Resource {
			rc := c.resources[r.Type]
			if rc.interactions == nil {
				rc.interactions, rc.searchParams = map[string]bool{}, map[string]string{}
			}
			for _, i := range r.Interaction {
				rc.interactions[i.Code] = true
			}
			for _, p := range r.SearchParam {
				rc.searchParams[p.Name] = p.Type
			}
			rc.conditionalCreate = rc.conditionalCreate || r.ConditionalCreate
			rc.conditionalUpdate = rc.conditionalUpdate || r.ConditionalUpdate
			if r.Versioning != "" {
				rc.versioning = r.Versioning
			}
			rc.includes = append(rc.includes, r.SearchInclude...)
			rc.profiles = append(rc.profiles, r.SupportedProfile...)
			c.resources[r.Type] = rc
		}
	}
	return c, nil
}

// Declares reports whether the server declares interaction (read, vread, update, patch, delete,
// history-instance, create, search-type) on resource.
func (c Capability) Declares(resource, interaction string) bool {
	return c.resources[resource].interactions[interaction]
}

// Resources lists the declared resource types, sorted.
func (c Capability) Resources() []string {
	var out []string
	for t := range c.resources {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}

// SearchParam reports whether resource declares the search parameter name.
func (c Capability) SearchParam(resource, name string) bool {
	_, ok := c.resources[resource].searchParams[name]
	return ok
}

// SearchParams lists the search parameters of resource, sorted.
func (c Capability) SearchParams(resource string) []string {
	var out []string
	for name := range c.resources[resource].searchParams {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// ConditionalCreate reports whether If-None-Exist is declared for resource.
func (c Capability) ConditionalCreate(resource string) bool {
	return c.resources[resource].conditionalCreate
}

// VersionedUpdate reports whether update of resource needs If-Match (versioned-update).
func (c Capability) VersionedUpdate(resource string) bool {
	return c.resources[resource].versioning == "versioned-update"
}

// Transaction reports whether the server declares transaction bundles.
func (c Capability) Transaction() bool { return slices.Contains(c.interactions, "transaction") }

// RestHook reports whether a Subscription can be created. R4 has no place to declare channel
// types, so whether rest-hook is among them shows only when one is created.
func (c Capability) RestHook() bool { return c.Declares("Subscription", "create") }

// R4 reports whether the statement is of FHIR R4 (4.0.x).
func (c Capability) R4() bool { return strings.HasPrefix(c.FHIRVersion, "4.0") }
