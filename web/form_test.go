package web

import (
	"testing"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/dialer"
)

// Whether a number is valid is said of a number only.
func TestNoNumberIsNeitherValidNorNot(t *testing.T) {
	valid := control.Attribute{Name: dialer.FieldPhoneValid, Kind: dialer.ValueFlag, Derived: true}
	for phone, want := range map[string]string{"": "", "+12025550100": "yes"} {
		u := &control.User{Attributes: map[dialer.Field]any{dialer.FieldPhone: phone, dialer.FieldPhoneValid: phone != ""}}
		if got := inputOf(valid, u, true).Shown; got != want {
			t.Errorf("phone %q: shown %q, want %q", phone, got, want)
		}
	}
}
