package crm

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
)

// checkKey accepts what x/oauth2 can sign RS256 with: an unencrypted RSA key of
// at least 2,048 bits, which is what Salesforce asks of an app's certificate.
func checkKey(k Key) error {
	block, _ := pem.Decode(k)
	if block == nil {
		return hinted("the private key is not PEM", "give the file that begins with -----BEGIN PRIVATE KEY-----")
	}
	if block.Headers["DEK-Info"] != "" || strings.Contains(block.Type, "ENCRYPTED") {
		return hinted("the private key is encrypted", "decrypt it: openssl pkey -in KEY -out PLAIN")
	}
	if !strings.Contains(block.Type, "PRIVATE KEY") {
		return hinted("the private key file holds a "+strings.ToLower(block.Type), "give the private key, not the certificate")
	}
	key, err := parseKey(block.Bytes)
	if err != nil {
		return err
	}
	if key.N.BitLen() < 2048 {
		return hinted("the private key is shorter than 2,048 bits", "make a new key and upload its certificate to the app")
	}
	return nil
}

func parseKey(der []byte) (*rsa.PrivateKey, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, hinted("the private key cannot be read", "the file may be damaged; export it anew")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, hinted("the private key is not RSA", "Salesforce signs with RS256 only; make an RSA key")
	}
	return key, nil
}
