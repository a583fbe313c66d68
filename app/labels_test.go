package app

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/crm/events"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/metrics"
	"github.com/rosterd/rosterd/sync"
)

// metrics imports none of the rooms that it measures, so this is where its
// label values are held against theirs.
func TestLabelsAreThoseOfTheRooms(t *testing.T) {
	same := func(what string, got, want []string) {
		t.Helper()
		if diff := cmp.Diff(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))); diff != "" {
			t.Errorf("%s (-metrics +room):\n%s", what, diff)
		}
	}
	same("operations", metrics.Ops(), crm.Ops())
	same("kinds", metrics.Kinds(), []string{string(sync.KindFull), string(sync.KindChanges), string(sync.KindUser)})
	var outcomes []string
	for _, o := range []sync.RunOutcome{sync.Succeeded, sync.SucceededIssues, sync.Held, sync.PausedQuota, sync.Failed, sync.Cancelled} {
		outcomes = append(outcomes, string(o))
	}
	same("outcomes", metrics.Outcomes(), outcomes)
	var verbs []string
	for _, v := range []dialer.Verb{
		dialer.VerbCreate, dialer.VerbLink, dialer.VerbUpdate, dialer.VerbSchedule, dialer.VerbUnschedule, dialer.VerbDeactivate, dialer.VerbActivate,
	} {
		verbs = append(verbs, string(v)) // not delete, which the sync never does, nor settle, which is no change
	}
	same("verbs", metrics.Verbs(), verbs)
	var why, told []string
	for _, r := range events.Reasons() {
		why = append(why, string(r))
	}
	same("reasons of streams", metrics.StreamReasons(), why)
	for _, k := range events.Kinds() {
		if k != events.KindOther { // which the metrics call other, too
			told = append(told, string(k))
		}
	}
	same("kinds of events", metrics.StreamKinds(), told)
}
