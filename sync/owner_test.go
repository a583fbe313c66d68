package sync

import (
	"testing"

	"github.com/rosterd/rosterd/dialer"
)

func TestOwners(t *testing.T) {
	p, err := CompilePolicy(DefaultScope, []Rule{
		{Set: "phone", Own: OwnAdmin},
		{Set: "target_market", To: "user.Department", Own: OwnSalesforce},
		{Set: "title", To: "user.Title", Own: OwnSeeded},
	})
	if err != nil {
		t.Fatal(err)
	}
	owners := p.owners()
	for f, want := range map[dialer.Field]dialer.Owner{
		dialer.FieldPhone: dialer.OwnerAdmin, dialer.FieldTargetMarket: dialer.OwnerSalesforce, dialer.FieldTitle: dialer.OwnerSeeded,
		dialer.FieldEmail: dialer.OwnerSalesforce, dialer.FieldExtension: dialer.OwnerSeeded, dialer.FieldRingTimeout: dialer.OwnerAdmin,
		dialer.FieldSalesforceID: dialer.OwnerSystem,
	} {
		if got := owners[f]; got != want {
			t.Errorf("%s is owned by %q, want %q", f, got, want)
		}
	}
}
