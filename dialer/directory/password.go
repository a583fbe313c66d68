package directory

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/rosterd/rosterd/dialer"
)

// The cost of a password hash, as OWASP recommends it for argon2id: 19 MiB and
// two passes, about 25 ms.
const (
	hashMemory  = 19 * 1024 // KiB
	hashTime    = 2
	hashThreads = 1
	hashBytes   = 32
	saltBytes   = 16
)

// hashesAtOnce bounds the memory that hashing takes: who signs in waits.
const hashesAtOnce = 2

// The lengths of a password that a person chooses, in characters.
const (
	minPassword = 10
	maxPassword = 128
)

// hash returns the argon2id hash of a password with its parameters and salt.
func (d *Directory) hash(ctx context.Context, password dialer.Secret) (string, error) {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails
	sum, err := d.argon(ctx, password, salt, hashTime, hashMemory, hashThreads)
	if err != nil {
		return "", err
	}
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, hashMemory, hashTime, hashThreads,
		b.EncodeToString(salt), b.EncodeToString(sum)), nil
}

// matches reports whether password is the one that was hashed. Without a hash
// it takes as long, and they do not match.
func (d *Directory) matches(ctx context.Context, hash string, password dialer.Secret) (bool, error) {
	if hash == "" {
		_, err := d.argon(ctx, password, make([]byte, saltBytes), hashTime, hashMemory, hashThreads)
		return false, err
	}
	parts := strings.Split(hash, "$")
	var version, memory, time uint32
	var threads uint8
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errors.New("read a password hash: it is none of argon2id")
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &time, &threads); err != nil ||
		version != argon2.Version {
		return false, errors.New("read a password hash: its parameters are not known")
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err := errors.Join(err, err2); err != nil {
		return false, fmt.Errorf("read a password hash: %w", err)
	}
	got, err := d.argon(ctx, password, salt, time, memory, threads)
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1, err
}

func (d *Directory) argon(ctx context.Context, password dialer.Secret, salt []byte, time, memory uint32, threads uint8) ([]byte, error) {
	select {
	case d.hashing <- struct{}{}:
		defer func() { <-d.hashing }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to hash a password: %w", ctx.Err())
	}
	return argon2.IDKey([]byte(password), salt, time, memory, threads, hashBytes), nil
}

// acceptable holds a password that a person chose against the rules.
func acceptable(u *dialer.User, password dialer.Secret) error {
	rule := ""
	folded := dialer.Key(string(password))
	switch n := utf8.RuneCountInString(string(password)); {
	case !utf8.ValidString(string(password)):
		rule = "must be text in UTF-8"
	case n < minPassword || n > maxPassword:
		rule = "must have 10 to 128 characters"
	case folded == dialer.Key(u.Username) || folded == dialer.Key(u.Email):
		rule = "must not be the user name or the e-mail address"
	case strings.Count(folded, folded[:1]) == len(folded):
		rule = "must not be one character again and again"
	default:
		return nil
	}
	return &dialer.InvalidError{Field: "password", Rule: rule}
}

// alphabet has no letters or digits that people take for others: 5 bits each.
const alphabet = "abcdefghijkmnpqrstuvwxyz23456789"

// generate makes a password or code of n characters in groups of four.
func generate(n int) dialer.Secret {
	raw := make([]byte, n)
	_, _ = rand.Read(raw)
	var b strings.Builder
	for i, r := range raw {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(alphabet[r%32])
	}
	return dialer.Secret(b.String())
}

// token makes a secret that proves a session.
func token() dialer.Secret { return dialer.Secret(rand.Text() + rand.Text()) }

// digest is how a long random secret is stored: there is nothing to guess, so
// that a fast hash suffices.
func digest(s dialer.Secret) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
