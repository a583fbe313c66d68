package dialer_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/dialer"
)

// set writes attributes, given as name, value, name, value.
func set(t *testing.T, u *dialer.User, pairs ...any) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if err := dialer.Field(pairs[i].(string)).Set(u, pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
}

// Setting somebody up has eight steps, in order, and each is done when the user
// says so.
func TestOnboardingFollowsFromTheUser(t *testing.T) {
	var u dialer.User
	steps := func() (text string) {
		for _, s := range dialer.Derive(&u, dialer.Surroundings{}).Onboarding {
			text += s.Name + " " + s.State + "\n"
		}
		return text
	}
	want := "profile open\nlicenses open\ncontact open\npermissions open\nmessaging optional\ndialing optional\naddresses optional\nmemberships optional\n"
	if diff := cmp.Diff(want, steps()); diff != "" {
		t.Errorf("nobody yet (-want +got):\n%s", diff)
	}
	u.Username, u.LicenseTypes = "ann@acme.example.com", []string{"lmp", "agent"}
	set(t, &u, "permission_group", []string{"Reps"}, "role", []string{"Agent"}, "mass_email_enabled", true, "ip_acl_enabled", true,
		"daily_first_attempts", 20, "acd", []string{"Inbound"}, "phone", "+12025550100", "email", "ann@example.com")
	want = "profile done\nlicenses done\ncontact open\npermissions done\nmessaging done\ndialing done\naddresses done\nmemberships done\n"
	if diff := cmp.Diff(want, steps()); diff != "" {
		t.Errorf("but for the title (-want +got):\n%s", diff)
	}
	set(t, &u, "title", "Rep")
	if d := dialer.Derive(&u, dialer.Surroundings{}); d.Onboarding[2].State != "done" || len(d.Missing) != 0 {
		t.Errorf("with the title: %+v, missing %v", d.Onboarding[2], d.Missing)
	}
}

// Sales role and target market are for analytics: nothing else follows from
// them, and no rule is about them.
func TestAnalyticsDecideNothing(t *testing.T) {
	plain := dialer.User{SystemRole: dialer.SystemRoleUser, Username: "ann@acme.example.com", Status: dialer.StatusActive}
	set(t, &plain, "permission_group", []string{"Reps"}, "role", []string{"Agent"}, "country", "DE", "caller_id_number", "+12025550100")
	other := plain
	set(t, &other, "sales_role", "Admin", "target_market", "International")
	if dialer.FieldSalesRole.Text(&other) != "Admin" || dialer.FieldTargetMarket.Text(&other) != "International" {
		t.Fatal("not set")
	}
	if diff := cmp.Diff(dialer.Derive(&plain, dialer.Surroundings{}), dialer.Derive(&other, dialer.Surroundings{})); diff != "" {
		t.Errorf("something follows from them:\n%s", diff)
	}
	if errs := dialer.Validate(&other); len(errs) != 0 {
		t.Errorf("a rule is about them: %v", errs)
	}
	for _, a := range dialer.Attributes() {
		for _, n := range a.Needs {
			if n == "sales_role" || n == "target_market" {
				t.Errorf("%s needs %s", a.Name, n)
			}
		}
	}
}
