package simorg

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fullUser has a value in every field that the vectors clear or change.
func fullUser(u *User) {
	u.Phone, u.MobilePhone, u.Title, u.Division, u.Department = "+1 555 0100", "+1 555 0101", "Rep", "EMEA", "Sales"
	u.FirstName, u.LastName, u.City, u.Country, u.Team = "Ann", "Example", "Denver", "USA", "Red"
	u.Street, u.CallCenterAutoLogin, u.Extension = "1 Example Street", false, "1"
}

func TestVectors(t *testing.T) {
	for _, row := range []struct {
		name            string
		edit            func(o *Org, u *User)
		changed, nulled string
		body            map[string]any
	}{
		{"nothing", func(*Org, *User) {}, "0x010000000000", "", map[string]any{}},
		{"IsActive", func(_ *Org, u *User) { u.IsActive = false }, "0x010000200000", "", map[string]any{"IsActive": false}},
		{"Phone", func(_ *Org, u *User) { u.Phone = "+1 555 0199" }, "0x010000010000", "", map[string]any{"Phone": "+1 555 0199"}},
		{"Email", func(_ *Org, u *User) { u.Email = "x@example.com" }, "0x010000000100", "", map[string]any{"Email": "x@example.com"}},
		{"Title", func(_ *Org, u *User) { u.Title = "VP" }, "0x010000000040", "", map[string]any{"Title": "VP"}},
		{"Division and Department", func(_ *Org, u *User) { u.Division, u.Department = "A", "B" }, "0x010000000030", "", map[string]any{"Division": "A", "Department": "B"}},
		{"UserRoleId and ProfileId", func(o *Org, u *User) {
			u.UserRoleID, u.ProfileID = "00E5f0000000001EAA", o.gen.profil["Sales Manager"]
		}, "0x010021000000", "", nil},
		{"ManagerId", func(_ *Org, u *User) { u.ManagerID = "0055f00000GZZZZAAA" }, "0x010800000000", "", map[string]any{"ManagerId": "0055f00000GZZZZAAA"}},
		{"CallCenterId", func(_ *Org, u *User) { u.CallCenterID = "04v5f0000000001EAA" }, "0x04010000000000", "", map[string]any{"CallCenterId": "04v5f0000000001EAA"}},
		{"Extension", func(_ *Org, u *User) { u.Extension = "77" }, "0x08010000000000", "", map[string]any{"Extension": "77"}},
		{"FederationIdentifier", func(_ *Org, u *User) { u.FederationIdentifier = "f" }, "0x10010000000000", "", map[string]any{"FederationIdentifier": "f"}},
		{"UserPermissions", func(_ *Org, u *User) { u.CallCenterAutoLogin = true }, "0x210000000000", "", nil},
		{"FirstName", func(_ *Org, u *User) { u.FirstName = "Bo" }, "0x010000000000 2-0x02", "", map[string]any{
			"Name": map[string]any{"Salutation": nil, "FirstName": "Bo", "LastName": nil},
		}},
		{"FirstName and LastName", func(_ *Org, u *User) { u.FirstName, u.LastName = "Bo", "Other" }, "0x010000000000 2-0x06", "", nil},
		{"City and Country", func(_ *Org, u *User) { u.City, u.Country = "Oslo", "Norway" }, "0x010000000000 7-0x12", "", map[string]any{
			"Address": map[string]any{
				"Street": nil, "City": "Oslo", "State": nil, "PostalCode": nil, "Country": "Norway",
				"Latitude": nil, "Longitude": nil, "GeocodeAccuracy": nil,
			},
		}},
		{"Team__c", func(_ *Org, u *User) { u.Team = "Blue" }, "0x1000010000000000", "", map[string]any{"Team__c": "Blue"}},
		{"Hire_Date__c", func(_ *Org, u *User) { u.HireDate = time.UnixMilli(86400000) }, "0x4000010000000000", "", map[string]any{"Hire_Date__c": int64(86400000)}},
		{"no Phone", func(_ *Org, u *User) { u.Phone = "" }, "0x010000010000", "0x010000", map[string]any{}},
		{"no MobilePhone", func(_ *Org, u *User) { u.MobilePhone = "" }, "0x010000040000", "0x040000", map[string]any{}},
		{"no FirstName", func(_ *Org, u *User) { u.FirstName = "" }, "0x010000000000 2-0x02", "2-0x02", nil},
		{"no City", func(_ *Org, u *User) { u.City, u.Phone = "", "" }, "0x010000010000 7-0x02", "0x010000 7-0x02", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
				id := c.person(9)
				c.must(c.org.Update(id, fullUser))
				s := c.users(1)
				c.must(c.org.Update(id, func(u *User) { row.edit(c.org, u) }))
				e := s.event()
				if got := e.list("changedFields"); got != row.changed {
					t.Errorf("changed: got %s, want %s", got, row.changed)
				}
				if got := e.list("nulledFields"); got != row.nulled {
					t.Errorf("nulled: got %q, want %q", got, row.nulled)
				}
				got := map[string]any{}
				for k, v := range e.body {
					if v != nil && k != "ChangeEventHeader" && k != "LastModifiedDate" {
						got[k] = v
					}
				}
				if row.body != nil && cmp.Diff(got, row.body) != "" {
					t.Error(cmp.Diff(got, row.body))
				}
				if e.body["LastModifiedDate"] != time.Now().UnixMilli() {
					t.Errorf("modified at %v", e.body["LastModifiedDate"])
				}
				s.end()
			})
		})
	}
}

func TestAnotherModifier(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		s := c.users(2)
		c.must(c.org.UpdateAs(c.person(2), c.person(9), func(u *User) { u.IsActive = false }))
		e := s.event()
		if got := e.list("changedFields"); got != "0x030000200000" || e.body["LastModifiedById"] != c.person(2) || e.head("commitUser") != c.person(2) {
			t.Errorf("got %s by %v", got, e.body["LastModifiedById"])
		}
		s.end()
	})
}

func TestHeader(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		s := c.users(3)
		time.Sleep(1234 * time.Millisecond)
		c.must(c.org.Deactivate(c.person(0)))
		e := s.event()
		if e.head("entityName") != "User" || e.head("changeType") != "UPDATE" || e.head("sequenceNumber") != int32(1) ||
			e.head("commitTimestamp") != time.Now().UnixMilli() || e.list("diffFields") != "" {
			t.Errorf("got %v", e.body["ChangeEventHeader"])
		}
		if n := e.head("commitNumber").(int64); n < 1<<53 {
			t.Errorf("a commit number of %d, which every client can hold", n)
		}
		if key := e.head("transactionKey").(string); len(key) != 36 || strings.Count(key, "-") != 4 {
			t.Errorf("transaction %s", key)
		}
		s.end()
	})
}

func TestCreation(t *testing.T) {
	withPubSub(t, Options{CustomFields: []CustomField{{Name: "Floor__c", Type: "double"}}}, PubSubOptions{}, func(c *pubsub) {
		s := c.users(1)
		id, err := c.org.AddUser(User{
			Username: "new@acme.example", FirstName: "Nia", LastName: "New", IsActive: true, KnowledgeUser: true, MobileUser: true,
			City: "Oslo", Custom: map[string]any{"Floor__c": 3.5},
		})
		c.must(err)
		e := s.event()
		if e.brief() != "CREATE "+id || e.list("changedFields")+e.list("nulledFields") != "" {
			t.Errorf("got %v", e.body["ChangeEventHeader"])
		}
		for k, want := range map[string]any{
			"Username": "new@acme.example", "IsActive": true, "Department": nil, "DigestFrequency": "D", "JigsawImportLimitOverride": int32(300),
			"UserPermissions": []any{"KnowledgeUser", "MobileUser"}, "UserPreferences": []any{}, "CreatedDate": time.Now().UnixMilli(),
			"Name": map[string]any{"Salutation": nil, "FirstName": "Nia", "LastName": "New"}, "Floor__c": 3.5, "Team__c": nil, "Dialer_Enabled__c": false,
		} {
			if diff := cmp.Diff(e.body[k], want); diff != "" {
				t.Errorf("%s: %s", k, diff)
			}
		}
		s.end()
	})
}

func TestSchemaOfTheGuide(t *testing.T) {
	var schema struct {
		Name, Namespace string
		Fields          []struct{ Name string }
	}
	o := New(Options{CustomFields: []CustomField{{Name: "Floor__c"}}})
	if err := json.Unmarshal([]byte(o.bus.schema.json), &schema); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{
		"ChangeEventHeader": 0, "Username": 1, "Name": 2, "CompanyName": 3, "Title": 6, "Address": 7, "Email": 8, "SenderEmail": 10,
		"Phone": 16, "MobilePhone": 18, "Alias": 19, "IsActive": 21, "TimeZoneSidKey": 23, "UserRoleId": 24, "LocaleSidKey": 25,
		"EmailEncodingKey": 28, "ProfileId": 29, "UserType": 30, "LanguageLocaleKey": 32, "EmployeeNumber": 33, "ManagerId": 35,
		"LastLoginDate": 36, "CreatedDate": 38, "CreatedById": 39, "LastModifiedDate": 40, "LastModifiedById": 41, "NumberOfFailedLogins": 42,
		"UserPermissions": 45, "ForecastEnabled": 46, "ContactId": 48, "CallCenterId": 50, "FederationIdentifier": 52, "AboutMe": 53,
		"JigsawImportLimitOverride": 56, "IndividualId": 59, "Team__c": 60, "Dialer_Enabled__c": 61, "Hire_Date__c": 62, "Quota__c": 63, "Floor__c": 64,
	} {
		if got := schema.Fields[want].Name; got != name {
			t.Errorf("field %d is %s, want %s", want, got, name)
		}
	}
	if len(schema.Fields) != 65 || schema.Name != "UserChangeEvent" || schema.Namespace != "com.sforce.eventbus" {
		t.Errorf("got %s.%s of %d fields", schema.Namespace, schema.Name, len(schema.Fields))
	}
}

func TestCustomFieldChangesTheSchema(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		s := c.users(10)
		c.must(c.org.Deactivate(c.person(0)))
		before := s.event()
		c.must(c.org.AddCustomField(CustomField{Name: "Desk__c", Type: "string"}))
		c.must(c.org.SetFields([]string{c.person(1)}, map[string]any{"Desk__c": "12b"}))
		after := s.event()
		if after.schema == before.schema || after.schema != c.org.SchemaID() {
			t.Errorf("got the schema %s after %s", after.schema, before.schema)
		}
		if got := after.list("changedFields"); got != "0x010000010000000000" || after.body["Desk__c"] != "12b" {
			t.Errorf("got %s and %v", got, after.body["Desk__c"])
		}
		s.end()
		// What was told under the old schema is still told so, and can still be read.
		s = c.subscribe(request{topic: UserTopic, preset: presetEarliest, num: 10})
		r := s.next()
		if _, known := r.events[0].body["Desk__c"]; known || r.events[0].schema != before.schema || r.events[1].schema != after.schema {
			t.Errorf("got the schemas %s and %s", r.events[0].schema, r.events[1].schema)
		}
		s.end()
		for _, f := range []CustomField{{Name: "Desk__c"}, {Name: "Team__c"}, {Name: "Desk"}, {Name: "A__c", Type: "blob"}} {
			if c.org.AddCustomField(f) == nil {
				t.Errorf("added %+v", f)
			}
		}
	})
}

func TestHiddenFieldLooksUnchanged(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		c.must(c.org.Update(c.person(0), fullUser))
		for _, f := range []string{"Phone", "Title", "FirstName", "City"} {
			c.org.Faults().HideField("User", f)
		}
		s := c.users(10)
		c.must(c.org.Update(c.person(0), func(u *User) { u.Phone, u.Title, u.FirstName, u.City, u.Department = "", "VP", "Bo", "", "Ops" }))
		e := s.event()
		if e.list("changedFields") != "0x010000000020" || e.list("nulledFields") != "" || e.body["Title"] != nil || e.body["Name"] != nil || e.body["Department"] != "Ops" {
			t.Errorf("got %v", e.body)
		}
		_, err := c.org.AddUser(User{Username: "n@acme.example", FirstName: "Nia", LastName: "New", Title: "VP"})
		c.must(err)
		e = s.event()
		if name := e.body["Name"].(map[string]any); e.body["Title"] != nil || name["FirstName"] != nil || name["LastName"] != "New" {
			t.Errorf("got %v", e.body)
		}
		s.end()
	})
}

// What changes in one transaction to the same values is one event; a record has one event in a transaction.
func TestMergedRecords(t *testing.T) {
	withPubSub(t, Options{Users: 500, Plain: true}, PubSubOptions{}, func(c *pubsub) {
		s := c.users(100)
		ids := []string{c.person(5), c.person(3), c.person(8), c.person(5)}
		c.must(c.org.MassUpdate(ids, func(u *User) { u.Department = "Merged" }))
		if got := s.event().brief(); got != "UPDATE "+strings.Join(ids[:3], " ") {
			t.Errorf("got %s", got)
		}
		ids = nil
		for i := range 450 {
			ids = append(ids, c.person(i))
		}
		c.must(c.org.MassUpdate(ids, func(u *User) { u.Department = "Many" }))
		r := s.next()
		if len(r.events) != 3 {
			t.Fatalf("450 records in %d events", len(r.events))
		}
		for i, want := range []int{200, 200, 50} {
			e := r.events[i]
			if n := len(strings.Fields(e.list("recordIds"))); n != want || e.head("sequenceNumber") != int32(i+1) || e.head("transactionKey") != r.events[0].head("transactionKey") {
				t.Errorf("event %d: %d records, number %v", i, n, e.head("sequenceNumber"))
			}
		}
		n := 0
		c.must(c.org.MassUpdate(ids[:3], func(u *User) { n++; u.Title = strings.Repeat("x", n) }))
		if r := s.next(); len(r.events) != 3 {
			t.Errorf("three different values in %d events", len(r.events))
		}
		tx := c.org.Begin()
		c.must(tx.Update(ids[0], func(u *User) { u.Title = "First" }))
		c.must(tx.Update(ids[1], func(u *User) { u.Title = "Other" }))
		c.must(tx.Update(ids[0], func(u *User) { u.Department = "Last" }))
		tx.Commit()
		r = s.next()
		if len(r.events) != 2 || r.events[0].brief() != "UPDATE "+ids[0] || r.events[0].body["Title"] != "First" || r.events[0].body["Department"] != "Last" {
			t.Errorf("got %+v", r.events)
		}
		s.end()
	})
}

// A late transaction is told when it is seen, without anybody asking.
func TestLateCommitIsToldWhenSeen(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		s := c.users(10)
		began := time.Now()
		c.must(c.org.LateCommit(42*time.Second, []string{c.person(0)}, func(u *User) { u.IsActive = false }))
		e := s.event()
		if took := time.Since(began); took != 42*time.Second || e.head("commitTimestamp") != time.Now().UnixMilli() || e.body["LastModifiedDate"] != began.UnixMilli() {
			t.Errorf("told after %v: %v", took, e.body)
		}
		s.end()
	})
}

// Freezing, renaming a profile or a role, and logging in tell nothing.
func TestWhatIsNotTold(t *testing.T) {
	withPubSub(t, Options{}, PubSubOptions{}, func(c *pubsub) {
		s := c.users(10)
		c.must(c.org.Freeze(c.person(0)))
		c.must(c.org.Unfreeze(c.person(0)))
		c.must(c.org.RenameProfile(c.org.ProfileID("Sales Rep"), "Reps"))
		c.must(c.org.RenameRole(c.org.gen.roles[0], "Other"))
		c.must(c.org.Login(c.person(0)))
		tx := c.org.Begin()
		c.must(tx.Update(c.person(0), fullUser))
		tx.Rollback()
		s.silent(100 * time.Second)
	})
	withPubSub(t, Options{LoginEvents: true}, PubSubOptions{}, func(c *pubsub) {
		s := c.users(1)
		c.must(c.org.Login(c.person(0)))
		if e := s.event(); e.list("changedFields") != "0x1000000000" || e.body["LastLoginDate"] != time.Now().UnixMilli() {
			t.Errorf("got %v", e.body)
		}
		s.end()
	})
}

func TestOverflow(t *testing.T) {
	withPubSub(t, Options{OverflowAt: 10}, PubSubOptions{}, func(c *pubsub) {
		s := c.users(100)
		tx := c.org.Begin()
		for i := range 12 {
			c.must(tx.Update(c.person(i), func(u *User) { u.Title = u.ID }))
		}
		tx.Commit()
		r := s.next()
		if len(r.events) != 11 || r.events[9].brief() != "UPDATE "+c.person(9) || r.events[10].brief() != "GAP_OVERFLOW 000000000000000AAA" {
			t.Errorf("got %d events, the last %s", len(r.events), r.events[len(r.events)-1].brief())
		}
		c.org.PublishOverflow()
		if got := s.event().brief(); got != "GAP_OVERFLOW 000000000000000AAA" {
			t.Errorf("got %s", got)
		}
		c.org.PublishWildcard()
		if e := s.event(); e.brief() != "UPDATE 005*" || e.list("changedFields") != "" || e.body["LastModifiedDate"] != nil {
			t.Errorf("got %v", e.body)
		}
		c.must(c.org.PublishGap(c.person(1), c.person(2)))
		if e := s.event(); e.brief() != "GAP_UPDATE "+c.person(1)+" "+c.person(2) || e.body["LastModifiedDate"] != nil {
			t.Errorf("got %v", e.body)
		}
		s.end()
	})
}

func TestLogIsBounded(t *testing.T) {
	withPubSub(t, Options{EventLog: 8}, PubSubOptions{}, func(c *pubsub) {
		first, err := c.org.LastReplayID(UserTopic)
		c.must(err)
		for i := range 50 {
			c.must(c.org.Deactivate(c.person(i)))
		}
		if n := len(c.org.bus.log); n > 10 {
			t.Errorf("%d entries are kept", n)
		}
		if _, ok := c.org.bus.after(userTopic, uint64(first[7])); ok {
			t.Error("a position that is gone is found")
		}
		synctest.Wait()
		s := c.subscribe(request{topic: UserTopic, preset: presetEarliest, num: 100})
		if r := s.next(); len(r.events) < 8 || r.events[len(r.events)-1].brief() != "UPDATE "+c.person(49) {
			t.Errorf("got %d events", len(r.events))
		}
		s.end()
	})
}
