// Package r4 builds and reads the FHIR R4 (4.0.1) resources a messaging connector needs.
//
// The resource structs are those of samply/golang-fhir-models; the aliases in this package
// let other rooms use them without importing that module. Three things are replaced because
// samply gets them wrong:
//
//   - payloads: samply writes all three content[x] of a payload, so [Payload] is our own type;
//   - reading: samply drops contained resources, _field siblings and unknown fields, so a
//     parsed resource keeps the server's bytes and [Communication.MarshalJSON] patches those
//     bytes instead of re-emitting the parsed view;
//   - writing: samply accepts anything, so every resource built here is checked while it is
//     encoded (see [Problem]) and is refused rather than sent in a changed or empty form.
//
// Building is pure: no clock, no randomness; the same input gives the same bytes.
package r4
