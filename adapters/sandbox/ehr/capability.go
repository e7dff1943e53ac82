package ehr

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// capabilityStatement declares exactly what the traits allow (R4 §5.2).
func (s *Server) capabilityStatement() resource {
	rest := resource{"mode": "server", "resource": s.restResources()}
	if s.traits.Transaction {
		rest["interaction"] = []any{resource{"code": "transaction"}}
	}
	if s.traits.Auth {
		authorize, tokenURL := s.opts.Access.Endpoints()
		rest["security"] = resource{
			"service": []any{resource{"coding": []any{resource{
				"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR",
			}}}},
			"extension": []any{resource{
				"url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
				"extension": []any{
					resource{"url": "token", "valueUri": tokenURL}, resource{"url": "authorize", "valueUri": authorize},
				},
			}},
		}
	}
	return resource{
		"resourceType": "CapabilityStatement", "status": "active", "date": instant(s.started), "kind": "instance",
		"fhirVersion": "4.0.1", "format": []any{"application/fhir+json", "json"},
		"software":       resource{"name": "Chartwire sandbox EHR"},
		"implementation": resource{"description": "A FHIR R4 server for demonstration and tests, in memory", "url": s.opts.Base},
		"rest":           []any{rest},
	}
}

func (s *Server) restResources() []any {
	var out []any
	for _, typ := range knownTypes() {
		entry := resource{"type": typ, "versioning": "versioned", "readHistory": s.traits.readable(typ), "updateCreate": false}
		if s.traits.RequireIfMatch {
			entry["versioning"] = "versioned-update"
		}
		codes := []any{}
		if s.traits.readable(typ) {
			codes = append(codes, resource{"code": "read"}, resource{"code": "vread"}, resource{"code": "history-instance"})
		}
		if s.traits.searchable(typ) {
			codes = append(codes, resource{"code": "search-type"})
			params := s.traits.paramsOf(typ)
			var list []any
			for _, name := range slices.Sorted(maps.Keys(params)) {
				list = append(list, resource{"name": name, "type": params[name].kind})
			}
			entry["searchParam"] = list
		}
		if s.traits.creatable(typ) {
			codes = append(codes, resource{"code": "create"})
			entry["conditionalCreate"] = s.traits.HonourIfNoneExist
		}
		if s.traits.updatable(typ) {
			codes = append(codes, resource{"code": "update"})
		}
		for _, d := range s.opts.Declared {
			if on, code, _ := strings.Cut(d, " "); on == typ {
				codes = append(codes, resource{"code": code})
			}
		}
		if typ == "Subscription" && s.traits.Subscription {
			entry["documentation"] = "R4 channel type rest-hook, empty payload"
		}
		if len(codes) > 0 {
			entry["interaction"] = codes
		}
		out = append(out, entry)
	}
	return out
}

// allow is the Allow header of a 405 on a type (instance false) or an instance; it may be empty (RFC 9110 §10.2.1).
func (t Traits) allow(typ string, instance bool) string {
	var methods []string
	if instance && t.readable(typ) || !instance && t.searchable(typ) {
		methods = append(methods, http.MethodGet)
	}
	if instance && t.updatable(typ) {
		methods = append(methods, http.MethodPut)
	}
	if !instance && t.creatable(typ) {
		methods = append(methods, http.MethodPost)
	}
	return strings.Join(methods, ", ")
}
