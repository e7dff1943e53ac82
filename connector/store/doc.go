// Package store keeps everything Chartwire knows, in an embedded SQLite file or in Postgres, behind connector.Store.
//
// There is one schema (migrations/), one set of statements and one file per engine for what differs (sqlite.go,
// postgres.go: connecting, claiming, locking, waking). A statement is written once with ?1 ?2 placeholders.
//
// What is in clear: our own ids, times, counts, enum words, names given in the configuration. Everything a platform, an
// EHR or a person supplied is sealed under the place it stands in (seal.AAD), and looked up by keyed hashes.
//
// Update is a group commit. One committer for two processors takes what is queued, runs every function under a savepoint in one
// transaction, commits once and answers all. On Postgres a transaction reads one snapshot (repeatable read); where another
// replica changed the same row first, the function runs again, with everything after it of its shard.
package store
