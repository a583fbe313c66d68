// Package dialertest is what every directory of dialer users must pass. It
// knows the promises of package dialer, and nothing of how they are kept.
package dialertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/dialer"
)

// Directory is a directory with all that an administrator needs of it.
type Directory interface {
	dialer.Directory
	User(ctx context.Context, ref string) (dialer.User, error)
	List(ctx context.Context, q dialer.Query) ([]dialer.User, string, error)
	Count(ctx context.Context, q dialer.Query) (int64, error)
	FindByKey(ctx context.Context, f dialer.Field, keys []string) (map[string][]dialer.User, error)
	Licenses(ctx context.Context) ([]dialer.License, error)
	SetLicenses(ctx context.Context, licenses []dialer.License) error
	SetPurchased(ctx context.Context, licenseType string, purchased int64, by dialer.Actor) error
	Activity(ctx context.Context, q dialer.ActivityQuery) ([]dialer.Activity, error)
	OrgSettings(ctx context.Context) (dialer.OrgSettings, error)
	SetOrgSettings(ctx context.Context, values map[dialer.Field]any, by dialer.Actor) (dialer.OrgSettings, error)
	Groups(ctx context.Context, kind dialer.Kind) ([]dialer.GroupInfo, error)
	AddGroup(ctx context.Context, kind dialer.Kind, name string, settings map[dialer.Field]any, by dialer.Actor) (dialer.GroupInfo, error)
	EditGroup(ctx context.Context, id int64, ch dialer.GroupChange, by dialer.Actor) (dialer.GroupInfo, error)
	DeleteGroup(ctx context.Context, id int64, moveTo string, by dialer.Actor) (int64, error)
	MayReceive(ctx context.Context, userID, number string) (bool, string, error)
	Deriver(ctx context.Context) (func(u *dialer.User) dialer.Derived, error)
	Template(ctx context.Context, name string) (dialer.Values, error)
	FreeExtensions(ctx context.Context, n int) ([]string, error)
	Numbers(ctx context.Context, available bool, after string, limit int) ([]dialer.Number, error)
	AddNumber(ctx context.Context, n dialer.Number, by dialer.Actor) error
	RemoveNumber(ctx context.Context, number string, by dialer.Actor) error
	Secret(ctx context.Context, userID string, f dialer.Field) (dialer.Secret, error)
	OpenSession(ctx context.Context, userID, client, ip string) (dialer.Session, error)
	Sessions(ctx context.Context, userID string) ([]dialer.Session, error)
}

// Run runs the suite. Every call of open gives an empty directory without
// license types; whoever tests it closes it.
func Run(t *testing.T, open func(t testing.TB) Directory) {
	for _, test := range []struct {
		name string
		fn   func(t *testing.T, s *suite)
	}{
		{"Create", testCreate},
		{"CreateDefaults", testCreateDefaults},
		{"CreateTwice", testCreateTwice},
		{"Extension", testExtension},
		{"Invalid", testInvalid},
		{"Isolation", testIsolation},
		{"Swap", testSwap},
		{"SwapCascade", testSwapCascade},
		{"HandMeDownAddress", testHandMeDown},
		{"AddressOfLeaver", testAddressOfLeaver},
		{"InactiveKeepsNames", testInactiveKeepsNames},
		{"Folding", testFolding},
		{"Lifecycle", testLifecycle},
		{"Delete", testDelete},
		{"Link", testLink},
		{"Ownership", testOwnership},
		{"Hold", testHold},
		{"Versions", testVersions},
		{"Settle", testSettle},
		{"OneUserManyChanges", testManyChanges},
		{"Audit", testAudit},
		{"SeatPolicies", testSeatPolicies},
		{"SeatsLeaversFirst", testLeaversFirst},
		{"SeatsTwoTypes", testTwoTypes},
		{"SeatsOverAllocated", testOverAllocated},
		{"SeatsConcurrent", testSeatsConcurrent},
		{"NamesConcurrent", testNamesConcurrent},
		{"LicenseSettings", testLicenseSettings},
		{"Sessions", testSessions},
		{"Paging", testPaging},
		{"Filters", testFilters},
		{"Sort", testSort},
		{"Find", testFind},
		{"ManyAtOnce", testManyAtOnce},
		{"Attributes", testAttributes},
		{"AttributeRules", testAttributeRules},
		{"NeededByOthers", testNeeded},
		{"Redirects", testRedirects},
		{"Secrets", testSecrets},
		{"LastAdministrator", testLastAdmin},
		{"OrgSettings", testOrgSettings},
		{"OrgRules", testOrgRules},
		{"ExtensionsGivenOut", testAllocate},
		{"ExtensionsConcurrent", testAllocateConcurrent},
		{"VirtualExtension", testVirtualExtension},
		{"PersonalNumbers", testPersonalNumbers},
		{"GroupCatalog", testCatalog},
		{"GroupMembers", testGroupMembers},
		{"AllDesks", testAllDesks},
		{"ScreenPopNeedsCTI", testScreenPop},
		{"GroupSettings", testGroupSettings},
		{"AreaCodes", testAreaCodes},
		{"Templates", testTemplates},
		{"Derived", testDerived},
		{"AgainstModel", testModel},
		{"Batches", testBatches},
	} {
		t.Run(test.name, func(t *testing.T) { test.fn(t, &suite{T: t, d: open(t), open: open}) })
	}
}

// Who changes things in the suite.
var (
	machine = dialer.Actor{Kind: dialer.ActorSync, Name: "sync"}
	person  = dialer.Actor{Kind: "admin", Name: "root"}
)

// suite is one test with a directory of its own.
type suite struct {
	*testing.T
	d    Directory
	open func(t testing.TB) Directory
}

// sfid is a well-formed Salesforce id.
func sfid(n int) string { return fmt.Sprintf("005%012dAAA", n) }

// plain is a user who breaks no rule.
func plain(n int) dialer.User {
	return dialer.User{
		SalesforceID: sfid(n), Username: fmt.Sprintf("user%d@acme.example.com", n),
		Email: fmt.Sprintf("user%d@example.com", n), FirstName: "Testa", LastName: fmt.Sprintf("Person%d", n),
	}
}

func create(u dialer.User, seats ...string) dialer.Change {
	return dialer.Change{Verb: dialer.VerbCreate, User: u, Seats: seats, Actor: machine}
}

// edit is a change of the given fields to those of u.
func edit(id string, u dialer.User, fields ...dialer.Field) dialer.Change {
	return dialer.Change{Verb: dialer.VerbUpdate, UserID: id, User: u, Fields: fields, Actor: machine}
}

func change(v dialer.Verb, id string, by dialer.Actor) dialer.Change {
	return dialer.Change{Verb: v, UserID: id, Actor: by}
}

func deactivate(id string, by dialer.Actor) dialer.Change {
	return dialer.Change{Verb: dialer.VerbDeactivate, UserID: id, Actor: by, Reason: dialer.ReasonSalesforceInactive}
}

// apply applies changes and expects the outcomes, as in "applied refused".
func (s *suite) apply(want string, changes ...dialer.Change) []dialer.Result {
	s.Helper()
	results := s.d.Apply(s.Context(), changes)
	if got := outcomes(results); got != want {
		var errs []error
		for _, r := range results {
			errs = append(errs, r.Err)
		}
		s.Fatalf("got %s, want %s: %v", got, want, errs)
	}
	return results
}

func outcomes(results []dialer.Result) string {
	var words []string
	for _, r := range results {
		w := string(r.Outcome)
		if r.NoSeat {
			w += "-no-seat"
		}
		if (r.Err != nil) != (r.Outcome == dialer.Refused) {
			w += fmt.Sprintf(" (with error %v)", r.Err)
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

// add creates users and returns their ids.
func (s *suite) add(users ...dialer.User) []string {
	s.Helper()
	var changes []dialer.Change
	for _, u := range users {
		c := create(u)
		if u.SalesforceID == "" {
			c.Actor = person
		}
		changes = append(changes, c)
	}
	var ids []string
	for i, r := range s.d.Apply(s.Context(), changes) {
		if r.Outcome != dialer.Applied {
			s.Fatalf("create user %d: %s: %v", i, r.Outcome, r.Err)
		}
		ids = append(ids, r.UserID)
	}
	return ids
}

func (s *suite) user(id string) dialer.User {
	s.Helper()
	u, err := s.d.User(s.Context(), id)
	if err != nil {
		s.Fatal(err)
	}
	return u
}

// all returns every user, the deleted ones too.
func (s *suite) all() []dialer.User {
	s.Helper()
	var list []dialer.User
	for u, err := range s.d.Users(s.Context(), dialer.Query{Status: dialer.StatusAll}) {
		if err != nil {
			s.Fatal(err)
		}
		list = append(list, u)
	}
	return list
}

func (s *suite) activity(q dialer.ActivityQuery) []dialer.Activity {
	s.Helper()
	list, err := s.d.Activity(s.Context(), q)
	if err != nil {
		s.Fatal(err)
	}
	return list
}

func (s *suite) seats(kinds ...string) {
	s.Helper()
	var list []dialer.License
	for _, k := range kinds {
		var l dialer.License
		if _, err := fmt.Sscanf(strings.ReplaceAll(k, ":", " "), "%s %d", &l.Type, &l.Purchased); err != nil {
			s.Fatal(err)
		}
		list = append(list, l)
	}
	if err := s.d.SetLicenses(s.Context(), list); err != nil {
		s.Fatal(err)
	}
}

// license checks the count of a license type against who holds it.
func (s *suite) license(kind string) dialer.License {
	s.Helper()
	list, err := s.d.Licenses(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	i := slices.IndexFunc(list, func(l dialer.License) bool { return l.Type == kind })
	if i < 0 {
		s.Fatalf("no license type %s", kind)
	}
	var held int64
	for _, u := range s.all() {
		if slices.Contains(u.LicenseTypes, kind) {
			held++
		}
	}
	if held != list[i].Assigned || list[i].Left != list[i].Purchased-list[i].Assigned {
		s.Errorf("%d users hold a seat of %+v", held, list[i])
	}
	return list[i]
}
