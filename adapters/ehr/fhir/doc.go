// Package fhir is the adapter for any EHR that speaks FHIR R4 the way its CapabilityStatement says: it plans with package
// filing, sends with fhir/client, and turns answers into the outcomes deliver decides by. It knows no vendor's quirks.
package fhir
