package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/dialer"
)

// forLimited reports whether an operation that is not about single users is for
// callers who are limited to groups. What it answers is limited by itself, or
// is not about people. Whatever is not listed is refused, new operations too.
func forLimited(op string) bool {
	switch op {
	case "me", "status", "attributes", "group-kinds", "groups", "group", "licenses", "license-history", "org", "region", "free-extensions",
		"users", "export-users", "create-user", "add-users", "preview-mass", "mass-actions":
		return true
	}
	return false
}

// limit refuses what is out of the reach of a caller who is limited to groups.
// Users of other groups are not there for them.
func (c call) limit(ctx context.Context, op string, in any) error {
	if len(c.Within) == 0 {
		return nil
	}
	switch in := in.(type) {
	case interface{ userRef() string }:
		u, err := c.Directory.User(ctx, in.userRef())
		if err != nil {
			return err
		}
		if !c.reaches(&u) {
			return fmt.Errorf("find user: %w", dialer.ErrNotFound)
		}
		return nil
	case interface{ massID() int64 }:
		m, err := c.Directory.MassAction(ctx, in.massID())
		if err == nil && m.Actor.Name != c.Name {
			err = dialer.ErrNoMass
		}
		return ofMass(in.massID(), err)
	}
	if forLimited(op) {
		return nil
	}
	return newProblem(http.StatusForbidden, CodeForbidden,
		fmt.Sprintf("%s is limited to users of %s", c.Name, c.limits()), "ask a manager without that limit, or an administrator")
}

func (o *OfUser) userRef() string { return o.ID }

func (o *OfMass) massID() int64 { return o.ID }

// limits names the groups that a caller is limited to.
func (c call) limits() string {
	names := make([]string, len(c.Within))
	for i, g := range c.Within {
		names[i] = string(g.Kind) + "=" + g.Name
	}
	return strings.Join(names, " or ")
}

// reaches reports whether a user is one of those that the caller is limited to.
func (c call) reaches(u *dialer.User) bool {
	return len(c.Within) == 0 || slices.ContainsFunc(u.Groups, func(g dialer.Group) bool { return slices.Contains(c.Within, g) })
}

// governs reports whether membership in groups of a kind decides on the
// caller's reach, so that they must not hand it out.
func (c call) governs(k dialer.Kind) bool {
	return k != "" && slices.ContainsFunc(c.Within, func(g dialer.Group) bool { return g.Kind == k })
}

// keeps refuses a change by which a limited caller would hand a user to others,
// or put them into groups that are not the caller's.
func (c call) keeps(was, next *dialer.User) error {
	if len(c.Within) == 0 {
		return nil
	}
	var found findings
	for _, g := range next.Groups {
		if c.governs(g.Kind) && !slices.Contains(was.Groups, g) && !slices.Contains(c.Within, g) {
			found.add("body.attributes."+string(g.Kind), "can be "+c.limits()+" only")
		}
	}
	if f := dialer.FieldMemberAllDesks; c.governs(dialer.KindDesk) && f.Flag(next) && !f.Flag(was) {
		found.add("body.attributes."+string(f), "would be desks that are not the caller's")
	}
	if len(found.fields) == 0 && !c.reaches(next) {
		found.add("body.attributes."+string(c.Within[0].Kind), "must stay "+c.limits())
	}
	found.denied = true
	return found.err()
}

// parseLimits reads what stands in parentheses after a role: KIND=GROUP, and
// more of them after commas. Its errors leave the words out.
func parseLimits(text string) ([]dialer.Group, error) {
	var list []dialer.Group
	for term := range strings.SplitSeq(text, ",") {
		kind, name, ok := strings.Cut(strings.TrimSpace(term), "=")
		name = strings.TrimSpace(name)
		k := dialer.Field(strings.TrimSpace(kind)).Kind()
		if !ok || k == "" || name == "" {
			return nil, errors.New("limited to something that is not KIND=GROUP, such as permission_group=Reps")
		}
		list = append(list, dialer.Group{Kind: k, Name: name})
	}
	return list, nil
}
