// Package connector is the vocabulary of Chartwire: the words every room shares (exchange, thread, lane, write, attempt,
// receipt), the states they pass through, the reasons they stop for, and the three ports EHR, Channel and Store.
//
// An exchange goes one way: decode → commit → plan → file → compare. Package ingest commits, package deliver decides,
// adapters plan and classify, package store remembers. This package holds no effects: it imports nothing of ours and
// reads neither clock nor network.
package connector
