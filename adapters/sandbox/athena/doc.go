// Package athena is the v1 REST API of a sandbox athenaOne, beside a FHIR server that is read only. It takes clinical documents
// and patient cases, refuses what athenaOne is known or feared to refuse, and keeps every document it took: that ledger is the
// judge. It shares no code with the client it is the counterpart of.
package athena
