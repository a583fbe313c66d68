package controltest

import (
	"fmt"

	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

// Person makes a user of the directory. Numbers from 1 on give people who
// differ; all are plainly made up.
func Person(n int) dialer.User {
	return dialer.User{
		ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", n), SalesforceID: fmt.Sprintf("005000000000%03dAAA", n),
		Username: fmt.Sprintf("rep%d@acme.example.com", n), Email: fmt.Sprintf("rep%d@example.com", n),
		FirstName: "Rep", LastName: fmt.Sprintf("Number%d", n), Extension: fmt.Sprintf("%d", 100+n), Timezone: "America/Denver",
		Status: dialer.StatusActive, LicenseTypes: []string{"powerdialer"}, Origin: dialer.OriginSalesforce, MatchMethod: "email",
		IntegrationInfo: dialer.IntegrationOK, Version: 1, CreatedAt: Start(), UpdatedAt: Start(),
		Groups: []dialer.Group{{Kind: dialer.KindPermissionGroup, Name: dialer.DefaultPermissionGroup}, {Kind: dialer.KindRole, Name: dialer.DefaultRole}},
	}
}

// NewEngine makes the engine of an org with three users, of whom the third has
// left, three seats, one person of Salesforce who is not enrolled, and quota
// to spare.
func NewEngine(name string) *Engine {
	gone := Person(3)
	gone.Status, gone.StatusReason, gone.LicenseTypes = dialer.StatusInactive, dialer.ReasonSalesforceInactive, nil
	gone.IntegrationInfo = dialer.IntegrationInactive
	return &Engine{
		Name:   name,
		Users:  NewDirectory(3, Person(1), Person(2), gone),
		Known:  map[string]string{"new@example.com": "005000000000900AAA"},
		Cost:   rostersync.Cost{Users: 5000, Calls: 6, BudgetLeft: 4000, OrgLeft: 90000, Percent: 0.1, Allowed: true},
		Limits: rostersync.QuotaStatus{Used: 10000, Max: 100000, Ours: 1000, Budget: 5000, BudgetLeft: 4000, Reserve: 20000, Level: "normal", PollEvery: "1m0s", At: Start()},
		State:  rostersync.Status{LastFull: Start(), LastChange: Start(), Mirror: 5000, Enrolled: 3},
		Items:  []rostersync.AttentionItem{{ID: 7, Kind: rostersync.AttentionDuplicate, User: "005000000000001AAA", Detail: "two Salesforce users claim one address", Since: Start()}},
		Found: []rostersync.CheckResult{
			{Name: "salesforce", OK: true, Detail: "signed in, API 66.0"},
			{Name: "frozen users", OK: true, Detail: "UserLogin can be read"},
		},
	}
}
