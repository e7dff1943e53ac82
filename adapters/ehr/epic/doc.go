// Package epic files into Epic over FHIR R4: each exchange as a clinical note, which is the one thing a third party may write for
// a message there. docs/ehrs/epic.md says for people what this package holds as data.
package epic
