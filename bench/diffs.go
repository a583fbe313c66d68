package main

import (
	"fmt"
	"iter"
	"runtime"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/sync"
)

const (
	diffUsers  = 100_000
	diffRounds = 5
)

// diffRows measures Diff alone, of users of whom one in a hundred changed,
// beside the plainest way to find them: a map and a comparison.
func diffRows(users int) ([]row, error) {
	var owned []dialer.Field
	for _, r := range sync.DefaultRules() {
		if r.Own == sync.OwnSalesforce {
			owned = append(owned, dialer.Field(r.Set))
		}
	}
	want, have := make([]sync.Desired, users), make([]dialer.User, users)
	for i := range want {
		u := person(i)
		have[i] = u
		have[i].ID, have[i].Version = fmt.Sprintf("%032d", i), 1
		if i%100 == 0 {
			u.Title = "Changed"
		}
		want[i] = sync.Desired{SalesforceID: u.SalesforceID, Hash: int64(i + 1), Active: true, User: u, Owned: owned}
	}
	changed := 0
	ours, err := best(func() error {
		changed = 0
		for a, err := range sync.Diff(stream(want), stream(have), sync.DiffPolicy{Now: time.Unix(0, 0), Policy: 1}) {
			if err != nil {
				return err
			}
			if a.Change.Verb != "" {
				changed++
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	plain := 0
	floor, err := best(func() error {
		plain = 0
		byID := make(map[string]*dialer.User, len(have))
		for i := range have {
			byID[have[i].SalesforceID] = &have[i]
		}
		for i := range want {
			u := byID[want[i].SalesforceID]
			for _, f := range owned {
				if !f.Equal(u, &want[i].User) {
					plain++
					break
				}
			}
		}
		return nil
	})
	if err == nil && (changed != users/100 || plain != changed) {
		err = fmt.Errorf("the diff found %d changes and the floor %d, of %d", changed, plain, users/100)
	}
	r := row{
		Name: "diff alone, 1 % changed", Users: users, Unit: "ms", Value: millis(ours), Floor: millis(floor),
		Note: "in memory; the floor is a map and a comparison",
	}
	return []row{r}, err
}

func person(i int) dialer.User {
	u := dialer.User{
		SalesforceID: fmt.Sprintf("005%012dAAA", i), Username: fmt.Sprintf("user%d@acme.example.com", i), Email: fmt.Sprintf("u%d@example.com", i),
		FirstName: "Testa", LastName: fmt.Sprintf("Person%d", i), DisplayName: fmt.Sprintf("Testa Person%d", i), Title: "Account Executive",
		Phone: "+1 202 555 0100", Timezone: "America/Denver", Language: "en-US", Status: dialer.StatusActive,
		Origin: dialer.OriginSalesforce, IntegrationInfo: dialer.IntegrationOK,
	}
	u.SetGroups(dialer.KindDepartment, fmt.Sprintf("Department %d", i%20))
	return u
}

func stream[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// best is the shortest of a few rounds.
func best(fn func() error) (time.Duration, error) {
	var least time.Duration
	for i := range diffRounds {
		runtime.GC()
		began := time.Now()
		if err := fn(); err != nil {
			return 0, err
		}
		if took := time.Since(began); i == 0 || took < least {
			least = took
		}
	}
	return least, nil
}
