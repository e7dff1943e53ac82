// Package oracle files into Oracle Health Millennium over FHIR R4: what staff write as messages of its message center
// (Communication), what patients and proxies write as documents (DocumentReference), each in the shape Millennium's own pages
// describe. docs/ehrs/oracle.md says for people what this package holds as data.
package oracle
