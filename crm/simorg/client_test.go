package simorg

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	salesforce "github.com/k-capehart/go-salesforce/v3"
)

// These tests look at the org through a client that others wrote.

func pemKey(t *testing.T) string {
	t.Helper()
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(testKey())}))
}

// buffered reads answers whole: the client leaves some of its bodies open, and connections with them.
type buffered struct{ rt http.RoundTripper }

func (b buffered) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.rt.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, err
}

// throughBuffer makes the client's logins, which use http.DefaultClient, leave nothing open.
func throughBuffer(t *testing.T, f *fixture) http.RoundTripper {
	t.Helper()
	usual := http.DefaultTransport
	http.DefaultTransport = buffered{f.srv.Client().Transport}
	t.Cleanup(func() { http.DefaultTransport = usual })
	return http.DefaultTransport
}

func connect(t *testing.T, f *fixture, creds salesforce.Creds, opts ...salesforce.Option) *salesforce.Salesforce {
	t.Helper()
	rt := throughBuffer(t, f)
	creds.Domain = f.srv.URL
	sf, err := salesforce.Init(creds, append(opts, salesforce.WithRoundTripper(rt))...)
	if err != nil {
		t.Fatalf("log in: %v", err)
	}
	sf.GetHTTPClient().Timeout = 0 // its timer runs on where a body is left open
	return sf
}

func TestIndependentClientLogsIn(t *testing.T) {
	f := serve(t, Options{Users: 10})
	jwt := salesforce.Creds{Username: "rosterd@acme.example", ConsumerKey: testClient, ConsumerRSAPem: pemKey(t)}
	secret := salesforce.Creds{ConsumerKey: testClient, ConsumerSecret: testSecret}
	for name, creds := range map[string]salesforce.Creds{"JWT": jwt, "client credentials": secret, "token": {AccessToken: f.token}} {
		sf := connect(t, f, creds, salesforce.WithValidateAuthentication(false))
		if name != "token" && (sf.GetInstanceUrl() != f.srv.URL || !strings.HasPrefix(sf.GetAccessToken(), f.org.ID()[:15]+"!")) {
			t.Errorf("%s: got %s", name, sf.GetInstanceUrl())
		}
		res, err := sf.DoRequest(http.MethodGet, "/limits", nil)
		if err != nil {
			t.Fatalf("%s: limits: %v", name, err)
		}
		var limits map[string]struct{ Max, Remaining int }
		err = json.NewDecoder(res.Body).Decode(&limits)
		res.Body.Close()
		if err != nil || limits["DailyApiRequests"].Max != 100_000 {
			t.Errorf("%s: got %v %v", name, limits["DailyApiRequests"], err)
		}
	}
	for name, creds := range map[string]salesforce.Creds{
		"wrong user":   {Domain: f.srv.URL, Username: "nobody@acme.example", ConsumerKey: testClient, ConsumerRSAPem: pemKey(t)},
		"wrong key":    {Domain: f.srv.URL, Username: "rosterd@acme.example", ConsumerKey: "x", ConsumerRSAPem: pemKey(t)},
		"wrong secret": {Domain: f.srv.URL, ConsumerKey: testClient, ConsumerSecret: "x"},
	} {
		if _, err := salesforce.Init(creds); err == nil {
			t.Errorf("%s: logged in", name)
		}
	}
}

func TestIndependentClientPagesThroughQueries(t *testing.T) {
	f := serve(t, Options{Users: 4995, Seed: 3})
	for _, compressed := range []bool{false, true} {
		sf := connect(t, f, salesforce.Creds{ConsumerKey: testClient, ConsumerSecret: testSecret}, salesforce.WithCompressionHeaders(compressed))
		var users []struct {
			ID       string `salesforce:"Id"`
			Username string
			IsActive bool
			Profile  struct{ Name string }
		}
		f.org.ResetCalls()
		if err := sf.Query("SELECT Id, Username, IsActive, Profile.Name FROM User", &users); err != nil {
			t.Fatal(err)
		}
		if calls := f.org.Calls(); calls["query"] != 1 || calls["query_more"] != 2 {
			t.Errorf("5000 rows took %v", calls)
		}
		ids := map[string]bool{}
		for _, u := range users {
			ids[u.ID] = true
			want, err := f.org.User(u.ID)
			if err != nil || want.Username != u.Username || want.IsActive != u.IsActive {
				t.Fatalf("got %+v, want %+v %v", u, want, err)
			}
		}
		if len(users) != 5000 || len(ids) != 5000 {
			t.Errorf("compressed %v: got %d rows, %d ids", compressed, len(users), len(ids))
		}
	}
}

func TestIndependentClientRefreshesAndReadsErrors(t *testing.T) {
	f := serve(t, Options{Users: 10, Plain: true})
	sf := connect(t, f, salesforce.Creds{Username: "rosterd@acme.example", ConsumerKey: testClient, ConsumerRSAPem: pemKey(t)})
	f.org.Faults().ExpireSessions()
	var users []map[string]any
	if err := sf.Query("SELECT Id FROM User", &users); err != nil || len(users) != 11 {
		t.Errorf("after the session ended: %d rows, %v", len(users), err)
	}
	for soql, want := range map[string]string{
		"SELECT Foo FROM User": "INVALID_FIELD", "SELECT Id FROM Nope": "INVALID_TYPE", "SELEC": "MALFORMED_QUERY",
	} {
		if err := sf.Query(soql, &users); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", soql, err, want)
		}
	}
	f.org.SetUsage(10, 10)
	if err := sf.Query("SELECT Id FROM User", &users); err == nil || !strings.Contains(err.Error(), "REQUEST_LIMIT_EXCEEDED") {
		t.Errorf("over quota: got %v", err)
	}
}

func TestIndependentClientWrites(t *testing.T) {
	f := serve(t, Options{Users: 10, Plain: true})
	sf := connect(t, f, salesforce.Creds{ConsumerKey: testClient, ConsumerSecret: testSecret})
	id := f.org.gen.id(4)
	if err := sf.UpdateOne("User", map[string]any{"Id": id, "Title": "By another client", "IsActive": false}); err != nil {
		t.Fatal(err)
	}
	if u, _ := f.org.User(id); u.Title != "By another client" || u.IsActive {
		t.Errorf("got %+v", u)
	}
	if err := sf.DeleteOne("User", map[string]any{"Id": id}); err == nil || !strings.Contains(err.Error(), "METHOD_NOT_ALLOWED") {
		t.Errorf("delete: got %v", err)
	}
	res, err := sf.DoRequest(http.MethodGet, "/query?q="+url.QueryEscape("SELECT COUNT() FROM User WHERE Title LIKE 'by %'"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var a answer
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil || a.TotalSize != 1 || len(a.Records) > 0 {
		t.Errorf("got %+v %v", a, err)
	}
}
