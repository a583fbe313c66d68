package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// publicKey is what verifies assertions: read from a file, or of a pair made now. Without either it is nil, and the
// JWT flow is refused.
func (s *settings) publicKey() (*rsa.PublicKey, error) {
	switch {
	case s.writeKey != "":
		return writeNewKey(s.writeKey)
	case s.keyFile != "":
		return readKey(s.keyFile)
	default:
		return nil, nil
	}
}

func writeNewKey(file string) (*rsa.PublicKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make a key pair: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the private key: %w", err)
	}
	b := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(file, b, 0o600); err != nil {
		return nil, fmt.Errorf("write the private key: %w", err)
	}
	return &key.PublicKey, nil
}

func readKey(file string) (*rsa.PublicKey, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("read the key: %s holds no PEM block", file)
	}
	pub, err := parseKey(block)
	if err != nil {
		return nil, fmt.Errorf("read the key: %s: %w", file, err)
	}
	key, ok := pub.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("read the key: %s: not an RSA key, which the JWT flow needs", file)
	}
	return key, nil
}

// parseKey reads the public half of whatever the block holds.
func parseKey(block *pem.Block) (any, error) {
	switch block.Type {
	case "CERTIFICATE":
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return cert.PublicKey, nil
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		return &key.PublicKey, nil
	case "PRIVATE KEY":
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		if rsaKey, ok := key.(*rsa.PrivateKey); ok {
			return &rsaKey.PublicKey, nil
		}
		return nil, errors.New("not an RSA key")
	default:
		return nil, fmt.Errorf("a PEM block of type %q is no key", block.Type)
	}
}
