package control

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/dialer"
)

// logDepth is how many entries of the activity log are looked through for what
// changed a user meanwhile.
const logDepth = 200

// conflict is the answer to whoever decided on a version of a user that is no
// more: what changed meanwhile, and who did it.
func (c call) conflict(ctx context.Context, u *dialer.User, version int64) error {
	list, err := c.changesSince(ctx, u, version)
	if err != nil {
		return err
	}
	message := "the user was changed by someone else meanwhile"
	if len(list) > 0 {
		message += ": " + summary(list)
	}
	p := newProblem(http.StatusPreconditionFailed, CodeConflict, message, "look at the user as they are now, and repeat what is still wanted")
	p.Changes = list
	return p
}

// changesSince are the entries that made a user what they are now of what they
// were at a version, newest first. Each change of a user raises the version by
// one and leaves one entry; entries about sessions and passwords stand between.
func (c call) changesSince(ctx context.Context, u *dialer.User, version int64) ([]dialer.Activity, error) {
	if version >= u.Version {
		return nil, nil // nobody gave out that version
	}
	log, err := c.Directory.Activity(ctx, dialer.ActivityQuery{UserID: u.ID, Newest: true, Limit: logDepth})
	if err != nil {
		return nil, fmt.Errorf("read what changed: %w", err)
	}
	var list []dialer.Activity
	for _, a := range log {
		if changesUser(a.Verb) && int64(len(list)) < u.Version-version {
			list = append(list, a)
		}
	}
	return list, nil
}

func changesUser(v dialer.Verb) bool {
	switch v {
	case dialer.VerbCreate, dialer.VerbLink, dialer.VerbUpdate, dialer.VerbSchedule, dialer.VerbUnschedule, dialer.VerbDeactivate,
		dialer.VerbActivate, dialer.VerbDelete, dialer.VerbAsk:
		return true
	}
	return false
}

// summary tells entries of the activity log in a sentence. It names attributes
// and no values.
func summary(list []dialer.Activity) string {
	texts := make([]string, 0, len(list))
	for _, a := range list {
		var after map[string]json.RawMessage
		_ = json.Unmarshal(a.After, &after) // of an entry that is not an object, the verb is told alone
		what := string(a.Verb)
		if names := slices.Sorted(maps.Keys(after)); len(names) > 0 {
			what += " " + strings.Join(names, ", ")
		}
		texts = append(texts, fmt.Sprintf("%s by %s (%s) at %s", what, a.Actor.Name, a.Actor.Kind, a.At.UTC().Format("2006-01-02 15:04:05Z")))
	}
	return strings.Join(texts, "; ")
}
