// Package filing says how an exchange becomes chart entries. It is shared by the EHR adapters and is pure: no clock, no
// network, no randomness; equal exchanges give equal bytes. What it decides is DESIGN §5, for the strategies communication
// (one FHIR Communication a message, under a header Communication a thread), note (one US Core DocumentReference a
// message), document (the same around a transcript, as text and as PDF), mdm (one HL7 v2 document message a message) and vendor
// (one request of a vendor's own API a message and a file).
//
// The way of an exchange through it: [Plan] makes a planner, the strategy's file (communication.go, note.go, mdm.go) picks the
// builder for the item, the builder asks participants.go who is who and payload.go how content travels, and write.go
// wraps the result in one request. [Lost] compares a plan with its exchange: what the chart will not show.
package filing
