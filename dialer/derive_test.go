package dialer_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/dialer"
)

func TestOnboarding(t *testing.T) {
	var u dialer.User
	states := func(want string) {
		t.Helper()
		got := ""
		for _, s := range dialer.Derive(&u, dialer.Surroundings{}).Onboarding {
			got += s.State[:3] + " "
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	states("ope ope ope ope opt opt opt opt ")
	u.Username, u.LicenseTypes = "ann@acme.example.com", []string{"agent"}
	u.Phone, u.Title, u.Email = "+12025550100", "Rep", "ann@example.com"
	u.SetGroups(dialer.KindPermissionGroup, "Reps")
	u.SetGroups(dialer.KindRole, "Agent")
	states("don don don don opt opt opt opt ")
	for f, v := range map[dialer.Field]any{
		dialer.FieldMassFax: true, dialer.FieldRecordingRatio: 50, dialer.FieldIPACLEnabled: true, dialer.FieldCampaign: "Spring",
	} {
		if err := f.Set(&u, v); err != nil {
			t.Fatal(err)
		}
	}
	states("don don don don don don don don ")
}

// What a user sells, and to whom, has no bearing on what they may do.
func TestSalesRoleIsForAnalyticsOnly(t *testing.T) {
	u := dialer.User{Username: "ann@acme.example.com", SystemRole: dialer.SystemRoleUser}
	u.SetGroups(dialer.KindPermissionGroup, "Reps")
	other := u
	other.Settings.SalesRole, other.Settings.TargetMarket = "admin", "everywhere"
	s := dialer.Surroundings{PermissionGroup: dialer.Values{dialer.CanChangeCallerID: "true"}}
	if diff := cmp.Diff(dialer.Derive(&u, s), dialer.Derive(&other, s)); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(u.Groups, other.Groups) || u.SystemRole != other.SystemRole {
		t.Error("the rights differ")
	}
}

// A user's own caller ID waits while the permission group does not allow one.
func TestEffectiveCallerID(t *testing.T) {
	var u dialer.User
	for _, c := range []struct {
		field           dialer.Field
		value           any
		allowed, denied string
	}{
		{dialer.FieldCallerIDNumber, "+12025550100", "+12025550100", "+12025550100"},
		{dialer.FieldUserOverride, "+12025550102", "+12025550102", "+12025550100"},
		{dialer.FieldClickToCall, "+12025550101", "+12025550102", "+12025550101"},
		{dialer.FieldUserOverride, nil, "+12025550101", "+12025550101"},
	} {
		if err := c.field.Set(&u, c.value); err != nil {
			t.Fatal(err)
		}
		if got := dialer.EffectiveCallerID(&u, true); got != c.allowed {
			t.Errorf("%s %v, allowed: got %s, want %s", c.field, c.value, got, c.allowed)
		}
		if got := dialer.EffectiveCallerID(&u, false); got != c.denied {
			t.Errorf("%s %v, not allowed: got %s, want %s", c.field, c.value, got, c.denied)
		}
	}
}
