// Package athena is the adapter for athenaOne. Its FHIR server can be read only, so patients are looked up there and each
// exchange is put on the chart as a document by the v1 REST API of the same platform, with the same token. What is known of
// that API, from where and how surely, is in docs/ehrs/athena.md.
package athena
