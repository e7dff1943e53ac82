// Package hl7v2 is the EHR adapter of a legacy interface: document messages (MDM) over MLLP to an interface engine, and its
// acknowledgements. The engine shows nothing of the chart, so no patient is looked up, nothing is found again, and a receipt
// says what the engine answered and no more.
package hl7v2
