package config

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/rosterd/rosterd/crm"
)

const (
	maxSecret  = 64 << 10
	minKeyBits = 2048
	soon       = 30 * 24 * time.Hour
)

// secretFile reads a file that must be nobody's business. It reports whether
// the text is usable; if not, it has noted why.
func (c *checker) secretFile(key, name string) ([]byte, bool) {
	text, ok := c.read(key, name)
	if !ok {
		return nil, false
	}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.Mode().Perm()&0o007 != 0:
		c.fail(key, "chmod 0600 "+name, "every user of the machine can get at the secret file (mode %04o)", info.Mode().Perm())
		return nil, false
	case len(bytes.TrimSpace(text)) == 0:
		c.fail(key, "put the secret into it", "the file is empty")
		return nil, false
	}
	return text, true
}

// read reads a small file that the configuration names.
func (c *checker) read(key, name string) ([]byte, bool) {
	if strings.Contains(name, "-----BEGIN") || strings.ContainsAny(name, "\n\x00") {
		c.fail(key, "put it into a file with mode 0600, and its path here", "holds the text itself, not the name of a file")
		return nil, false
	}
	shown := name
	if !strings.Contains(name, "/") {
		shown = "the file" // it may be a secret in the wrong place
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.fail(key, "create the file, or correct the path; for systemd, add LoadCredential= to the service", "%s does not exist", shown)
	case errors.Is(err, fs.ErrPermission):
		c.fail(key, "let the user that runs rosterd read it, or hand it over with LoadCredential=", "%s may not be read", shown)
	case err != nil:
		c.fail(key, "correct the path", "%s cannot be looked at", shown)
	case info.IsDir():
		c.fail(key, "name a file in it", "%s is a directory", shown)
	case !info.Mode().IsRegular():
		c.fail(key, "name a regular file", "%s is not a file", shown)
	case info.Size() > maxSecret:
		c.fail(key, "is it the right file?", "%s is larger than 64 KiB", shown)
	default:
		text, err := os.ReadFile(name)
		if err == nil {
			return text, true
		}
		c.fail(key, "let the user that runs rosterd read it, or hand it over with LoadCredential=", "%s may not be read", shown)
	}
	return nil, false
}

// privateKey reads the key that signs logins, and looks at the certificates
// beside it, where there are any.
func (c *checker) privateKey(key, name string) crm.Key {
	text, ok := c.secretFile(key, name)
	if !ok {
		return nil
	}
	var private *pem.Block
	var certs []*x509.Certificate
	other := ""
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch {
		case block.Type == "CERTIFICATE":
			if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
				certs = append(certs, cert)
			}
			other = "certificate"
		case strings.Contains(block.Type, "PRIVATE KEY") && private == nil:
			private = block
		default:
			other = strings.ToLower(block.Type)
		}
	}
	switch {
	case private == nil && other == "certificate":
		c.fail(key, "give the key that belongs to it: the certificate goes into the connected app", "the file holds a certificate, not a private key")
		return nil
	case private == nil && other != "":
		c.fail(key, "give the file that begins with -----BEGIN PRIVATE KEY-----", "the file holds a %s, not a private key", other)
		return nil
	case private == nil:
		c.fail(key, "give the file that begins with -----BEGIN PRIVATE KEY-----", "the file is not PEM")
		return nil
	}
	rsaKey := c.rsaKey(key, private)
	if rsaKey == nil {
		return nil
	}
	for _, cert := range certs {
		c.certificate(key, cert, rsaKey)
	}
	return crm.Key(pem.EncodeToMemory(private))
}

func (c *checker) rsaKey(key string, block *pem.Block) *rsa.PrivateKey {
	if block.Headers["DEK-Info"] != "" || strings.Contains(block.Type, "ENCRYPTED") {
		c.fail(key, "decrypt it: openssl pkey -in KEY -out PLAIN", "the private key is encrypted")
		return nil
	}
	parsed, err := any(nil), error(nil)
	switch block.Type {
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		c.fail(key, "make an RSA key: openssl genrsa -out KEY 2048", "the file holds an %s; Salesforce takes RSA only", strings.ReplaceAll(block.Type, "PRIVATE KEY", "private key"))
		return nil
	}
	rsaKey, isRSA := parsed.(*rsa.PrivateKey)
	switch {
	case err != nil:
		c.fail(key, "the file may be damaged: export the key anew", "the private key cannot be read")
	case !isRSA:
		c.fail(key, "make an RSA key: openssl genrsa -out KEY 2048", "the private key is not RSA; Salesforce takes no other")
	case rsaKey.N.BitLen() < minKeyBits:
		c.fail(key, "make a key of at least 2048 bits, and upload its certificate to the connected app", "the private key has only %d bits", rsaKey.N.BitLen())
	default:
		return rsaKey
	}
	return nil
}

// certificate looks at a certificate beside the key: Salesforce refuses logins
// signed with the key of one that has expired.
func (c *checker) certificate(key string, cert *x509.Certificate, private *rsa.PrivateKey) {
	if cert.IsCA && !private.PublicKey.Equal(cert.PublicKey) {
		return // an issuer, sent along
	}
	until := cert.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case !private.PublicKey.Equal(cert.PublicKey):
		c.fail(key, "put key and certificate of one pair into it, or the key alone", "the certificate in the file belongs to another key")
	case c.now.After(cert.NotAfter):
		c.fail(key, "make a new certificate and upload it to the connected app", "the certificate in the file expired on %s", until)
	case c.now.Before(cert.NotBefore):
		c.fail(key, "check the clock of this machine, or wait", "the certificate in the file is not valid before %s", cert.NotBefore.UTC().Format(time.DateOnly))
	case cert.NotAfter.Sub(c.now) < soon:
		c.warn(key, "the certificate in the file expires on %s; upload a new one to the connected app before", until)
	}
}
