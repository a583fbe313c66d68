package crm

import (
	"fmt"
	"log/slog"
)

const redacted = "<secret>"

// Secret is a text that prints, logs and marshals as <secret>.
type Secret string

// String redacts.
func (Secret) String() string { return redacted }

// Format redacts under every verb.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue redacts.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText redacts.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Key is a private key in PEM form, redacted like a Secret.
type Key []byte

// String redacts.
func (Key) String() string { return redacted }

// Format redacts under every verb.
func (Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue redacts.
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText redacts.
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }
