package smart

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// TokenError is a token call that gave no token. It keeps the OAuth error code and the HTTP
// status; the server's description may quote the request and is dropped.
type TokenError struct {
	Code   string // RFC 6749 §5.2, e.g. "invalid_client"; "" where there was none
	Status int    // 0 where there was no answer
	After  time.Duration
	text   string
	// malformed: there was an answer, and no token in it.
	malformed bool
}

// Error implements error.
func (e *TokenError) Error() string {
	out := "smart token: " + e.text
	if e.Status != 0 {
		out += " (HTTP " + strconv.Itoa(e.Status) + ")"
	}
	return out
}

// Permanent reports that asking again will not help until a person changes something: the
// client, its key or its scopes at the EHR, or our configuration.
func (e *TokenError) Permanent() bool {
	switch e.Code {
	case "invalid_client", "unauthorized_client", "invalid_scope", "invalid_request", "invalid_grant",
		"unsupported_grant_type", "access_denied":
		return true
	}
	return e.Status == http.StatusForbidden || e.Status == http.StatusUnauthorized
}

// RetryAfter is what the server asked for, 0 where it did not.
func (e *TokenError) RetryAfter() time.Duration { return e.After }

var errorCode = regexp.MustCompile(`^[a-z_]{1,64}$`)

// fetch makes one token call with a fresh assertion (REQ 319, 333, 334); the client id travels only within it.
func (b *Backend) fetch(ctx context.Context) (*grant, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(b.cfg.Scopes) > 0 {
		form.Set("scope", strings.Join(b.cfg.Scopes, " "))
	}
	as := credentials{clientID: b.cfg.ClientID, key: b.cfg.Key, now: b.cfg.Now, newID: b.cfg.NewID}
	token, err := as.call(ctx, b.cfg.HTTP, b.cfg.TokenURL, form)
	if err != nil {
		return nil, err
	}
	scopes := ParseScopes(strings.Join(b.cfg.Scopes, " "))
	if s, ok := scopeOf(token); ok {
		scopes = s
	}
	early := min(token.Expiry.Sub(b.cfg.Now())/4, maxEarly)
	return &grant{token: token, scopes: scopes, renew: token.Expiry.Add(-early)}, nil
}

// scopeOf is what the answer says is granted; ok is false where it says nothing.
func scopeOf(token *oauth2.Token) (Scopes, bool) {
	s, _ := token.Extra("scope").(string)
	return ParseScopes(s), strings.TrimSpace(s) != ""
}

// lifetimeOf reads expires_in, which some servers send as a string.
func lifetimeOf(token *oauth2.Token) time.Duration {
	var seconds float64
	switch v := token.Extra("expires_in").(type) {
	case float64:
		seconds = v
	case json.Number:
		seconds, _ = v.Float64()
	case string:
		seconds, _ = strconv.ParseFloat(v, 64)
	}
	if seconds <= 0 || seconds > 366*24*3600 {
		return unknownLifetime
	}
	return time.Duration(seconds * float64(time.Second))
}

func tokenError(err error, now time.Time) *TokenError {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.Response == nil {
		var network net.Error
		if errors.As(err, &network) && network.Timeout() || errors.Is(err, context.DeadlineExceeded) {
			return &TokenError{text: "the token endpoint did not answer in time"}
		}
		var transport *url.Error
		return &TokenError{text: "the token endpoint could not be reached or gave no usable token", malformed: !errors.As(err, &transport)}
	}
	e := &TokenError{Status: refused.Response.StatusCode, text: "the token endpoint refused"}
	if errorCode.MatchString(refused.ErrorCode) {
		e.Code = refused.ErrorCode
		e.text += ": " + e.Code
	}
	e.After = retryAfter(refused.Response.Header.Get("Retry-After"), now)
	return e
}

// retryAfter reads both forms of Retry-After, capped at one hour.
func retryAfter(v string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, 3600)) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(at.Sub(now), 0), time.Hour)
	}
	return 0
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
