package main

import (
	"strings"
	"testing"

	"github.com/rosterd/rosterd/control"
)

// An instance that stands by does not say of the org what only the one in
// charge knows.
func TestStatusOfStandby(t *testing.T) {
	show := func(state string) string {
		var b strings.Builder
		printOrg(&b, &control.OrgStatus{
			Name: "acme", State: state, Reasons: []string{"another instance is in charge"},
			Changes: control.ChangesStatus{Mode: "poll", State: "off", Reason: "another instance is in charge"},
			Quota:   control.QuotaStatus{BudgetLeft: 5000},
		})
		return b.String()
	}
	if got := show("standby"); strings.Contains(got, "polling") || strings.Contains(got, "5000") || !strings.Contains(got, "in charge") {
		t.Errorf("got\n%s", got)
	}
	if got := show("ok"); !strings.Contains(got, "polling") || !strings.Contains(got, "5000") {
		t.Errorf("got\n%s", got)
	}
}
