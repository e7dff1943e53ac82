// Package bench measures what Chartwire costs, each figure against a reference that does the least that would have to be
// done: a bare relay of the same bytes, raw commits of two rows, itself with a small backlog. The connector runs as a
// process of its own, so that its processor time is told apart from ours. Every figure alternates with its reference in
// one run, because the same machine gives twice and half the rate within a minute; what is told is the median of the pairs.
package bench
