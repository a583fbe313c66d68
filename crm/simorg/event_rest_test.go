package simorg

import (
	"encoding/json"
	"net/url"
	"testing"
	"testing/synctest"
	"time"
)

func TestEventSchemaOverREST(t *testing.T) {
	f := serve(t, Options{Users: 3})
	before := f.org.SchemaID()
	if err := f.org.AddCustomField(CustomField{Name: "Desk__c"}); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		path   string
		status int
		id     string
	}{
		{"/event/eventSchema/" + before + "?payloadFormat=COMPACT", 200, before},
		{"/event/eventSchema/" + f.org.SchemaID() + "?payloadFormat=COMPACT", 200, f.org.SchemaID()},
		{"/sobjects/UserChangeEvent/eventSchema?payloadFormat=COMPACT", 200, f.org.SchemaID()},
		{"/sobjects/UserChangeEvent/eventSchema", 400, ""},
		{"/sobjects/AccountChangeEvent/eventSchema?payloadFormat=COMPACT", 404, ""},
		{"/event/eventSchema/KxC1P8xW4-iTJxZQ6PlZpw?payloadFormat=COMPACT", 404, ""},
	} {
		r := f.get(v66 + row.path)
		var schema struct {
			Name, UUID string
			Fields     []json.RawMessage
		}
		if r.status == 200 {
			r.decode(t, &schema)
		}
		if r.status != row.status || schema.UUID != row.id || row.id != "" && (schema.Name != "UserChangeEvent" || len(schema.Fields) < 60) {
			t.Errorf("%s: got %d %s of %d fields", row.path, r.status, schema.UUID, len(schema.Fields))
		}
	}
}

// What an event says of its origin is the way by which the change came.
func TestChangeOrigin(t *testing.T) {
	f := serve(t, Options{Users: 3, Plain: true})
	id := f.org.gen.id(2)
	origin := func() string {
		f.org.mu.Lock()
		defer f.org.mu.Unlock()
		e := f.org.bus.log[len(f.org.bus.log)-1]
		return e.head.user[:3] + " " + e.head.origin
	}
	patch := func(headers ...string) {
		t.Helper()
		if r := f.do("PATCH", v66+"/sobjects/User/"+id, "application/json", `{"Title":"VP"}`, headers...); r.status != 204 {
			t.Fatalf("got %d %s", r.status, r.body)
		}
	}
	for _, row := range []struct {
		name, want string
		change     func() error
	}{
		{"by hand", "005 com/salesforce/api/soap/66.0;client=SfdcInternalAPI/", func() error { return f.org.Deactivate(id) }},
		{"by REST", "005 com/salesforce/api/rest/66.0", func() error { patch(); return nil }},
		{"by REST with a name", "005 com/salesforce/api/rest/66.0;client=Console", func() error { patch("Sforce-Call-Options", "client=Console"); return nil }},
		{"by the database", "005 ", func() error { return f.org.PublishGap(id) }},
	} {
		if err := row.change(); err != nil {
			t.Fatal(err)
		}
		if got := origin(); got != row.want {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
}

func TestUsageMetric(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := New(Options{Users: 1})
		deliver := func(n int) {
			for range n {
				o.bus.deliveries.add(time.Now())
			}
		}
		began := time.Now().UTC().Truncate(time.Hour).Add(time.Hour)
		time.Sleep(time.Until(began))
		o.SetDeliveries(100, 1000)
		deliver(3)
		time.Sleep(90 * time.Minute)
		deliver(5)
		time.Sleep(time.Hour) // 2:30 after it began
		deliver(7)
		for _, row := range []struct{ from, to, want int }{
			{0, 1, 3},
			{1, 2, 5},
			{0, 2, 8},
			{-22, 2, 108},
			{-1, 0, 0},
			{2, 3, -1}, // is not over
		} {
			at := func(h int) string { return began.Add(time.Duration(h) * time.Hour).Format("2006-01-02T15:04:05.000Z") }
			st, bad := parseSOQL("SELECT Name, StartDate, EndDate, Value FROM PlatformEventUsageMetric WHERE Name='CHANGE_EVENTS_DELIVERED' AND StartDate=" +
				at(row.from) + " AND EndDate=" + at(row.to))
			if bad != nil {
				t.Fatal(bad)
			}
			o.countDelivered()
			q, bad := o.bind(st)
			if bad != nil {
				t.Fatal(bad)
			}
			got := -1
			for _, i := range q.rows(&o.live) {
				got = int(o.live.small[usageMetrics][i][4].n)
			}
			if got != row.want {
				t.Errorf("hours %d to %d: got %d, want %d", row.from, row.to, got, row.want)
			}
		}
	})
	f := serve(t, Options{Users: 1})
	if r := f.get(v66 + "/query?q=" + url.QueryEscape("SELECT Id, Value FROM PlatformEventUsageMetric WHERE Name='CHANGE_EVENTS_DELIVERED' LIMIT 1")); r.status != 200 {
		t.Errorf("got %d %s", r.status, r.body)
	}
}
