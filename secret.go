package pxepilot

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// hidden is what a Secret looks like wherever it is printed or encoded.
const hidden = "***"

// A Secret is a password or token that no format verb and no encoder prints.
// Its text is kept in a closure, not in a field, because fmt, and whatever else
// walks a struct by reflection, prints unexported fields without asking them.
type Secret struct{ reveal func() string }

// NewSecret hides s.
func NewSecret(s string) Secret { return Secret{func() string { return s }} }

// Reveal returns the text. Call it only where the text leaves for its purpose.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsSet says whether there is any text.
func (s Secret) IsSet() bool { return s.Reveal() != "" }

// Equal compares two secrets.
func (s Secret) Equal(t Secret) bool { return s.Reveal() == t.Reveal() }

func (s Secret) String() string { return hidden }

// Format implements fmt.Formatter for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText covers encoding/json, encoding/xml and YAML encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// SecretName guesses from its name whether a variable holds a secret, such as a
// password, a key or the community of SNMP.
func SecretName(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"pass", "pwd", "secret", "token", "key", "credential", "community"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
