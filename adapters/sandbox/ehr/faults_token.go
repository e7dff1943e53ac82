package ehr

import "net/http"

// tokenFaults are those of the authorization server; a rule names them with the type token, jwks or discovery, or any
// request for expire-tokens and swap-keys.
var tokenFaults = map[string]fault{
	"invalid-client": {about: "the token endpoint does not know the client or its key", run: oauth(http.StatusUnauthorized, "invalid_client")},
	"invalid-grant":  {about: "the token endpoint refuses the grant, as after a refresh token was used twice", run: oauth(http.StatusBadRequest, "invalid_grant")},
	"expire-tokens": {
		about: "every access token ends before the request is looked at",
		run: func(k *strike) *Response {
			if a, ok := k.s.opts.Access.(interface{ RevokeTokens() }); ok {
				a.RevokeTokens()
			}
			return k.do()
		},
	},
	"swap-keys": {
		about: "the authorization server signs with a new key from now on and publishes that alone",
		run: func(k *strike) *Response {
			if a, ok := k.s.opts.Access.(interface{ SwapKeys() }); ok {
				a.SwapKeys()
			}
			return k.do()
		},
	},
}

func oauth(status int, code string) func(*strike) *Response {
	return instead(func(*strike) *Response {
		h := http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}}
		return &Response{Status: status, Header: h, Body: []byte(`{"error":"` + code + `","error_description":"by script"}`)}
	})
}
