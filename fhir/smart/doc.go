// Package smart is the client side of SMART App Launch 2.2 that needs no user: discovery,
// Backend Services with private_key_jwt, JWKs, and the algebra of scopes.
//
// Errors hold OAuth error codes and places in documents, never tokens, assertions, key material
// or a server's free text.
package smart
