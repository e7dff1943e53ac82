// Package adt keeps what an EHR's ADT feed tells of its patients, visits and merges, and finds the right patient in it, for an
// EHR that takes documents over MLLP and shows no chart (match: adt). [Feed] takes the messages and acknowledges one when its
// commit is durable; [EHR] is the hl7v2 connection that asks what is kept.
package adt
