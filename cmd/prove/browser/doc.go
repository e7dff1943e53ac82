// Package browser drives Debian's Chromium through the clinician's inbox as an EHR shows it: in a frame on another site, over TLS
// with a test authority that the browser checks names against, with cookies allowed, blocked in frames or refused. It sees
// what a page tried that its Content-Security-Policy forbids, every dialog, and every request that an origin got; it counts
// bytes, asks axe-core about accessibility and takes pictures. The tests of this folder are the proof; `make browser` runs them.
package browser
