package config

import (
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// redacted is what every printed form of a secret is.
const redacted = "[secret]"

// Secret is a value given in the configuration as NAME or, better, as a file NAME_file. It prints as [secret] under
// every fmt verb, in JSON, YAML, text and slog; Reveal is the only way to its content.
type Secret struct {
	// File is the file as it was written in the configuration, or "" for an inline or absent secret.
	File string
	// content is behind a pointer so that a Secret stays comparable and small.
	content *string
}

// NewSecret is an inline secret, for a Config made in code.
func NewSecret(value string) Secret { return Secret{content: &value} }

// IsSet reports whether the secret was configured at all, as value or as file; its file may still be missing.
func (s Secret) IsSet() bool { return s.content != nil || s.File != "" }

// Missing reports whether a file was configured that could not be read. Parse gave a MissingSecret problem for it.
func (s Secret) Missing() bool { return s.content == nil && s.File != "" }

// Reveal returns the content without its one trailing newline, "" when the secret is absent or Missing.
func (s Secret) Reveal() string {
	if s.content == nil {
		return ""
	}
	return *s.content
}

// Secrets returns the lines of a webhook secret: one whsec_… each, the newest first as the file has them; two while
// rotating. Blank lines are left out. It is empty when the secret is absent or Missing.
func (s Secret) Secrets() []string {
	var lines []string
	for line := range strings.Lines(s.Reveal()) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// Format writes [secret] for every verb and flag, also those that would print a struct's fields.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// String is [secret], or nothing for a secret that is not set.
func (s Secret) String() string {
	if !s.IsSet() {
		return ""
	}
	return redacted
}

// GoString is String.
func (s Secret) GoString() string { return s.String() }

// MarshalText is String; encoding/json and most encoders use it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON is String in quotes.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// MarshalYAML is String as a YAML string.
func (s Secret) MarshalYAML() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// LogValue is String, for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// File is a file that is no secret but has to be there, such as a certificate. It prints as its path.
type File struct {
	// Path is the path as it was written, relative to the configuration's folder.
	Path    string
	content []byte
}

// IsSet reports whether a file was configured.
func (f File) IsSet() bool { return f.Path != "" }

// Bytes returns what the file held when the configuration was loaded, nil when it is absent or could not be read.
func (f File) Bytes() []byte { return f.content }

// String is the path.
func (f File) String() string { return f.Path }

// whsecPrefix starts every Standard Webhooks symmetric secret.
const whsecPrefix = "whsec_"

// WebhookKey returns the raw key of one whsec_… secret: the base64 after the prefix. The error names the mistake and
// never the secret.
//
// Source: Standard Webhooks, "Signature scheme" (keys of 24 to 64 bytes).
func WebhookKey(secret string) ([]byte, error) {
	rest, ok := strings.CutPrefix(secret, whsecPrefix)
	if !ok {
		return nil, fmt.Errorf("does not start with %s", whsecPrefix)
	}
	key, err := base64.StdEncoding.DecodeString(rest)
	if err != nil {
		return nil, fmt.Errorf("is not base64 after %s", whsecPrefix)
	}
	if len(key) < 24 || len(key) > 64 {
		return nil, fmt.Errorf("holds %d bytes, not 24 to 64", len(key))
	}
	return key, nil
}
