// Package hl7 reads and writes HL7 v2.5.1 messages in ER7, the encoding with bars and hats, as far as filing a document and
// following a patient need: MDM, ADT and ACK, the segments and data types in them, and any other segment as fields.
//
// It knows nothing of Chartwire: no state, no clock, no network (mllp, the folder below, carries the bytes). Building is pure:
// the same input gives the same bytes.
//
// Three rules hold everywhere. Text goes in and comes out unchanged or is refused, never replaced, trimmed or cut. What a
// segment holds cannot end it or its frame: every delimiter and control byte in text is escaped ([Text]), and [Message.Encode]
// refuses what is not. And no error repeats what a message says; it names the place.
//
// References in comments are to HL7 v2.5.1: ch. 2 (control), 2.A (data types), 3 (patient administration), 7 (observations),
// 9 (documents), and to its tables by number.
package hl7
