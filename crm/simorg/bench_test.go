package simorg

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

const canonical = "SELECT Id, Username, Email, FirstName, LastName, Name, IsActive, UserType, ProfileId, Profile.Name, Profile.UserLicense.Name, UserRoleId, UserRole.Name, ManagerId, Manager.Email, Department, Division, Title, Phone, Extension, MobilePhone, Country, TimeZoneSidKey, LocaleSidKey, LanguageLocaleKey, FederationIdentifier, EmployeeNumber, CallCenterId, UserPermissionsCallCenterAutoLogin, LastLoginDate, CreatedDate, LastModifiedDate, SystemModstamp FROM User WHERE UserType='Standard'"

func TestKeysetPagesReturnEveryStandardUserOnce(t *testing.T) {
	f := serve(t, Options{Users: 5000, Seed: 3})
	want := f.count("SELECT COUNT() FROM User WHERE UserType = 'Standard'")
	seen, last := map[string]bool{}, "000000000000000"
	for {
		a := f.rows(canonical + " AND Id > '" + last + "' ORDER BY Id LIMIT 2000")
		if !a.Done || a.TotalSize != len(a.Records) {
			t.Fatalf("page after %q: done %v, totalSize %d, %d records", last, a.Done, a.TotalSize, len(a.Records))
		}
		for _, r := range a.Records {
			id := r["Id"].(string)
			if id <= last || seen[id] {
				t.Fatalf("id %s after %s", id, last)
			}
			seen[id], last = true, id
		}
		if len(a.Records) < 2000 {
			break
		}
	}
	if len(seen) != want {
		t.Errorf("got %d users, COUNT() says %d", len(seen), want)
	}
}

func BenchmarkPage(b *testing.B) {
	o := New(Options{Users: 1_000_000})
	s := o.openLocked(0, time.Now())
	for _, q := range []string{
		canonical + " AND Id > '" + o.gen.id(700_000) + "' ORDER BY Id LIMIT 2000", "SELECT COUNT() FROM User WHERE UserType = 'Standard'",
		canonical + " AND SystemModstamp >= " + iso(time.Now().Add(-time.Minute)),
		"SELECT COUNT() FROM UserLogin WHERE IsFrozen = true",
	} {
		b.Run(q[:20], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest("GET", v66+"/query?q="+url.QueryEscape(q), nil)
				r.Header.Set("Authorization", "Bearer "+s.token)
				w := httptest.NewRecorder()
				o.Handler().ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}
