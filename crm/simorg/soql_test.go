package simorg

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSOQLRefusals(t *testing.T) {
	f := serve(t, Options{Users: 20})
	long := strings.Repeat("x", 4001)
	for _, tt := range []struct{ q, code, text string }{
		{"SELEC Id FROM User", "MALFORMED_QUERY", "unexpected token: SELEC"},
		{"SELECT Id FORM User", "MALFORMED_QUERY", "unexpected token: FORM"},
		{"SELECT FROM User", "MALFORMED_QUERY", "unexpected token: FROM"},
		{"SELECT Id, FROM User", "MALFORMED_QUERY", "unexpected token: FROM"},
		{"SELECT * FROM User", "MALFORMED_QUERY", "no viable alternative at character '*'"},
		{"SELECT Id FROM User;", "MALFORMED_QUERY", "no viable alternative at character ';'"},
		{"SELECT Id FROM", "MALFORMED_QUERY", "unexpected token: <EOF>"},
		{"SELECT Id FROM User WHERE", "MALFORMED_QUERY", "unexpected token: <EOF>"},
		{"SELECT Id FROM User WHERE Id", "MALFORMED_QUERY", "unexpected token: <EOF>"},
		{"SELECT Id FROM User WHERE Email IS NULL", "MALFORMED_QUERY", "unexpected token: IS"},
		{"SELECT Id FROM User WHERE Email = ", "MALFORMED_QUERY", "unexpected token: <EOF>"},
		{"SELECT Id FROM User WHERE Email = 'a", "MALFORMED_QUERY", "<EOF>"},
		{`SELECT Id FROM User WHERE Email = 'a\q'`, "MALFORMED_QUERY", "Illegal character sequence"},
		{"SELECT Id FROM User WHERE Email = :mail", "MALFORMED_QUERY", "Bind variables only allowed in Apex code"},
		{"SELECT Id FROM User WHERE Email IN ()", "MALFORMED_QUERY", "unexpected token: )"},
		{"SELECT Id FROM User WHERE Email IN ('a'", "MALFORMED_QUERY", "unexpected token: <EOF>"},
		{"SELECT Id FROM User WHERE (Email = 'a'", "MALFORMED_QUERY", "unexpected token: <EOF>"},
		{"SELECT Id FROM User WHERE Email = 'a' AND Title = 'b' OR Title = 'c'", "MALFORMED_QUERY", "unexpected token: OR"},
		{"SELECT Id FROM User WHERE Email = 'a' OR Title = 'b' AND Title = 'c'", "MALFORMED_QUERY", "unexpected token: AND"},
		{"SELECT Id FROM User WHERE NOT Email = 'a' AND Title = 'b'", "MALFORMED_QUERY", "unexpected token: AND"},
		{"SELECT Id FROM User WHERE Email = '" + long + "'", "MALFORMED_QUERY", "longer than 4000"},
		{"SELECT Id FROM User WHERE " + strings.Repeat("(", 200) + "Id = null" + strings.Repeat(")", 200), "QUERY_TOO_COMPLICATED", ""},
		{"SELECT Id FROM User ORDER Id", "MALFORMED_QUERY", "unexpected token: Id"},
		{"SELECT Id FROM User ORDER BY Id NULLS MIDDLE", "MALFORMED_QUERY", "unexpected token: MIDDLE"},
		{"SELECT Id FROM User LIMIT -1", "MALFORMED_QUERY", "unexpected token: -1"},
		{"SELECT Id FROM User LIMIT many", "MALFORMED_QUERY", "unexpected token: many"},
		{"SELECT Id FROM User LIMIT 1 WHERE Id = null", "MALFORMED_QUERY", "unexpected token: WHERE"},
		{"SELECT Id FROM User OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "2000"},
		{"SELECT Id FROM User GROUP BY Id", "MALFORMED_QUERY", "unexpected token: GROUP"},
		{"SELECT FIELDS(ALL) FROM User", "MALFORMED_QUERY", "LIMIT of at most 200"},
		{"SELECT FIELDS(CUSTOM) FROM User LIMIT 201", "MALFORMED_QUERY", "LIMIT of at most 200"},
		{"SELECT Id FROM Users", "INVALID_TYPE", "sObject type 'Users' is not supported."},
		{"SELECT Foo FROM User", "INVALID_FIELD", "\nSELECT Foo FROM User\n       ^\nERROR at Row:1:Column:8\nNo such column 'Foo' on entity 'User'. If you are"},
		{"SELECT Profile.Foo FROM User", "INVALID_FIELD", "No such column 'Foo' on entity 'Profile'"},
		{"SELECT Boss.Name FROM User", "INVALID_FIELD", "Didn't understand relationship 'Boss' in field path"},
		{"SELECT CallCenter.Name FROM User", "INVALID_FIELD", "Didn't understand relationship 'CallCenter'"},
		{"SELECT StateCode FROM User", "INVALID_FIELD", "No such column 'StateCode'"},
		{"SELECT SystemModstamp FROM UserLogin", "INVALID_FIELD", "No such column 'SystemModstamp' on entity 'UserLogin'"},
		{"SELECT IsDeleted FROM User", "INVALID_FIELD", "No such column 'IsDeleted'"},
		{"SELECT Id, Email, ID FROM User", "INVALID_FIELD", "duplicate field selected: ID"},
		{"SELECT Manager.Manager.Manager.Manager.Manager.Manager.Id FROM User", "MALFORMED_QUERY", "5 levels"},
		{"SELECT Profile.Name, profile.name FROM User", "INVALID_FIELD", "duplicate field selected: profile.name"},
		{"SELECT Id FROM User WHERE Foo = 1", "INVALID_FIELD", "No such column 'Foo'"},
		{"SELECT Id FROM User ORDER BY Foo", "INVALID_FIELD", "No such column 'Foo'"},
		{"SELECT Id FROM User WHERE Signature = 'x'", "INVALID_FIELD", "can not be filtered"},
		{"SELECT Id FROM User ORDER BY Address", "INVALID_FIELD", "can not be sorted"},
		{"SELECT Id FROM User WHERE Email = 5", "INVALID_FIELD", "value of filter criterion for field 'Email' must be of type string and should be enclosed in quotes"},
		{"SELECT Id FROM User WHERE IsActive = 'true'", "INVALID_FIELD", "must be of type boolean and should not be enclosed in quotes"},
		{"SELECT Id FROM User WHERE CreatedDate > '2026-01-01T00:00:00Z'", "INVALID_FIELD", "value of filter criterion for field 'CreatedDate' must be of type dateTime and should not be enclosed in quotes"},
		{"SELECT Id FROM User WHERE CreatedDate > 2026-01-01", "INVALID_FIELD", "must be of type dateTime"},
		{"SELECT Id FROM User WHERE Hire_Date__c > 2026-01-01T00:00:00Z", "INVALID_FIELD", "must be of type date and"},
		{"SELECT Id FROM User WHERE Quota__c > 'x'", "INVALID_FIELD", "must be of type double"},
		{"SELECT Id FROM User WHERE CreatedDate > 2026-01-01T00:00:00.000+0000", "MALFORMED_QUERY", "no viable alternative at character '0'"},
		{"SELECT Id FROM User WHERE CreatedDate > 2026-01-01T00:00:00 00:00", "MALFORMED_QUERY", "no viable alternative at character ' '"},
		{"SELECT Id FROM User WHERE CreatedDate > 2026-01-01T00:00:00", "MALFORMED_QUERY", "no viable alternative at character '<EOF>'"},
		{"SELECT Id FROM User WHERE CreatedDate > 2026-01-01T00:00Z", "MALFORMED_QUERY", "no viable alternative"},
		{"SELECT Id FROM User WHERE CreatedDate > 2026-13-01T00:00:00Z", "MALFORMED_QUERY", "no viable alternative"},
		{"SELECT Id FROM User WHERE IsActive > true", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on boolean field"},
		{"SELECT Id FROM User WHERE Id LIKE '005%'", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on id field"},
		{"SELECT Id FROM User WHERE CreatedDate LIKE '2026%'", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on dateTime field"},
		{"SELECT Id FROM User WHERE Id = 'abc'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: abc"},
		{"SELECT Id FROM User WHERE Id IN ('abc')", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: abc"},
		{"SELECT Id FROM User WHERE Id > ''", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: "},
		{"", "MALFORMED_QUERY", "A query string has to be specified"},
	} {
		res := f.soql(tt.q)
		var list []struct{ Message, ErrorCode string }
		if res.status != http.StatusBadRequest {
			t.Errorf("%.80q: got %d %.200s, want 400", tt.q, res.status, res.body)
			continue
		}
		res.decode(t, &list)
		if len(list) != 1 || list[0].ErrorCode != tt.code || !strings.Contains(list[0].Message, tt.text) {
			t.Errorf("%.80q: got %q, want %s with %q", tt.q, list, tt.code, tt.text)
		}
	}
}

func TestSOQLLength(t *testing.T) {
	_, err := parseSOQL("SELECT Id FROM User WHERE Email = '" + strings.Repeat("a", maxStatement) + "'")
	if err == nil || err.code != "MALFORMED_QUERY" {
		t.Errorf("got %v", err)
	}
}

func TestSOQLAccepts(t *testing.T) {
	f := serve(t, Options{Users: 50, Plain: true})
	one := f.org.gen.user(7)
	id15 := one.ID[:15]
	for _, tt := range []struct {
		q    string
		want int
	}{
		{"select id from user where id='" + id15 + "'", 1},
		{"SELECT Id FROM User WHERE Id = '" + one.ID + "'", 1},
		{"SELECT Id FROM User WHERE Id = '" + strings.ToLower(one.ID) + "'", 1},
		{"SELECT User.Id FROM User WHERE User.Username = '" + strings.ToUpper(one.Username) + "'", 1},
		{"SELECT Id FROM User WHERE Id IN ('" + id15 + "','" + f.org.gen.id(8) + "', '005000000000000')", 2},
		{"SELECT Id FROM User WHERE Id NOT IN ('" + id15 + "')", 50},
		{"SELECT Id FROM User WHERE Id != '" + id15 + "'", 50},
		{"SELECT Id FROM User WHERE Id <> '" + id15 + "'", 50},
		{"SELECT Id FROM User WHERE (Id = '" + id15 + "') OR (Id = null)", 1},
		{"SELECT Id FROM User WHERE NOT (Id = '" + id15 + "')", 50},
		{"SELECT Id FROM User WHERE IsActive = TRUE AND (NOT Id = '" + id15 + "')", 50},
		{"SELECT Id FROM User WHERE Department = null", 1},
		{"SELECT Id FROM User WHERE Department = ''", 1},
		{"SELECT Id FROM User WHERE Manager.Name = null", 2}, // the integration user and the first person
		{"SELECT Id FROM User WHERE CreatedDate > 2001-01-01T00:00:00.000Z", 51},
		{"SELECT Id FROM User WHERE CreatedDate > 2001-01-01T00:00:00+01:00", 51},
		{"SELECT Id FROM User WHERE CreatedDate < 2001-01-01T00:00:00-08:00", 0},
		{"SELECT Id FROM User WHERE Hire_Date__c > 2001-01-01", 50},
		{"SELECT Id FROM User WHERE Quota__c >= 0.5 AND Quota__c < 1e9", 0},
		{"SELECT Id FROM User LIMIT 7 OFFSET 3", 7},
		{"SELECT Id FROM User LIMIT 0", 0},
		{"SELECT Id FROM User OFFSET 2000", 0},
		{"SELECT FIELDS(ALL) FROM User LIMIT 5", 5},
		{"SELECT FIELDS(STANDARD) FROM Profile", 14},
		{"SELECT Id, Name, IsSandbox, InstanceName FROM Organization", 1},
		{"SELECT COUNT() FROM User WHERE IsActive = true LIMIT 9", 9},
		{"SELECT Id FROM PermissionSetLicense WHERE UsedLicenses > 411 AND TotalLicenses IN (500)", 1},
		{"SELECT Id FROM CallCenter WHERE Version = 4", 1},
	} {
		res := f.soql(tt.q)
		if strings.Contains(tt.q, "1e9") {
			if res.code() != "MALFORMED_QUERY" {
				t.Errorf("%s: got %d %s", tt.q, res.status, res.body)
			}
			continue
		}
		if res.status != http.StatusOK {
			t.Errorf("%s: got %d %s", tt.q, res.status, res.body)
			continue
		}
		var a answer
		res.decode(t, &a)
		if a.TotalSize != tt.want {
			t.Errorf("%s: got %d rows, want %d", tt.q, a.TotalSize, tt.want)
		}
	}
}

func TestLike(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"a%", "abc", true},
		{"%c", "abc", true},
		{"%b%", "abc", true},
		{"a_c", "abc", true},
		{"a_c", "ac", false},
		{"%", "", true},
		{"", "", true},
		{"", "a", false},
		{"a%b%c", "aXbYbZc", true},
		{"a%b%c", "aXbYbZ", false},
		{`100\%`, "100%", true},
		{`100\%`, "1000", false},
		{"_", "é", true},
		{"%山%", "髙山田", true},
		{strings.Repeat("%a", 30), strings.Repeat("a", 29), false},
	} {
		if got := likeMatch(wildcards(tt.pattern), tt.s); got != tt.want {
			t.Errorf("%q LIKE %q: got %v", tt.s, tt.pattern, got)
		}
	}
}

func FuzzSOQL(f *testing.F) {
	for _, q := range []string{
		canonical, "SELECT COUNT() FROM User", "SELECT Id FROM User WHERE (NOT A.b IN ('x',null)) OR c >= -1.5 ORDER BY d DESC NULLS LAST LIMIT 3 OFFSET 4",
		"SELECT Id FROM User WHERE CreatedDate > 2026-01-01T00:00:00.000+0000", `SELECT é FROM User WHERE Name LIKE 'a\%_%'`,
		"SELECT Id FROM UserLogin WHERE UserId > '005000000000000' AND IsFrozen = true",
	} {
		f.Add(q)
	}
	o := New(Options{Users: 10})
	f.Fuzz(func(t *testing.T, q string) {
		st, err := parseSOQL(q)
		if err == nil {
			var bound *query
			if bound, err = o.bind(st); err == nil {
				bound.rows(&o.live)
			}
		}
		if err != nil && (err.status != 400 || err.code == "" || !utf8.ValidString(err.message) && utf8.ValidString(q)) {
			t.Errorf("%q: %+v", q, err)
		}
	})
}
