// Package hl7v2 is the EHR adapter of a legacy interface: document messages (MDM) over MLLP to an interface engine, and its
// acknowledgements. The engine shows nothing of the chart, so nothing is found again, a receipt says what the engine answered and
// no more, and the patient is who the channel says, or whom an ADT feed has told of (package adt).
package hl7v2
