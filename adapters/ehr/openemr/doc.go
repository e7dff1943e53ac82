// Package openemr files into OpenEMR: each message a text document of the patient, by the standard REST API, and each picture or
// PDF a document beside it. What FHIR declares for writing (create of DocumentReference) answers 404 and is not tried; FHIR finds
// the patient and shows what is kept. The API answers an upload with true and no id, so a document is known by its name, which is
// made of the message's identity, and by its content.
package openemr
