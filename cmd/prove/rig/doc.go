// Package rig runs the real thing: the chartwire binary as child processes on loopback, between the sandbox's EHR and
// platform, over SQLite or a private Postgres; senders that write down every acknowledgement before they count it; and a
// judge that reads the EHR's own ledger. What prove breaks, it breaks here.
package rig
