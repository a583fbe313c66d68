package directory

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/rosterd/rosterd/store"
)

// What must be read again, such as the secret of a second factor, is encrypted
// with AES-256-GCM. The key comes from Options.SecretKey, which an operator
// keeps apart from the database. Where there is none, a key is made for the org
// and kept in a table of its own: it protects copies of single tables, exports
// and logs of statements, and not against someone who has the whole database.
// The prefix of a sealed text names its key, so that a key file can be added
// later: what was sealed before stays readable, and is sealed anew when it is
// written next.
const (
	sealedByFile     = "f1:"
	sealedByDatabase = "d1:"
)

// errSealed says that a secret cannot be read.
var errSealed = errors.New("the secret was encrypted with another key: is the key file the one that was in use then?")

// keys of an org.
type orgKey struct {
	prefix string
	key    [32]byte
}

// orgKey returns the key by which secrets are sealed now.
func (d *Directory) orgKey(ctx context.Context, tx *store.Tx, makeOne bool) (orgKey, error) {
	if len(d.o.SecretKey) > 0 {
		return orgKey{sealedByFile, sha256.Sum256(d.o.SecretKey)}, nil
	}
	return d.databaseKey(ctx, tx, makeOne)
}

// databaseKey returns the key that the database keeps, which is made where makeOne
// allows it.
func (d *Directory) databaseKey(ctx context.Context, tx *store.Tx, makeOne bool) (orgKey, error) {
	if makeOne {
		raw := make([]byte, 32)
		_, _ = rand.Read(raw)
		if _, err := tx.Exec(ctx, "INSERT INTO secret_keys (org_id, name, value) VALUES ($1, 'seal', $2) ON CONFLICT (org_id, name) DO NOTHING",
			d.org, base64.StdEncoding.EncodeToString(raw)); err != nil {
			return orgKey{}, fmt.Errorf("keep a key: %w", err)
		}
	}
	var text string
	err := tx.QueryRow(ctx, "SELECT value FROM secret_keys WHERE org_id = $1 AND name = 'seal'", d.org).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return orgKey{}, errSealed
	}
	raw, err2 := base64.StdEncoding.DecodeString(text)
	if err := errors.Join(err, err2); err != nil {
		return orgKey{}, fmt.Errorf("read the key: %w", err)
	}
	k := orgKey{prefix: sealedByDatabase}
	if copy(k.key[:], raw) != len(k.key) {
		return orgKey{}, errors.New("read the key: it is cut off")
	}
	return k, nil
}

// seal encrypts plain, which can be opened in the same place only.
func (d *Directory) seal(ctx context.Context, tx *store.Tx, place, plain string) (string, error) {
	k, err := d.orgKey(ctx, tx, true)
	if err != nil {
		return "", err
	}
	aead, err := k.aead()
	if err != nil {
		return "", err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce)
	return k.prefix + base64.RawStdEncoding.EncodeToString(aead.Seal(nonce, nonce, []byte(plain), d.place(place))), nil
}

// open decrypts what seal made for the place.
func (d *Directory) open(ctx context.Context, tx *store.Tx, place, sealed string) (string, error) {
	k := orgKey{prefix: sealedByFile, key: sha256.Sum256(d.o.SecretKey)}
	if strings.HasPrefix(sealed, sealedByDatabase) {
		var err error
		if k, err = d.databaseKey(ctx, tx, false); err != nil {
			return "", err
		}
	}
	text, ok := strings.CutPrefix(sealed, k.prefix)
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if !ok || err != nil {
		return "", errSealed
	}
	aead, err := k.aead()
	if err != nil {
		return "", err
	}
	if len(raw) < aead.NonceSize() {
		return "", errSealed
	}
	n := aead.NonceSize()
	plain, err := aead.Open(nil, raw[:n], raw[n:], d.place(place))
	if err != nil {
		return "", errSealed
	}
	return string(plain), nil
}

// place binds a sealed text to its org and to what it belongs to.
func (d *Directory) place(place string) []byte { return fmt.Appendf(nil, "%d/%s", d.org, place) }

func (k orgKey) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
