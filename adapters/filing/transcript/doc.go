// Package transcript writes a whole thread as one document: who said what to whom, in which role and when, with every
// correction, retraction and failed delivery shown as such. It is what the strategies that file a thread at once (note,
// document, mdm) put on the chart. It is pure: no clock, no network, no randomness; equal transcripts give equal bytes.
//
// There are two forms of one transcript. [Text] holds every message's own words as one unbroken run of their bytes, and
// [Words] cuts them out again; it is the form of record. [PDF] is the same content for eyes. It names the SHA-256 of the
// text form on every page, and shows what its fonts cannot draw as the character's code point and name (glyphs.go), so
// nothing vanishes; but it is not a place to read exact bytes from.
//
// The way through: facts.go turns a [Transcript] into blocks of lines (wording.go has the wording, which the notes of
// package filing share), text.go frames them, words.go reads the frame; layout.go breaks the blocks into lines and pages,
// bidi.go puts right-to-left words in order, pdf.go draws.
package transcript
