package connector

import (
	"fmt"
	"log/slog"
)

// redacted is what a value that may identify a person prints as, wherever it is printed.
const redacted = "[phi]"

// PHI carries a value that may identify a person (45 CFR 160.103) through code that logs, formats or wraps errors. It
// prints as "[phi]" under every fmt verb, in slog and in JSON; only Reveal gives the value, so that a reader can search
// the tree for each place that opens one.
type PHI[T any] struct{ value T }

// Protect wraps a value.
func Protect[T any](v T) PHI[T] { return PHI[T]{value: v} }

// Reveal gives the value. Callers seal it, send it to its own chart or channel, or compare it; they never log it.
func (p PHI[T]) Reveal() T { return p.value }

// String hides the value.
func (p PHI[T]) String() string { return redacted }

// Format hides the value under every verb, %#v included.
func (p PHI[T]) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(redacted)) }

// LogValue hides the value from slog.
func (p PHI[T]) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the value from encoders.
func (p PHI[T]) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON hides the value from encoders.
func (p PHI[T]) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
