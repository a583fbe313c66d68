package crm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name string
		edit func(*Config)
		want string
		hint bool
	}{
		{"no url", func(c *Config) { c.LoginURL = "" }, "login_url: empty", true},
		{"no scheme", func(c *Config) { c.LoginURL = "login.salesforce.com" }, "login_url: not a URL", true},
		{"http", func(c *Config) { c.LoginURL = "http://login.salesforce.com" }, "login_url: is not https", true},
		{"http that looks local", func(c *Config) { c.LoginURL = "http://127.0.0.1.evil.example" }, "login_url: is not https", true},
		{"path", func(c *Config) { c.LoginURL = "https://login.salesforce.com/services/oauth2/token" }, "more than scheme and host", true},
		{"password", func(c *Config) { c.LoginURL = "https://a:b@login.salesforce.com" }, "more than scheme and host", true},
		{"no client id", func(c *Config) { c.ClientID = "" }, "client_id is empty", true},
		{"no flow", func(c *Config) { c.PrivateKey = nil }, "neither a private key", true},
		{"two flows", func(c *Config) { c.ClientSecret = "x" }, "both a private key", true},
		{"no username", func(c *Config) { c.Username = "" }, "username is empty", true},
		{"secret on the generic host", func(c *Config) {
			c.PrivateKey, c.ClientSecret, c.LoginURL = nil, "x", "https://login.salesforce.com"
		}, "do not work on login.salesforce.com", true},
		{"key not pem", func(c *Config) { c.PrivateKey = Key("abc") }, "not PEM", true},
		{"key short", func(c *Config) { c.PrivateKey = makeKey(1024) }, "shorter than 2,048", true},
		{"certificate", func(c *Config) { c.PrivateKey = pemOf("CERTIFICATE", nil) }, "holds a certificate", true},
		{"key encrypted", func(c *Config) { c.PrivateKey = pemOf("ENCRYPTED PRIVATE KEY", []byte("x")) }, "encrypted", true},
		{"key damaged", func(c *Config) { c.PrivateKey = pemOf("PRIVATE KEY", []byte("x")) }, "cannot be read", true},
		{"key elliptic", func(c *Config) { c.PrivateKey = ellipticKey(t) }, "not RSA", true},
		{"version", func(c *Config) { c.APIVersion = "v66" }, `"v66" is not a version`, true},
		{"prefilter quote", func(c *Config) { c.Prefilter = "UserType = 'Standard" }, "prefilter: leaves a quote open", true},
		{"prefilter bracket", func(c *Config) { c.Prefilter = "IsActive = true) OR (Id != ''" }, "prefilter: closes a bracket", true},
		{"custom field", func(c *Config) { c.CustomFields = []string{"Team"} }, `"Team" is not an API name`, true},
		{"custom field injected", func(c *Config) { c.CustomFields = []string{"A FROM B__c"} }, "is not an API name", true},
		{"custom field twice", func(c *Config) { c.CustomFields = []string{"Team__c", "team__c"} }, "named twice", true},
		{"org id", func(c *Config) { c.OrgID = "00D" }, "org id: not a Salesforce record id", false},
		{"ca file", func(c *Config) { c.CAFile = "/does/not/exist" }, "read ca_file", false},
		{"ca file empty", func(c *Config) { c.CAFile = emptyFile(t) }, "holds no certificate", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{LoginURL: "https://login.salesforce.com", ClientID: "key", Username: "sync@example.com", PrivateKey: testKey()}
			tt.edit(&cfg)
			_, err := New(cfg, Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.hint && hintOf(err) == "" {
				t.Errorf("got %v, hint %q; want %q", err, hintOf(err), tt.want)
			}
		})
	}
}

func TestNewRefusesOptions(t *testing.T) {
	cfg := Config{LoginURL: "https://login.salesforce.com", ClientID: "key", Username: "sync@example.com", PrivateKey: testKey()}
	for _, o := range []Options{{PageSize: 2001}, {PageSize: -1}, {MaxConcurrent: -1}, {RequestTimeout: -1}} {
		if _, err := New(cfg, o); err == nil {
			t.Errorf("New accepts %+v", o)
		}
	}
	if _, err := New(cfg, Options{}); err != nil {
		t.Errorf("the zero Options are refused: %v", err)
	}
}

func pemOf(kind string, der []byte) Key {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func ellipticKey(t *testing.T) Key {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("PRIVATE KEY", der)
}

func emptyFile(t *testing.T) string {
	name := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestCheckCondition(t *testing.T) {
	good := []string{
		"", "UserType = 'Standard'", "(IsActive = true)", `LastName = 'O\'Brien'`, "Title = 'limit (order'", "Title = 'a;b'",
		"Id IN (SELECT AssigneeId FROM PermissionSetAssignment WHERE PermissionSet.Name = 'Dialer')",
	}
	for _, s := range good {
		if err := CheckCondition(s); err != nil {
			t.Errorf("CheckCondition(%q) = %v", s, err)
		}
	}
	bad := []string{
		"UserType = 'x", `UserType = 'x\'`, "(a = 1", "a = 1)", "WHERE a = 1", "a = 1 ORDER BY Id", "a = 1 LIMIT 1",
		"a = 1 limit 1", "a = 1; b", "SELECT Id FROM User", strings.Repeat("a", 4001),
	}
	for _, s := range bad {
		if err := CheckCondition(s); hintOf(err) == "" {
			t.Errorf("CheckCondition(%q) = %v, want an error with a hint", s, err)
		}
	}
}

func TestQuote(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", "''"}, {"a", "'a'"}, {"O'Brien", `'O\'Brien'`}, {`a\`, `'a\\'`}, {"a\nb", `'a\nb'`}, {`\'`, `'\\\''`},
	}
	for _, tt := range tests {
		if got := Quote(tt.in); got != tt.want {
			t.Errorf("Quote(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	cfg := Config{ClientSecret: "hush", PrivateKey: Key("hush")}
	marshaled, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "org", cfg.ClientSecret, "run", cfg.PrivateKey, "user", cfg, "verb", &cfg)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "org", cfg.ClientSecret, "run", cfg.PrivateKey, "user", cfg, "verb", &cfg)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&log, verb, cfg)
		fmt.Fprintf(&log, verb, Session{Token: "hush"})
		fmt.Fprintf(&log, verb, cfg.PrivateKey)
	}
	all := log.String() + string(marshaled)
	for _, leak := range []string{"hush", "68757368", "aHVzaA", "104 117"} {
		if strings.Contains(all, leak) {
			t.Errorf("%q is shown in %s", leak, all)
		}
	}
}
