// Package inbox is the clinician's side of Chartwire: who is signed in and what they may see, the threads of the launched
// patient and of the pools, and what can be done with them. It knows neither pages nor FHIR: connector/web/app shows what it
// gives, fhir/smart and an EHR's Chart tell it who somebody is and what they may read.
//
// Nothing is shown to a session that its user's own token could not read in the EHR, nothing is sent that is not bound to the
// session's patient, and every act has its audit row in its own commit.
package inbox
