// Package smart is the client side of SMART App Launch 2.2: discovery; [App], the launch of a user's app with its tokens, launch
// context and id_token; [Backend], Backend Services with private_key_jwt, which needs no user; JWKs; and the algebra of scopes.
//
// Errors hold OAuth error codes and places in documents, never tokens, assertions, key material
// or a server's free text.
package smart
