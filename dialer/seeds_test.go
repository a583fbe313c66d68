package dialer_test

import (
	"testing"

	"github.com/rosterd/rosterd/dialer"
)

// What a user has of whom nothing was said, and that it breaks no rule.
func TestAtFirst(t *testing.T) {
	var u dialer.User
	for f, want := range map[dialer.Field]string{
		"international_dialing": "false", "recording_enabled": "false", "local_presence": "false", "voicemail_drop": "false", "is_superuser": "false",
		"call_waiting": "true", "assign_leads": "true", "ring_timeout_seconds": "20", "recording_min_seconds": "0", "recording_ratio": "100",
		"auto_dial": "off", "unavailable_kind": "voicemail", "ringback": "default", "sip_option": "webrtc", "data_view_level": "own", "site_permission_level": "none",
	} {
		if got := f.Text(&u); got != want {
			t.Errorf("%s is %q, want %q", f, got, want)
		}
		if err := f.Set(&u, want); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	u.Username, u.SystemRole, u.Status = "ann@acme.example.com", dialer.SystemRoleUser, dialer.StatusActive
	u.SetGroups(dialer.KindPermissionGroup, dialer.DefaultPermissionGroup)
	u.SetGroups(dialer.KindRole, dialer.DefaultRole)
	if errs := dialer.Validate(&u); len(errs) != 0 {
		t.Error(errs)
	}
}
