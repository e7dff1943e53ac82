// Package sim runs the real store, ingest, delivery engine, FHIR adapter and webhook channel against a sandbox EHR and a
// sandbox platform in one process and in virtual time, through a world that a seed decides: shuffled and repeated events,
// an EHR that fails in every way it can, processes that are killed, paused and multiplied, outages, and operators who
// pause, resume and replay. Around it stands a judge that knows only what was said to us and what the EHR took, and holds
// each step to DESIGN §3.
//
// Every decision of the world comes from the seed and the name of the thing decided, never from the order in which
// goroutines run, so that a seed that fails meets the same world again. The engine's own jitter and the scheduler are not
// ours to decide: two runs of a seed agree in the world, not in every interleaving.
package sim
