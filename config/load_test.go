package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

// now is when the tests load; their certificates are dated from it.
var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func block(t *testing.T, kind string, der []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// credentials fills a directory with good and bad secrets.
func credentials(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := func(pub, signer any, until time.Time) string {
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "rosterd test"},
			NotBefore: now.AddDate(-2, 0, 0), NotAfter: until,
		}, &x509.Certificate{Subject: pkix.Name{CommonName: "rosterd test"}}, pub, signer)
		return block(t, "CERTIFICATE", der, err)
	}
	pkcs1 := block(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), nil)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	pkcs8 := block(t, "PRIVATE KEY", der, err)
	ecDER, err := x509.MarshalPKCS8PrivateKey(ec)
	sec1, serr := x509.MarshalECPrivateKey(ec)
	valid := cert(&key.PublicKey, key, now.AddDate(1, 0, 0))
	encrypted := "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"
	for name, text := range map[string]string{
		"acme.pem":        pkcs8,
		"pkcs1.pem":       pkcs1,
		"pair.pem":        valid + pkcs8,
		"cert.pem":        valid,
		"expired.pem":     pkcs8 + cert(&key.PublicKey, key, now.AddDate(0, 0, -1)),
		"expiring.pem":    pkcs8 + cert(&key.PublicKey, key, now.AddDate(0, 0, 9)),
		"mismatch.pem":    pkcs8 + cert(&other.PublicKey, other, now.AddDate(1, 0, 0)),
		"encrypted.pem":   encrypted,
		"encrypted8.pem":  "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
		"ec.pem":          block(t, "PRIVATE KEY", ecDER, err),
		"ecsec1.pem":      block(t, "EC PRIVATE KEY", sec1, serr),
		"public.pem":      "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
		"damaged.pem":     "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"garbage.pem":     "not a key",
		"badcert.pem":     "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"short.pem":       block(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(short), nil),
		"empty":           " \n",
		"short":           "too short\n",
		"secret":          "s3cret-consumer-value\n",
		"two":             "one two\n",
		"tokens":          "admin ops 0123456789abcdef0123\n# nobody else\n",
		"badtokens":       "admin ops 0123456789abcdef0123\nking ops2 0123456789abcdef0124\n",
		"swappedtokens":   "0123456789abcdef0123 ops admin\n",
		"open.pem":        pkcs8,
		"opentokens":      "admin ops 0123456789abcdef0123\n",
		"pgpass":          "db:5432:rosterd:rosterd:hunter2\n",
		"opengpass":       "db:5432:rosterd:rosterd:hunter2\n",
		"dir/placeholder": "",
	} {
		mode := os.FileMode(0o600)
		if strings.HasPrefix(name, "open") {
			mode = 0o644
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
	}
	return dir
}

// environment is one with CREDENTIALS_DIRECTORY and little else.
func environment(dir string) func(string) (string, bool) {
	vars := map[string]string{"CREDENTIALS_DIRECTORY": dir, "SEATS": "40", "EMPTY": "", "NAME": "acme"}
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

func example(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// minimal has only what is required.
const minimal = `orgs:
  - name: acme
    salesforce:
      client_id: 3MVG9
      username: rosterd@acme.example
      private_key_file: ${CREDENTIALS_DIRECTORY}/acme.pem
    licenses: [{type: powerdialer, seats: 5, default: true}]
`

func TestExampleLoads(t *testing.T) {
	dir := credentials(t)
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	c, err := Load("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Control.Tokens.Len(), 1; got != want {
		t.Errorf("%d tokens, want %d", got, want)
	}
	if len(c.Orgs) != 1 || len(c.Warnings) != 0 {
		t.Fatalf("%d orgs, warnings %q", len(c.Orgs), c.Warnings)
	}
	o := c.Orgs[0]
	if o.Name != "acme" || o.Sync.Org != "acme" || o.Sync.Zone.String() != "America/Denver" || o.Salesforce.Prefilter != "UserType = 'Standard'" {
		t.Errorf("org is %+v", o)
	}
	if diff := cmp.Diff(o.Sync.Licenses, []dialer.License{{Type: "powerdialer", Purchased: 500, Default: true}}); diff != "" {
		t.Errorf("licenses (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(o.Sync.Guard, rostersync.Guard{Users: 10, Percent: 2, Window: 24 * time.Hour}); diff != "" {
		t.Errorf("guard (-got +want):\n%s", diff)
	}
	if got := o.Sync.Full.String(); got != "0 0 * * *" || o.Sync.Policy == nil || !o.Sync.Leaving.Midnight {
		t.Errorf("schedule %q, policy %v, leaving %+v", got, o.Sync.Policy != nil, o.Sync.Leaving)
	}
}

// The example shows every key, and says of none a default that it has not.
func TestExampleHoldsEveryKeyAndItsDefault(t *testing.T) {
	env := environment(credentials(t))
	r := newReader("config.example.yaml", []byte(example(t)), env)
	var f file
	f.defaults()
	if !r.parse(&f) || len(r.problems) > 0 {
		t.Fatal(Problems(r.problems))
	}
	for name, homes := range r.known {
		for _, home := range homes {
			if home == "orgs.targets" {
				continue // shown in a comment: the list must be empty
			}
			key := strings.TrimPrefix(home+"."+name, ".")
			for _, list := range []string{"orgs", "licenses", "mapping"} {
				key = strings.Replace(key, list+".", list+"[0].", 1)
			}
			if !r.given(key) {
				t.Errorf("%s is missing from config.example.yaml", key)
			}
		}
	}
	r = newReader("minimal.yaml", []byte(minimal), env)
	var m file
	m.defaults()
	if !r.parse(&m) || len(r.problems) > 0 {
		t.Fatal(Problems(r.problems))
	}
	// What the example says beyond the defaults is marked there.
	m.Control.TokensFile = f.Control.TokensFile
	m.Orgs[0].Mapping, m.Orgs[0].Targets = f.Orgs[0].Mapping, f.Orgs[0].Targets
	m.Orgs[0].Licenses = f.Orgs[0].Licenses
	m.Orgs[0].Salesforce.ClientID = f.Orgs[0].Salesforce.ClientID
	if diff := cmp.Diff(f, m); diff != "" {
		t.Errorf("the example's values are not the defaults (-example +default):\n%s", diff)
	}
}

func TestLoad(t *testing.T) {
	dir := credentials(t)
	get := func(t *testing.T, text string) *Config {
		t.Helper()
		c, err := load("config.yaml", []byte(text), environment(dir), now)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	t.Run("variables", func(t *testing.T) {
		c := get(t, strings.Replace(strings.Replace(minimal, "name: acme", "name: ${NAME}-2", 1), "seats: 5", `seats: "${SEATS}"`, 1))
		if c.Orgs[0].Name != "acme-2" || c.Orgs[0].Sync.Licenses[0].Purchased != 40 {
			t.Errorf("org %q with %+v", c.Orgs[0].Name, c.Orgs[0].Sync.Licenses)
		}
	})
	t.Run("line ends and mark of Windows", func(t *testing.T) {
		if c := get(t, "\ufeff"+strings.ReplaceAll(minimal, "\n", "\r\n")); c.Orgs[0].Salesforce.ClientID != "3MVG9" {
			t.Errorf("client id %q", c.Orgs[0].Salesforce.ClientID)
		}
	})
	t.Run("keys and certificates", func(t *testing.T) {
		for _, name := range []string{"acme.pem", "pkcs1.pem", "pair.pem", "expiring.pem"} {
			c := get(t, strings.Replace(minimal, "acme.pem", name, 1))
			if p, _ := pem.Decode(c.Orgs[0].Salesforce.PrivateKey); p == nil || !strings.Contains(p.Type, "PRIVATE KEY") {
				t.Errorf("%s: no private key came out first", name)
			}
			if warned := len(c.Warnings) == 1 && strings.Contains(c.Warnings[0], "expires on 2026-07-10"); warned != (name == "expiring.pem") {
				t.Errorf("%s: warnings %q", name, c.Warnings)
			}
		}
	})
	t.Run("client credentials", func(t *testing.T) {
		c := get(t, strings.NewReplacer("username: rosterd@acme.example", "login_url: https://acme.my.salesforce.com",
			"private_key_file: ${CREDENTIALS_DIRECTORY}/acme.pem", "client_secret_file: ${CREDENTIALS_DIRECTORY}/secret").Replace(minimal))
		if got := string(c.Orgs[0].Salesforce.ClientSecret); got != "s3cret-consumer-value" {
			t.Errorf("the secret has %d characters", len(got))
		}
	})
	t.Run("unquoted version, log, custom field, guard off", func(t *testing.T) {
		c := get(t, "log: {level: debug, format: text}\n"+minimal+
			"    guard: {users: 0, percent: 0.0}\n    scope: user.Custom.Dials__c == true\n")
		if c.Log.Level != slog.LevelDebug || c.Log.JSON {
			t.Errorf("log is %+v", c.Log)
		}
		if diff := cmp.Diff(c.Orgs[0].Salesforce.CustomFields, []string{"Dials__c"}); diff != "" {
			t.Error(diff)
		}
		if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "orgs[0].guard") {
			t.Errorf("warnings %q", c.Warnings)
		}
		c = get(t, strings.Replace(minimal, "client_id: 3MVG9", "client_id: 3MVG9\n      budget: {calls_per_day: 5}", 1))
		if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "budget.calls_per_day: 5 calls may not be enough") {
			t.Errorf("warnings %q", c.Warnings)
		}
		c = get(t, strings.Replace(minimal, "client_id: 3MVG9", "client_id: 3MVG9\n      api_version: 67.0", 1))
		if c.Orgs[0].Salesforce.APIVersion != "67.0" {
			t.Errorf("version %q", c.Orgs[0].Salesforce.APIVersion)
		}
	})
}

// Several mistakes are told at once, in the order of the file.
func TestProblemsTogether(t *testing.T) {
	text := "databse: x\n" + strings.NewReplacer("client_id", "client_idd", "seats: 5", "seats: -5").Replace(minimal) +
		"    scope: user.Nope\n    mapping:\n      - {set: role, to: user.Nope}\n      - {set: rloe, to: user.Title}\n"
	_, err := load("config.yaml", []byte(text), environment(credentials(t)), now)
	ps, ok := errors.AsType[Problems](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	var got []string
	for _, p := range ps {
		got = append(got, p.Key)
	}
	want := []string{
		"databse", "orgs[0].salesforce.client_idd", "orgs[0].licenses[0].seats",
		"orgs[0].scope", "orgs[0].mapping[0].to", "orgs[0].mapping[1].set",
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("problems (-got +want):\n%s\n%v", diff, err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte("orgs: [{name: ${X}, mapping: [{set: role, to: |\n user.X}]}]"))
	f.Add([]byte("database: postgres://u:p@h/d\ncontrol: {listen: ':1'}\n"))
	f.Add([]byte("a: &b [*b]\n? {}\n: - 1"))
	f.Add([]byte("log:\n\tlevel: 'x"))
	env := func(string) (string, bool) { return "value", true }
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := load("config.yaml", text, env, now)
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v with error %v", c, err)
		}
		if err == nil {
			return
		}
		ps, ok := errors.AsType[Problems](err)
		if !ok || len(ps) == 0 {
			t.Fatalf("error of type %T: %v", err, err)
		}
		for _, p := range ps {
			if p.What == "" || p.Line < 1 || p.Column < 1 {
				t.Fatalf("problem without place or text: %+v", p)
			}
		}
	})
}
