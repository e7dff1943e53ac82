// Package ehrtest is the conformance suite of the EHR port: what every EHR adapter must hold, whatever its EHR does. An
// adapter's own test starts a counterpart and calls Run; it needs some ten lines for that.
//
// The suite plays deliver's part in the smallest way: it plans, puts references in the place of symbols, gates, files and
// looks again. It judges by what the counterpart stores and by the outcome types of package connector, never by an
// adapter's insides.
package ehrtest
